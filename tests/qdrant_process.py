"""The embedded Qdrant as a process; and the Qdrant server that the tests were given in its place, if they were."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from qdrant_client import AsyncQdrantClient, QdrantClient

from stepreward.retrieval.qdrant import Address, connect


def _given() -> Address | None:
    # Taken out of the environment: nothing that a test starts shall use the names of a real service on that server.
    url, key, ca_file = (os.environ.pop(f"STEPREWARD_QDRANT_{name}", None) for name in ("URL", "API_KEY", "CA_FILE"))
    return Address(url, key, ca_file=Path(ca_file) if ca_file else None) if url else None


GIVEN = _given()


@asynccontextmanager
async def cleaned(address: Address, prefix: str) -> AsyncIterator[AsyncQdrantClient]:
    """A client; collections whose names begin with `prefix` are removed afterwards, and their aliases with them."""
    client = connect(address, 60)
    try:
        yield client
    finally:
        for collection in (await client.get_collections()).collections:
            if collection.name.startswith(prefix):
                await client.delete_collection(collection.name)
        await client.close()


@dataclass
class Server:
    process: subprocess.Popen[str]
    url: str
    data_dir: Path

    def start(self) -> None:
        """Again, on the same port, after its end."""
        self.process = _spawn(self.data_dir, int(self.url.rpartition(":")[2]))
        _wait_until_ready(self)

    def client(self) -> QdrantClient:
        # Its check runs in a thread, which may be late enough to find the server gone; see the test of the version.
        return QdrantClient(url=self.url, timeout=20, check_compatibility=False)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=5)


@contextmanager
def serving(data_dir: Path, *more: str) -> Iterator[Server]:
    """A server of its own, ready; killed at the end if it still runs. `more` are arguments."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(_spawn(data_dir, port, *more), f"http://127.0.0.1:{port}", data_dir)
    try:
        _wait_until_ready(server)
        yield server
    finally:
        server.kill()


def _spawn(data_dir: Path, port: int, *more: str) -> subprocess.Popen[str]:
    with (data_dir.parent / f"{data_dir.name}.log").open("a") as log:
        return subprocess.Popen([*command(data_dir, port), *more], stderr=log, text=True)


def command(data_dir: Path, port: int) -> list[str]:
    module = "stepreward.embedded.qdrant.server"
    return [sys.executable, "-m", module, "--data-dir", str(data_dir), "--host", "127.0.0.1", "--port", str(port)]


def _wait_until_ready(server: Server) -> None:
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        assert server.process.poll() is None, "the server ended while starting"
        try:
            if httpx.get(f"{server.url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise AssertionError("the server was not ready in time")
