"""Asking for more hits where those that came did not suffice once some of them were left out."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from stepreward.retrieval.store import Hit

SPARE = 8
_WIDENINGS = (1, 4, 16, 64)

T = TypeVar("T")


async def widened(
    ask: Callable[[list[int], int], Awaitable[list[list[Hit]]]],
    read: Callable[[int, Sequence[Hit]], T],
    suffices: Callable[[int, T], bool],
    queries: int,
    limit: int,
) -> list[T]:
    """What `read` makes of the hits of each query, of at first `limit` and at last 64 times as many of them.

    `ask` gives the hits of the queries at some positions, at most so many each, nearest first. Those that `suffices`
    says no to are asked again for more, unless there are no more.
    """
    found: dict[int, T] = {}
    short = list(range(queries))
    for factor in _WIDENINGS:
        answers = await ask(short, limit * factor)
        found |= {position: read(position, hits) for position, hits in zip(short, answers, strict=True)}
        short = [
            position
            for position, hits in zip(short, answers, strict=True)
            if len(hits) == limit * factor and not suffices(position, found[position])
        ]
        if not short:
            break
    return [found[position] for position in range(queries)]
