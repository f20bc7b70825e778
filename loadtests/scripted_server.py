"""The scripted worker behind a port, with the speed, the prefix cache and the metrics of a vLLM server.

    python -m loadtests.scripted_server --port 8000 --tokenizer DIR    # and gateways with --model DIR

It computes so many tokens a second, one call after another, and prompt tokens that are in its cache cost nothing: so
more workers are faster by as much as what is around them lets them be, and routing by prefix by what it finds there.
What it answers depends on the prompt alone, never on the worker.
"""

import asyncio
import json
import os
import random
import signal
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import httpx
import uvicorn
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from loadtests.scripted_worker import ScriptedWorker, chat_tokenizer

BLOCK_TOKENS = 16
_EMBEDDING_DIMENSIONS = 64

Send = Callable[[dict[str, Any]], Awaitable[None]]


class PrefixCache:
    """Which blocks of which prefixes are kept, the oldest going first."""

    def __init__(self, blocks: int) -> None:
        self._most = blocks
        self._kept: OrderedDict[int, None] = OrderedDict()

    def look(self, prompt: Sequence[int]) -> int:
        """How many leading tokens are kept already; all of the prompt's are, afterwards. Whole blocks only."""
        chain, known, hits = 0, True, 0
        for start in range(0, len(prompt) - BLOCK_TOKENS + 1, BLOCK_TOKENS):
            chain = hash((chain, tuple(prompt[start : start + BLOCK_TOKENS])))
            known = known and chain in self._kept
            hits += known
            self._kept[chain] = None
            self._kept.move_to_end(chain)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return hits * BLOCK_TOKENS

    @property
    def share_used(self) -> float:
        return len(self._kept) / self._most


class VllmMetrics:
    """Those that the dashboards and the gateway read, by vLLM's names."""

    def __init__(self, model: str, blocks: int) -> None:
        self.registry = CollectorRegistry()
        counters = (
            "prompt_tokens",
            "generation_tokens",
            "prefix_cache_queries",
            "prefix_cache_hits",
            "num_preemptions",
        )
        named = ["model_name", "engine"]
        self._counters = {
            name: Counter(f"vllm:{name}", name, named, registry=self.registry).labels(model, "0") for name in counters
        }
        gauges = ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc")
        self._gauges = {
            name: Gauge(f"vllm:{name}", name, named, registry=self.registry).labels(model, "0") for name in gauges
        }
        seconds = ("time_to_first_token_seconds", "e2e_request_latency_seconds", "request_queue_time_seconds")
        self._seconds = {
            name: Histogram(f"vllm:{name}", name, named, registry=self.registry).labels(model, "0") for name in seconds
        }
        config = Gauge("vllm:cache_config_info", "cache", ["block_size", "num_gpu_blocks"], registry=self.registry)
        config.labels(str(BLOCK_TOKENS), str(blocks)).set(1)

    def add(self, **counts: int) -> None:
        for name, count in counts.items():
            self._counters[name].inc(count)

    def set(self, **values: float) -> None:
        for name, value in values.items():
            self._gauges[name].set(value)

    def observe(self, **seconds: float) -> None:
        for name, value in seconds.items():
            self._seconds[name].observe(value)


@dataclass
class Engine:
    """One call after another. `prefill_tokens_s` and `decode_tokens_s` are its speeds."""

    prefill_tokens_s: float
    decode_tokens_s: float
    cache: PrefixCache
    metrics: VllmMetrics
    _free_at_s: float = 0
    _calls: int = 0

    async def run(self, prompts: Iterable[Sequence[int]], generated: int) -> int:
        """Take as long as this takes; how many prompt tokens were in the cache."""
        loop = asyncio.get_running_loop()
        came_s, asked, cached = loop.time(), 0, 0
        for prompt in prompts:
            asked += len(prompt)
            cached += self.cache.look(prompt)
        prefill_s = (asked - cached) / self.prefill_tokens_s
        began_s = max(came_s, self._free_at_s)
        self._free_at_s = began_s + prefill_s + generated / self.decode_tokens_s
        until_s = self._free_at_s
        self._calls += 1
        self._tell()
        try:
            # Told bit by bit, as vLLM does: a worker whose counters stand still is taken for stuck.
            told = 0
            while (left_s := until_s - loop.time()) > 0:
                await asyncio.sleep(min(left_s, 1))
                self.metrics.add(generation_tokens=1)
                told += 1
        finally:
            self._calls -= 1
            self._tell()
        self.metrics.add(
            prompt_tokens=asked,
            prefix_cache_queries=asked,
            prefix_cache_hits=cached,
            generation_tokens=max(generated - told, 0),
        )
        self.metrics.observe(
            request_queue_time_seconds=began_s - came_s,
            time_to_first_token_seconds=began_s + prefill_s - came_s,
            e2e_request_latency_seconds=until_s - came_s,
        )
        return cached

    def _tell(self) -> None:
        self.metrics.set(
            num_requests_running=min(self._calls, 1),
            num_requests_waiting=max(self._calls - 1, 0),
            kv_cache_usage_perc=self.cache.share_used,
        )


