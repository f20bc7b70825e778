"""Who is next: calls that wait for a worker, in two classes that share by tokens. Pure.

Each class is first come, first served. Between them the one goes first that has had less than its share, so that bulk
work has at least `bulk_share` of the tokens while interactive work waits too, and all that interactive work leaves.
A class that was empty has saved up nothing (start-time fair queueing).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from stepreward.schema import Priority

T = TypeVar("T")


@dataclass
class _Class(Generic[T]):
    share: float
    waiting: deque[tuple[int, T]] = field(default_factory=deque)
    # Tokens had so far, divided by the share.
    virtual: float = 0


class FairQueue(Generic[T]):
    """Of anything; `live` says whether an entry still waits: one that has left is passed over when its turn comes."""

    def __init__(self, bulk_share: float, live: Callable[[T], bool]) -> None:
        self._live = live
        self._classes: dict[Priority, _Class[T]] = {
            "interactive": _Class(1 - bulk_share),
            "bulk": _Class(bulk_share),
        }

    def push(self, entry: T, tokens: int, priority: Priority) -> None:
        mine = self._classes[priority]
        if not mine.waiting:
            busy = [one.virtual for one in self._classes.values() if one.waiting]
            mine.virtual = max(mine.virtual, min(busy, default=mine.virtual))
        mine.waiting.append((tokens, entry))

    def heads(self) -> list[T]:
        """The first of each class, the one whose turn it is before the other; at most two."""
        for one in self._classes.values():
            while one.waiting and not self._live(one.waiting[0][1]):
                one.waiting.popleft()
        waiting = [one for one in self._classes.values() if one.waiting]
        return [one.waiting[0][1] for one in sorted(waiting, key=lambda one: one.virtual)]

    def take(self, entry: T) -> None:
        """A head that got its turn."""
        one = next(one for one in self._classes.values() if one.waiting and one.waiting[0][1] is entry)
        tokens, _ = one.waiting.popleft()
        one.virtual += tokens / one.share

    def drain(self) -> list[T]:
        """Everyone who still waits; nobody does then."""
        entries = [entry for one in self._classes.values() for _, entry in one.waiting if self._live(entry)]
        for one in self._classes.values():
            one.waiting.clear()
        return entries
