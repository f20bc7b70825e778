"""For whom work is done, where clients have keys: apart from others in the caches, and within a budget of tokens."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from stepreward.errors import BudgetSpent


class TokenBudget:
    """Estimated tokens a minute. A request is taken on while something is left, and may take more than that.

    What it took too much of is missing to the next ones, so that in the long run the rate holds, and a request of any
    size gets its turn.
    """

    def __init__(self, tokens_per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.tokens_per_minute = tokens_per_minute
        self._per_s = tokens_per_minute / 60
        self._clock = clock
        self._left = tokens_per_minute
        self._seen_s = clock()

    def spend(self, tokens: int) -> None:
        """Raises BudgetSpent, and then has spent nothing."""
        now_s = self._clock()
        self._left = min(self.tokens_per_minute, self._left + (now_s - self._seen_s) * self._per_s)
        self._seen_s = now_s
        if tokens and self._left <= 0:
            raise BudgetSpent("the key's budget of tokens is spent", max(1, -self._left / self._per_s))
        self._left -= tokens


@dataclass(frozen=True)
class Tenant:
    """`budget` is None where there is no bound to it."""

    name: str
    budget: TokenBudget | None = None

    @property
    def salt(self) -> str:
        """What makes its judgements, and the prefixes that a worker keeps, its own. Tells nothing of a key."""
        return hashlib.sha256(f"stepreward tenant {self.name}".encode()).hexdigest()[:32]

    def spend(self, tokens: int) -> None:
        """Raises BudgetSpent."""
        if self.budget is not None:
            self.budget.spend(tokens)
