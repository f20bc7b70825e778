"""retsp's prefixes: how many tokens the worker computes for a solution's prompts, against how many are different.

The prompts are the service's own, with references, as they came to the worker. Every sending has a salt of its own, so
that each begins with an empty cache.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from loadtests.judge.figures import unique_tokens

Prompts = Sequence[Sequence[int]]
ORDERS = ("all at once", "one, then the rest", "one by one")


@dataclass(frozen=True)
class Sending:
    """Of one solution in one order."""

    order: str
    prompt: int
    computed: int
    unique: int
    wall_s: float


class PrefixBench:
    """`http` has the worker's base URL."""

    def __init__(self, http: httpx.AsyncClient, model: str, labels: tuple[int, int]) -> None:
        self._http = http
        self._model = model
        self._labels = labels

    async def send(self, prompts: Prompts, order: str, salt: str) -> Sending:
        """`prompts` are one solution's, in the order of its steps."""
        groups: list[Prompts] = {
            "all at once": [prompts],
            "one, then the rest": [prompts[:1], prompts[1:]],
            "one by one": [[prompt] for prompt in prompts],
        }[order]
        prompt_tokens = cached_tokens = 0
        started_s = time.perf_counter()
        for group in groups:
            usage = await self._read(group, salt)
            prompt_tokens += usage["prompt_tokens"]
            cached_tokens += (usage["prompt_tokens_details"] or {}).get("cached_tokens", 0)
        wall_s = time.perf_counter() - started_s
        return Sending(order, prompt_tokens, prompt_tokens - cached_tokens, unique_tokens(prompts), wall_s)

    async def _read(self, prompts: Prompts, salt: str) -> dict[str, Any]:
        body = {
            "model": self._model,
            "prompt": prompts,
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": 2,
            "logprob_token_ids": self._labels,
            "cache_salt": salt,
        }
        answer = await self._http.post("/v1/completions", json=body)
        usage: dict[str, Any] = answer.raise_for_status().json()["usage"]
        return usage
