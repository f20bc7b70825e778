"""Values that several gateways share in one Redis. It may be missing, slow, full or wrong: then it is not there.

An operation that fails is a miss, and counted; after it Redis is left alone for some seconds, and one caller tries
again for all. Reads and writes rest apart: a full Redis refuses to write, and goes on answering.

Not covered: Redis Cluster, which wants the keys of one MGET in one slot.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import TYPE_CHECKING, Literal, Self, cast

from stepreward.errors import ConfigurationError
from stepreward.metrics import Metrics

if TYPE_CHECKING:
    from redis.asyncio import Redis

Operation = Literal["read", "write"]

OPERATION_TIMEOUT_S = 0.4
PAUSE_S = 5.0
_CLOSE_GRACE_S = 1.0
_LOG_EVERY_S = 1.0
_MAX_CONNECTIONS = 16
_MAX_PENDING_BYTES = 16 << 20
_WRITES_AT_ONCE = 128

log = logging.getLogger(__name__)


class _NoAnswer(Exception):
    """Redis did not do what was asked, and that is told; handled in this module."""


class _Rest:
    """After a failure nobody asks for PAUSE_S; then one caller does, and the others when that one succeeded.

    By the monotonic clock: purgatory's breaker goes by the time of day, and lets all callers in to try.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until_s: float | None = None

    @property
    def resting(self) -> bool:
        return self._until_s is not None and self._clock() < self._until_s

    def may_ask(self) -> bool:
        """Whoever gets leave after a failure keeps the others out until it is known how it went."""
        if self.resting:
            return False
        if self._until_s is not None:
            self.begin()
        return True

    def begin(self) -> None:
        self._until_s = self._clock() + PAUSE_S

    def end(self) -> None:
        self._until_s = None


class RedisCache:
    """Bytes by key, each kept for `ttl_s`. Nothing here raises because of Redis. Used from one event loop."""

    def __init__(
        self,
        redis: "Redis",
        prefix: str,
        ttl_s: float,
        metrics: Metrics,
        *,
        timeout_s: float = OPERATION_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._ttl_ms = max(1, round(ttl_s * 1000))
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._clock = clock
        self._rest: dict[Operation, _Rest] = {"read": _Rest(clock), "write": _Rest(clock)}
        self._pending: dict[str, bytes] = {}
        self._pending_bytes = 0
        self._writing: asyncio.Task[None] | None = None
        self._logged_s: float | None = None

    @classmethod
    def connect(
        cls,
        url: str,
        prefix: str,
        ttl_s: float,
        metrics: Metrics,
        *,
        timeout_s: float = OPERATION_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> Self:
        """`prefix` holds the version of the values' form. Connects when first asked. Raises ConfigurationError."""
        try:
            from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415  (an extra)
            from redis.asyncio.retry import Retry  # noqa: PLC0415
            from redis.backoff import NoBackoff  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "STEPREWARD_CACHE_REDIS_URL: needs the redis client: pip install stepreward[redis]"
            ) from error
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=_MAX_CONNECTIONS,
                timeout=timeout_s,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                retry=Retry(NoBackoff(), 0),
            )
            pool.connection_class(**pool.connection_kwargs)  # finds fault with the URL's options, and opens nothing
        except (ValueError, TypeError):  # its message may quote the URL, which may hold a password
            raise ConfigurationError(
                "STEPREWARD_CACHE_REDIS_URL: is not redis://[[user]:password@]host[:port][/database], rediss:// or unix://"
            ) from None
        return cls(Redis.from_pool(pool), prefix, ttl_s, metrics, timeout_s=timeout_s, clock=clock)

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """Each key's value, None where Redis has none or does not answer; by one MGET."""
        try:
            async with self._asking("read"):
                found: list[bytes | None] = await self._redis.mget([self._prefix + key for key in keys])  # type: ignore[assignment]  # typed for clients that decode
                return found
        except _NoAnswer:
            return [None] * len(keys)

    def put(self, values: Iterable[tuple[str, bytes]]) -> None:
        """Write them soon. Dropped while Redis rests (then `values` is not even gone through), and over 16 MiB."""
        if self._rest["write"].resting:
            return
        for key, value in values:
            size = len(key) + len(value)
            if self._pending_bytes + size > _MAX_PENDING_BYTES:
                self._metrics.cache_redis_errors.labels("dropped").inc()
            elif key not in self._pending:
                self._pending[key] = value
                self._pending_bytes += size
        if self._pending and self._writing is None:
            self._writing = asyncio.create_task(self._write_pending())

    async def close(self) -> None:
        """Give the writes under way a second, and disconnect."""
        if self._writing:
            done, _ = await asyncio.wait({self._writing}, timeout=_CLOSE_GRACE_S)
            if not done:
                self._writing.cancel()
                await asyncio.wait({self._writing})
        await self._redis.aclose()

    async def _write_pending(self) -> None:
        try:
            while self._pending:
                batch = {key: self._pending.pop(key) for key in list(islice(self._pending, _WRITES_AT_ONCE))}
                self._pending_bytes -= sum(len(key) + len(value) for key, value in batch.items())
                await self._write(batch)
        finally:
            self._writing = None

    async def _write(self, batch: Mapping[str, bytes]) -> None:
        try:
            async with self._asking("write"):
                pipe = self._redis.pipeline(transaction=False)
                for key, value in batch.items():
                    pipe.set(self._prefix + key, value, px=self._ttl_ms)
                await pipe.execute()
        except _NoAnswer:
            self._pending.clear()
            self._pending_bytes = 0

    @asynccontextmanager
    async def _asking(self, operation: Operation) -> AsyncIterator[None]:
        """Do it within the limit. Raises _NoAnswer, at once while Redis rests."""
        from redis import RedisError  # noqa: PLC0415  (an extra)

        rest = self._rest[operation]
        if not rest.may_ask():
            raise _NoAnswer
        task = cast("asyncio.Task[object]", asyncio.current_task())
        cancelled_before, failure = task.cancelling(), None
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            failure = error
        # Python 3.11's wait_for, by which the client sends, may swallow a cancellation.
        if task.cancelling() > cancelled_before:
            raise asyncio.CancelledError
        if failure:
            rest.begin()
            self._tell(operation, failure)
            raise _NoAnswer from failure
        rest.end()

    def _tell(self, operation: Operation, error: Exception) -> None:
        self._metrics.cache_redis_errors.labels(operation).inc()
        now_s = self._clock()
        if self._logged_s is None or now_s - self._logged_s >= _LOG_EVERY_S:
            self._logged_s = now_s
            reason = f"{type(error).__name__} {error}".strip()
            log.warning("cache_redis_failed", extra={"operation": operation, "reason": reason})
