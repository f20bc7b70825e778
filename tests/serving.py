"""The application on a real socket, over the stand-ins of test_pipeline, in a thread of its own."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from loadtests.scripted_worker import ScriptedWorker
from stepreward.api.app import create_app
from stepreward.api.server import DrainingServer
from stepreward.settings import Settings
from test_pipeline import service


@dataclass(frozen=True)
class Served:
    """A gateway that listens. `port` is on 127.0.0.1."""

    port: int
    app: FastAPI
    server: DrainingServer
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, timeout_s: float = 20) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def metrics(self) -> str:
        return httpx.get(f"{self.url}/metrics").text


@contextmanager
def serving(
    worker: ScriptedWorker | None = None, settings: dict[str, Any] | None = None, **parts: Any
) -> Iterator[Served]:
    """`parts` are those of test_pipeline's `service`."""
    listening = threading.Event()
    built: list[Served] = []

    async def run(sock: socket.socket) -> None:
        async with service(worker or ScriptedWorker(), **parts) as one:
            app = create_app(one)
            server = DrainingServer(app, Settings(**(settings or {})))
            built.append(Served(sock.getsockname()[1], app, server, asyncio.get_running_loop()))
            listening.set()
            await server.serve([sock])

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(256)
        thread = threading.Thread(target=lambda: asyncio.run(run(sock)))
        thread.start()
        assert listening.wait(60)
        try:
            yield built[0]
        finally:
            built[0].server.should_exit = True
            thread.join(30)
    assert not thread.is_alive()


def read_all(sock: socket.socket) -> bytes:
    """What comes until the other side closes, or resets; raises TimeoutError where it does neither."""
    said = b""
    try:
        while received := sock.recv(65536):
            said += received
    except ConnectionError:
        pass
    return said
