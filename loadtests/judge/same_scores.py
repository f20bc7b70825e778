"""Whether the service's verdicts are those of the baseline's second copy, on the same trajectories."""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.judge.reference import SecondCopy
from stepreward.prompts.rprm import RPRM
from stepreward.prompts.tokens import PromptTokenizer
from stepreward.schema import StepResult, TrajectoryResult
from stepreward.values import Prompt

SAME = 1e-3


@dataclass(frozen=True)
class SameScores:
    """Distances of p(correct). `exact` reads again the token ids that the worker read, `from_text` those into which the
    answer's text falls, which for sampled tokens need not be the same: `same_ids` is how often they are."""

    trajectories: int
    exact_within: float
    exact_largest: float
    from_text_within: float
    from_text_largest: float
    same_ids: float


class Comparison:
    def __init__(self, method: RPRM, tokenizer: PromptTokenizer, second: SecondCopy) -> None:
        self._method = method
        self._tokenizer = tokenizer
        self._second = second

    def of(
        self, prompts: Sequence[Prompt], steps: Sequence[StepResult], overheard: Sequence[Sequence[int]]
    ) -> SameScores:
        """`overheard` holds all that the worker read for verdicts, in any order."""
        said = [
            (prompt, trajectory)
            for prompt, step in zip(prompts, steps, strict=True)
            for trajectory in step.trajectories or ()
            if trajectory.p_correct is not None
        ]
        exact = [self._overheard(prompt, trajectory, overheard) for prompt, trajectory in said]
        from_text = [
            self._method.verdict_prompt(prompt.token_ids, self._tokenizer.untrusted(trajectory.text))[0]
            for prompt, trajectory in said
        ]
        exact_off, from_text_off = (
            [
                abs(read - (trajectory.p_correct or 0))
                for read, (_, trajectory) in zip(self._second.p_correct(ids, self._method.labels), said, strict=True)
            ]
            for ids in (exact, from_text)
        )
        return SameScores(
            trajectories=len(said),
            exact_within=_within(exact_off),
            exact_largest=max(exact_off),
            from_text_within=_within(from_text_off),
            from_text_largest=max(from_text_off),
            same_ids=sum(one == other for one, other in zip(exact, from_text, strict=True)) / len(said),
        )

    def _overheard(self, prompt: Prompt, trajectory: TrajectoryResult, overheard: Sequence[Sequence[int]]) -> list[int]:
        start = len(prompt.token_ids)
        return next(
            list(ids)
            for ids in overheard
            if tuple(ids[:start]) == prompt.token_ids and self._is(trajectory, self._tokenizer.decode(ids[start:]))
        )

    def _is(self, trajectory: TrajectoryResult, read: str) -> bool:
        if trajectory.forced:
            return read == f"{trajectory.text}\n\n{self._method.marker}"
        return trajectory.text.startswith(read)


def _within(distances: Sequence[float]) -> float:
    return sum(distance <= SAME for distance in distances) / len(distances)
