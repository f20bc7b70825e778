"""Fan-out, in one place: what runs together, ends together, and in time."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import TypeVar

from stepreward.errors import DeadlineExceeded

T = TypeVar("T")


class Turns:
    """For what computes and does not wait: a few at once, and between them the loop sees to its sockets.

    Else, of thousands of requests that come at once, each would be prepared before anybody's health is answered.
    """

    def __init__(self, at_once: int = 4) -> None:
        self._free = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._free:
            yield
            await asyncio.sleep(0)


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


async def in_order(begin: Sequence[Callable[[], Coroutine[object, object, T]]], ahead: int) -> AsyncGenerator[T]:
    """Each result in order, while up to `ahead` of the next ones run already. Those are cancelled when it is closed."""
    running: deque[asyncio.Task[T]] = deque()
    waiting = iter(begin)
    try:
        while True:
            running.extend(asyncio.create_task(start()) for start in islice(waiting, ahead + 1 - len(running)))
            if not running:
                return
            yield await running[0]
            running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def as_they_end(coroutines: Iterable[Coroutine[object, object, T]]) -> AsyncGenerator[T]:
    """Run all at once; each result as it comes. Those that still run are cancelled when it is closed."""
    running = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        for ended in asyncio.as_completed(running):
            yield await ended
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@asynccontextmanager
async def until(deadline_s: float | None) -> AsyncIterator[None]:
    """End what runs inside at that time of the loop's clock, which no change of the date moves; begin nothing later.

    Raises DeadlineExceeded.
    """
    if deadline_s is not None and asyncio.get_running_loop().time() >= deadline_s:
        raise DeadlineExceeded("deadline_ms: it had passed before the work was begun")
    try:
        async with asyncio.timeout_at(deadline_s) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise DeadlineExceeded("deadline_ms: it passed before the score was there") from error
