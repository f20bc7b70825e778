"""`stepreward best-of-n`: choose among candidate solutions of the questions in a file."""

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, ConfigDict, ValidationError

from stepreward import best_of_n
from stepreward.client import AsyncClient, ScoreOptions
from stepreward.concurrency import run_all
from stepreward.errors import ConfigurationError
from stepreward.files import open_lines, reason_of

_AT_ONCE = 8


class Candidates(BaseModel):
    """A row: a question and its candidates, each a list of steps. Other keys are passed over."""

    model_config = ConfigDict(extra="ignore")

    id: str | int
    question: str
    candidates: list[list[str]]


@click.command("best-of-n")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="the running service")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="JSON lines; goes on where it was ended")
@click.option("--method", type=click.Choice(["retsp", "rprm", "cascade"]), help="[default: the service's]")
@click.option("--aggregate", type=click.Choice(["min", "prod", "mean", "last", "weighted"]), default="min")
@click.option("--halving", is_flag=True, help="judge a few steps at a time, and drop what is judged wrong")
def command(file: Path, url: str, output: Path | None, method: str | None, *, aggregate: str, halving: bool) -> None:
    """Rank the candidates of each question in FILE, JSON lines with `id`, `question` and `candidates`."""
    rows = _rows(file)
    options: ScoreOptions = {"aggregate": aggregate}
    if method:
        options["method"] = method
    try:
        done = _done(output) if output else set()
        with output.open("a", encoding="utf-8") if output else nullcontext(sys.stdout) as out:
            missing = [row for row in rows if str(row.id) not in done]
            asyncio.run(_select_all(missing, url, options, halving, lambda line: print(line, file=out, flush=True)))
    except OSError as error:
        raise ConfigurationError(f"--output: {output}: {error.strerror or error}") from error


async def _select_all(rows: Sequence[Candidates], url: str, options: ScoreOptions, halving: bool, write: Any) -> None:
    same = best_of_n.same_answers()
    ask = best_of_n.narrowed if halving else best_of_n.judged
    async with AsyncClient(url) as client:
        for begin in range(0, len(rows), _AT_ONCE):
            some = rows[begin : begin + _AT_ONCE]
            asked = (ask(client, row.question, row.candidates, **options) for row in some)
            for row, found in zip(some, await run_all(asked), strict=True):
                chosen = best_of_n.select(row.candidates, found, same)
                scores = [one.score for one in found]
                dropped = [place for place, one in enumerate(found) if one.dropped]
                told = {"id": row.id, "best": chosen.prm, "majority": chosen.majority, "weighted": chosen.weighted}
                write(json.dumps({**told, "ranking": chosen.ranking, "scores": scores, "dropped": dropped}))


def _rows(path: Path) -> list[Candidates]:
    rows = []
    try:
        with open_lines(path) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    rows.append(_row(path, number, line))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
    return rows


def _row(path: Path, number: int, line: bytes) -> Candidates:
    try:
        row = Candidates.model_validate_json(line)
    except ValidationError as error:
        raise ConfigurationError(f"{path}:{number}: {reason_of(error)}") from error
    if not row.candidates or not all(row.candidates):
        raise ConfigurationError(f"{path}:{number}: candidates: each has at least one step, and there is at least one")
    return row


def _done(output: Path) -> set[str]:
    """Of the lines that are whole; one that a kill cut off is taken out."""
    if not output.exists():
        return set()
    lines = output.read_bytes().splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        output.write_bytes(b"".join(lines[:-1]))
        lines = lines[:-1]
    return {str(json.loads(line)["id"]) for line in lines}
