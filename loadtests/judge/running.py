"""Starts what is measured: the worker with `serve`'s own command line, and `serve` in front of it."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.console import Console

from stepreward.concurrency import run_all
from stepreward.embedded.child import Child, http_ready
from stepreward.embedded.model import arguments, is_prepared
from stepreward.embedded.preflight import find_device
from stepreward.embedded.supervisor import Supervisor
from stepreward.embedded.worker import worker_argv, worker_env
from stepreward.settings import Settings

# A corpus may have to be encoded first, and a model loaded.
_START_S = 900
# `serve` takes up to eight seconds to stop its own parts.
_GRACE_S = 15


def prepare_model(settings: Settings) -> None:
    if not is_prepared(settings):
        subprocess.run([sys.executable, "-m", "stepreward.embedded.model", *arguments(settings)], check=True)  # noqa: S603


@asynccontextmanager
async def running(
    console: Console, *, worker: Settings | None = None, block_tokens: int | None = None, serve: Settings | None = None
) -> AsyncIterator[None]:
    """A worker by these settings, with another block size than `serve`'s where one is given; and `serve` by settings
    that name a worker. Exits where a signal stopped them."""
    async with Supervisor(console, grace_s=_GRACE_S) as supervisor:
        children = [_worker(worker, block_tokens)] if worker else []
        children += [_serve(serve)] if serve else []
        await run_all(supervisor.start(child) for child in children)
        yield
    if supervisor.exit_code:
        raise SystemExit(supervisor.exit_code)


def _worker(settings: Settings, block_tokens: int | None) -> Child:
    device = find_device(settings.device)
    argv = worker_argv(settings, device)
    if block_tokens:
        argv += ("--block-size", str(block_tokens))
    ready = http_ready(f"http://127.0.0.1:{settings.worker_port}/health")
    log = settings.data_dir / "logs" / "bench-worker.log"
    return Child("worker", argv, ready, log, worker_env(settings, device), _START_S)


def _serve(settings: Settings) -> Child:
    argv = (sys.executable, "-m", "stepreward", "serve")
    ready = http_ready(f"http://{settings.host}:{settings.port}/readyz")
    log = settings.data_dir / "logs" / "bench-serve.log"
    return Child("serve", argv, ready, log, {**os.environ, **settings.as_env()}, _START_S)
