"""One supervised child: how it is described, started, waited for and ended. Knows nothing of what the child does."""

import asyncio
import contextlib
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from stepreward.errors import StepRewardError

GUARD = Path(__file__).with_name("guard.py")
LOG_KEPT_BYTES = 4 * 2**20
TAIL_BYTES = 8192
TAIL_LINES = 12
POLL_S = (0.05, 1.0)


class ChildFailed(StepRewardError):
    """A child ended, or was not ready in time. The first line says what and why, the rest is the end of its log."""

    code = "child_failed"


@dataclass(frozen=True)
class Child:
    """What to start. `env` is added to this process's own; `name` is how the console calls it.

    `ready` is polled until it says True; while nothing answers it must say False, not raise.
    """

    name: str
    argv: tuple[str, ...]
    ready: Callable[[], Awaitable[bool]]
    log_path: Path
    env: Mapping[str, str] = field(default_factory=dict)
    ready_timeout_s: float = 120


def http_ready(url: str, timeout_s: float = 2) -> Callable[[], Awaitable[bool]]:
    """For `Child.ready`: whether a GET of `url`, plain http on this machine, answers 200."""
    no_authorities = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # httpx would read its CA file again for every poll

    async def ready() -> bool:
        # trust_env: a proxy set in the environment is not for this machine's own ports.
        async with httpx.AsyncClient(timeout=timeout_s, trust_env=False, verify=no_authorities) as client:
            try:
                return (await client.get(url)).status_code == httpx.codes.OK
            except httpx.TransportError:
                return False

    return ready


class Process:
    """A started child, in a session of its own: a Ctrl-C in the terminal reaches the supervisor alone."""

    def __init__(self, child: Child, alive_fd: int) -> None:
        """Starts it and waits for nothing. `alive_fd`: see `guard`. Raises ChildFailed where not even a fork works."""
        self.child = child
        self._group_ended = False
        try:
            child.log_path.parent.mkdir(parents=True, exist_ok=True)
            with child.log_path.open("ab") as log:
                self._log_start = log.tell()
                self._popen = subprocess.Popen(  # noqa: S603  (the argv is the caller's own)
                    [sys.executable, "-I", "-S", str(GUARD), str(alive_fd), *child.argv],
                    env={**os.environ, "PYTHONUNBUFFERED": "1", **child.env},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(alive_fd,),
                    start_new_session=True,
                )
        except OSError as error:
            raise ChildFailed(f"{child.name} cannot be started: {error}") from error

    @property
    def ended(self) -> bool:
        return self._popen.poll() is not None

    async def wait(self) -> None:
        """Until the child itself has ended; others of its group may live on. May be awaited by several at once."""
        if self.ended:
            return
        exited = asyncio.Event()
        pidfd = os.pidfd_open(self._popen.pid)
        loop = asyncio.get_running_loop()
        loop.add_reader(pidfd, exited.set)
        try:
            await exited.wait()
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
        self._popen.wait()

    async def wait_at_most(self, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), max(timeout_s, 0))

    async def until_ready(self) -> None:
        """Raises ChildFailed if the child ends first or takes longer than its `ready_timeout_s`."""
        polling, exit_ = asyncio.ensure_future(self._poll()), asyncio.ensure_future(self.wait())
        try:
            await asyncio.wait(
                {polling, exit_}, timeout=self.child.ready_timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if self.ended:
                raise ChildFailed(f"{self.ending} before it was ready{self.log_tail()}")
            if not polling.done():
                raise ChildFailed(
                    f"{self.child.name} was not ready within {self.child.ready_timeout_s:g} s{self.log_tail()}"
                )
            polling.result()
        finally:
            polling.cancel()
            exit_.cancel()
            await asyncio.gather(polling, exit_, return_exceptions=True)

    async def _poll(self) -> None:
        pause_s, longest_s = POLL_S
        while not await self.child.ready():
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, longest_s)

    @property
    def ending(self) -> str:
        """`worker exited with code 3`, `worker was killed by SIGKILL`."""
        code = self._popen.poll()
        if code is not None and code < 0:
            names = {number.value: number.name for number in signal.Signals}
            return f"{self.child.name} was killed by {names.get(-code, f'signal {-code}')}"
        return f"{self.child.name} exited with code {code}"

    def log_tail(self) -> str:
        """The last lines since this start, as a continuation of an error message: where the log is, then the lines."""
        with self.child.log_path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n    ".join([f" (log: {self.child.log_path})", *lines])

    def terminate(self) -> None:
        self._signal_group(signal.SIGTERM)

    def kill(self) -> None:
        self._signal_group(signal.SIGKILL)

    async def end_group(self, timeout_s: float = 2) -> bool:
        """Kill what is left of the group, and wait until it is gone; False if that took longer than `timeout_s`."""
        self.kill()
        deadline_s = time.monotonic() + timeout_s
        await self.wait_at_most(timeout_s)
        while self._group_exists() and time.monotonic() < deadline_s:  # noqa: ASYNC110  (nothing tells a group's end)
            await asyncio.sleep(0.01)
        self._group_ended = not self._group_exists()
        return self._group_ended

    def _group_exists(self) -> bool:
        if self.ended:
            # Its orphans are this process's children now (see `Supervisor`), and there until they are reaped.
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-self._popen.pid, os.WNOHANG) != (0, 0):
                    pass
        return self._signal_group(0)

    def _signal_group(self, number: int) -> bool:
        """Whether the group was there to take it. Never after its end: its number may be another's by then."""
        if self._group_ended:
            return False
        try:
            os.killpg(self._popen.pid, number)
        except ProcessLookupError:
            self._group_ended = True
        return not self._group_ended


def rotate_log(path: Path, kept_bytes: int = 0) -> None:
    """Move a log longer than `kept_bytes` to `.1`, over the one that was there."""
    if path.exists() and path.stat().st_size > kept_bytes:
        path.replace(path.with_name(path.name + ".1"))
