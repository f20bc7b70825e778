"""A gateway over a scripted worker, for the clients: prints its address, and ends with its standard input.

python tests/clients/service.py [--context-tokens N] [--on-error 503]
"""

import argparse
import asyncio
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import uvicorn

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from loadtests.scripted_worker import ScriptedWorker  # noqa: E402
from stepreward.api.app import create_app  # noqa: E402
from stepreward.service import CompatRule  # noqa: E402
from test_pipeline import service  # noqa: E402


async def serve(options: argparse.Namespace) -> None:
    worker = ScriptedWorker(context_tokens=options.context_tokens)
    async with service(worker) as built:
        app = create_app(replace(built, compat=CompatRule(on_error=options.on_error)))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", ws="none"))
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        print(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.read)
        server.should_exit = True
        await serving


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--context-tokens", type=int, default=8192)
    parser.add_argument("--on-error", choices=["value", "503"], default="value")
    warnings.simplefilter("ignore")
    asyncio.run(serve(parser.parse_args()))
