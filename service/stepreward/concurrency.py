"""Fan-out, in one place: what runs together, ends together."""

import asyncio
from collections.abc import Coroutine, Iterable
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
