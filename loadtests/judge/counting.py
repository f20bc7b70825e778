"""What the worker did, by its own counters: what was cancelled, read again or asked by others is in them too."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

_IDLE_POLL_S = 0.05


@dataclass(frozen=True)
class Tokens:
    """`computed` and `cached` are of prompts."""

    computed: int
    cached: int
    generated: int

    def __sub__(self, other: "Tokens") -> "Tokens":
        return Tokens(*(mine - others for mine, others in zip(_values(self), _values(other), strict=True)))


@dataclass(frozen=True)
class Cost:
    """Of one run of one way. `read_again` is what a second model read, outside the worker."""

    wall_s: float
    tokens: Tokens
    read_again: int = 0

    @property
    def processed(self) -> int:
        return self.tokens.computed + self.tokens.generated + self.read_again


def _values(tokens: Tokens) -> list[int]:
    return list(asdict(tokens).values())


class Counter:
    """Reads the counters of one worker; `http` has its base URL."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def measure(self, work: Callable[[], Awaitable[int]]) -> Cost:
        """`work` returns what it read beside the worker. Its time ends with it; the tokens are counted when the worker
        has come to rest, so that what it had begun for nothing is in."""
        before = await self._at_rest()
        started_s = time.perf_counter()
        read_again = await work()
        wall_s = time.perf_counter() - started_s
        return Cost(wall_s, await self._at_rest() - before, read_again)

    async def block_tokens(self) -> int:
        """The block size of its cache of prefixes."""
        info = (family for family in await self._families() if family.name == "vllm:cache_config_info")
        return int(next(info).samples[0].labels["block_size"])

    async def _at_rest(self) -> Tokens:
        while True:
            values = await self._scrape()
            if not values["vllm:num_requests_running"] + values["vllm:num_requests_waiting"]:
                return Tokens(
                    computed=int(values["vllm:prompt_tokens_total"] - values["vllm:prompt_tokens_cached_total"]),
                    cached=int(values["vllm:prompt_tokens_cached_total"]),
                    generated=int(values["vllm:generation_tokens_total"]),
                )
            await asyncio.sleep(_IDLE_POLL_S)

    async def _scrape(self) -> dict[str, float]:
        """Each metric's samples, added up over engines."""
        sums: dict[str, float] = {}
        for family in await self._families():
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
        return sums

    async def _families(self) -> list[Metric]:
        answer = await self._http.get("/metrics")
        return list(text_string_to_metric_families(answer.raise_for_status().text))
