"""How the application is served, and how it stops: uvicorn, with limits to its connections and a drain.

A gateway of one process refuses what comes after SIGTERM (503 `stopping`, `Connection: close`), finishes what it has,
and ends. One process of several leaves new connections to the others; on those that it has it answers what it has, or
one more request, and closes them, so that a restart of one after the other fails nobody.
"""

import asyncio
import signal
import socket
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI

from stepreward.api.connection import Connection, ConnectionLimits
from stepreward.settings import Settings

# How long idle connections are kept by a process that others replace: longer than most clients do (httpx: 5 s).
_LAME_S = 6.0


def server_config(application: FastAPI | str, settings: Settings) -> uvicorn.Config:
    """For one application in this process, or for several processes: each makes its own by the function named."""
    several = isinstance(application, str)
    lame_s = min(_LAME_S, settings.drain_timeout_s) if several else 0
    limits = ConnectionLimits(settings.max_head_bytes, settings.read_timeout_s, settings.write_timeout_s, lame_s)
    connection: Any = partial(Connection, limits=limits)
    return (_ConfigOfMany if several else uvicorn.Config)(
        application,
        factory=several,
        workers=settings.processes,
        host=settings.host,
        port=settings.port,
        http=connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.drain_timeout_s,
        # How long the one that replaces another may take to start: it loads an encoder, and waits for its parts.
        timeout_worker_healthcheck=int(settings.start_timeout_s) + 60,
    )


class _ConfigOfMany(uvicorn.Config):
    def configure_logging(self) -> None:
        """What uvicorn calls first in a new process. When that has shut down, uvicorn raises the signal again."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        super().configure_logging()


class DrainingServer(uvicorn.Server):
    """Serves an application in this process. When it stops, it first refuses, and waits for what is under way."""

    def __init__(self, application: FastAPI, settings: Settings) -> None:
        super().__init__(server_config(application, settings))
        self._application = application

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._application.state.stopping = True
        under_way, loop = set(self.server_state.tasks), asyncio.get_running_loop()
        ends_s = loop.time() + (self.config.timeout_graceful_shutdown or 0)
        while under_way and not self.force_exit and loop.time() < ends_s:
            _, under_way = await asyncio.wait(under_way, timeout=0.1)
        self.config.timeout_graceful_shutdown = max(1, round(ends_s - loop.time()))
        await super().shutdown(sockets)
