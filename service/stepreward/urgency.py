"""How soon a computation is wanted. Somebody more urgent may come to wait for it too: then it is as urgent as they."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stepreward.schema import Priority


class Urgency:
    """Rises from bulk to interactive, and never falls."""

    def __init__(self, priority: Priority = "interactive") -> None:
        self.priority = priority
        self._told: set[Callable[[], None]] = set()

    def join(self, other: "Urgency") -> None:
        """Who has that urgency waits for this computation too."""
        if self.priority == "bulk" and other.priority == "interactive":
            self.priority = other.priority
            for rose in tuple(self._told):
                rose()

    @contextmanager
    def telling(self, rose: Callable[[], None]) -> Iterator[None]:
        """Call `rose` when it rises meanwhile."""
        self._told.add(rose)
        try:
            yield
        finally:
            self._told.discard(rose)
