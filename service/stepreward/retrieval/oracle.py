"""Mode `oracle`: the best that any choice among the candidates could do, knowing the truth. For evaluation only.

A reference step is the nearest one with the label that the target step has, and a reference question the nearest one
whose solution has the outcome that the target solution has; the nearest of any where the label or the outcome is not
known, and none where no candidate agrees. The labels choose and are shown to no one; but what they chose tells of
them, so a score made in this mode is nothing to train on.
"""

from collections.abc import Mapping, Sequence

from stepreward.errors import InternalError
from stepreward.retrieval.candidates import Candidates
from stepreward.retrieval.payloads import QuestionPayload, StepPayload
from stepreward.values import GradedSolution, Solution

Labels = Sequence[bool | None]


def labels_of(target: Solution) -> Labels:
    if not isinstance(target, GradedSolution):
        raise InternalError("the mode oracle has a solution without labels. This is a bug.")
    return target.labels


def agreeing(found: Candidates, labels: Labels) -> Candidates:
    """The candidates that `labels`, one for each step of the target, would choose from; in the order they had."""
    return Candidates(
        [hit for hit in found.questions if question_agrees(hit.payload, labels)],
        [
            [hit for hit in hits if step_agrees(hit.payload, label)]
            for hits, label in zip(found.steps, labels, strict=True)
        ],
    )


def question_agrees(payload: Mapping[str, object], labels: Labels) -> bool:
    wanted = outcome(labels)
    return wanted is None or outcome(QuestionPayload.model_validate(payload).labels) == wanted


def step_agrees(payload: Mapping[str, object], label: bool | None) -> bool:
    return label is None or StepPayload.model_validate(payload).label == label


def outcome(labels: Labels) -> bool | None:
    """Whether all labelled steps are correct; None where none is labelled."""
    known = [label for label in labels if label is not None]
    return all(known) if known else None
