"""Labelled solutions scored by a running service, their steps written as they come: a run that ended early goes on."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import IO

from stepreward.bulk import Outcome, Row, score_rows
from stepreward.calibrate.steps import LabelledStep, read_steps
from stepreward.client import AsyncClient, ServiceUnavailable
from stepreward.corpus.readers import Format, read_solutions
from stepreward.errors import ConfigurationError
from stepreward.files import BadRow
from stepreward.schema import Item, RetrievalOptions, ScoreRequest, ScoreResponse
from stepreward.values import LabelledSolution

_REQUEST = ScoreRequest(
    items=[Item(question="?", steps=["?"])], method="retsp", retrieval=RetrievalOptions(exclude_duplicates=True)
)
_PER_REQUEST = 4


class _NamingClient(AsyncClient):
    """Remembers by which model and prompt it was answered. Raises ConfigurationError when they change."""

    model: str | None = None
    prompt_version: str | None = None

    async def score(self, request: ScoreRequest) -> ScoreResponse:
        answer = await super().score(request)
        if self.model is not None and (self.model, self.prompt_version) != (answer.model, answer.prompt_version):
            raise ConfigurationError(f"the service changed from {self.model} to {answer.model} while it scored")
        if answer.calibrated:
            raise ConfigurationError("the service applies a calibration: start it without STEPREWARD_CALIBRATION")
        self.model, self.prompt_version = answer.model, answer.prompt_version
        return answer


def read_labelled(paths: Iterable[Path], form: Format, tell: Callable[[str], None]) -> list[LabelledSolution]:
    """Every solution with a label, once; `tell` hears of rows that cannot be used. Raises OSError."""
    found: dict[LabelledSolution, None] = {}
    for path in paths:
        for row in read_solutions(path, form):
            if isinstance(row, BadRow):
                tell(f"{path}:{row.line}: left out: {row.reason}")
            elif any(label is not None for label in row.labels):
                found[row] = None
    _check_labels(found)
    return list(found)


def step_id(solution: LabelledSolution, index: int) -> str:
    """The same for the same step after the same steps to the same question, whoever labelled it."""
    return _digest([solution.question, *solution.steps[: index + 1]])


async def collect(
    solutions: Sequence[LabelledSolution], url: str, record: Path, concurrency: int, advance: Callable[[int], None]
) -> list[LabelledStep]:
    """Every labelled step with its score by retsp, None for one that got none.

    What does not stand in `record` yet is scored, and appended to it; `advance` hears of solutions done. Raises
    OSError, ServiceUnavailable (what was scored stays), and ConfigurationError when `record` was made with another
    model or prompt than the service has.
    """
    recorded = _resumed(record)
    missing = [one for one in solutions if not all(step_id(one, index) in recorded for index in _labelled(one))]
    advance(len(solutions) - len(missing))
    async with _NamingClient(url) as client:
        outcomes = score_rows(client, _rows(missing), _REQUEST, per_request=_PER_REQUEST, concurrency=concurrency)
        with record.open("a", encoding="utf-8") as out:
            unanswered = iter(missing)
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    _check_same_judge(client, recorded, record)
                    _write(out, _scored(client, next(unanswered), outcome))
                    advance(1)
    recorded = _resumed(record)
    steps = [step for one in solutions for step in _steps(one, [None] * len(one.steps), None, None)]
    # The labels of today: those of the recording may have been mended since.
    return [
        recorded[step.id].model_copy(update={"label": step.label}) if step.id in recorded else step for step in steps
    ]


def _resumed(record: Path) -> dict[str | None, LabelledStep]:
    """The recorded steps by id. A last line that was cut off, as by a kill, is taken away."""
    if not record.exists():
        return {}
    with record.open("rb+") as file:
        file.truncate(file.read().rfind(b"\n") + 1)
    return {step.id: step for step in read_steps(record)}


def _rows(solutions: Sequence[LabelledSolution]) -> Iterator[Row | BadRow]:
    for position, one in enumerate(solutions):
        yield Row(position, Item(id=str(position), question=one.question, steps=list(one.steps)))


def _scored(client: _NamingClient, solution: LabelledSolution, outcome: Outcome) -> list[LabelledStep]:
    """None of a solution that the service refused or failed on: it is asked again by the next run."""
    if isinstance(outcome, BadRow) or not outcome.steps:
        return []
    if len(outcome.steps) != len(solution.steps):
        raise ServiceUnavailable(f"asked for {len(solution.steps)} steps, answered {len(outcome.steps)}")
    scores = [step.score for step in outcome.steps]
    return [step for step in _steps(solution, scores, client.model, client.prompt_version) if step.score is not None]


def _steps(
    solution: LabelledSolution, scores: Sequence[float | None], model: str | None, prompt_version: str | None
) -> list[LabelledStep]:
    """Those that somebody labelled."""
    group = _digest([solution.question])
    return [
        LabelledStep(
            score=scores[index],
            label=label,
            id=step_id(solution, index),
            group=group,
            model=model,
            prompt_version=prompt_version,
        )
        for index, label in enumerate(solution.labels)
        if label is not None
    ]


def _write(out: IO[str], steps: Sequence[LabelledStep]) -> None:
    out.write("".join(step.model_dump_json() + "\n" for step in steps))
    out.flush()


def _labelled(solution: LabelledSolution) -> list[int]:
    return [index for index, label in enumerate(solution.labels) if label is not None]


def _check_labels(solutions: Iterable[LabelledSolution]) -> None:
    labels: dict[str, bool] = {}
    for one in solutions:
        for index in _labelled(one):
            label = one.labels[index]
            if label is not None and labels.setdefault(step_id(one, index), label) != label:
                raise ConfigurationError(
                    f"contradictory labels: step {index} of a solution of {one.question[:60]!r} is labelled both right "
                    "and wrong"
                )


def _check_same_judge(client: _NamingClient, recorded: Mapping[str | None, LabelledStep], record: Path) -> None:
    first = next(iter(recorded.values()), None)
    if first and (first.model, first.prompt_version) != (client.model, client.prompt_version):
        raise ConfigurationError(
            f"{record}: was scored by {first.model} with {first.prompt_version}, and the service has "
            f"{client.model} with {client.prompt_version}: take the file away to begin anew"
        )


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
