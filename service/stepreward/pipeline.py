"""The story of a request: references, prompts, verdicts, scores."""

from collections.abc import Sequence
from contextlib import aclosing
from functools import partial

from stepreward import aggregation
from stepreward.concurrency import in_order, run_all
from stepreward.errors import InvalidRequest, RequestError, StepRewardError
from stepreward.judging import Bench, Judging
from stepreward.plan import Defaults, Plan, plan, solution_of
from stepreward.responses import split_responses
from stepreward.results import Judged, Named, Unscored, failed_result, item_result
from stepreward.schema import Item, ItemResult, ScoreRequest, ScoreResponse
from stepreward.values import StepJudgement


class Pipeline:
    """Scores requests. One for the whole service; holds no state of a request."""

    def __init__(self, bench: Bench, served_model: str, defaults: Defaults) -> None:
        self._bench = bench
        self._served_model = served_model
        self._defaults = defaults

    async def score(self, request: ScoreRequest, request_id: str) -> ScoreResponse:
        """Every item, ok or failed, in order.

        Raises RequestError, RetrievalUnavailable where the policy requires the store, and the error itself when all
        items failed with the same code.
        """
        request, spans = await split_responses(request, self._defaults.splitting)
        chosen = plan(request, self._defaults)
        names = _named(request.items)
        snapshot = await self._bench.finder.snapshot() if chosen.widest_search.wanted else None
        judgings = [Judging(self._bench, chosen, request.seed, solution_of(item), snapshot) for item in request.items]
        await self._look_and_find(judgings, chosen)
        outcomes = await run_all(
            self._score_item(request, chosen, Named(name, of_item), judging)
            for name, of_item, judging in zip(names, spans, judgings, strict=True)
        )
        _raise_if_all_failed_alike(outcomes)
        return ScoreResponse(
            items=[outcome if isinstance(outcome, ItemResult) else failed_result(outcome) for outcome in outcomes],
            method=chosen.method,
            model=self._served_model,
            prompt_version="+".join(self._bench.judges[method].version for method in chosen.searches),
            calibrated=self._defaults.calibrated and "retsp" in chosen.searches,
            corpus_snapshot=snapshot.id if snapshot else None,
            request_id=request_id,
        )

    async def _look_and_find(self, judgings: Sequence[Judging], chosen: Plan) -> None:
        """One look into the cache for all items, if any; one search for those with a step that nobody has judged."""
        keys = [judging.keys(chosen.first_method, range(len(judging.solution.steps))) for judging in judgings]
        wanted = [key for of_item in keys for key in of_item]
        known = iter(await self._bench.cache.get(wanted) if chosen.use_cache else [None] * len(wanted))
        for judging, of_item in zip(judgings, keys, strict=True):
            judging.known = {key: next(known) for key in of_item}
        unknown = [judging for judging in judgings if None in judging.known.values()]
        search = chosen.widest_search
        if search.wanted and unknown:
            solutions = [judging.solution for judging in unknown]
            found = await self._bench.finder.find(unknown[0].snapshot, solutions, search)
            for judging, references in zip(unknown, found, strict=True):
                judging.references = references

    async def _score_item(
        self, request: ScoreRequest, chosen: Plan, named: Named, judging: Judging
    ) -> "ItemResult | Unscored":
        """The item's result, or why there is none. A failed item leaves the others unharmed."""
        metrics = self._bench.metrics
        try:
            steps = await (_until_first_error if chosen.until_first_error else _all_steps)(judging, chosen)
        except StepRewardError as error:
            unscored = Unscored(named, error, judging.references)
            metrics.count_item(error.code, failed_result(unscored).degraded)
            return unscored
        with metrics.stage("aggregate"):
            result = item_result(request, Judged(named, judging.solution, steps, judging.spent, judging.asked))
        metrics.count_item(result.failure.code if result.failure else "ok", result.degraded)
        metrics.count_result(result)
        return result


async def _all_steps(judging: Judging, chosen: Plan) -> Sequence[StepJudgement | None]:
    return await _judged(judging, chosen, range(len(judging.solution.steps)))


async def _until_first_error(judging: Judging, chosen: Plan) -> Sequence[StepJudgement | None]:
    """The steps up to the first that is wrong or has no score, None for the others.

    Some steps ahead are judged with the one that is waited for; what they come to is left out after an error, so that
    the answer does not depend on how far ahead that was.
    """
    count = len(judging.solution.steps)
    said: list[StepJudgement | None] = []
    begin = [partial(_judged, judging, chosen, [index]) for index in range(count)]
    async with aclosing(in_order(begin, chosen.speculate_steps)) as judged:
        async for [judgement] in judged:
            said.append(judgement)
            score = aggregation.step_score(judgement.verdicts).score
            if score is None or score < aggregation.P_WRONG_BELOW:
                break
    return said + [None] * (count - len(said))


async def _judged(judging: Judging, chosen: Plan, indexes: Sequence[int]) -> list[StepJudgement]:
    """The judgement of each step, in order: for cascade retsp's, and rprm's of the steps it is uncertain about."""
    said = await judging.judged(chosen.first_method, indexes)
    if chosen.method != "cascade":
        return said
    low, high = chosen.uncertain
    scores = [aggregation.step_score(judgement.verdicts).score for judgement in said]
    open_ = [position for position, score in enumerate(scores) if score is None or low <= score <= high]
    if open_:
        again = await judging.judged("rprm", [indexes[position] for position in open_])
        for position, judgement in zip(open_, again, strict=True):
            said[position] = judgement
    return said


def _named(items: Sequence[Item]) -> list[str]:
    """Each item's id, or its position. Raises InvalidRequest for one that stands twice."""
    names = [item.id if item.id is not None else str(position) for position, item in enumerate(items)]
    seen: set[str] = set()
    for position, name in enumerate(names):
        if name in seen:
            raise InvalidRequest(f"items[{position}].id: stands twice")
        seen.add(name)
    return names


def _raise_if_all_failed_alike(outcomes: Sequence[ItemResult | Unscored]) -> None:
    """One reason for all items is the request's answer: 503 when the worker is down, 422 for the one long step."""
    errors = [outcome.error for outcome in outcomes if isinstance(outcome, Unscored)]
    if len(errors) < len(outcomes) or len({error.code for error in errors}) > 1:
        return
    first = errors[0]
    raise type(first)(f"items[0].{first.message}" if isinstance(first, RequestError) else first.message) from first
