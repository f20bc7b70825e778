"""`stepreward serve`: everything on one machine with one command."""

import asyncio
import sys

import click
from rich.console import Console

from stepreward.commands.options import collect, with_settings
from stepreward.embedded.serve import check, serve


@click.command("serve")
@with_settings
def command(**given: str | None) -> None:
    """Prepare and start the vector engine, the worker and the gateway, and watch them until Ctrl-C.

    Exit code: 0 after Ctrl-C or SIGTERM, 1 when a part did not start, 2 when a setting or the machine does not fit.
    """
    settings = collect(given)
    device = check(settings)
    sys.exit(asyncio.run(serve(settings, device, Console(stderr=True))))
