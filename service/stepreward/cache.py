"""Judgements of steps by what they were made of: looked up, joined while another caller computes them, or computed.

    memory → Redis, where there is one → a computation under way → a computation of its own

A key stands for everything that a judgement depends on, revisions too, so a value can be old but never wrong.
"""

import dataclasses
import hashlib
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Literal, Self, TypeVar

from cachetools import TTLCache
from pydantic import BaseModel, TypeAdapter

from stepreward.metrics import Metrics
from stepreward.redis_cache import RedisCache
from stepreward.single_flight import SingleFlight
from stepreward.urgency import Urgency

V = TypeVar("V")
Origin = Literal["computed", "joined", "cached"]

# What cachetools' links and dictionaries take for one key of 64 characters, measured.
ENTRY_BYTES = 700


@dataclass(frozen=True)
class Values(Generic[V]):
    """What the cache must know of its values.

    `decode` raises ValueError for bytes that are damaged; `keep` says what may be stored (a degraded judgement is
    shared with those who joined, and forgotten); `version` changes when the form of the bytes does.
    """

    encode: Callable[[V], bytes]
    decode: Callable[[bytes], V]
    size_bytes: Callable[[V], int]
    keep: Callable[[V], bool]
    version: str

    @classmethod
    def of(cls, kind: type[V], keep: Callable[[V], bool]) -> Self:
        """For a frozen dataclass, stored as JSON; its schema's hash is the version, so that nobody can forget it."""
        adapter = TypeAdapter(kind)
        schema = json.dumps(adapter.json_schema(), sort_keys=True).encode()
        version = hashlib.sha256(schema).hexdigest()[:12]
        return cls(adapter.dump_json, adapter.validate_json, size_bytes, keep, version)

    @property
    def prefix(self) -> str:
        """What the keys of these values begin with in Redis."""
        return f"stepreward:score:{self.version}:"


def size_bytes(value: object) -> int:
    """Memory that a tree of dataclasses, models and tuples takes, a shared leaf counted each time: an upper bound."""
    own = sys.getsizeof(value)
    if isinstance(value, tuple):
        return own + sum(size_bytes(part) for part in value)
    if dataclasses.is_dataclass(value):
        parts = [getattr(value, field.name) for field in dataclasses.fields(value)]
        return own + sum(8 + size_bytes(part) for part in parts)
    if isinstance(value, BaseModel):
        fields = sys.getsizeof(value.__dict__) + sys.getsizeof(value.model_fields_set)
        return own + fields + sum(size_bytes(part) for _, part in value)
    return own


@dataclass(frozen=True)
class Shared(Generic[V]):
    """A value, and whether this caller had it computed, shared another's computation, or found it."""

    judgement: V
    origin: Origin


