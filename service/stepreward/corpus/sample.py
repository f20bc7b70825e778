"""A deterministic sample of a stream in bounded memory: what has the smallest digests."""

import hashlib
import heapq
from typing import Generic, TypeVar

T = TypeVar("T")


class SmallestDigests(Generic[T]):
    """Keeps `size` of the keys that it is offered, each key once, whatever the order in which they come."""

    def __init__(self, size: int, seed: int = 0) -> None:
        self._size = size
        self._seed = seed.to_bytes(8, "big")
        # The largest digest first, negated for the heap, with its key: digests of two keys are not equal.
        self._heap: list[tuple[int, str]] = []
        self._kept: dict[str, T] = {}

    def offer(self, key: str, value: T) -> None:
        if key in self._kept or not self._size:
            return
        digest = hashlib.blake2b(self._seed + key.encode(), digest_size=16).digest()
        rank = -int.from_bytes(digest, "big")
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, (rank, key))
        elif rank > self._heap[0][0]:
            _, dropped = heapq.heapreplace(self._heap, (rank, key))
            del self._kept[dropped]
        else:
            return
        self._kept[key] = value

    def items(self) -> dict[str, T]:
        """In the order of the digests."""
        return {key: self._kept[key] for _, key in sorted(self._heap, reverse=True)}
