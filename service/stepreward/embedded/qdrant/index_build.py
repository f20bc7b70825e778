"""Building an index in a child process: `python -m stepreward.embedded.qdrant.index_build PATH`.

The engine holds the GIL while it builds (12 s for 20,000 vectors of 128 on two busy cores), so that a server which
built in its own process would answer nothing meanwhile, not even /healthz.
"""

import asyncio
import ctypes
import os
import signal
import sys
from pathlib import Path

import qdrant_edge as edge

from stepreward.embedded.qdrant.refusals import EngineFailed

# A build that falls further behind than this is thrown away, and begun again once the collection is quiet.
MAX_REPLAY_POINTS = 20_000
_PR_SET_PDEATHSIG = 1


class IndexBuild:
    """One run of the engine's optimizers over a copy of a shard, and the writes to repeat on the copy afterwards."""

    def __init__(self, copy: Path) -> None:
        self.copy = copy
        self.replay: list[edge.UpdateOperation] = []
        self.cancelled = False
        self._replay_points = 0
        self._process: asyncio.subprocess.Process | None = None

    def record(self, operation: edge.UpdateOperation, points: int) -> None:
        self.replay.append(operation)
        self._replay_points += points
        if self._replay_points > MAX_REPLAY_POINTS:
            self.cancel()

    def cancel(self) -> None:
        self.cancelled = True
        if self._process and self._process.returncode is None:
            self._process.kill()

    async def run(self) -> None:
        """Raises EngineFailed if the process did not get to its end, for whatever reason; see `cancelled`."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stepreward.embedded.qdrant.index_build", str(self.copy)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        if self.cancelled:
            self._process.kill()
        try:
            _, stderr = await self._process.communicate()
        except asyncio.CancelledError:
            self.cancel()
            await self._process.wait()
            raise
        if self._process.returncode != 0:
            last_line = stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise EngineFailed(f"index build ended with {self._process.returncode}: {last_line}")


def main() -> None:
    server_pid = os.getppid()
    # The kernel ends us with the server, also when that is killed: no thread of ours could, for want of the GIL.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server_pid:
        sys.exit(1)
    os.nice(10)
    shard = edge.EdgeShard.load(sys.argv[1])
    shard.optimize()
    shard.flush()
    shard.close()


if __name__ == "__main__":
    main()
