"""The other way to one prefill a solution: one prompt with a label after each step, read by prompt log-probabilities.

Not the same prompt: a step is seen after the labels given to those before it, and without reference steps of its own.
vLLM gives the most likely tokens at each place of a prompt, so a label that is not among them cannot be read.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from stepreward.prompts.tokens import PromptTokenizer, Segment, Untrusted
from stepreward.prompts.wording import built_in
from stepreward.values import Solution

# As many as vLLM gives unless told otherwise (--max-logprobs).
_MOST_LIKELY = 20


@dataclass(frozen=True)
class Slots:
    """`scores[i]` is p(correct) of step i, None where a label was not among the most likely tokens."""

    scores: list[float | None]
    computed: int
    wall_s: float
    answer_bytes: int


async def read_slots(
    http: httpx.AsyncClient, model: str, tokenizer: PromptTokenizer, labels: tuple[int, int], solution: Solution
) -> Slots:
    """Asks the worker at `http` for one solution, each slot filled with the first label."""
    prompt, places = slotted_prompt(tokenizer, labels[0], solution)
    body = {"model": model, "prompt": [prompt], "max_tokens": 1, "temperature": 0, "prompt_logprobs": _MOST_LIKELY}
    started_s = time.perf_counter()
    answer = (await http.post("/v1/completions", json=body)).raise_for_status()
    wall_s = time.perf_counter() - started_s
    said = answer.json()
    logprobs = said["choices"][0]["prompt_logprobs"]
    cached = (said["usage"]["prompt_tokens_details"] or {}).get("cached_tokens", 0)
    scores = [_share(logprobs[place], labels) for place in places]
    return Slots(scores, len(prompt) - cached, wall_s, len(answer.content))


def slotted_prompt(tokenizer: PromptTokenizer, filling: int, solution: Solution) -> tuple[list[int], list[int]]:
    """Token ids, and the places of the slots in them."""
    before, after = tokenizer.chat(built_in("retsp").system, "\ue000").split("\ue000")
    ids = [*tokenizer.encode([before + "Question:", Untrusted(f" {solution.question}"), "\n"])]
    places = []
    for number, step in enumerate(solution.steps, 1):
        segments: list[Segment] = [
            f"\nStep {number}:",
            Untrusted(f" {step}"),
            "\nIs this step correct? Answer + or -.\n",
        ]
        ids += tokenizer.encode(segments)
        places.append(len(ids))
        ids.append(filling)
    return [*ids, *tokenizer.encode([after])], places


def _share(at_place: dict[str, Any], labels: Sequence[int]) -> float | None:
    first, second = (at_place.get(str(label), {}).get("logprob") for label in labels)
    if first is None or second is None:
        return None
    return 1 / (1 + math.exp(min(second - first, 700)))
