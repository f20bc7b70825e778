"""`stepreward gateway`: the scoring service alone; worker and vector store run elsewhere."""

import gc
import logging
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import click
import uvloop
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from stepreward import logs, wiring
from stepreward.api.app import create_app, lifespan_state
from stepreward.api.server import DrainingServer, server_config
from stepreward.commands.options import collect, with_settings
from stepreward.embedded import preflight
from stepreward.settings import Settings

log = logging.getLogger(__name__)

# New objects before a young collection, and young ones before a middle one, are Python's own; middle ones before a full
# one are not.
_COLLECTIONS = (700, 10, 200)
_MULTIPROC_DIR = "PROMETHEUS_MULTIPROC_DIR"


@click.command("gateway")
@with_settings
def command(**given: str | None) -> None:
    """Serve POST /score; needs a worker and a vector store (see `serve` for all on one machine).

    With several processes SIGHUP restarts them one after the other. Exit code: 0 after Ctrl-C or SIGTERM, 1 when a part
    did not answer in time, 2 when a setting is wrong.
    """
    settings = collect(given)
    logs.configure(settings.log_level, log_text=settings.log_text)
    preflight.check_gateway(settings)
    if settings.processes == 1:
        uvloop.run(_serve(settings))
    else:
        sys.exit(_serve_with_several(settings))


async def _serve(settings: Settings) -> None:
    """Listen only when every part has answered a warm-up score. Raises what `wiring.build` raises."""
    async with wiring.build(settings) as service:
        _keep_for_good()
        server = DrainingServer(create_app(service), settings)
        # When it has shut down, uvicorn raises the signal again, for the handler that was there before it: this one,
        # so that what was built is closed and the exit code is 0.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        await server.serve()


def _serve_with_several(settings: Settings) -> int:
    """Watch processes that share one socket, until a signal; the exit code. Each is warm before it takes a request."""
    with tempfile.TemporaryDirectory(prefix="stepreward-metrics-") as numbers:
        os.environ.update({_MULTIPROC_DIR: numbers, **settings.as_env()})
        config = server_config(f"{__name__}:application", settings)
        processes = _Processes(config, [config.bind_socket()])
        processes.run()
    return 1 if any(process.exitcode == STARTUP_FAILURE for process in processes.processes) else 0


class _Processes(Multiprocess):
    def keep_subprocess_alive(self) -> None:
        """Replace what has died; end where none can start.

        uvicorn's own way asks each whether it hangs, and waits as long for one that died of that very moment as for one
        that loads an encoder.
        """
        for position, process in enumerate(self.processes):
            if process.process.is_alive():
                continue
            process.join()
            others = [other for other in self.processes if other is not process and other.process.is_alive()]
            if process.exitcode == STARTUP_FAILURE and not any(other.is_ready(timeout=1) for other in others):
                self.should_exit.set()
                return
            log.warning("process_replaced", extra={"pid": process.pid, "exit_code": process.exitcode})
            self.processes[position] = Process(self.config, self.sockets)
            self.processes[position].start()

    def terminate_all(self) -> None:
        """Nobody takes new connections from here on: they are refused, and do not wait in a queue that nobody reads."""
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


def application() -> FastAPI:
    """Of one process of several; uvicorn calls it there, and takes no connection before its lifespan has begun."""
    settings = Settings.load()
    logs.configure(settings.log_level, log_text=settings.log_text)
    _forget_the_dead(Path(os.environ[_MULTIPROC_DIR]))
    preflight.end_with_parent()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, object]]:
        async with wiring.build(settings) as service:
            app.state.service = service
            _keep_for_good()
            yield lifespan_state(service)

    return create_app(lifespan=lifespan)


def _keep_for_good() -> None:
    """A full collection that looked at all that was loaded would hold up every request for a second, and one that
    looks at thousands of requests at hand takes a tenth of it: the one is left out, the other comes less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTIONS)


def _forget_the_dead(numbers: Path) -> None:
    """Gauges of the living are added up: the files of processes that are gone must not be among them."""
    for file in numbers.glob("gauge_live*.db"):
        pid = file.stem.rpartition("_")[2]
        if not Path("/proc", pid).exists():
            file.unlink(missing_ok=True)
