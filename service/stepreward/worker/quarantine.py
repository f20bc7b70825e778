"""Calls that were at hand when a worker died, remembered for a while, so that the client's own retry kills no more.

suspect   once at hand: run alone from now on, until it succeeds
poison    a worker died of it when it ran alone: refused
"""

import hashlib
from collections.abc import Sequence

from cachetools import TTLCache

from stepreward.errors import PoisonRequest

_ENTRIES = 1024


class Quarantine:
    """By the hash of a call's prompts, which is made only when there is something to look up."""

    def __init__(self, seconds: float) -> None:
        self._suspects: TTLCache[str, bool] = TTLCache(_ENTRIES, seconds)
        self._poison: TTLCache[str, bool] = TTLCache(_ENTRIES, seconds)

    def admit(self, prompts: Sequence[Sequence[int]]) -> bool:
        """Whether it is a suspect. Raises PoisonRequest."""
        if not self._suspects and not self._poison:
            return False
        key = _hash(prompts)
        if key in self._poison:
            raise _refusal()
        return key in self._suspects

    def suspect(self, prompts: Sequence[Sequence[int]]) -> None:
        self._suspects[_hash(prompts)] = True

    def clear(self, prompts: Sequence[Sequence[int]]) -> None:
        self._suspects.pop(_hash(prompts), None)

    def hold(self, prompts: Sequence[Sequence[int]]) -> PoisonRequest:
        """The error to raise."""
        self.clear(prompts)
        self._poison[_hash(prompts)] = True
        return _refusal()


def _refusal() -> PoisonRequest:
    return PoisonRequest("two workers died of this request, the second time alone: it is not tried again for a while")


def _hash(prompts: Sequence[Sequence[int]]) -> str:
    return hashlib.sha256(repr([list(prompt) for prompt in prompts]).encode()).hexdigest()
