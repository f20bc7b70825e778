"""`stepreward train rprm-seed`: analyses to begin with."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click
from rich.console import Console

from stepreward.commands.bars import counted
from stepreward.commands.options import collect, with_settings
from stepreward.commands.train_options import Base
from stepreward.errors import ConfigurationError
from stepreward.training.endpoint import endpoint
from stepreward.training.groups import Group, read_groups, write_groups
from stepreward.training.rprm import Teacher, lessons_of, taught
from stepreward.training.teacher import analysis

_KEY = "STEPREWARD_TEACHER_KEY"


@click.command("rprm-seed")
@click.argument("data", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), required=True, help="the .jsonl.gz")
@click.option("--steps", type=click.IntRange(1), default=4, show_default=True, help="analysed, of a question, at most")
@click.option("--limit", type=click.IntRange(1), help="questions, from the beginning; the others have no analyses")
@click.option("--teacher", metavar="URL", help="an OpenAI-compatible endpoint, up to /v1; else the procedural teacher")
@click.option("--teacher-model", help="which of its models")
@click.option("--seed", type=int, default=0, show_default=True)
@with_settings
def command(
    data: Path,
    *,
    output: Path,
    steps: int,
    limit: int | None,
    teacher: str | None,
    teacher_model: str | None,
    seed: int,
    **given: str | None,
) -> None:
    """Write analyses of labelled steps into a copy of DATA, kept only where their verdict agrees with the label.

    The procedural teacher writes from the labels, from what the data says of its errors and from what can be worked
    out. A teacher behind an endpoint is asked by rprm's own prompt; its API key is STEPREWARD_TEACHER_KEY.
    """
    if (teacher is None) != (teacher_model is None):
        raise ConfigurationError("--teacher and --teacher-model: give both or neither")
    console = Console(stderr=True)
    groups = list(read_groups(data))
    limit = len(groups) if limit is None else min(limit, len(groups))
    asked = written = 0

    def done(teach: Teacher) -> Iterator[Group]:
        nonlocal asked, written
        with counted(console) as progress:
            for group in progress.track(islice(groups, limit), total=limit, description="questions"):
                found = taught(group, teach, steps, seed)
                asked += min(steps, len(list(lessons_of(group))))
                written += sum(text is not None for one in found.solutions for text in one.analyses or ())
                yield found
            yield from groups[limit:]

    if teacher is None or teacher_model is None:
        write_groups(output, done(lambda lesson: analysis(lesson, seed)))
    else:
        analyst = Base.of(collect(given)).rprm()
        kept = output.with_name(output.name + ".answers.jsonl")
        with endpoint(teacher, teacher_model, os.environ.get(_KEY), analyst, kept) as teach:
            write_groups(output, done(teach))
    console.print(f"{output}: {written} analyses, of {asked} steps asked for", highlight=False, soft_wrap=True)
