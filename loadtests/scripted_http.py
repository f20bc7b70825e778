"""The scripted worker and its model on a real socket and a real disk, for gateways that run as processes."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loadtests.scripted_worker import ScriptedWorker, chat_tokenizer


@dataclass(frozen=True)
class RunningWorker:
    url: str
    worker: ScriptedWorker


@contextmanager
def running(worker: ScriptedWorker) -> Iterator[RunningWorker]:
    """In a thread of this process, until the block ends."""
    server = uvicorn.Server(uvicorn.Config(_application(worker), log_config=None, lifespan="off"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(2048)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        try:
            yield RunningWorker(url, worker)
        finally:
            server.should_exit = True
            thread.join()


def save_model(folder: Path) -> Path:
    """A directory with the tokenizer that the scripted worker speaks, as `--model` takes it."""
    chat_tokenizer().save_pretrained(folder)
    return folder


def _application(worker: ScriptedWorker) -> Starlette:
    http = worker.http()

    async def forward(request: Request) -> Response:
        content = await request.body()
        answer = await http.request(request.method, request.url.path, content=content)
        return Response(answer.content, answer.status_code, media_type="application/json")

    return Starlette(routes=[Route("/{path:path}", forward, methods=["GET", "POST"])])
