"""Workers, the real vllm-router before them, and a gateway before that; what they count."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from loadtests.process import free_port
from loadtests.stack import Stack

ROUTER = Path(".tools/router/bin/vllm-router")
_TOKENS = re.compile(
    r"^vllm:(generation_tokens|prefix_cache_hits|prefix_cache_queries)_total\{[^\n]*\} ([0-9.e+]+)", re.MULTILINE
)
_GATEWAY = re.compile(r"^(process_cpu_seconds_total|stepreward_steps_total)(?:\{[^\n]*\})? ([0-9.e+]+)", re.MULTILINE)


@dataclass(frozen=True)
class Counted:
    """Tokens generated, asked for and found by each worker that answers; the gateway's steps and seconds of CPU."""

    generated: dict[str, float]
    asked: dict[str, float]
    hits: dict[str, float]
    steps: float
    gateway_cpu_s: float
    seconds: float

    def since(self, before: "Counted") -> "Counted":
        """Of the workers that are left."""
        return Counted(
            {url: self.generated[url] - before.generated[url] for url in self.generated},
            {url: self.asked[url] - before.asked[url] for url in self.asked},
            {url: self.hits[url] - before.hits[url] for url in self.hits},
            self.steps - before.steps,
            self.gateway_cpu_s - before.gateway_cpu_s,
            self.seconds - before.seconds,
        )

    @property
    def hit_share(self) -> float:
        return sum(self.hits.values()) / sum(self.asked.values())

    @property
    def busiest_share(self) -> float:
        return max(self.asked.values()) / sum(self.asked.values())


class Cluster:
    def __init__(self, parts: Stack, workers: Sequence[str], policy: str, **settings: str) -> None:
        """`settings` are the gateway's."""
        self.parts, self.workers = parts, list(workers)
        port = free_port()
        argv = [str(ROUTER.absolute()), "--host", "127.0.0.1", "--port", str(port), "--policy", policy]
        argv += ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port()), "--retry-max-retries", "2"]
        argv += ["--cache-threshold", "0.6", "--max-concurrent-requests", "4096", "--worker-urls", *self.workers]
        self.router = parts.start("router", argv, f"http://127.0.0.1:{port}", "/readiness")
        self.gateway = parts.gateway(self.router, STEPREWARD_WORKER_INFLIGHT_TOKENS="100000000", **settings)

    def end(self, *, workers: bool = True) -> None:
        """What the next run does not need."""
        for url in (self.gateway, self.router, *(self.workers if workers else [])):
            self.parts.kill(url)

    def counted(self) -> Counted:
        generated, asked, hits = {}, {}, {}
        for url in self.workers:
            try:
                told = dict(_TOKENS.findall(httpx.get(f"{url}/metrics", timeout=20).text))
            except httpx.TransportError:
                continue
            generated[url] = float(told["generation_tokens"])
            asked[url] = float(told["prefix_cache_queries"])
            hits[url] = float(told["prefix_cache_hits"])
        told = dict(_GATEWAY.findall(httpx.get(f"{self.gateway}/metrics", timeout=20).text))
        steps, cpu_s = float(told.get("stepreward_steps_total", 0)), float(told["process_cpu_seconds_total"])
        return Counted(generated, asked, hits, steps, cpu_s, time.monotonic())


def scripted(parts: Stack, count: int, tokens_s: float, blocks: int) -> list[str]:
    """Workers that compute so many tokens a second, and none for what their prefix cache has."""
    options = ["--prefill-tokens-s", str(10 * tokens_s), "--decode-tokens-s", str(tokens_s), "--blocks", str(blocks)]
    return [parts.worker(*options) for _ in range(count)]
