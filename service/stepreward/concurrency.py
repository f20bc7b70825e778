"""Fan-out, in one place: what runs together, ends together."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from itertools import islice
from typing import TypeVar

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
