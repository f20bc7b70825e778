"""What the adapters share: one client a process, samples to items, and a result as numbers."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from stepreward.chat import question_of, without_special_tokens
from stepreward.client import Client, failed
from stepreward.errors import ConfigurationError, InvalidRequest, RequestError
from stepreward.files import reason_of
from stepreward.schema import Item, ItemResult

URL_VARIABLE = "STEPREWARD_CLIENT_URL"
KEY_VARIABLE = "STEPREWARD_CLIENT_API_KEY"
# Frameworks ask for one sample at a time, and for many at once.
_CONCURRENCY = 64

Prompt = str | Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Sample:
    """A prompt, in a chat template or not or as messages, and what the policy answered.

    Special tokens and white space around it are taken off the response, unless its spans are wanted (`exact`).
    """

    prompt: Prompt
    response: str
    exact: bool = False


def score(
    samples: Sequence[Sample], url: str | None, deadline_s: float, options: Mapping[str, Any]
) -> list[ItemResult]:
    """One result a sample, in order; one that cannot be scored is `failed`.

    Raises ConfigurationError without an address, RequestError for options that are refused, ServiceUnavailable.
    """
    return begin(samples, url, deadline_s, options).result()


def begin(
    samples: Sequence[Sample], url: str | None, deadline_s: float, options: Mapping[str, Any]
) -> "Future[list[ItemResult]]":
    """The same, without waiting for it."""
    results: list[ItemResult | None] = [None] * len(samples)
    items: dict[int, Item] = {}
    for number, sample in enumerate(samples):
        try:
            items[number] = _item(sample)
        except RequestError as error:
            results[number] = failed(str(number), error.code, error.message, retryable=False)
    ended: Future[list[ItemResult]] = Future()
    scoring = _client(url).begin_score_items(list(items.values()), deadline_s=deadline_s, **options)
    scoring.add_done_callback(lambda done: _merge(done, items, results, ended))
    return ended


def _merge(
    done: "Future[list[ItemResult]]",
    items: Mapping[int, Item],
    results: list[ItemResult | None],
    ended: "Future[list[ItemResult]]",
) -> None:
    if error := done.exception():
        ended.set_exception(error)
        return
    for number, result in zip(items, done.result(), strict=True):
        results[number] = result
    ended.set_result([result for result in results if result is not None])


def _item(sample: Sample) -> Item:
    """Raises InvalidRequest for what is blank or unreadable."""
    try:
        response = sample.response if sample.exact else without_special_tokens(sample.response)
        return Item(question=question_of(sample.prompt), response=response)
    except ValidationError as error:
        raise InvalidRequest(reason_of(error)) from error


def numbers(result: ItemResult, fallback_score: float) -> dict[str, float]:
    """Always the same names: `score`, and what else is worth logging; without a score the fallback value, said so."""
    found = result.aggregates
    known = [one for one in (result.score, found.min, found.mean, found.last) if one is not None]
    has_score = result.status == "ok" and len(known) == 4
    values = known if has_score else [fallback_score] * 4
    return {
        **dict(zip(("score", "prm_min", "prm_mean", "prm_last"), values, strict=True)),
        "prm_steps": len(result.steps),
        "prm_first_error": -1 if result.first_error is None else result.first_error,
        "prm_fallback": int(not has_score),
    }


def _client(url: str | None) -> Client:
    address = url or os.environ.get(URL_VARIABLE)
    if not address:
        raise ConfigurationError(f"{URL_VARIABLE}: the address of the service, as http://127.0.0.1:8080")
    return _client_of(os.getpid(), address, os.environ.get(KEY_VARIABLE))


@lru_cache(maxsize=8)
def _client_of(process_id: int, url: str, api_key: str | None) -> Client:
    """For the life of the process: frameworks have no end to close it at, and a fork has no threads of its parent's."""
    return Client(url, api_key=api_key, concurrency=_CONCURRENCY)
