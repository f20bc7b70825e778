"""Scores of whole files: JSON lines in, JSON lines out, in the same order; nothing is lost on the way.

A row is an item (`question`, `steps`, perhaps `id`); other keys are passed over. A row that cannot be scored goes to a
side file with its line and the reason; one that the service failed on is in the output, with its failure.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from stepreward.errors import RequestError
from stepreward.files import BadRow, open_lines, reason_of
from stepreward.schema import Item, ItemResult, ScoreRequest, ScoreResponse


@dataclass(frozen=True)
class Row:
    """A readable row and its 1-based line."""

    line: int
    item: Item


Outcome = ItemResult | BadRow


class Scorer(Protocol):
    """Whatever scores: an AsyncClient, or the service in this process."""

    async def score(self, request: ScoreRequest) -> ScoreResponse:
        """Raises RequestError when the request is refused, another error of the tree when there is no answer."""


@dataclass
class Summary:
    """Counts over a file; `scores` holds the solutions' scores that there are."""

    ok: int = 0
    failed: int = 0
    bad: int = 0
    steps: int = 0
    scores: list[float] = field(default_factory=list)

    def merge(self, other: "Summary") -> None:
        self.ok += other.ok
        self.failed += other.failed
        self.bad += other.bad
        self.steps += other.steps
        self.scores += other.scores

    def add(self, outcome: Outcome) -> None:
        if isinstance(outcome, BadRow):
            self.bad += 1
            return
        self.steps += sum(step.score is not None for step in outcome.steps)
        if outcome.status == "ok":
            self.ok += 1
        else:
            self.failed += 1
        if outcome.score is not None:
            self.scores.append(outcome.score)


_ROW: TypeAdapter[dict[str, object]] = TypeAdapter(dict[str, object])


def read_rows(path: Path, question_key: str) -> Iterator[Row | BadRow]:
    """Every row in order; blank lines are passed over. Raises OSError."""
    return (row_of(line, number, question_key) for number, line in read_lines(path))


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, by their 1-based numbers. Raises OSError."""
    with open_lines(path) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, line


def row_of(line: bytes, number: int, question_key: str) -> Row | BadRow:
    try:
        raw = _ROW.validate_json(line)
        given = {"question": raw.get(question_key), "steps": raw.get("steps")}
        name = raw.get("id")
        return Row(number, Item.model_validate(given if name is None else {"id": str(name), **given}))
    except ValidationError as error:
        return BadRow(number, reason_of(error))


def line_of(outcome: Outcome) -> str:
    """As it is written: to the output, or to the side file."""
    if isinstance(outcome, BadRow):
        return json.dumps({"line": outcome.line, "reason": outcome.reason}, ensure_ascii=False) + "\n"
    return outcome.model_dump_json(exclude_none=False) + "\n"


async def score_rows(
    client: Scorer, rows: Iterator[Row | BadRow], options: ScoreRequest, per_request: int, concurrency: int
) -> AsyncGenerator[Outcome, None]:
    """Outcomes in the order of the rows, with at most `concurrency` requests under way.

    `options` is a request whose items are replaced. Raises what the client raises when it has no answer; what was
    yielded before stays valid.
    """
    waiting: deque[asyncio.Task[list[Outcome]]] = deque()
    try:
        for chunk in _chunks(rows, per_request):
            waiting.append(asyncio.create_task(_score_chunk(client, chunk, options)))
            if len(waiting) >= concurrency:
                for outcome in await waiting.popleft():
                    yield outcome
        while waiting:
            for outcome in await waiting.popleft():
                yield outcome
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _chunks(rows: Iterator[Row | BadRow], size: int) -> Iterator[list[Row | BadRow]]:
    chunk: list[Row | BadRow] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def _score_chunk(client: Scorer, chunk: Sequence[Row | BadRow], options: ScoreRequest) -> list[Outcome]:
    good = [row for row in chunk if isinstance(row, Row)]
    scored = iter(await _score(client, good, options))
    return [row if isinstance(row, BadRow) else next(scored) for row in chunk]


async def _score(client: Scorer, rows: Sequence[Row], options: ScoreRequest) -> list[Outcome]:
    """One request; when it is refused, one for each row, so that only the row at fault is bad."""
    if not rows:
        return []
    items = [_with_id(row) for row in rows]
    try:
        answer = await client.score(options.model_copy(update={"items": items}))
    except RequestError as error:
        if len(rows) == 1:
            return [BadRow(rows[0].line, error.message)]
        return [outcome for row in rows for outcome in await _score(client, [row], options)]
    return list(answer.items)


def _with_id(row: Row) -> Item:
    """A row without an id is called by its line."""
    return row.item if row.item.id is not None else row.item.model_copy(update={"id": f"line-{row.line}"})
