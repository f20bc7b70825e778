"""The story of a request: references, prompts, verdicts, scores."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from stepreward import aggregation, logs
from stepreward.admission import Admission, Ticket, estimated_tokens
from stepreward.concurrency import Turns, in_order, run_all, until
from stepreward.errors import InvalidRequest, RequestError, StepRewardError
from stepreward.judging import Bench, Judging
from stepreward.metrics import Metrics
from stepreward.plan import Defaults, Plan, plan, solution_of
from stepreward.responses import split_responses, splitter_of
from stepreward.results import Judged, Named, Unscored, failed_result, item_result
from stepreward.retrieval.store import Snapshot
from stepreward.schema import Header, Item, ItemResult, ScoreRequest, ScoreResponse
from stepreward.tenants import Tenant
from stepreward.values import StepJudgement

Outcome = ItemResult | Unscored


class Pipeline:
    """Scores requests. One for the whole service; holds no state of a request."""

    def __init__(self, bench: Bench, served_model: str, defaults: Defaults, admission: Admission) -> None:
        self._bench = bench
        self._served_model = served_model
        self._defaults = defaults
        self._admission = admission
        self._turns = Turns()

    def check(self, request: ScoreRequest) -> None:
        """Raises InvalidRequest for options that cannot be had, whatever the items hold."""
        splitter_of(request, self._defaults.splitting)
        plan(request, self._defaults)

    async def score(
        self, request: ScoreRequest, request_id: str, arrived_s: float | None = None, tenant: Tenant | None = None
    ) -> ScoreResponse:
        """Every item, ok or failed, in order. `arrived_s`, on the loop's clock, is where its deadline counts from.

        Raises RequestError, Overloaded, BudgetSpent, DeadlineExceeded, RetrievalUnavailable where the policy requires
        the store, and the error itself when all items failed with the same code.
        """
        async with self.begin(request, request_id, arrived_s, tenant) as batch:
            outcomes = await run_all(batch.items())
        _raise_if_all_failed_alike(outcomes)
        return ScoreResponse(items=[result_of(outcome) for outcome in outcomes], **dict(batch.header))

    @asynccontextmanager
    async def begin(
        self, request: ScoreRequest, request_id: str, arrived_s: float | None = None, tenant: Tenant | None = None
    ) -> "AsyncIterator[Batch]":
        """Everything up to the judges: checked, looked up, taken on, its references found. Raises as `score` does."""
        deadline_s = _deadline_s(request, arrived_s)
        async with until(deadline_s):
            request, spans = await split_responses(request, self._defaults.splitting)
            logs.text.info("request", extra={"wanted": request})
            chosen = plan(request, self._defaults, tenant.salt if tenant else None)
            names = [Named(*parts) for parts in zip(_named(request.items), spans, strict=True)]
            snapshot = await self._bench.finder.snapshot() if chosen.widest_search.wanted else None
            judgings = await self._looked_up(request, chosen, snapshot)
        tokens = [_open_tokens(judging, chosen) for judging in judgings]
        with self._admission.admit(sum(tokens), chosen.priority, deadline_s) as ticket:
            if tenant:
                tenant.spend(sum(tokens))
            async with until(deadline_s):
                await self._find([one for one, open_ in zip(judgings, tokens, strict=True) if open_], chosen)
            header = Header(
                method=chosen.method,
                model=self._served_model,
                prompt_version="+".join(self._bench.judges[method].version for method in chosen.searches),
                calibrated=self._defaults.calibrated and "retsp" in chosen.searches,
                wrong_below=chosen.wrong_below,
                corpus_snapshot=snapshot.id if snapshot else None,
                request_id=request_id,
            )
            works = [_Work(*parts) for parts in zip(names, judgings, tokens, strict=True)]
            yield Batch(header, request, chosen, works, ticket, deadline_s, self._bench.metrics, self._turns)

    async def _looked_up(self, request: ScoreRequest, chosen: Plan, snapshot: Snapshot | None) -> list[Judging]:
        """Each item with what the cache knows of it, after one look for all."""
        async with self._turns.turn():
            solutions = map(solution_of, request.items)
            judgings = [Judging(self._bench, chosen, request.seed, one, snapshot) for one in solutions]
            keys = [judging.keys(chosen.first_method, range(len(judging.solution.steps))) for judging in judgings]
        wanted = [key for of_item in keys for key in of_item]
        known = iter(await self._bench.cache.get(wanted) if chosen.use_cache else [None] * len(wanted))
        for judging, of_item in zip(judgings, keys, strict=True):
            judging.known = {key: next(known) for key in of_item}
        return judgings

    async def _find(self, judgings: Sequence[Judging], chosen: Plan) -> None:
        """One search for all items with a step that nobody has judged."""
        search = chosen.widest_search
        if search.wanted and judgings:
            solutions = [judging.solution for judging in judgings]
            found = await self._bench.finder.find(judgings[0].snapshot, solutions, search)
            for judging, references in zip(judgings, found, strict=True):
                judging.references = references


@dataclass(frozen=True)
class _Work:
    """An item to score, and the estimated tokens of it that are taken on."""

    named: Named
    judging: Judging
    tokens: int


@dataclass(frozen=True)
class Batch:
    """A request that was taken on. `header` is what its answer says beside its items."""

    header: Header
    request: ScoreRequest
    chosen: Plan
    works: Sequence[_Work]
    ticket: Ticket
    deadline_s: float | None
    metrics: Metrics
    turns: Turns

    def items(self) -> Iterator[Coroutine[object, object, Outcome]]:
        """One for each item, in order. None raises a StepRewardError: a failed item leaves the others unharmed."""
        return (self._score(work) for work in self.works)

    async def _score(self, work: _Work) -> Outcome:
        """The item's result, or why there is none."""
        judging, judged_steps = work.judging, _until_first_error if self.chosen.until_first_error else _all_steps
        try:
            async with until(self.deadline_s):
                steps = await judged_steps(judging, self.chosen)
        except StepRewardError as error:
            unscored = Unscored(work.named, error, judging.references)
            self.metrics.count_item(error.code, failed_result(unscored).degraded)
            return unscored
        self.ticket.done(work.tokens)
        async with self.turns.turn():
            with self.metrics.stage("aggregate"):
                judged = Judged(work.named, judging.solution, steps, judging.spent, judging.asked)
                result = item_result(self.request, judged, self.chosen.wrong_below)
            self.metrics.count_item(result.failure.code if result.failure else "ok", result.degraded)
            self.metrics.count_result(result)
        return result


