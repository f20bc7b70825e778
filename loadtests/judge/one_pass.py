"""The verdict in the pass that writes it, against reading it again on the prefix that the engine has just computed.

In one pass the labels' log-probabilities come with every generated token, and the verdict is the one after the marker,
where the model wrote the marker at all. Both ways have K trajectories of the same steps under salts of their own.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from loadtests.judge.ways import Sampling
from stepreward.concurrency import run_all
from stepreward.prompts.rprm import RPRM
from stepreward.values import Prompt
from stepreward.worker.sampling import content_seed


@dataclass(frozen=True)
class Pass:
    """`reading_s` is the second call's share of `wall_s`; `unread` is the share of trajectories without a verdict,
    which must be asked for it in a further call."""

    wall_s: float
    answer_bytes: int
    reading_s: float
    unread: float


class OnePass:
    """`http` has the worker's base URL."""

    def __init__(self, http: httpx.AsyncClient, model: str, method: RPRM, sampling: Sampling) -> None:
        self._http = http
        self._model = model
        self._method = method
        self._sampling = sampling

    async def read_again(self, prompts: Sequence[Prompt], salt: str) -> Pass:
        """As the service does it: sampled up to the marker, then one call of one token each."""
        started_s = time.perf_counter()
        answers = await run_all(self._sample(prompt, salt, [self._method.marker], {}) for prompt in prompts)
        sampled_s = time.perf_counter()
        endings = [
            self._method.verdict_prompt(prompt.token_ids, choice["token_ids"])[0]
            for prompt, answer in zip(prompts, answers, strict=True)
            for choice in answer.json()["choices"]
        ]
        reading = {
            "prompt": endings,
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": 2,
            "logprob_token_ids": self._method.labels,
        }
        answers.append(await self._post(reading, salt))
        ended_s = time.perf_counter()
        size_bytes = sum(len(answer.content) for answer in answers)
        return Pass(ended_s - started_s, size_bytes, ended_s - sampled_s, 0.0)

    async def at_once(self, prompts: Sequence[Prompt], salt: str) -> Pass:
        """The labels' log-probabilities of every token. It must go on past the marker, so it stops at the verdict."""
        stops = [f"{self._method.marker} Yes", f"{self._method.marker} No"]
        every = {"logprobs": 2, "logprob_token_ids": self._method.labels, "return_tokens_as_token_ids": True}
        started_s = time.perf_counter()
        answers = await run_all(self._sample(prompt, salt, stops, every) for prompt in prompts)
        wall_s = time.perf_counter() - started_s
        texts = [choice["text"] for answer in answers for choice in answer.json()["choices"]]
        unread = sum(not any(stop in text for stop in stops) for text in texts)
        return Pass(wall_s, sum(len(answer.content) for answer in answers), 0.0, unread / len(texts))

    async def _sample(self, prompt: Prompt, salt: str, stops: list[str], more: dict[str, Any]) -> httpx.Response:
        body = {
            "prompt": [prompt.token_ids],
            "n": self._sampling.k,
            "seed": content_seed(prompt, 0),
            "max_tokens": self._sampling.max_tokens,
            "temperature": self._sampling.temperature,
            "top_p": self._sampling.top_p,
            "stop": stops,
            "include_stop_str_in_output": True,
            "return_token_ids": True,
            **more,
        }
        return await self._post(body, salt)

    async def _post(self, body: dict[str, Any], salt: str) -> httpx.Response:
        answer = await self._http.post("/v1/completions", json={"model": self._model, "cache_salt": salt, **body})
        return answer.raise_for_status()
