"""Judgements to what the answer says of an item. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from stepreward import aggregation
from stepreward.content import content_free
from stepreward.errors import NoValidVerdict, StepRewardError
from stepreward.responses import Spans
from stepreward.schema import (
    Aggregates,
    Degradation,
    Failure,
    ItemResult,
    ReferenceResult,
    ScoreRequest,
    StepResult,
    TrajectoryResult,
    Usage,
)
from stepreward.values import References, Solution, StepJudgement, TokenCount


@dataclass(frozen=True)
class Named:
    """What an item is called, and where its steps stand in its response, if it had one."""

    name: str
    spans: Spans | None


@dataclass(frozen=True)
class Judged:
    """An item's steps: what was said of each, None for one that was skipped; and what that cost."""

    named: Named
    solution: Solution
    steps: Sequence[StepJudgement | None]
    spent: TokenCount
    asked: bool


@dataclass(frozen=True)
class Unscored:
    """An item without a result, and why."""

    named: Named
    error: StepRewardError
    references: References | None


def item_result(request: ScoreRequest, judged: Judged, wrong_below: float) -> ItemResult:
    texts = "trajectories" in request.include
    steps = [
        _step_result(judgement, index, text, texts)
        for index, (judgement, text) in enumerate(zip(judged.steps, judged.solution.steps, strict=True))
    ]
    scores = [step.score for step in steps]
    aggregates = aggregation.aggregates(scores)
    failure = next((step.failure for step in steps if step.failure), None)
    told = [judgement for judgement in judged.steps if judgement]
    return ItemResult(
        id=judged.named.name,
        status="failed" if failure else "ok",
        score=getattr(aggregates, request.aggregate),
        aggregates=aggregates,
        first_error=aggregation.first_error(scores, wrong_below),
        steps=steps,
        spans=judged.named.spans,
        degraded=sorted({reason for judgement in told for reason in judgement.degraded}),
        cached=not judged.asked,
        dropped_duplicates=max(judgement.dropped_duplicates for judgement in told),
        failure=failure,
        references=_references(judged.steps) if "references" in request.include else None,
        usage=_usage(judged.spent) if "usage" in request.include else None,
    )


def failed_result(unscored: Unscored) -> ItemResult:
    found = unscored.references
    degraded: list[Degradation] = ["retrieval"] if found and found.unavailable else []
    return ItemResult(
        id=unscored.named.name,
        status="failed",
        score=None,
        aggregates=Aggregates(min=None, prod=None, mean=None, last=None, weighted=None),
        first_error=None,
        steps=[],
        spans=unscored.named.spans,
        degraded=degraded,
        dropped_duplicates=found.dropped_duplicates if found else 0,
        failure=failure_of(unscored.error),
    )


def failure_of(error: StepRewardError) -> Failure:
    """An error as it stands on the wire."""
    return Failure(code=error.code, message=error.message, retryable=error.retryable)


def _step_result(judgement: StepJudgement | None, index: int, text: str, with_trajectories: bool) -> StepResult:
    empty = content_free(text)
    if judgement is None:
        return StepResult(score=None, stderr=None, k_used=0, k_valid=0, forced=0, skipped=True, content_free=empty)
    verdicts = judgement.verdicts
    scored = aggregation.step_score(verdicts)
    failure = None
    if scored.score is None:
        failure = failure_of(NoValidVerdict(f"steps[{index}]: none of its {scored.k_used} verdicts could be read"))
    return StepResult(
        method=judgement.method,
        score=scored.score,
        stderr=scored.stderr,
        k_used=scored.k_used,
        k_valid=scored.k_valid,
        forced=scored.forced,
        failure=failure,
        trajectories=[TrajectoryResult(p_correct=v.p_correct, forced=v.forced, text=v.text) for v in verdicts]
        if with_trajectories
        else None,
        content_free=empty,
    )


def _references(steps: Sequence[StepJudgement | None]) -> list[ReferenceResult]:
    """Those that stood in at least one prompt: questions first, then each step's own."""
    questions = {reference.id: reference for one in steps if one for reference in one.questions}
    of_questions = [
        ReferenceResult(
            question_id=reference.id,
            step_id=None,
            for_step=None,
            similarity=reference.similarity,
            source=reference.solution.source,
            sha256=reference.sha256,
        )
        for reference in questions.values()
    ]
    of_steps = [
        ReferenceResult(
            question_id=reference.question_id,
            step_id=reference.id,
            for_step=index,
            similarity=reference.similarity,
            source=reference.source,
            sha256=reference.sha256,
        )
        for index, one in enumerate(steps)
        if one
        for reference in one.steps
    ]
    return of_questions + of_steps


def _usage(spent: TokenCount) -> Usage:
    return Usage(prompt_tokens=spent.prompt, cached_tokens=spent.cached, generated_tokens=spent.generated)