def result_of(outcome: Outcome) -> ItemResult:
    return outcome if isinstance(outcome, ItemResult) else failed_result(outcome)


def _deadline_s(request: ScoreRequest, arrived_s: float | None) -> float | None:
    """On the loop's clock, which is monotonic."""
    if request.deadline_ms is None:
        return None
    return (asyncio.get_running_loop().time() if arrived_s is None else arrived_s) + request.deadline_ms / 1000


def _open_tokens(judging: Judging, chosen: Plan) -> int:
    """Estimated, of the steps that nobody has judged and nobody is judging; 0 when there is none."""
    keys = judging.keys(chosen.first_method, range(len(judging.solution.steps)))
    return estimated_tokens(chosen, judging.solution, [i for i, key in enumerate(keys) if judging.known[key] is None])


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
            if score is None or score < chosen.wrong_below:
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


def _raise_if_all_failed_alike(outcomes: Sequence[Outcome]) -> None:
    """One reason for all items is the request's answer: 503 when the worker is down, 422 for the one long step."""
    errors = [outcome.error for outcome in outcomes if isinstance(outcome, Unscored)]
    if len(errors) < len(outcomes) or len({error.code for error in errors}) > 1:
        return
    first = errors[0]
    raise type(first)(f"items[0].{first.message}" if isinstance(first, RequestError) else first.message) from first
