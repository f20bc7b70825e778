"""Bytes to a checked ScoreRequest. Whatever is wrong is said in under a kilobyte, with its place, without the input."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
import orjson
from pydantic import BaseModel, ValidationError

from stepreward.concurrency import Turns
from stepreward.errors import BodyTooLarge, InvalidRequest, MalformedBody, UnsupportedEncoding
from stepreward.schema import ScoreRequest

M = TypeVar("M", bound=BaseModel)

_PLACE_CHARS = 200
_MESSAGE_CHARS = 300
_MOST_FIELDS = 100
# Half a second goes into 17 MB; what is larger than this is parsed beside the event loop, one at a time.
_LARGE_BYTES = 2**18
_ONE_PARSER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="parse")


@dataclass(frozen=True)
class Limits:
    """What one request may hold."""

    body_bytes: int
    items: int
    steps: int
    text_chars: int


async def read_request(
    headers: Mapping[str, str], chunks: AsyncIterator[bytes], limits: Limits, turns: Turns
) -> ScoreRequest:
    """Raises UnsupportedEncoding, BodyTooLarge, MalformedBody, InvalidRequest."""
    body = await _read(headers, chunks, limits.body_bytes)
    if len(body) < _LARGE_BYTES:
        async with turns.turn():
            return parse(body, limits)
    return await asyncio.get_running_loop().run_in_executor(_ONE_PARSER, _parse_large, body, limits)


def _parse_large(body: bytes, limits: Limits) -> ScoreRequest:
    """While a parser builds what a body holds, no other thread runs: nothing is built that cannot be a request."""
    _check_structure(body, limits)
    return parse(body, limits)


def _check_structure(body: bytes, limits: Limits) -> None:
    opened, commas = structure(body)
    if opened > 3 * limits.items + _MOST_FIELDS:
        raise MalformedBody("the body is not JSON of this form: it has more objects and lists than a request may have")
    if commas > limits.items * (2 * limits.steps + _MOST_FIELDS):
        raise InvalidRequest("body: it has more values than a request may have")


def parse(body: bytes, limits: Limits) -> ScoreRequest:
    """A request from its bytes: JSON (no NaN, no lone surrogate, UTF-8), then types, then limits."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedBody(f"the body is not JSON: {_broken(body, error)}") from error
    # orjson keeps the last of two equal keys and says nothing; the standard library lets us look, for some more time.
    try:
        json.loads(body, object_pairs_hook=_check_fields)
    except RecursionError:
        raise MalformedBody("the body is not JSON of this form: nested too deep") from None
    _check_length(document, limits)
    try:
        request = ScoreRequest.model_validate(document)
    except ValidationError as error:
        raise invalid(error) from None
    _check_limits(request, limits)
    return request


async def read_as(headers: Mapping[str, str], chunks: AsyncIterator[bytes], limits: Limits, model: type[M]) -> M:
    """A body in a form that is not ours: JSON, no larger than our own may be. Raises as `read_request` does."""
    body = await _read(headers, chunks, limits.body_bytes)
    if len(body) < _LARGE_BYTES:
        return _parse_as(body, model)
    return await asyncio.get_running_loop().run_in_executor(_ONE_PARSER, _parse_large_as, body, limits, model)


def _parse_large_as(body: bytes, limits: Limits, model: type[M]) -> M:
    _check_structure(body, limits)
    return _parse_as(body, model)


def _parse_as(body: bytes, model: type[M]) -> M:
    try:
        return model.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise MalformedBody(f"the body is not JSON: {_broken(body, error)}") from error
    except ValidationError as error:
        raise invalid(error) from None


def invalid(error: ValidationError) -> InvalidRequest:
    """The first thing that is wrong, with its place, without the input."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return InvalidRequest(f"{_place(first['loc'])}: {first['msg'].removeprefix('Value error, ')[:_MESSAGE_CHARS]}")


async def _read(headers: Mapping[str, str], chunks: AsyncIterator[bytes], cap_bytes: int) -> bytes:
    """The whole body, never more than the cap of it."""
    if headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedEncoding("content-encoding: send the body uncompressed")
    if headers.get("content-type", "application/json").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedEncoding("content-type: send application/json")
    too_large = BodyTooLarge(f"the body has more than {cap_bytes} bytes")
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        raise MalformedBody("content-length: not a number")
    if len(length) > 15 or int(length) > cap_bytes:
        raise too_large
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > cap_bytes:
            raise too_large
    return bytes(body)


def structure(body: bytes, piece_bytes: int = 2**20) -> tuple[int, int]:
    """How many opening brackets and how many commas stand outside of texts, a piece at a time: others run."""
    opened = commas = begin = 0
    inside = False
    while begin < len(body):
        end = begin + piece_bytes
        while body[end - 1 : end] == b"\\":  # what escapes what is seen within one piece
            end += 1
        piece = np.frombuffer(body[begin:end], np.uint8)
        changes = np.diff((piece == 0x5C).view(np.int8), prepend=0, append=0)
        first, behind = np.flatnonzero(changes == 1), np.flatnonzero(changes == -1)
        quotes = piece == 0x22
        escaped = behind[(behind - first) % 2 == 1]
        quotes[escaped[escaped < len(piece)]] = False
        outside = (np.cumsum(quotes, dtype=np.uint8) + inside) % 2 == 0
        opened += int(np.count_nonzero(((piece == 0x5B) | (piece == 0x7B)) & outside))
        commas += int(np.count_nonzero((piece == 0x2C) & outside))
        inside ^= bool(np.count_nonzero(quotes) % 2)
        begin = end
    return opened, commas


def _check_length(document: object, limits: Limits) -> None:
    """Before anything is validated item by item."""
    items = cast("dict[str, object]", document).get("items") if isinstance(document, dict) else None
    if isinstance(items, list) and len(items) > limits.items:
        raise InvalidRequest(f"items: {len(items)} are more than the {limits.items} allowed")


def _broken(body: bytes, error: orjson.JSONDecodeError) -> str:
    """What is wrong with it and where; of bad UTF-8 orjson does not say where."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as undecodable:
        return f"not UTF-8 at byte {undecodable.start}"
    return f"{error.msg} at character {error.pos}"


def _check_fields(pairs: list[tuple[str, object]]) -> None:
    """No field twice; and not so many that telling of each unknown one takes seconds."""
    if len(pairs) > _MOST_FIELDS:
        raise InvalidRequest(f"body: an object has {len(pairs)} fields, more than any object of a request")
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise InvalidRequest(f"{_place((key,))}: stands twice in one object")
        seen.add(key)


def _check_limits(request: ScoreRequest, limits: Limits) -> None:
    for position, item in enumerate(request.items):
        if len(item.steps) > limits.steps:
            raise InvalidRequest(f"items[{position}].steps: {len(item.steps)} are more than the {limits.steps} allowed")
        for name, text in (("question", item.question), *((f"steps[{i}]", step) for i, step in enumerate(item.steps))):
            if len(text) > limits.text_chars:
                raise InvalidRequest(
                    f"items[{position}].{name}: {len(text)} characters are more than the {limits.text_chars} allowed"
                )


def _place(location: tuple[int | str, ...]) -> str:
    """`items[0].steps[1]` from ("items", 0, "steps", 1); an unknown field's name is the client's, so it is cut."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    printable = "".join(char if char.isprintable() else "?" for char in place[:_PLACE_CHARS])
    return printable or "body"
