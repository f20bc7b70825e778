"""Responses to steps, before anything else is done with a request."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from stepreward.errors import InvalidRequest
from stepreward.schema import Item, ScoreRequest
from stepreward.splitting import Splitter, TooManySteps, UnusableSplitter

# Begin and end of each step in the response, in characters.
Spans = list[tuple[int, int]]

# What takes longer than this, in characters, is split beside the event loop; so is all that a client's pattern splits.
_MANY_CHARS = 2**16


@dataclass(frozen=True)
class Splitting:
    """The splitter of a request that names none, and what a solution may hold."""

    splitter: Splitter
    most_steps: int
    most_step_chars: int


AT_BLANK_LINES = Splitting(Splitter.of("blank_line"), most_steps=256, most_step_chars=20_000)


async def split_responses(request: ScoreRequest, defaults: Splitting) -> tuple[ScoreRequest, Sequence[Spans | None]]:
    """The request with steps in all its items, and the spans of those that had a response.

    Raises InvalidRequest for a splitter that cannot be used or is of no use, and for what it splits into too many or
    too long steps.
    """
    responses = [item.response for item in request.items if item.response is not None]
    if not responses:
        if request.splitter:
            raise InvalidRequest("splitter: no item has a response to split")
        return request, [None] * len(request.items)
    splitter = splitter_of(request, defaults)
    if splitter.kind == "regex" or sum(map(len, responses)) > _MANY_CHARS:
        split = await asyncio.to_thread(_split_all, request.items, splitter, defaults)
    else:
        split = _split_all(request.items, splitter, defaults)
    return request.model_copy(update={"items": [item for item, _ in split]}), [spans for _, spans in split]


def splitter_of(request: ScoreRequest, defaults: Splitting) -> Splitter:
    """The one that is named, or the default. Raises InvalidRequest for a pattern that cannot be used."""
    if request.splitter is None:
        return defaults.splitter
    try:
        return Splitter.of(request.splitter.kind, request.splitter.pattern)
    except UnusableSplitter as error:
        raise InvalidRequest(f"splitter.pattern: {error}") from error


def _split_all(items: Sequence[Item], splitter: Splitter, defaults: Splitting) -> list[tuple[Item, Spans | None]]:
    return [_split(item, f"items[{position}]", splitter, defaults) for position, item in enumerate(items)]


def _split(item: Item, place: str, splitter: Splitter, defaults: Splitting) -> tuple[Item, Spans | None]:
    if item.response is None:
        return item, None
    try:
        pieces = splitter.split(item.response, defaults.most_steps)
    except TooManySteps as error:
        raise InvalidRequest(f"{place}.response: {error}") from error
    longest = max(pieces, key=lambda piece: len(piece.text))
    if len(longest.text) > defaults.most_step_chars:
        raise InvalidRequest(
            f"{place}.response: its step at character {longest.begin} has {len(longest.text)} characters, "
            f"more than the {defaults.most_step_chars} allowed"
        )
    steps = [piece.text for piece in pieces]
    return item.model_copy(update={"steps": steps, "response": None}), [(piece.begin, piece.end) for piece in pieces]
