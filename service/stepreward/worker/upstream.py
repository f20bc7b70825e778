"""One worker as the pool sees it: what it has at hand, and whether it is to be given more.

    healthy   takes calls
    ejected   takes none; probed in the background, after pauses that grow, until one small completion succeeds

It is ejected when it died or could not be reached, when so many answers in a row were faults, and when it had calls at
hand and made no progress: no call ended, and its own token counters stood still. How long a call takes says nothing:
a long analysis is not a fault. Where a worker has no such counters, as behind a router, only its answers are looked at.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from stepreward.errors import StepRewardError
from stepreward.schema import Priority
from stepreward.worker.client import WorkerClient
from stepreward.worker.faults import WorkerDied, WorkerFaulty, WorkerUnreachable

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
# What of its room bulk work may take, so that an interactive call need not wait for a bulk one to end.
_BULK_CEILING = 0.8

# One small call. Raises StepRewardError where the worker is not to be given any.
Probe = Callable[[WorkerClient], Awaitable[None]]


@dataclass(frozen=True)
class PoolRule:
    """`inflight_tokens` and `calls`: given to a worker at once, the tokens that its key-value cache holds if None.

    `retry_share` and `retry_reserve` keep all calls below 1.1 times those asked for, after the first few hundred.
    A worker is ejected after `stall_s` without progress, or after `faults` bad answers in a row.
    """

    inflight_tokens: int | None = None
    calls: int = 256
    bulk_share: float = 0.2
    stall_s: float = 20
    faults: int = 5
    quarantine_s: float = 300
    retry_share: float = 0.09
    retry_reserve: float = 5


@dataclass(eq=False)
class Call:
    """At hand of a worker. `limit` ends it from outside."""

    tokens: int
    suspect: bool
    limit: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))


class Upstream:
    """`changed` is called when it may take more than before, or nothing any more."""

    def __init__(self, client: WorkerClient, rule: PoolRule, probe: Probe, changed: Callable[[], None]) -> None:
        self.client = client
        self.healthy = True
        self.calls: set[Call] = set()
        self.tokens_in_flight = 0
        self.room_tokens = rule.inflight_tokens or 131_072
        self._rule = rule
        self._probe = probe
        self._changed = changed
        self._faults = 0
        self._progressed_s = 0.0
        self._done: float | None = None
        self._probing: asyncio.Task[None] | None = None

    async def measure(self) -> None:
        """Its room, from what it says of itself."""
        counts = await self.client.counts()
        self._done = counts.tokens_done
        if self._rule.inflight_tokens is None:
            self.room_tokens = counts.cache_tokens or self.room_tokens

    def takes(self, tokens: int, priority: Priority, *, suspect: bool) -> bool:
        """One call always, however large; one suspect at a time, so that it is known who killed it."""
        if not self.healthy or (suspect and any(call.suspect for call in self.calls)):
            return False
        ceiling = _BULK_CEILING if priority == "bulk" else 1
        has_room = self.tokens_in_flight + tokens <= self.room_tokens * ceiling
        return not self.calls or (has_room and len(self.calls) < self._rule.calls * ceiling)

    def begin(self, call: Call) -> None:
        if not self.calls:
            self._progressed_s = _now()
        self.calls.add(call)
        self.tokens_in_flight += call.tokens

    def end(self, call: Call, error: BaseException | None) -> None:
        """What became of it, and what that says of the worker."""
        self.calls.remove(call)
        self.tokens_in_flight -= call.tokens
        if error is None:
            self._faults = 0
            self._progressed_s = _now()
        elif isinstance(error, WorkerFaulty):
            self._faults += 1
            if self._faults >= self._rule.faults:
                self.eject()
        elif isinstance(error, WorkerDied | WorkerUnreachable):
            self.eject()
        self._changed()

    def eject(self) -> None:
        if self.healthy:
            self.healthy = False
            self._probing = asyncio.create_task(self._find_back())
            self._changed()

    async def look(self) -> None:
        """Eject it, and end its calls, where it has made no progress for too long."""
        if not (self.calls and self.healthy) or self._done is None:
            return
        if _now() - self._progressed_s < self._rule.stall_s / 2:
            return
        done = await self._tokens_done()
        if done is not None and done != self._done:
            self._done, self._progressed_s = done, _now()
        elif self.calls and _now() - self._progressed_s >= self._rule.stall_s:
            for call in self.calls:
                call.limit.reschedule(_now())
            self.eject()

    async def _tokens_done(self) -> float | None:
        try:
            async with asyncio.timeout(self._rule.stall_s / 4):
                return (await self.client.counts()).tokens_done
        except TimeoutError:
            return None

    async def close(self) -> None:
        if self._probing:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    async def _find_back(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self.healthy:
            await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            if await self._answers():
                await self.measure()
                self.healthy = True
        self._faults = 0
        self._changed()

    async def _answers(self) -> bool:
        try:
            await self._probe(self.client)
        except StepRewardError:
            return False
        return True


def _now() -> float:
    return asyncio.get_running_loop().time()
