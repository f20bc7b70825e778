"""retsp's prefixes: how many tokens the worker computes for a solution's prompts, against how many are different.

The prompts are the service's own, with references, as they came to the worker. Every sending has a salt of its own, so
that each begins with an empty cache.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from loadtests.judge.counting import Counter
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

        async def send() -> int:
            for group in groups:
                await self._read(group, salt)
            return 0

        # The answers' usage tells the cached tokens of a list's last prompt alone.
        cost = await Counter(self._http).measure(send)
        prompt_tokens = cost.tokens.computed + cost.tokens.cached
        return Sending(order, prompt_tokens, cost.tokens.computed, unique_tokens(prompts), cost.wall_s)

    async def _read(self, prompts: Prompts, salt: str) -> None:
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
        answer.raise_for_status()
