"""What the service takes on: a bound on the work that waits, and no work that cannot be ready in time.

Work is counted in estimated tokens: the prompts of the steps that nobody has judged yet, and the trajectories that may
be drawn for them. The estimate is rough and from above; what matters is that all of it is measured with the same rule,
the rate at which it gets done too.

A request with a deadline is refused when the work before it, at the rate at which work got done while calls were
waiting for a worker, and a call of its own will take longer than that: what is begun and comes too late keeps from a
worker what would not have. Where none waits there is room, whatever the rate says.
"""

import asyncio
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from stepreward.errors import Overloaded, RequestTooLarge
from stepreward.metrics import Metrics
from stepreward.plan import Plan
from stepreward.schema import Priority
from stepreward.values import Solution

# A formula has about two characters a token, prose four. A template with its references is about this long.
_CHARS_PER_TOKEN = 3
_FRAME_TOKENS = 300
_RATE_MEMORY_S = 20.0
_LONGEST_RETRY_S = 60.0


def estimated_tokens(chosen: Plan, solution: Solution, indexes: Sequence[int]) -> int:
    """What judging these steps will take; for cascade as if every step went on to rprm."""
    chars = len(solution.question)
    prompts = []
    for step in solution.steps:
        chars += len(step)
        prompts.append(_FRAME_TOKENS + chars // _CHARS_PER_TOKEN)
    reading = sum(prompts[index] for index in indexes)
    drawn = len(indexes) * chosen.policy.cap * chosen.trajectory_tokens if chosen.method != "retsp" else 0
    return reading * len(chosen.searches) + drawn


class _Rate:
    """Tokens a second, over the last while of those seconds in which work waited."""

    def __init__(self) -> None:
        self._tokens = 0.0
        self._seconds = 0.0

    def add(self, tokens: float, seconds: float) -> None:
        fade = math.exp(-seconds / _RATE_MEMORY_S)
        self._tokens = self._tokens * fade + tokens
        self._seconds = self._seconds * fade + seconds

    @property
    def tokens_per_s(self) -> float | None:
        """None before a second of it was seen."""
        return self._tokens / self._seconds if self._seconds >= 1 and self._tokens else None


class Workers(Protocol):
    """What is to be known of them."""

    def has_waiting(self) -> bool:
        """Whether calls wait for a worker now."""

    @property
    def call_s(self) -> float:
        """How long a call takes at a worker."""


class Ticket:
    """The room of one request, given back as its items end."""

    def __init__(self, admission: "Admission", tokens: int, priority: Priority) -> None:
        self._admission = admission
        self._priority = priority
        self.left_tokens = tokens

    def done(self, tokens: int) -> None:
        """This much of it was worked off."""
        tokens = min(tokens, self.left_tokens)
        self.left_tokens -= tokens
        self._admission.release(tokens, self._priority, done=True)


class Admission:
    """One for a gateway."""

    def __init__(self, queue_tokens: int, bulk_share: float, workers: Workers, metrics: Metrics) -> None:
        self._most = queue_tokens
        self._bulk_share = bulk_share
        self._workers = workers
        self._metrics = metrics
        self._taken: dict[Priority, int] = {"interactive": 0, "bulk": 0}
        self._rate = _Rate()
        self._seen_s: float | None = None

    @contextmanager
    def admit(self, tokens: int, priority: Priority, deadline_s: float | None) -> Iterator[Ticket]:
        """Take on so many. Raises RequestTooLarge, Overloaded, DeadlineExceeded."""
        self._check(tokens, priority, deadline_s)
        ticket = Ticket(self, tokens, priority)
        self._count(tokens, priority)
        try:
            yield ticket
        finally:
            self.release(ticket.left_tokens, priority, done=False)

    def release(self, tokens: int, priority: Priority, *, done: bool) -> None:
        """`done`: it was worked off, and not given up."""
        now_s = asyncio.get_running_loop().time()
        if self._workers.has_waiting():
            if self._seen_s is not None:
                self._rate.add(tokens if done else 0, now_s - self._seen_s)
            self._seen_s = now_s
        else:
            self._seen_s = None
        self._count(-tokens, priority)

    def _count(self, tokens: int, priority: Priority) -> None:
        self._taken[priority] += tokens
        self._metrics.queue_tokens.labels(priority).set(self._taken[priority])

    def _check(self, tokens: int, priority: Priority, deadline_s: float | None) -> None:
        now_s = asyncio.get_running_loop().time()
        if not tokens:
            return
        if tokens > self._most:
            raise RequestTooLarge(f"items: about {tokens} tokens of work, more than the {self._most} ever taken on")
        wait_s = self._wait_s(priority)
        if sum(self._taken.values()) + tokens > self._most:
            raise Overloaded("more work is waiting than the service takes on", min(wait_s or 1, _LONGEST_RETRY_S))
        if deadline_s is None or not wait_s or not self._workers.has_waiting():
            return
        late_s = now_s + wait_s + self._workers.call_s - deadline_s
        if late_s > 0:
            message = f"deadline_ms: the work before it takes about {wait_s:.1f} s"
            raise Overloaded(message, min(late_s, _LONGEST_RETRY_S))

    def _wait_s(self, priority: Priority) -> float | None:
        """Until the work taken on before it, in its class and by its share, is done; None where that is not known."""
        rate = self._rate.tokens_per_s
        if rate is None:
            return None
        mine, total = self._taken[priority], sum(self._taken.values())
        share = self._bulk_share if priority == "bulk" else 1 - self._bulk_share
        return min(mine / share, total) / rate
