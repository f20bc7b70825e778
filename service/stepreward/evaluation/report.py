"""What an evaluation leaves behind: summary.json with every figure, and report.html with the same, tables and plots."""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from pydantic_core import to_jsonable_python

from stepreward.errors import ConfigurationError
from stepreward.evaluation.facts import Facts
from stepreward.evaluation.intervals import Interval

_TEMPLATE = Path(__file__).parent / "templates" / "report.html"


@dataclass(frozen=True)
class Table:
    """Rounded for reading; the cells are text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A plot, as an SVG document."""

    title: str
    svg: bytes

    @property
    def data_url(self) -> str:
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}"


@dataclass(frozen=True)
class Report:
    """`summary` is a frozen dataclass of figures. `warnings` are what a reader must know before the figures."""

    title: str
    summary: Any
    warnings: tuple[str, ...]
    tables: tuple[Table, ...]
    figures: tuple[Figure, ...]


def write_report(folder: Path, report: Report) -> None:
    """Raises ConfigurationError where the folder cannot be written in."""
    summary = to_jsonable_python(report.summary, inf_nan_mode="constants")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        report=report, every=list(flat(summary))
    )
    try:
        (folder / "summary.json").write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        (folder / "report.html").write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{error.filename}: {error.strerror}") from error


def flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Every figure with its path, as summary.json spells it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from flat(inner, f"{name}.{number}")
    else:
        yield name, json.dumps(value, ensure_ascii=False)


def percent(share: float | None, interval: Interval | None = None) -> str:
    """`62.4`, with an interval `62.4 [58.1, 66.0]`, `-` for what is not there."""
    if share is None:
        return "-"
    bounds = f" [{interval.low * 100:.1f}, {interval.high * 100:.1f}]" if interval else ""
    return f"{share * 100:.1f}{bounds}"


def plain(number: float | None, digits: int = 3) -> str:
    return "-" if number is None else f"{number:,}" if isinstance(number, int) else f"{number:.{digits}f}"


def facts_table(facts: dict[str, Facts]) -> Table:
    """A row for each condition."""
    columns = (
        "",
        "scored",
        "failed",
        "from cache",
        "duplicates dropped",
        "tokens read",
        "cached",
        "written",
        "request seconds",
    )
    return Table("The run", columns, tuple(_facts_row(name, one) for name, one in facts.items()))


def judges_table(facts: dict[str, Facts]) -> Table:
    """Who judged under each condition; empty where nobody was asked."""
    known = {name: one for name, one in facts.items() if one.model is not None}
    rows = tuple(
        (name, str(one.model), str(one.prompt_version), one.corpus_snapshot or "-") for name, one in known.items()
    )
    return Table("Judged by", ("", "model", "prompts", "corpus"), rows)


def _facts_row(name: str, facts: Facts) -> tuple[str, ...]:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(facts.failed.items()))
    return (
        name,
        f"{facts.scored} of {facts.items}",
        reasons or "0",
        plain(facts.cached_items),
        f"{facts.dropped_duplicates} for {facts.items_with_duplicates} items",
        plain(facts.prompt_tokens),
        plain(facts.cached_tokens),
        plain(facts.generated_tokens),
        plain(facts.seconds, 1),
    )


def warnings_of(facts: Sequence[Facts], exclude_duplicates: bool | None) -> tuple[str, ...]:
    """`exclude_duplicates` is None where nobody was asked."""
    found = []
    if exclude_duplicates is False:
        found.append(
            "CONTAMINATION ALLOWED: near-duplicates of the questions may stand among the references and give the "
            "answers away"
        )
    if failed := sum(count for one in facts for count in one.failed.values()):
        said = next(one.first_failure for one in facts if one.failed)
        found.append(
            f"{failed} items have no score and are in none of the figures{f', the first: {said}' if said else ''}"
        )
    if known := sum(one.cached_items for one in facts):
        found.append(f"{known} items were known to the service: they cost no tokens and next to no time")
    if degraded := sum(count for one in facts for count in one.degraded.values()):
        found.append(f"{degraded} items were scored without some or all of their references")
    return tuple(found)
