"""The story of a request: references, prompts, verdicts, scores."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stepreward import aggregation
from stepreward.concurrency import run_all
from stepreward.errors import InvalidRequest, NoValidVerdict, RequestError, RetrievalUnavailable, StepRewardError
from stepreward.metrics import Metrics
from stepreward.plan import Defaults, Plan, plan, solution_of
from stepreward.retrieval.search import Retriever, SearchOptions
from stepreward.schema import (
    Aggregates,
    Degradation,
    Failure,
    Item,
    ItemResult,
    Method,
    Prompt,
    ReferenceResult,
    References,
    ScoreRequest,
    ScoreResponse,
    Solution,
    StepResult,
    TokenCount,
    TrajectoryResult,
    Usage,
    Verdict,
)
from stepreward.worker.sampling import Judge

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judged:
    """What was asked of the worker for one item, and what came back."""

    prompts: Sequence[Prompt]
    references: References
    verdicts: Sequence[Sequence[Verdict]]
    spent: TokenCount


@dataclass(frozen=True)
class Unscored:
    """An item without a result, and why."""

    name: str
    error: StepRewardError
    references: References


class Pipeline:
    """Scores requests. One for the whole service; holds no state of a request."""

    def __init__(
        self, retriever: Retriever, judges: Mapping[Method, Judge], model: str, defaults: Defaults, metrics: Metrics
    ) -> None:
        self._retriever = retriever
        self._judges = judges
        self._model = model
        self._defaults = defaults
        self._metrics = metrics

    async def score(self, request: ScoreRequest, request_id: str) -> ScoreResponse:
        """Every item, ok or failed, in order.

        Raises RequestError, RetrievalUnavailable where the policy requires the store, and the error itself when all
        items failed with the same code.
        """
        chosen = plan(request, self._defaults)
        items = _named(request.items)
        solutions = [solution_of(item) for item in request.items]
        snapshot, references = await self._references(solutions, chosen.search)
        outcomes = await run_all(
            self._score_item(request, chosen, name, solution, found)
            for name, solution, found in zip(items, solutions, references, strict=True)
        )
        _raise_if_all_failed_alike(outcomes)
        return ScoreResponse(
            items=[outcome if isinstance(outcome, ItemResult) else _failed(outcome) for outcome in outcomes],
            method=chosen.method,
            model=self._model,
            prompt_version=self._judges[chosen.method].version,
            corpus_snapshot=snapshot,
            request_id=request_id,
        )

    async def _references(
        self, solutions: Sequence[Solution], options: SearchOptions
    ) -> tuple[str | None, list[References]]:
        """The snapshot's id and each solution's references; neither where the policy lets the store be missing."""
        try:
            return await self._retriever.search(solutions, options)
        except RetrievalUnavailable as error:
            if self._defaults.retrieval_policy == "require":
                raise
            log.warning("retrieval_degraded", extra={"reason": error.message, "items": len(solutions)})
        wanted = options.questions > 0 or options.steps > 0
        return None, [References((), ((),) * len(solution.steps), unavailable=wanted) for solution in solutions]

    async def _score_item(
        self, request: ScoreRequest, chosen: Plan, name: str, solution: Solution, references: References
    ) -> "ItemResult | Unscored":
        """The item's result, or why there is none. A failed item leaves the others unharmed."""
        judge, spent = self._judges[chosen.method], TokenCount()
        try:
            with self._metrics.stage("render"):
                prompts = judge.render(solution, references)
            with self._metrics.stage("judge"):
                verdicts = await judge.judge(prompts, chosen.k, request.seed, spent)
        except StepRewardError as error:
            self._metrics.items.labels(error.code).inc()
            self._count_degraded(_degraded(references, ()))
            return Unscored(name, error, references)
        with self._metrics.stage("aggregate"):
            judged = Judged(prompts, references, verdicts, spent)
            result = _item_result(request, name, judged)
        self._count(chosen.method, result, judged)
        return result

    def _count(self, method: Method, result: ItemResult, judged: Judged) -> None:
        spent = judged.spent
        self._count_degraded(result.degraded)
        self._metrics.items.labels(result.failure.code if result.failure else "ok").inc()
        self._metrics.steps.labels(method).inc(sum(step.score is not None for step in result.steps))
        self._metrics.tokens.labels("prompt").inc(spent.prompt)
        self._metrics.tokens.labels("cached").inc(spent.cached or 0)
        self._metrics.tokens.labels("generated").inc(spent.generated)
        for verdict in (verdict for of_step in judged.verdicts for verdict in of_step):
            kind = "unread" if verdict.p_correct is None else "forced" if verdict.forced else "read"
            self._metrics.verdicts.labels(kind).inc()

    def _count_degraded(self, reasons: Sequence[Degradation]) -> None:
        for reason in reasons:
            self._metrics.degraded.labels(reason).inc()