class ScoreCache(Generic[V]):
    """One for a gateway. Used from one event loop."""

    def __init__(
        self,
        values: Values[V],
        max_bytes: int,
        ttl_s: float,
        metrics: Metrics,
        *,
        redis: RedisCache | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """With 0 bytes nothing is kept in memory; computations are shared all the same."""
        self._values = values
        self._memory: _Memory[V] = _Memory(
            max_bytes, ttl_s, lambda value: ENTRY_BYTES + values.size_bytes(value), metrics, clock
        )
        self._metrics = metrics
        self._redis = redis
        self._flights: SingleFlight[V] = SingleFlight()

    async def get(self, keys: Sequence[str]) -> list[V | None]:
        """What is known of each key, None for nothing. Computes nothing, and waits for no computation."""
        known = self._from_memory(keys)
        self._count("cached_memory", keys, known)
        shared = await self._from_redis(_without(keys, known))
        self._count("cached_redis", keys, shared)
        known |= shared
        return [known.get(key) for key in keys]

    async def get_or_compute(
        self,
        keys: Sequence[str],
        compute: Callable[[Sequence[int]], Awaitable[Sequence[V]]],
        urgency: Urgency | None = None,
    ) -> list[Shared[V]]:
        """Each key's value, in order. What nobody knows or computes is computed by one call.

        `compute` gets positions in `keys`, ascending, the first of each key, and answers in that order. It runs in a
        task of its own, which is cancelled when nobody waits for any of its keys; its error is raised by all who do.
        What another computes rises to this `urgency`.
        """
        known = self._from_memory(keys)
        shared = await self._from_redis([key for key in _without(keys, known) if key not in self._flights])
        # Again: while Redis was asked, others may have finished. From here to the claim of the rest nothing waits.
        known |= self._from_memory(_without(keys, known | shared))
        first = {key: position for position, key in reversed(list(enumerate(keys)))}

        async def compute_and_store(mine: Sequence[str]) -> Sequence[V]:
            computed = await compute([first[key] for key in mine])
            self._store(dict(zip(mine, computed, strict=True)))
            return computed

        landed = await self._flights.run(_without(keys, known | shared), compute_and_store, urgency)
        self._count("cached_memory", keys, known)
        self._count("cached_redis", keys, shared)
        known |= shared
        answers: list[Shared[V]] = []
        for position, key in enumerate(keys):
            if key in known:
                answers.append(Shared(known[key], "cached"))
                continue
            origin: Origin = "joined" if landed[key].joined or first[key] != position else "computed"
            self._metrics.cache_steps.labels(origin).inc()
            answers.append(Shared(landed[key].value, origin))
        return answers

    async def close(self) -> None:
        """End what is still computed, and give pending writes a short grace."""
        await self._flights.close()
        if self._redis:
            await self._redis.close()

    def _from_memory(self, keys: Iterable[str]) -> dict[str, V]:
        found = {key: self._memory.get(key) for key in dict.fromkeys(keys)}
        return {key: value for key, value in found.items() if value is not None}

    async def _from_redis(self, keys: Sequence[str]) -> dict[str, V]:
        """What Redis has, which memory then has too. A damaged value is none."""
        if not self._redis or not keys:
            return {}
        found: dict[str, V] = {}
        for key, encoded in zip(keys, await self._redis.get(keys), strict=True):
            if encoded is None:
                continue
            try:
                found[key] = self._values.decode(encoded)
            except ValueError:
                self._metrics.cache_redis_errors.labels("damaged").inc()
        for key, value in found.items():
            self._memory.store(key, value)
        return found

    def _store(self, computed: Mapping[str, V]) -> None:
        kept = {key: value for key, value in computed.items() if self._values.keep(value)}
        for key, value in kept.items():
            self._memory.store(key, value)
        if self._redis:
            self._redis.put(self._encoded(kept))

    def _encoded(self, values: Mapping[str, V]) -> Iterator[tuple[str, bytes]]:
        for key, value in values.items():
            try:
                yield key, self._values.encode(value)
            except ValueError:  # half a surrogate pair, say, which a model's text may hold and JSON may not
                self._metrics.cache_redis_errors.labels("damaged").inc()

    def _count(
        self, origin: Literal["cached_memory", "cached_redis"], keys: Iterable[str], found: Mapping[str, V]
    ) -> None:
        self._metrics.cache_steps.labels(origin).inc(sum(key in found for key in keys))


class _Memory(TTLCache[str, V]):
    """The values used last, by estimated bytes; tells its size and what it had to evict."""

    def __init__(
        self,
        max_bytes: int,
        ttl_s: float,
        size_of: Callable[[V], int],
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(max_bytes, ttl_s, clock, size_of)
        self._metrics = metrics

    def store(self, key: str, value: V) -> None:
        with suppress(ValueError):  # larger than the whole cache
            self[key] = value
        self._metrics.cache_bytes.set(self.currsize)

    def popitem(self) -> tuple[str, V]:
        self._metrics.cache_evictions.inc()
        return super().popitem()


def _without(keys: Iterable[str], known: Mapping[str, V]) -> list[str]:
    """The distinct keys that are not known, in order."""
    return [key for key in dict.fromkeys(keys) if key not in known]
