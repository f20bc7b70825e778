"""A breaker: after failures in a row nobody waits for a part that does not answer, until a probe finds it back.

    closed     calls go through; so many failures in a row of one kind open it
    open       calls are refused at once, for `pause_s` and up to a fifth more
    half-open  one probe is under way, calls are still refused; its answer closes the breaker, its failure opens it

The probe is a call of the breaker's own, in the background: no request waits for it. After a probe that succeeded, the
kind of call that opened the breaker has one try: a store that lists its aliases and cannot search opens it again.

Our own because purgatory 3.0 makes the probe of a request, or of all that come at once, takes a cancelled call for a
failure or a success, and reads the wall clock.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from stepreward.errors import RetrievalUnavailable

log = logging.getLogger(__name__)

State = Literal["closed", "half-open", "open"]


@dataclass(frozen=True)
class BreakerRule:
    """`failures` in a row open it, `pause_s` later it is probed; `told` hears of every change."""

    failures: int = 5
    pause_s: float = 2
    told: Callable[[State], object] = lambda _: None


class Breaker:
    """`probe` finds out whether the part answers; `is_failure` says which errors of a call mean that it did not."""

    def __init__(
        self, rule: BreakerRule, probe: Callable[[], Awaitable[bool]], is_failure: Callable[[Exception], bool]
    ) -> None:
        self._rule = rule
        self._probe = probe
        self._is_failure = is_failure
        self._state: State = "closed"
        self._failures: Counter[str] = Counter()
        self._probing: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Probe no more."""
        if self._probing and not self._probing.done():
            self._probing.cancel()
            await asyncio.wait([self._probing])

    @contextmanager
    def guard(self, kind: str) -> Iterator[None]:
        """Around a call. Raises RetrievalUnavailable at once while the breaker is not closed.

        A call that is cancelled counts as neither success nor failure.
        """
        if self._state != "closed":
            raise RetrievalUnavailable(f"the vector store did not answer {self._rule.failures} times in a row")
        try:
            yield
        except Exception as error:
            self._failures[kind] = self._failures[kind] + 1 if self._is_failure(error) else 0
            if self._failures[kind] >= self._rule.failures and self._state == "closed":
                self._change("open")
                self._probing = asyncio.create_task(self._probe_until_answered())
            raise
        self._failures[kind] = 0

    async def _probe_until_answered(self) -> None:
        while self._state != "closed":
            # Many gateways lose the store in the same moment; they do not come back to it in the same.
            await asyncio.sleep(self._rule.pause_s * random.uniform(1, 1.2))  # noqa: S311  (no secret)
            self._change("half-open")
            if not await self._probe():
                self._change("open")
                continue
            for kind in self._failures:
                self._failures[kind] = min(self._failures[kind], self._rule.failures - 1)
            self._change("closed")

    def _change(self, state: State) -> None:
        self._state = state
        log.warning("store_breaker", extra={"state": state})
        self._rule.told(state)
