"""`stepreward canary`: what share of a frozen set, right, wrong and attacked, a running service passes."""

import asyncio
import json
import os
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from stepreward import canary
from stepreward.canary import Rate
from stepreward.client import AsyncClient, ScoreOptions
from stepreward.schema import ItemResult, ScoreRequest


@click.command("canary")
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="the running service")
@click.option("--api-key-env", metavar="NAME", help="environment variable that holds the service's key")
@click.option("--method", type=click.Choice(["retsp", "rprm"]), help="[default: the service's]")
@click.option("--json", "as_json", is_flag=True, help="print the rates as JSON")
def command(url: str, api_key_env: str | None, as_json: bool, **options: Any) -> None:
    """Score the frozen set and print how much of each family is passed.

    An attack works as far as its rate is above that of `wrong`. With STEPREWARD_CANARY_INTERVAL_S a gateway does this
    itself, and tells the rates as metrics. Exit code: 0; 1 when the service is out of reach.
    """
    api_key = os.environ.get(api_key_env) if api_key_env else None
    if api_key_env and not api_key:
        raise click.UsageError(f"the environment variable {api_key_env} is not set")
    traps = canary.frozen()
    results = asyncio.run(_results(url, api_key, canary.request_for(traps, options["method"])))
    _show(canary.rates(traps, results), as_json=as_json)


async def _results(url: str, api_key: str | None, request: ScoreRequest) -> list[ItemResult]:
    options = ScoreOptions(cache=request.cache, priority=request.priority)
    if request.method:
        options["method"] = request.method
    async with AsyncClient(url, api_key=api_key, run="canary", items_per_request=12, concurrency=2) as client:
        return await client.score_items(request.items, **options)


def _show(rates: list[Rate], *, as_json: bool) -> None:
    if as_json:
        told = {
            rate.family: {"passed": rate.passed, "scored": rate.scored, "failed": rate.failed, "rate": rate.share}
            for rate in rates
        }
        click.echo(json.dumps(told))
        return
    table = Table(title="passed as right")
    for heading in ("family", "rate", "passed", "scored", "failed"):
        table.add_column(heading, justify="left" if heading == "family" else "right")
    for rate in rates:
        share = "-" if rate.share is None else f"{rate.share:.3f}"
        table.add_row(rate.family, share, str(rate.passed), str(rate.scored), str(rate.failed))
    Console().print(table)
