"""Starts children, keeps them running, and takes all of them down when it ends, however it ends.

    async with Supervisor(console) as supervisor:
        await supervisor.start(Child("vectors", …))
        await run_all([supervisor.start(Child("worker", …)), ingest()])
        await supervisor.watch()
    return supervisor.exit_code

| what ends it | what the children's groups get |
|---|---|
| SIGINT, SIGTERM, SIGHUP, an exception | SIGTERM, last started first; SIGKILL when `grace_s` is over |
| a second Ctrl-C | SIGKILL, at once |
| `kill -9` of the supervisor | SIGKILL from the watcher in each group: see `guard` |

A signal cancels the task that entered the block, wherever it waits, so nothing in there has to look out for one. It
cannot cancel a thread: what is slow belongs into a child, or the stop waits for it.
"""

import asyncio
import ctypes
import os
import signal
import time
from dataclasses import dataclass
from types import TracebackType
from typing import NoReturn, Self

from rich.console import Console

from stepreward.embedded.child import LOG_KEPT_BYTES, Child, ChildFailed, Process, rotate_log
from stepreward.errors import InternalError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The terminal signals its whole process group, and a wrapper may pass the same Ctrl-C on: that is still the first one.
SAME_CTRL_C_S = 0.5
PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


@dataclass(frozen=True)
class Backoff:
    """Pauses before restarts: doubling from `first_s` to `longest_s`, and anew once a child stayed up `healthy_s`."""

    first_s: float = 1
    longest_s: float = 30
    healthy_s: float = 60


class Supervisor:
    """Must be entered in the main thread, where signals arrive and the children's parent-death signal is bound."""

    def __init__(self, console: Console, *, grace_s: float = 8, backoff: Backoff | None = None) -> None:
        self._console = console
        self._grace_s = grace_s
        self._backoff = backoff or Backoff()
        self._processes: dict[str, Process] = {}  # in the order of their first start
        self._keepers: list[asyncio.Task[NoReturn]] = []
        self._watching = False
        self._stopping = False
        self._stop_signal: signal.Signals | None = None
        self._stop_signal_at_s = 0.0

    @property
    def exit_code(self) -> int:
        """0 where `watch` was ended by a signal, 128 + the signal's number where the start was."""
        return 0 if self._stop_signal is None or self._watching else 128 + self._stop_signal

    async def __aenter__(self) -> Self:
        owner = asyncio.current_task()
        if owner is None:
            raise InternalError("a supervisor was entered outside of a task. This is a bug.")
        self._owner = owner
        self._guard_fd, self._alive_fd = os.pipe()
        _adopt_orphans(True)
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal, number)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Stops everything. Swallows the cancellation that a signal caused, and nothing else."""
        try:
            await self._stop_all()
        finally:
            os.close(self._alive_fd)
            os.close(self._guard_fd)
            _adopt_orphans(False)
            for number in STOP_SIGNALS:
                asyncio.get_running_loop().remove_signal_handler(number)
        if self._stop_signal is None or not isinstance(error, asyncio.CancelledError):
            return False
        self._owner.uncancel()
        return True

    async def start(self, child: Child) -> None:
        """Start it, wait until it is ready, and restart it from then on when it dies.

        Raises ChildFailed if it ends before it is ready, or is not ready in time. Several may be started at once.
        """
        if child.name in self._processes:
            raise InternalError(f"a second child is named {child.name}. This is a bug.")
        rotate_log(child.log_path)
        process = await self._launch(child)
        self._keepers.append(asyncio.create_task(self._keep(process), name=f"keep {child.name}"))

    async def watch(self) -> None:
        """Wait for a signal, which ends the block. Raises only where a keeper has a bug."""
        self._watching = True
        await asyncio.gather(*self._keepers)

    async def _launch(self, child: Child) -> Process:
        if self._stopping:
            raise asyncio.CancelledError
        process = self._processes[child.name] = Process(child, self._guard_fd)
        try:
            await process.until_ready()
        except ChildFailed:
            await process.end_group()
            raise
        return process

    async def _keep(self, process: Process) -> NoReturn:
        """Restart it whenever it has died, until this task is cancelled."""
        pause_s = self._backoff.first_s
        while True:
            ready_at_s = time.monotonic()
            await process.wait()
            if time.monotonic() - ready_at_s >= self._backoff.healthy_s:
                pause_s = self._backoff.first_s
            reason = f"{process.ending} (log: {process.child.log_path})"
            await process.end_group()  # others of its group may have outlived it
            process, pause_s = await self._restart(process.child, reason, pause_s)

    async def _restart(self, child: Child, reason: str, pause_s: float) -> tuple[Process, float]:
        """Try until it is ready again. Returns the pause before the next restart, too."""
        while True:
            self._say(f"{reason}; restart in {pause_s:g} s")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._backoff.longest_s)
            rotate_log(child.log_path, LOG_KEPT_BYTES)
            try:
                process = await self._launch(child)
            except ChildFailed as error:
                reason = error.message.partition("\n")[0]
            else:
                self._say(f"{child.name} is ready again")
                return process, pause_s

    def _on_signal(self, number: signal.Signals) -> None:
        now_s = time.monotonic()
        if self._stop_signal is None:
            self._stop_signal, self._stop_signal_at_s = number, now_s
            self._say(f"{number.name}: stopping (Ctrl-C kills at once)")
            if not self._stopping:
                self._owner.cancel()
        elif number is signal.SIGINT and now_s - self._stop_signal_at_s > SAME_CTRL_C_S:
            for process in self._processes.values():
                process.kill()
            self._console.show_cursor()
            os._exit(128 + number)

    async def _stop_all(self) -> None:
        self._stopping = True
        started_at_s = time.monotonic()
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await self._terminate_in_turn(deadline_s=started_at_s + self._grace_s)
        processes = list(self._processes.values())
        stubborn = [process.child.name for process in processes if not process.ended]
        gone = await asyncio.gather(*(process.end_group() for process in processes))
        if stubborn:
            self._say(f"killed after {self._grace_s:g} s: {', '.join(stubborn)}")
        if not all(gone):
            self._say("a killed process is still there; the kernel has not let it go yet")
        if self._stop_signal:
            self._say(f"stopped in {time.monotonic() - started_at_s:.1f} s")

    async def _terminate_in_turn(self, deadline_s: float) -> None:
        """Each has a head start on those it was started after, who may be what it still needs to finish its work."""
        processes = list(reversed(self._processes.values()))
        for left, process in zip(range(len(processes), 0, -1), processes, strict=True):
            process.terminate()
            await process.wait_at_most((deadline_s - time.monotonic()) / left)
        for process in processes:
            await process.wait_at_most(deadline_s - time.monotonic())

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _adopt_orphans(adopt: bool) -> None:
    """Whether what a dead child leaves behind becomes this process's to reap; an init may take its time, or be none."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(adopt))
