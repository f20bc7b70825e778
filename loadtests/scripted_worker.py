"""A scripted vLLM 0.32, in process: what it answers follows from the prompt's token ids, so tests can predict scores.

The label margin of a prompt is a hash of its ids; a trajectory is a hash of its prompt's ids, the seed and its number.
It speaks through an `httpx.MockTransport` and keeps the bodies it was sent. It does not check the fields it is sent:
the tests do, against `requests`.
"""

import asyncio
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache
from typing import Any

import httpx
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from stepreward.prompts.tokens import PromptTokenizer

_BLOCK_TOKENS = 16
_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Fault(Enum):
    """What can be wrong with one answer. Those of single labels hit the first choice only."""

    REFUSED = auto()
    TIMED_OUT = auto()
    CUT_OFF = auto()
    STATUS_500 = auto()
    STATUS_429 = auto()
    STATUS_400 = auto()
    TRUNCATED_JSON = auto()
    NO_CHOICES = auto()
    ONE_CHOICE_SHORT = auto()
    ONE_CHOICE_MORE = auto()
    SHUFFLED = auto()
    OTHER_PROMPTS = auto()
    SAME_INDEX_TWICE = auto()
    NAN_LOGPROB = auto()
    INFINITE_LOGPROB = auto()
    LABEL_MISSING = auto()
    NO_LOGPROBS = auto()
    NO_TOP_LOGPROBS = auto()
    NO_TOKEN_IDS = auto()


_RAISED: Mapping[Fault, type[httpx.TransportError]] = {
    Fault.REFUSED: httpx.ConnectError,
    Fault.TIMED_OUT: httpx.ReadTimeout,
    Fault.CUT_OFF: httpx.RemoteProtocolError,
}
_STATUS = {Fault.STATUS_500: 500, Fault.STATUS_429: 429, Fault.STATUS_400: 400}


@lru_cache
def byte_tokenizer() -> PromptTokenizer:
    return PromptTokenizer(chat_tokenizer())


def chat_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, but " Yes" and " No" one each; a chat template with special tokens, as a chat model has."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "Y"), ("ĠY", "e"), ("ĠYe", "s"), ("Ġ", "N"), ("ĠN", "o")]
    vocabulary = {token: number for number, token in enumerate([*alphabet, *(a + b for a, b in merges)])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in ("<|im_start|>", "<|im_end|>")])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=_CHAT)


def margin(prompt: Sequence[int]) -> float:
    """ln P(first label) - ln P(second label) after this prompt, in [-4, 4)."""
    return _hash(list(prompt)) / 2**64 * 8 - 4


def p_first(prompt: Sequence[int]) -> float:
    """The score that must come out of this prompt: P(first label) / (P(first) + P(second))."""
    return 1 / (1 + math.exp(-margin(prompt)))


