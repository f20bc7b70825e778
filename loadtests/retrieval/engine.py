"""The embedded engine as a process of its own: started on a directory, asked for what it takes."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from loadtests.process import cpu_s, free_port
from stepreward.errors import ConfigurationError
from stepreward.retrieval.qdrant import Address, connect
from stepreward.retrieval.store import Store

STORE_TIMEOUT_S = 60
_START_S = 60
_INDEX_S = 900
_TICK_S = 0.25


@dataclass(frozen=True)
class Memory:
    """In MiB. `pss` shares out what several processes map, and so adds up; files in the page cache count in both.
    `anonymous` is what no file stands behind: the kernel cannot take it back."""

    rss: float = 0
    pss: float = 0
    anonymous: float = 0

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(self.rss + other.rss, self.pss + other.pss, self.anonymous + other.anonymous)

    def peak(self, other: "Memory") -> "Memory":
        return Memory(max(self.rss, other.rss), max(self.pss, other.pss), max(self.anonymous, other.anonymous))


@dataclass(frozen=True)
class Engine:
    """A running engine. `start_s` is how long it took until it was ready."""

    url: str
    data_dir: Path
    process: subprocess.Popen[bytes]
    start_s: float

    def memory(self) -> Memory:
        """Of the process and its children, which build indexes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return sum((_memory(pid) for pid in [str(self.process.pid), *children]), Memory())

    def cpu_s(self) -> float:
        """Time on a processor until now, of all its threads that still run."""
        return cpu_s(self.process.pid)

    def disk_mib(self) -> float:
        """What its files take, holes left out."""
        return sum(path.stat().st_blocks * 512 for path in self.data_dir.rglob("*") if path.is_file()) / 2**20

    async def wait_until_indexed(self) -> None:
        """Until no collection has an index to build. Raises TimeoutError."""
        async with asyncio.timeout(_INDEX_S), httpx.AsyncClient(base_url=self.url) as client:
            while not await _all_green(client):  # noqa: ASYNC110  (of another process)
                await asyncio.sleep(_TICK_S)


def opened(url: str) -> Store:
    return Store(connect(Address(url), STORE_TIMEOUT_S), STORE_TIMEOUT_S)


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[Engine]:
    """Ended with SIGTERM, so that it flushes and closes. Raises ConfigurationError where it does not start."""
    port = free_port()
    data_dir.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    command = [sys.executable, "-m", "stepreward.embedded.qdrant.server", "--data-dir", str(data_dir)]
    started_s = time.monotonic()
    with (data_dir.parent / "engine.log").open("ab") as log:
        process = subprocess.Popen([*command, "--port", str(port)], stderr=log)  # noqa: ASYNC220, S603  (our own)
    try:
        url = f"http://127.0.0.1:{port}"
        await _wait_until_ready(url, process)
        yield Engine(url, data_dir, process, time.monotonic() - started_s)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


@asynccontextmanager
async def watched(engine: Engine) -> AsyncIterator[list[Memory]]:
    """The peak of the memory meanwhile, as the only entry of the list."""
    peak = [engine.memory()]

    async def watch() -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            peak[0] = peak[0].peak(await asyncio.to_thread(engine.memory))

    watching = asyncio.create_task(watch())
    try:
        yield peak
    finally:
        watching.cancel()


async def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(_START_S), httpx.AsyncClient() as client:
        while process.poll() is None:
            try:
                if (await client.get(f"{url}/readyz")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.02)
    raise ConfigurationError(f"the engine ended with {process.returncode} while it started; see engine.log")


async def _all_green(client: httpx.AsyncClient) -> bool:
    names = [each["name"] for each in (await client.get("/collections")).json()["result"]["collections"]]
    states = [(await client.get(f"/collections/{name}")).json()["result"]["status"] for name in names]
    if "red" in states:
        raise ConfigurationError("the engine failed to build an index; see engine.log")
    return all(state == "green" for state in states)


def _memory(pid: str) -> Memory:
    """Nothing for a process that has ended meanwhile."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return Memory()
    kib = {name: int(value.split()[0]) for name, value in (line.split(":") for line in lines)}
    return Memory(kib["Rss"] / 1024, kib["Pss"] / 1024, kib["Anonymous"] / 1024)
