"""How an ingest gets on: on a terminal a bar for each stage, with its rate and the time left; elsewhere lines."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from stepreward.corpus.ingest import Progress as Told
from stepreward.corpus.ingest import Stage

_TITLES: dict[Stage, str] = {"read": "rows read", "fit": "texts of the sample encoded", "store": "solutions stored"}


@contextmanager
def stages(console: Console) -> Iterator[Told]:
    """Give what is told of the progress; the bars stand until the block ends."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield _Bars(progress)


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[Stage, TaskID] = {}

    def __call__(self, stage: Stage, done: int, total: int | None) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(_TITLES[stage])
        self._progress.update(self._tasks[stage], completed=done, total=total)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, stage: Stage, done: int, total: int | None) -> None:
        of_all = "" if total is None else f" of {total}"
        self._console.print(f"{_TITLES[stage]}: {done}{of_all}", highlight=False, soft_wrap=True)
