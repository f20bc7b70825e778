"""Fan-out, in one place: what runs together, ends together. And its reverse: one call for all who want the same."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


async def run_all(coroutines: Iterable[Coroutine[object, object, T]]) -> list[T]:
    """Run all at once; results in order. The first error cancels the others and is raised as itself.

    A bare TaskGroup would raise a group that no handler matches; gather would leave the others running on the worker.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except* Exception as failures:  # noqa: BLE001  (raised again below, as itself)
        first: BaseException = failures
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from first.__cause__
    return [task.result() for task in tasks]


class SharedCall(Generic[T]):
    """One call for all who ask while it runs; who asks after that has a new one. Nothing is kept in between.

    Who is cancelled leaves the others unharmed, and the last who leaves ends the call.
    """

    def __init__(self, call: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._call = call
        self._running: asyncio.Task[T] | None = None
        self._waiting = 0

    async def __call__(self) -> T:
        if self._running is None or self._running.done():
            self._running, self._waiting = asyncio.create_task(self._call()), 0
        running = self._running
        self._waiting += 1
        try:
            return await asyncio.shield(running)
        finally:
            if running is self._running:
                self._waiting -= 1
                if not self._waiting:
                    self._running = None
                    running.cancel()
