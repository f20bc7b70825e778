"""One computation for one key at a time, whoever asks for it: a retry and a duplicate rollout cost nothing.

Not an answer for later: what has ended is forgotten, errors too. Used from one event loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from stepreward.errors import InternalError
from stepreward.urgency import Urgency

V = TypeVar("V")


@dataclass(eq=False)
class _Flight(Generic[V]):
    """One call that computes several keys, and how many callers wait for any of them."""

    keys: Sequence[str]
    urgency: Urgency
    task: "asyncio.Task[dict[str, V]]" = field(init=False)
    waiting: int = 0


@dataclass(frozen=True)
class Landed(Generic[V]):
    """`joined`: another caller had begun to compute it."""

    value: V
    joined: bool


class SingleFlight(Generic[V]):
    """A computation is cancelled when its last caller has left, and not because its first one has."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[V]] = {}
        # The loop itself holds tasks weakly, and one that is being cancelled stands in no flight any more.
        self._tasks: set[asyncio.Task[dict[str, V]]] = set()

    def __contains__(self, key: str) -> bool:
        """Whether it is being computed right now."""
        return key in self._flights

    async def run(
        self,
        keys: Sequence[str],
        compute: Callable[[Sequence[str]], Awaitable[Sequence[V]]],
        urgency: Urgency | None = None,
    ) -> dict[str, Landed[V]]:
        """Each of the distinct `keys`; those that nobody computes yet by one call of `compute`, in their order.

        That call runs in a task of its own. What it raises is raised by all who wait for one of its keys. `urgency` is
        that of `compute`; what is joined rises to it.
        """
        urgency = urgency or Urgency()
        joined = {key: self._flights[key] for key in keys if key in self._flights}
        mine = [key for key in keys if key not in joined]
        for flight in set(joined.values()):
            flight.urgency.join(urgency)
        flights = joined | dict.fromkeys(mine, self._begin(mine, compute, urgency)) if mine else joined
        await self._landed(set(flights.values()))
        return {key: Landed(flights[key].task.result()[key], key in joined) for key in keys}

    async def close(self) -> None:
        """End what is still computed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(
        self, keys: Sequence[str], compute: Callable[[Sequence[str]], Awaitable[Sequence[V]]], urgency: Urgency
    ) -> _Flight[V]:
        flight = _Flight[V](keys, urgency)
        flight.task = asyncio.create_task(self._compute(flight, compute))
        self._flights |= dict.fromkeys(keys, flight)
        self._tasks.add(flight.task)
        flight.task.add_done_callback(self._tasks.discard)
        flight.task.add_done_callback(_take_error)
        return flight

    async def _compute(
        self, flight: _Flight[V], compute: Callable[[Sequence[str]], Awaitable[Sequence[V]]]
    ) -> dict[str, V]:
        try:
            return dict(zip(flight.keys, await compute(flight.keys), strict=True))
        finally:
            self._forget(flight)

    async def _landed(self, flights: set[_Flight[V]]) -> None:
        """Wait for all, or for the first that fails, whose error is raised."""
        for flight in flights:
            flight.waiting += 1
        try:
            tasks = [flight.task for flight in flights]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION) if tasks else (set(), set())
            for task in done:
                if task.cancelled():
                    raise InternalError("a computation was cancelled while somebody waited for it. This is a bug.")
                task.result()
        finally:
            for flight in flights:
                self._leave(flight)

    def _leave(self, flight: _Flight[V]) -> None:
        flight.waiting -= 1
        if not flight.waiting and not flight.task.done():
            # At once: who asks while it is being cancelled must not join it.
            self._forget(flight)
            flight.task.cancel()

    def _forget(self, flight: _Flight[V]) -> None:
        for key in flight.keys:
            if self._flights.get(key) is flight:
                del self._flights[key]


def _take_error(task: "asyncio.Task[dict[str, V]]") -> None:
    """An error that nobody waited for any more is not one that was lost."""
    if not task.cancelled():
        task.exception()
