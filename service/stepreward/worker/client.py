"""vLLM over HTTP: sampled continuations and the log-probabilities of two label tokens.

Only `/v1/completions` and `/v1/models` are needed, which every router carries; `/metrics` and `/health` tell more of a
worker where they are. The request fields are a fixed list: nothing that a user sends reaches the worker as a field.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import aiohttp
import httpx
import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from stepreward.errors import ConfigurationError, InternalError, WorkerAnswerInvalid, WorkerUnavailable
from stepreward.schema import Priority
from stepreward.values import TokenCount
from stepreward.worker.faults import WorkerBusy, WorkerDied, WorkerFaulty, WorkerUnreachable

Tokens = Sequence[int]
Labels = tuple[int, int]

# The second is of the transport that the service's clients have, where it translates an error into none of the first.
_NO_ANSWER = (httpx.HTTPError, aiohttp.ClientError)
_JSON = {"Content-Type": "application/json"}
_ASK_S = 5.0
_ALIVE_S = 1.0
# vLLM hands on first what has the lower number.
_PRIORITY: Mapping[Priority, int] = {"interactive": 0, "bulk": 1}
# Every token that the engine has taken in or put out, and the size of its key-value cache.
_DONE = re.compile(rb"^vllm:(?:prompt|generation)_tokens_total(?:\{[^\n]*\})? ([0-9.e+]+)", re.MULTILINE)
_CACHE = re.compile(rb"^vllm:cache_config_info\{([^\n]*)\}", re.MULTILINE)
_CACHE_FIELD = re.compile(rb'\b(block_size|num_gpu_blocks)="(\d+)"')


@dataclass(frozen=True)
class SamplingOptions:
    """How trajectories are drawn. `stop` is kept in the output."""

    max_tokens: int
    temperature: float
    top_p: float
    stop: str


class _Loose(BaseModel):
    """What we read of the worker's answer; it may say more."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Logprobs(_Loose):
    top_logprobs: list[dict[str, float]]


class _Choice(_Loose):
    index: int
    text: str = ""
    token_ids: list[int] | None = None
    logprobs: _Logprobs | None = None


class _CachedTokens(_Loose):
    cached_tokens: int | None = None


class _Usage(_Loose):
    prompt_tokens: int
    completion_tokens: int | None = None
    prompt_tokens_details: _CachedTokens | None = None


class _Completions(_Loose):
    choices: list[_Choice]
    usage: _Usage


class _ModelCard(_Loose):
    """A LoRA adapter has a card of its own, after its base model's and without its context."""

    id: str
    root: str | None = None
    max_model_len: int | None = None


class _ModelCards(_Loose):
    data: list[_ModelCard]


@dataclass(frozen=True)
class ServedModel:
    """What later calls ask for, where the worker has its weights from, and its context in tokens."""

    id: str
    root: str | None
    max_model_len: int


@dataclass(frozen=True)
class Counts:
    """Of a worker's own metrics. Each is None where it does not say so.

    `tokens_done`: prompt and generated tokens since it started, which grow while it gets on; `cache_tokens`: what its
    key-value cache holds.
    """

    tokens_done: float | None = None
    cache_tokens: int | None = None

    @classmethod
    def read(cls, metrics: bytes) -> Self:
        done = [float(count) for count in _DONE.findall(metrics)]
        cache = _CACHE.search(metrics)
        sizes = {name: int(size) for name, size in _CACHE_FIELD.findall(cache[1])} if cache else {}
        return cls(
            tokens_done=sum(done) if done else None,
            cache_tokens=sizes[b"block_size"] * sizes[b"num_gpu_blocks"] if len(sizes) == 2 else None,
        )