@dataclass
class ScriptedWorker:
    """`faults` are by the number of the completion call, from 0; `always` is every call's, /v1/models included.

    An answer takes `latency_s`; a refusal comes at once. It dies of a prompt that holds the text `dies_of`, and of
    `kill`, with all calls at hand.
    """

    faults: Mapping[int, Fault] = field(default_factory=dict)
    always: Fault | None = None
    model: str = "scripted-7b"
    context_tokens: int = 8192
    reports_cache: bool = True
    latency_s: float = 0
    dies_of: str | None = None
    deaths: int = 0
    tokens_done: int = 0
    at_hand: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    usages: list[dict[str, Any]] = field(default_factory=list)

    def http(self) -> httpx.AsyncClient:
        """What a WorkerClient is built on."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer), base_url="http://worker")

    def __post_init__(self) -> None:
        self._dead = asyncio.Event()
        self._running = asyncio.Event()
        self._running.set()

    def is_killed_by(self, prompts: Iterable[Sequence[int]]) -> bool:
        dies_of = self.dies_of
        return dies_of is not None and any(dies_of in byte_tokenizer().decode(prompt) for prompt in prompts)

    def kill(self) -> None:
        """It is gone, and every call at hand breaks off; `revive` starts another in its place."""
        self.deaths += 1
        self._dead.set()

    def revive(self) -> None:
        self._dead = asyncio.Event()

    def freeze(self) -> None:
        """As SIGSTOP: connections are taken and nothing is answered, until `thaw`."""
        self._running.clear()

    def thaw(self) -> None:
        self._running.set()

    def trajectory(self, prompt: Sequence[int], seed: int, number: int, body: Mapping[str, Any]) -> list[int]:
        """Of every four, the second reaches its budget and the third ends its turn, both without the stop string."""
        analysis = f"Calculation: {_hash([list(prompt), seed, number]):x} agrees.\n"
        tokens = byte_tokenizer()
        if number % 4 == 1:
            return list(tokens.trusted(analysis * 99))[: body["max_tokens"]]
        ending = "<|im_end|>" if number % 4 == 2 else body["stop"][0]
        return list(tokens.trusted(analysis + ending))[: body["max_tokens"]]

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if self._dead.is_set():
            raise httpx.ConnectError("scripted: dead", request=request)
        answering = asyncio.ensure_future(self._answer_alive(request))
        dying = asyncio.ensure_future(self._dead.wait())
        self.at_hand += 1
        try:
            await asyncio.wait({answering, dying}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise httpx.RemoteProtocolError("scripted: died", request=request)
            return answering.result()
        finally:
            self.at_hand -= 1
            answering.cancel()
            dying.cancel()
            await asyncio.gather(answering, dying, return_exceptions=True)

    async def _answer_alive(self, request: httpx.Request) -> httpx.Response:
        await self._running.wait()
        if request.method == "GET":
            return await self._tell(request)
        if request.method != "POST" or request.url.path != "/v1/completions":
            return httpx.Response(404, json={"detail": "Not Found"})
        body = json.loads(request.content)
        if self.is_killed_by(body["prompt"]):
            self.kill()
            await asyncio.sleep(60)
        fault = self.faults.get(len(self.requests), self.always)
        self.requests.append(body)
        choices = self.choices(body)
        answer = {"object": "text_completion", "model": self.model, "choices": choices, "usage": self._usage(body)}
        answer["usage"]["completion_tokens"] = sum(len(choice["token_ids"] or [0]) for choice in choices)
        self.usages.append(answer["usage"])
        if fault in _SPOILED:
            _SPOILED[fault](choices)
        return await self._send(answer, fault, request)

    async def _tell(self, request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/v1/models":
                card = {"id": self.model, "object": "model", "max_model_len": self.context_tokens}
                return await self._send({"object": "list", "data": [card]}, self.always, request)
            case "/health":
                return httpx.Response(200)
            case "/metrics":
                counter = f'vllm:prompt_tokens_total{{engine="0",model_name="{self.model}"}} {self.tokens_done}.0'
                return httpx.Response(200, text=f"# TYPE vllm:prompt_tokens counter\n{counter}\n")
        return httpx.Response(404, json={"detail": "Not Found"})

    async def _send(self, answer: dict[str, Any], fault: Fault | None, request: httpx.Request) -> httpx.Response:
        if fault in _RAISED:
            raise _RAISED[fault]("scripted", request=request)
        await asyncio.sleep(self.latency_s)
        await self._running.wait()
        self.tokens_done += answer.get("usage", {}).get("prompt_tokens", 0)
        if fault in _STATUS:
            return httpx.Response(_STATUS[fault], json={"error": {"message": "scripted", "code": _STATUS[fault]}})
        content = json.dumps(answer).encode()
        if fault is Fault.TRUNCATED_JSON:
            content = content[: len(content) // 2]
        return httpx.Response(200, content=content, headers={"Content-Type": "application/json"})

    def choices(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What is answered to this body of a completion call."""
        if "n" in body:
            return self._sampled(body)
        if "logprob_token_ids" in body:
            return [_read(*pair, body) for pair in enumerate(body["prompt"])]
        return [_spelled(index, body["max_tokens"]) for index in range(len(body["prompt"]))]

    def _sampled(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        [prompt] = body["prompt"]
        drawn = [self.trajectory(prompt, body["seed"], number, body) for number in range(body["n"])]
        return [
            {"index": index, "text": byte_tokenizer().decode(ids), "token_ids": ids, "logprobs": None}
            for index, ids in enumerate(drawn)
        ]

    def _usage(self, body: Mapping[str, Any]) -> dict[str, Any]:
        lengths = [len(prompt) for prompt in body["prompt"]]
        cached = sum(length // _BLOCK_TOKENS * _BLOCK_TOKENS for length in lengths)
        details = {"cached_tokens": cached} if self.reports_cache else None
        return {"prompt_tokens": sum(lengths), "prompt_tokens_details": details}


def _read(index: int, prompt: Sequence[int], body: Mapping[str, Any]) -> dict[str, Any]:
    """One token, with the raw log-probabilities of the labels asked for and of the token that was sampled."""
    first, second = body["logprob_token_ids"]
    other = max(first, second) + 1
    labels = {f"token_id:{first}": -0.2 + math.log(p_first(prompt)), f"token_id:{second}": -0.2 + _ln_second(prompt)}
    return {
        "index": index,
        "text": "?",
        "token_ids": None,
        "logprobs": {
            "text_offset": [0],
            "tokens": [f"token_id:{other}"],
            "token_logprobs": [-1.7],
            "top_logprobs": [{f"token_id:{other}": -1.7, **labels}],
        },
        "finish_reason": "length",
    }


def _spelled(index: int, tokens: int) -> dict[str, Any]:
    """For a gateway that compares the spelling of tokens with its own."""
    ids = list(byte_tokenizer().trusted(" 9, 10, 11, 12"))[:tokens]
    return {"index": index, "text": byte_tokenizer().decode(ids), "token_ids": ids, "logprobs": None}


def _ln_second(prompt: Sequence[int]) -> float:
    return math.log(p_first(prompt)) - margin(prompt)


def _hash(value: object) -> int:
    """A number in [0, 2⁶⁴)."""
    return int.from_bytes(hashlib.sha256(repr(value).encode()).digest()[:8], "big")


Choices = list[dict[str, Any]]


def _shift(choices: Choices) -> None:
    for choice in choices:
        choice["index"] += len(choices)


def _repeat_index(choices: Choices) -> None:
    choices[-1]["index"] = choices[0]["index"] if len(choices) > 1 else 1


def _first_label(value: float | None) -> Callable[[Choices], None]:
    def spoil(choices: Choices) -> None:
        tops = choices[0]["logprobs"]["top_logprobs"][0]
        label = list(tops)[1]
        tops.pop(label)
        if value is not None:
            tops[label] = value

    return spoil


_SPOILED: Mapping[Fault, Callable[[Choices], object]] = {
    Fault.NO_CHOICES: lambda choices: choices.clear(),
    Fault.ONE_CHOICE_SHORT: lambda choices: choices.pop(),
    Fault.ONE_CHOICE_MORE: lambda choices: choices.append(dict(choices[0], index=len(choices))),
    Fault.SHUFFLED: lambda choices: choices.reverse(),
    Fault.OTHER_PROMPTS: _shift,
    Fault.SAME_INDEX_TWICE: _repeat_index,
    Fault.NAN_LOGPROB: _first_label(math.nan),
    Fault.INFINITE_LOGPROB: _first_label(-math.inf),
    Fault.LABEL_MISSING: _first_label(None),
    Fault.NO_LOGPROBS: lambda choices: choices[0].update(logprobs=None),
    Fault.NO_TOP_LOGPROBS: lambda choices: choices[0]["logprobs"].update(top_logprobs=[]),
    Fault.NO_TOKEN_IDS: lambda choices: choices[0].pop("token_ids"),
}
