"""A policy behind an OpenAI-compatible endpoint: `/v1/completions`, as vLLM has it."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import stamina

from stepreward.client import ServiceUnavailable
from stepreward.errors import InternalError
from stepreward.search.tree import Proposal

_FINAL = re.compile(r"\\boxed\{|####|(?:final answer|the answer is)\b", re.IGNORECASE)
_ATTEMPTS = 4


class Policy(Protocol):
    async def propose(self, question: str, steps: Sequence[str], count: int) -> list[Proposal]:
        """At most `count` different next steps; the same for the same arguments. Raises ServiceUnavailable."""


@dataclass(frozen=True)
class Sampling:
    """`stop` ends a step. `prompt` has `{question}` where the question goes; the steps follow it."""

    model: str
    temperature: float = 0.8
    max_step_tokens: int = 256
    stop: str = "\n\n"
    prompt: str = "Question: {question}\nSolve it step by step, an empty line between steps.\n\n"


class CompletionsPolicy:
    """`http` has the endpoint as its base address."""

    def __init__(self, http: httpx.AsyncClient, sampling: Sampling) -> None:
        self._http = http
        self._sampling = sampling

    async def propose(self, question: str, steps: Sequence[str], count: int) -> list[Proposal]:
        sampling = self._sampling
        text = sampling.prompt.replace("{question}", question) + "".join(step + sampling.stop for step in steps)
        body = {
            "model": sampling.model,
            "prompt": text,
            "n": count,
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_step_tokens,
            "stop": [sampling.stop],
            "seed": int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big"),
        }
        answer = await self._post(body)
        try:
            choices = [(str(one["text"]).strip(), one) for one in answer["choices"]]
            each = -(-int(answer["usage"]["completion_tokens"]) // max(len(choices), 1))
        except (KeyError, TypeError, ValueError) as error:
            raise ServiceUnavailable(f"{self._http.base_url}: not an answer of /v1/completions") from error
        # Steps that say the same are one; what they took to write is counted all the same.
        distinct: dict[str, Proposal] = {}
        for step, choice in choices:
            if step:
                tokens = each + (distinct[step].tokens if step in distinct else 0)
                distinct[step] = Proposal(step, _is_final(step, choice), tokens)
        return list(distinct.values())

    async def _post(self, body: dict[str, Any]) -> Any:
        async for attempt in stamina.retry_context(on=ServiceUnavailable, attempts=_ATTEMPTS):
            with attempt:
                try:
                    answer = await self._http.post("/v1/completions", json=body)
                    answer.raise_for_status()
                    return answer.json()
                except (httpx.HTTPError, ValueError) as error:
                    raise ServiceUnavailable(f"{self._http.base_url}: {type(error).__name__} {error}") from error
        raise InternalError("the retries ended without an answer or an error. This is a bug.")


def _is_final(step: str, choice: dict[str, Any]) -> bool:
    """It says so, or the model ended its turn: vLLM names what stopped it, and names nothing for that."""
    ended = choice.get("finish_reason") == "stop" and "stop_reason" in choice and choice["stop_reason"] is None
    return ended or bool(_FINAL.search(step))
