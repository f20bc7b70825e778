"""The options of what a Ray cluster can do."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def with_engine(does: str, needs: str, workers: str) -> Callable[[F], F]:
    """Add what `RayOptions.of` takes. For the help: what is done, what the nodes need for it, and what works there."""
    options = (
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help=f"what {does}: this process, or a Ray cluster that runs, whose nodes all have stepreward and {needs}",
        ),
        click.option("--ray-address", help="auto or HOST:PORT, for ray  [default: auto; env: RAY_ADDRESS]"),
        click.option("--ray-workers", type=click.IntRange(1), help=workers),
    )

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add