@dataclass
class FixedDelay:
    """Every call takes `delay_s`, `slots` of them at once: a capacity that does not depend on what is asked."""

    delay_s: float
    slots: asyncio.Semaphore
    metrics: VllmMetrics

    async def run(self, prompts: Iterable[Sequence[int]], generated: int) -> int:
        async with self.slots:
            await asyncio.sleep(self.delay_s)
        self.metrics.add(prompt_tokens=sum(map(len, prompts)), generation_tokens=generated)
        return 0


@dataclass
class ServedWorker(ScriptedWorker):
    """An ASGI application. `fault_share` of its completions are answered 500."""

    engine: Engine | FixedDelay = field(kw_only=True)
    fault_share: float = 0

    async def __call__(self, scope: Mapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        path, body = scope["path"], b""
        while (message := await receive()).get("more_body", False) or message["type"] != "http.request":
            body += message.get("body", b"")
        body += message.get("body", b"")
        if path == "/health":
            await _send(send, 200, b"", "text/plain")
        elif path == "/metrics":
            await _send(send, 200, generate_latest(self.engine.metrics.registry), "text/plain; version=0.0.4")
        elif path == "/v1/embeddings":
            await _send(send, 200, json.dumps(_embeddings(json.loads(body))).encode(), "application/json")
        elif path == "/v1/completions" and random.random() < self.fault_share:  # noqa: S311
            await _send(send, 500, b'{"error": {"message": "scripted", "code": 500}}', "application/json")
        elif path == "/v1/completions":
            await _send(send, 200, json.dumps(await self._complete(json.loads(body))).encode(), "application/json")
        else:
            answer = await self._answer(httpx.Request(scope["method"], f"http://worker{path}", content=body))
            await _send(send, answer.status_code, answer.content, "application/json")

    async def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.is_killed_by(body["prompt"]):
            os.kill(os.getpid(), signal.SIGKILL)
        choices = self.choices(body)
        usage = self._usage(body)
        usage["completion_tokens"] = sum(len(choice["token_ids"] or [0]) for choice in choices)
        usage["prompt_tokens_details"] = {
            "cached_tokens": await self.engine.run(body["prompt"], usage["completion_tokens"])
        }
        return {"object": "text_completion", "model": self.model, "choices": choices, "usage": usage}


def _embeddings(body: Mapping[str, Any]) -> dict[str, Any]:
    """Bags of words: equal texts have equal vectors, texts with common words near ones."""
    rows = []
    for index, text in enumerate(body["input"]):
        vector = [0.01] * _EMBEDDING_DIMENSIONS
        for word in text.split():
            vector[zlib.crc32(word.encode()) % _EMBEDDING_DIMENSIONS] += 1
        rows.append({"object": "embedding", "index": index, "embedding": vector})
    return {"object": "list", "model": body["model"], "data": rows[::-1]}


async def _send(send: Send, status: int, body: bytes, kind: str) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--tokenizer", type=click.Path(path_type=Path), help="write the model's tokenizer into this folder first")
@click.option("--prefill-tokens-s", type=float, default=200_000, show_default=True)
@click.option("--decode-tokens-s", type=float, default=20_000, show_default=True)
@click.option("--blocks", type=int, default=8192, show_default=True, help="blocks of 16 tokens in the prefix cache")
@click.option("--delay-s", type=float, help="every call takes this long instead")
@click.option("--slots", type=int, default=1_000_000, help="calls at once, where they take a fixed time")
@click.option("--dies-of", help="a text: of a prompt that holds it, it dies")
@click.option("--fault-share", type=float, default=0, help="share of the completions that are answered 500")
def main(  # noqa: PLR0913  (an option each)
    *,
    port: int,
    tokenizer: Path | None,
    prefill_tokens_s: float,
    decode_tokens_s: float,
    blocks: int,
    delay_s: float | None,
    slots: int,
    dies_of: str | None,
    fault_share: float,
) -> None:
    """Serve until SIGTERM."""
    if tokenizer:
        chat_tokenizer().save_pretrained(tokenizer)
    metrics = VllmMetrics(ScriptedWorker.model, blocks)
    engine: Engine | FixedDelay = Engine(prefill_tokens_s, decode_tokens_s, PrefixCache(blocks), metrics)
    if delay_s is not None:
        engine = FixedDelay(delay_s, asyncio.Semaphore(slots), metrics)
    worker = ServedWorker(engine=engine, fault_share=fault_share, dies_of=dies_of)
    server = uvicorn.Server(
        uvicorn.Config(worker, host="127.0.0.1", port=port, lifespan="off", log_level="warning", backlog=4096)
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    server.run()


if __name__ == "__main__":
    main()