def _named(items: Sequence[Item]) -> list[str]:
    """Each item's id, or its position. Raises InvalidRequest for one that stands twice."""
    names = [item.id if item.id is not None else str(position) for position, item in enumerate(items)]
    seen: set[str] = set()
    for position, name in enumerate(names):
        if name in seen:
            raise InvalidRequest(f"items[{position}].id: stands twice")
        seen.add(name)
    return names


def _item_result(request: ScoreRequest, name: str, judged: Judged) -> ItemResult:
    texts = "trajectories" in request.include
    steps = [_step_result(of_step, index, texts) for index, of_step in enumerate(judged.verdicts)]
    scores = [step.score for step in steps]
    aggregates = aggregation.aggregates(scores)
    failure = next((step.failure for step in steps if step.failure), None)
    spent, found = judged.spent, judged.references
    return ItemResult(
        id=name,
        status="failed" if failure else "ok",
        score=getattr(aggregates, request.aggregate),
        aggregates=aggregates,
        first_error=aggregation.first_error(scores),
        steps=steps,
        degraded=_degraded(found, judged.prompts),
        dropped_duplicates=found.dropped_duplicates,
        failure=failure,
        references=_references(judged.prompts, found) if "references" in request.include else None,
        usage=Usage(prompt_tokens=spent.prompt, cached_tokens=spent.cached, generated_tokens=spent.generated)
        if "usage" in request.include
        else None,
    )


def _degraded(found: References, prompts: Sequence[Prompt]) -> list[Degradation]:
    if found.unavailable:
        return ["retrieval"]
    dropped = any(
        prompt.questions < len(found.questions) or prompt.steps < len(found.steps[index])
        for index, prompt in enumerate(prompts)
    )
    return ["references_dropped"] if dropped else []


def _step_result(verdicts: Sequence[Verdict], index: int, with_trajectories: bool) -> StepResult:
    scored = aggregation.step_score(verdicts)
    failure = None
    if scored.score is None:
        failure = failure_of(NoValidVerdict(f"steps[{index}]: none of its {scored.k_used} verdicts could be read"))
    return StepResult(
        score=scored.score,
        stderr=scored.stderr,
        k_used=scored.k_used,
        k_valid=scored.k_valid,
        forced=scored.forced,
        failure=failure,
        trajectories=[TrajectoryResult(p_correct=v.p_correct, forced=v.forced, text=v.text) for v in verdicts]
        if with_trajectories
        else None,
    )


def _references(prompts: Sequence[Prompt], references: References) -> list[ReferenceResult]:
    """Those that stood in at least one prompt: questions first, then each step's own."""
    shown = max(prompt.questions for prompt in prompts)
    questions = [
        ReferenceResult(
            question_id=reference.id,
            step_id=None,
            for_step=None,
            similarity=reference.similarity,
            source=reference.solution.source,
            sha256=reference.sha256,
        )
        for reference in references.questions[:shown]
    ]
    steps = [
        ReferenceResult(
            question_id=reference.question_id,
            step_id=reference.id,
            for_step=index,
            similarity=reference.similarity,
            source=reference.source,
            sha256=reference.sha256,
        )
        for index, prompt in enumerate(prompts)
        for reference in references.steps[index][: prompt.steps]
    ]
    return questions + steps


def failure_of(error: StepRewardError) -> Failure:
    """An error as it stands on the wire."""
    return Failure(code=error.code, message=error.message, retryable=error.retryable)


def _failed(unscored: Unscored) -> ItemResult:
    return ItemResult(
        id=unscored.name,
        status="failed",
        score=None,
        aggregates=Aggregates(min=None, prod=None, mean=None, last=None),
        first_error=None,
        steps=[],
        degraded=_degraded(unscored.references, ()),
        dropped_duplicates=unscored.references.dropped_duplicates,
        failure=failure_of(unscored.error),
    )


def _raise_if_all_failed_alike(outcomes: Sequence[ItemResult | Unscored]) -> None:
    """One reason for all items is the request's answer: 503 when the worker is down, 422 for the one long step."""
    errors = [outcome.error for outcome in outcomes if isinstance(outcome, Unscored)]
    if len(errors) < len(outcomes) or len({error.code for error in errors}) > 1:
        return
    first = errors[0]
    raise type(first)(f"items[0].{first.message}" if isinstance(first, RequestError) else first.message) from first