class WorkerClient:
    """Calls one vLLM server or router. `http` has its base URL and its limits.

    `name` is the model to ask for where several are served, the first of them if left out; `priorities` says whether
    it runs with `--scheduling-policy priority`.
    """

    def __init__(self, http: httpx.AsyncClient, name: str | None = None, *, priorities: bool = False) -> None:
        self._http = http
        self._name = name
        self._required: ServedModel | None = None
        # None until `connect`.
        self.served: ServedModel | None = None
        self._priorities = priorities

    @property
    def url(self) -> str:
        return str(self._http.base_url)

    async def connect(self) -> ServedModel:
        """The served model; later calls ask for it.

        Raises WorkerUnavailable, or ConfigurationError where what answers is not a vLLM server or does not serve it.
        """
        try:
            answer = await self._http.get("/v1/models", timeout=_ASK_S)
            answer.raise_for_status()
            cards = _ModelCards.model_validate_json(answer.content).data
            context_tokens = _context_tokens(cards)
        except _NO_ANSWER as error:
            raise WorkerUnavailable(f"worker {self._http.base_url}: {type(error).__name__} {error}") from error
        except ValueError as error:
            raise ConfigurationError(f"STEPREWARD_WORKER_URL: {self._http.base_url} is not a vLLM server") from error
        card = next((card for card in cards if self._name in (None, card.id)), None)
        if card is None:
            names = ", ".join(card.id for card in cards)
            raise ConfigurationError(f"STEPREWARD_WORKER_MODEL: {self._http.base_url} serves {names}, not {self._name}")
        served = ServedModel(card.id, card.root, context_tokens)
        self.served = served
        if self._required:
            self.require(self._required)
        return served

    def require(self, other: ServedModel) -> None:
        """From now on it must serve the same as another. Raises ConfigurationError where it does not."""
        self._required = other
        if self.served and (self.served.id, self.served.max_model_len) != (other.id, other.max_model_len):
            raise ConfigurationError(f"STEPREWARD_WORKER_URL: {self.url} serves {self.served}, and not {other}")

    async def counts(self) -> Counts:
        """What it says of itself; nothing where it has no metrics, or does not answer."""
        try:
            answer = await self._http.get("/metrics", timeout=_ASK_S)
        except _NO_ANSWER:
            return Counts()
        return Counts.read(answer.content) if answer.is_success else Counts()

    async def is_alive(self) -> bool:
        """Whether it answers at all and does not say itself that its engine is dead."""
        try:
            answer = await self._http.get("/health", timeout=_ALIVE_S)
        except _NO_ANSWER:
            return False
        return answer.status_code < 500

    async def probe(self) -> None:
        """One token of the smallest prompt. Raises WorkerUnavailable, WorkerAnswerInvalid, ConfigurationError."""
        await self.connect()
        body = {"prompt": [[1]], "max_tokens": 1, "temperature": 0}
        await self._complete(body, 1, TokenCount(), timeout_s=_ASK_S)

    async def spell(self, prompt: Tokens, timeout_s: float | None = None) -> tuple[Tokens, str]:
        """What the model surely goes on with, eight tokens, as ids and in the worker's own spelling of them."""
        body = {
            "prompt": [prompt],
            "max_tokens": 8,
            "temperature": 0,
            "return_token_ids": True,
            "skip_special_tokens": False,
        }
        (choice,) = await self._complete(body, 1, TokenCount(), timeout_s)
        return choice.token_ids or [], choice.text

    async def sample(
        self,
        prompt: Tokens,
        k: int,
        seed: int,
        options: SamplingOptions,
        spent: TokenCount,
        *,
        priority: Priority = "interactive",
        salt: str | None = None,
    ) -> Sequence[Tokens]:
        """k continuations of one prompt, as token ids. Equal arguments give equal continuations."""
        body = {
            "prompt": [prompt],
            "n": k,
            "seed": seed,
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "stop": [options.stop],
            "include_stop_str_in_output": True,
            "return_token_ids": True,
            **self._placed(priority, salt),
        }
        choices = await self._complete(body, k, spent)
        trajectories = [choice.token_ids for choice in choices if choice.token_ids]
        if len(trajectories) < k:
            raise WorkerAnswerInvalid("the worker returned a trajectory without token ids")
        return trajectories

    async def label_probabilities(
        self,
        prompts: Sequence[Tokens],
        labels: Labels,
        spent: TokenCount,
        *,
        priority: Priority = "interactive",
        salt: str | None = None,
    ) -> list[float | None]:
        """P(first label) / (P(first) + P(second)) for the token after each prompt; None where it cannot be read."""
        body = {
            "prompt": prompts,
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": len(labels),
            "logprob_token_ids": list(labels),
            "return_tokens_as_token_ids": True,
            **self._placed(priority, salt),
        }
        choices = await self._complete(body, len(prompts), spent)
        return [_share(choice, labels) for choice in choices]

    def _asked(self) -> str:
        if self.served is None:
            raise InternalError(f"{self.url} was called before it was connected. This is a bug.")
        return self.served.id

    def _placed(self, priority: Priority, salt: str | None) -> dict[str, object]:
        """Who goes first, and whose cached prefixes may be used: only those of calls with the same salt."""
        rank = {"priority": _PRIORITY[priority]} if self._priorities else {}
        return rank | ({"cache_salt": salt} if salt else {})

    async def _complete(
        self, body: Mapping[str, object], expected: int, spent: TokenCount, timeout_s: float | None = None
    ) -> list[_Choice]:
        """Choices in the order of the prompts. Raises a WorkerUnavailable of faults.py, WorkerAnswerInvalid."""
        answer = await self._post({"model": self._asked(), **body}, timeout_s)
        if answer.status_code == 429:
            raise WorkerBusy("the worker answered 429")
        if answer.status_code == 503:
            raise await self._fault(WorkerBusy("the worker answered 503"))
        if answer.status_code >= 500:
            raise await self._fault(WorkerFaulty(f"the worker answered {answer.status_code}"))
        if not answer.is_success:
            raise WorkerAnswerInvalid(f"the worker refused the request with {answer.status_code}")
        try:
            completions = _Completions.model_validate_json(answer.content)
        except ValidationError as error:
            raise WorkerAnswerInvalid(f"the worker's answer is not understood: {error.error_count()} errors") from error
        choices = sorted(completions.choices, key=lambda choice: choice.index)
        if [choice.index for choice in choices] != list(range(expected)):
            raise WorkerAnswerInvalid(f"the worker returned {len(choices)} choices for {expected}")
        usage = completions.usage
        # Of a list of prompts vLLM tells the cached tokens of the last one alone.
        details = usage.prompt_tokens_details if expected == 1 or "n" in body else None
        spent.add(usage.prompt_tokens, usage.completion_tokens or 0, details.cached_tokens if details else None)
        return choices

    async def _post(self, body: Mapping[str, object], timeout_s: float | None) -> httpx.Response:
        limit = self._http.timeout if timeout_s is None else httpx.Timeout(timeout_s)
        try:
            return await self._http.post("/v1/completions", content=orjson.dumps(body), headers=_JSON, timeout=limit)
        except _NO_ANSWER as error:
            message = f"the worker did not answer: {type(error).__name__}"
            if _never_sent(error):
                raise WorkerUnreachable(message) from error
            fault = WorkerFaulty(message)
            raise (fault if isinstance(error, httpx.ReadTimeout) else await self._fault(fault)) from error

    async def _fault(self, fault: WorkerUnavailable) -> WorkerUnavailable:
        """Itself, unless the worker is gone: a dying engine answers 500, and a broken connection may be only that."""
        return fault if await self.is_alive() else WorkerDied(f"{fault.message}, and does not live any more")


def _never_sent(error: Exception) -> bool:
    """The transport says ConnectTimeout of a connection that broke, too: what was behind it tells them apart."""
    refused = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
    return isinstance(error, httpx.ConnectError) or isinstance(error.__cause__, refused)


def _context_tokens(cards: Sequence[_ModelCard]) -> int:
    """Of the first card, a base model's. Raises ValueError."""
    if not cards or cards[0].max_model_len is None:
        raise ValueError("no model with a context")
    return cards[0].max_model_len


def _share(choice: _Choice, labels: Labels) -> float | None:
    """Softmax over the two labels' log-probabilities; None when one is absent or not a number."""
    if choice.logprobs is None or not choice.logprobs.top_logprobs:
        return None
    logprobs = choice.logprobs.top_logprobs[0]
    first, second = (logprobs.get(f"token_id:{label}", math.nan) for label in labels)
    if not (math.isfinite(first) and math.isfinite(second)):
        return None
    return 1 / (1 + math.exp(min(second - first, 700)))
