"""`stepreward train grade`: what adapters say of labelled steps, without a service."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from stepreward.calibration import Calibration
from stepreward.commands.bars import counted
from stepreward.commands.options import collect, with_settings
from stepreward.commands.train_options import Base
from stepreward.errors import ConfigurationError
from stepreward.evaluation.labelled import (
    LabelledItem,
    read_prmbench,
    read_processbench,
    stratified,
    without_blank_steps,
)
from stepreward.retrieval.encoder import torch_device
from stepreward.training.grading import Graded, grade, natural
from stepreward.training.groups import read_groups
from stepreward.training.learner import SCORES_ONLY, Learner


@click.command("grade")
@click.argument("files", type=click.Path(path_type=Path, exists=True, dir_okay=False), nargs=-1, required=True)
@click.option(
    "--format", "form", type=click.Choice(["data", "processbench", "prmbench"]), default="data", show_default=True
)
@click.option("--adapter", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), required=True, help="JSON lines")
@click.option("--limit", type=click.IntRange(1), help="items, an equal share of each kind")
@click.option("--pack-tokens", type=click.IntRange(64), default=1200, show_default=True, help="most of a sequence")
@click.option("--seed", type=int, default=0, show_default=True)
@with_settings
def command(
    files: tuple[Path, ...],
    *,
    form: str,
    adapter: Path,
    output: Path,
    limit: int | None,
    pack_tokens: int,
    seed: int,
    **given: Any,
) -> None:
    """Grade the steps of FILES by retsp's prompts without references, a solution at once: a quick look at a run.

    `eval processbench --recorded` and `eval prmbench --recorded` make figures of what is written. Of `train data`'s
    files the questions held out are graded, one solution each, right or wrong: `calibrate --recorded` reads those.
    A --calibration sets the scores right.
    Interrupted, it goes on where it was.
    """
    settings = collect(given)
    base = Base.of(settings)
    grader = base.retsp()
    file = settings.effective_calibration
    calibration = Calibration.load(file) if file else None
    wanted = list(_wanted(files, form, limit, seed))
    done = _done(output)
    device = torch_device(settings.device)
    learner = Learner.create(base.path, SCORES_ONLY, device=device, adapter=adapter, seed=0)
    with counted(Console(stderr=True)) as progress, output.open("a", encoding="utf-8") as out:
        task = progress.add_task("graded", total=len(wanted), completed=len(done))
        for one in wanted:
            if one.id in done:
                continue
            scores = grade(one, grader, learner, pack_tokens)
            if calibration is not None:
                scores = [calibration.scale.apply(score) for score in scores]
            out.write("".join(json.dumps(row) + "\n" for row in _rows(one, scores, grader.version, form)))
            out.flush()
            progress.advance(task, 1)


def _wanted(files: Sequence[Path], form: str, limit: int | None, seed: int) -> Iterator[Graded]:
    if form == "data":
        found = [natural(group, seed) for path in files for group in read_groups(path) if group.held_out]
        yield from found[:limit]
        return
    items = (
        read_processbench(files) if form == "processbench" else [one for path in files for one in read_prmbench(path)]
    )
    yield from (_graded(without_blank_steps(item)) for item in stratified(items, limit, seed))


def _graded(item: LabelledItem) -> Graded:
    return Graded(item.id, item.question, item.steps, item.labels)


def _rows(one: Graded, scores: list[float], version: str, form: str) -> Iterator[dict[str, object]]:
    if form != "data":
        yield {"id": one.id, "scores": scores}
        return
    for index, (label, score) in enumerate(zip(one.labels, scores, strict=True)):
        if label is not None:
            yield {
                "id": f"{one.id}-{index}",
                "group": one.id,
                "label": label,
                "score": score,
                "prompt_version": version,
            }


def _done(output: Path) -> set[str]:
    """Whose scores stand in the file. A last line that was cut off is taken away, with the rest of its item."""
    if not output.exists():
        return set()
    with output.open("rb+") as file:
        file.truncate(file.read().rfind(b"\n") + 1)
    try:
        rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
        return {str(row.get("group", row["id"])) for row in rows}
    except (ValueError, KeyError) as error:
        raise ConfigurationError(f"{output}: is no file of this command") from error
