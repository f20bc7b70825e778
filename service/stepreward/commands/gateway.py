"""`stepreward gateway`: the scoring service alone; worker and vector store run elsewhere."""

import asyncio
import signal

import click
import uvicorn

from stepreward import logs, wiring
from stepreward.api.app import create_app
from stepreward.commands.options import collect, with_settings
from stepreward.settings import Settings


@click.command("gateway")
@with_settings
def command(**given: str | None) -> None:
    """Serve POST /score; needs a worker and a vector store (see `serve` for all on one machine)."""
    settings = collect(given)
    logs.configure(settings.log_level)
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    """Listen only when every part has answered a warm-up score. Raises what `wiring.build` raises."""
    async with wiring.build(settings) as service:
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(service),
                host=settings.host,
                port=settings.port,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=10,
                timeout_graceful_shutdown=settings.drain_timeout_s,
            )
        )
        # When it has shut down, uvicorn raises the signal again, for the handler that was there before it: this one,
        # so that what was built is closed and the exit code is 0.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        await server.serve()
