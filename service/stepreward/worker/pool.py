"""Several workers as one: who gets a call, and what becomes of a call that failed.

A call is made again once, on another worker where there is one:

- where the worker was busy or faulty, or its answer could not be used: from a budget, a tenth of all calls at most;
- where the worker died, could not be reached, or was left for making no progress: always, as that ejects the worker,
  which bounds it. A call that was at hand when one died is a suspect, and a worker runs one suspect at a time; if that
  one dies too, it is the call that did it, and it is not made again for `quarantine_s`.

Routing by prefix is a router's: behind one URL of a router there may be many workers. Here the one with the least at
hand is chosen.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from stepreward.errors import StepRewardError, WorkerAnswerInvalid, WorkerUnavailable
from stepreward.metrics import Metrics
from stepreward.urgency import Urgency
from stepreward.worker.client import Tokens, WorkerClient
from stepreward.worker.fair_queue import FairQueue
from stepreward.worker.faults import WorkerDied, WorkerStalled, WorkerUnreachable
from stepreward.worker.quarantine import Quarantine
from stepreward.worker.retry_budget import RetryBudget
from stepreward.worker.upstream import Call, PoolRule, Probe, Upstream

T = TypeVar("T")

# The first, one more for whatever reason, and one alone.
_MOST_ATTEMPTS = 3
# What the last call counts for in the mean of those before it.
_OF_THE_LAST = 0.1


@dataclass(frozen=True)
class Work:
    """A call to make: its prompts, and how many tokens it keeps a worker busy with, generated ones too."""

    prompts: Sequence[Tokens]
    tokens: int
    urgency: Urgency = field(default_factory=Urgency)


@dataclass(eq=False)
class _Waiting:
    """For a worker. `avoided`: the one that has failed it, taken only where there is no other."""

    work: Work
    suspect: bool
    avoided: Upstream | None
    given: "asyncio.Future[tuple[Upstream, Call]]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class WorkerPool:
    """One for a gateway. Used from one event loop; `watching` must be entered for progress to be watched.

    `call_s` is how long a call has taken a worker lately, in seconds, 0 before the first.
    """

    def __init__(
        self,
        clients: Sequence[WorkerClient],
        rule: PoolRule | None = None,
        metrics: Metrics | None = None,
        probe: Probe = WorkerClient.probe,
    ) -> None:
        self.clients = clients
        self._rule = rule or PoolRule()
        self._metrics = metrics or Metrics()
        self._upstreams = [Upstream(client, self._rule, probe, self._changed) for client in clients]
        self._queue: FairQueue[_Waiting] = FairQueue(self._rule.bulk_share, _waits)
        self._suspects: deque[_Waiting] = deque()
        self._budget = RetryBudget(self._rule.retry_share, self._rule.retry_reserve)
        self._quarantine = Quarantine(self._rule.quarantine_s)
        self.call_s = 0.0

    @asynccontextmanager
    async def watching(self, away: Collection[WorkerClient] = ()) -> AsyncIterator[None]:
        """Learn each worker's room, and watch that those with calls at hand get on. Those `away` are looked for."""
        for upstream in self._upstreams:
            if upstream.client in away:
                upstream.eject()
            else:
                await upstream.measure()
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, *(one.close() for one in self._upstreams), return_exceptions=True)

    async def run(self, work: Work, call: Callable[[WorkerClient], Awaitable[T]]) -> T:
        """What `call` returns. Raises WorkerUnavailable, WorkerAnswerInvalid, PoisonRequest."""
        suspect = self._quarantine.admit(work.prompts)
        self._budget.earn()
        failed: StepRewardError | None = None
        retried, avoided = False, None
        for _ in range(_MOST_ATTEMPTS):
            upstream, at_hand = await self._turn(_Waiting(work, suspect, avoided), failed)
            try:
                result = await self._attempt(upstream, at_hand, call)
            except WorkerDied as error:
                if suspect:
                    raise self._quarantine.hold(work.prompts) from error
                self._quarantine.suspect(work.prompts)
                suspect, failed, avoided = True, error, upstream
            except (WorkerUnavailable, WorkerAnswerInvalid) as error:
                is_free = isinstance(error, WorkerUnreachable | WorkerStalled)
                if retried or not (is_free or self._budget.take()):
                    raise
                retried, failed, avoided = True, error, upstream
            else:
                if suspect:
                    self._quarantine.clear(work.prompts)
                return result
        assert failed
        raise failed

    def has_waiting(self) -> bool:
        """Whether calls wait for a worker with room."""
        return bool(self._suspects or self._queue.heads())

    async def probe(self) -> None:
        """Raises WorkerUnavailable when none takes calls."""
        if not any(upstream.healthy for upstream in self._upstreams):
            raise WorkerUnavailable(f"none of {len(self._upstreams)} workers answers")

    async def _turn(self, waiting: _Waiting, failed: StepRewardError | None) -> tuple[Upstream, Call]:
        """Wait for a worker with room. Raises what failed it before, or WorkerUnavailable, when there is none left."""
        if not any(upstream.healthy for upstream in self._upstreams):
            raise failed or WorkerUnavailable(f"none of {len(self._upstreams)} workers answers")
        if waiting.suspect:
            self._suspects.append(waiting)
        else:
            self._push(waiting)
        self._changed()
        since_s = asyncio.get_running_loop().time()
        try:
            with waiting.work.urgency.telling(partial(self._rise, waiting)):
                given = await waiting.given
        except asyncio.CancelledError:
            if waiting.given.done() and not waiting.given.cancelled() and not waiting.given.exception():
                upstream, call = waiting.given.result()
                upstream.end(call, asyncio.CancelledError())
            raise
        waited_s = asyncio.get_running_loop().time() - since_s
        self._metrics.queue_seconds.labels(waiting.work.urgency.priority).observe(waited_s)
        return given

    def _push(self, waiting: _Waiting) -> None:
        self._queue.push(waiting, waiting.work.tokens, waiting.work.urgency.priority)

    def _rise(self, waiting: _Waiting) -> None:
        """It queues with the interactive ones too now; once it has its turn, its old place is passed over."""
        if not waiting.suspect:
            self._push(waiting)
        self._changed()

    async def _attempt(self, upstream: Upstream, at_hand: Call, call: Callable[[WorkerClient], Awaitable[T]]) -> T:
        error: BaseException | None = None
        began_s = asyncio.get_running_loop().time()
        try:
            async with at_hand.limit:
                return await call(upstream.client)
        except TimeoutError as stalled:
            error = WorkerStalled(f"the worker made no progress for {self._rule.stall_s:.0f} s")
            raise error from stalled
        except BaseException as raised:
            error = raised
            raise
        finally:
            if error is None:
                took_s = asyncio.get_running_loop().time() - began_s
                self.call_s += (took_s - self.call_s) * (_OF_THE_LAST if self.call_s else 1)
            self._metrics.worker_attempts.labels(type(error).__name__ if error else "ok").inc()
            upstream.end(at_hand, error)

    def _changed(self) -> None:
        """Give out what can be given; when nobody takes calls any more, everyone who waits learns it."""
        if not any(upstream.healthy for upstream in self._upstreams):
            for waiting in [*self._queue.drain(), *self._suspects]:
                if _waits(waiting):
                    waiting.given.set_exception(WorkerUnavailable("no worker answers any more"))
            self._suspects.clear()
        else:
            self._suspects = deque(one for one in self._suspects if _waits(one) and not self._give(one))
            while any(self._take(head) for head in self._queue.heads()):
                pass
        self._tell()

    def _take(self, head: _Waiting) -> bool:
        if not self._give(head):
            return False
        self._queue.take(head)
        return True

    def _give(self, waiting: _Waiting) -> bool:
        """To the worker with the least at hand, if one has room."""
        work = waiting.work
        healthy = [one for one in self._upstreams if one.healthy]
        others = [one for one in healthy if one is not waiting.avoided] or healthy
        roomy = [one for one in others if one.takes(work.tokens, work.urgency.priority, suspect=waiting.suspect)]
        if not roomy:
            return False
        upstream, call = min(roomy, key=lambda one: one.tokens_in_flight), Call(work.tokens, waiting.suspect)
        upstream.begin(call)
        waiting.given.set_result((upstream, call))
        return True

    def _tell(self) -> None:
        for state in (True, False):
            count = sum(upstream.healthy is state for upstream in self._upstreams)
            self._metrics.workers.labels("healthy" if state else "ejected").set(count)
        self._metrics.worker_tokens.set(sum(upstream.tokens_in_flight for upstream in self._upstreams))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._rule.stall_s / 8)
            await asyncio.gather(*(upstream.look() for upstream in self._upstreams))


def _waits(waiting: _Waiting) -> bool:
    return not waiting.given.done()
