"""The progress of a start: one line for each stage, with its time; on a terminal a spinner too while it runs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Stages:
    """Stages may overlap. Lines printed to the same console meanwhile appear above the spinners."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True)
        self._running = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Says that `name` started (where there is no spinner to show it), then how it ended and after how long."""
        started_at_s = time.monotonic()
        ending = "stopped after"
        try:
            with self._spinner(name) if self._console.is_interactive else self._plain(name):
                yield
            ending = "ready in"
        except Exception:
            ending = "failed after"
            raise
        finally:
            self._say(f"{name}: {ending} {time.monotonic() - started_at_s:.1f} s")

    @contextmanager
    def _plain(self, name: str) -> Iterator[None]:
        self._say(f"{name}: started")
        yield

    @contextmanager
    def _spinner(self, name: str) -> Iterator[None]:
        """The display refreshes in a thread of its own, and lives as long as any stage runs."""
        self._running += 1
        self._progress.start()
        task = self._progress.add_task(name, total=None)
        try:
            yield
        finally:
            self._progress.remove_task(task)
            self._running -= 1
            if not self._running:
                self._progress.stop()

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
