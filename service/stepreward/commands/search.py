"""`stepreward search`: solve a question with a policy and the service's scores."""

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import click
import httpx

from stepreward.client import AsyncClient, ScoreOptions
from stepreward.errors import ConfigurationError
from stepreward.search.picture import page
from stepreward.search.policy import CompletionsPolicy, Sampling
from stepreward.search.run import Found, Search, search
from stepreward.search.tree import Tree


@click.command("search")
@click.argument("question")
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="the running service")
@click.option("--policy-url", required=True, help="an OpenAI-compatible endpoint, as http://127.0.0.1:8081")
@click.option("--model", required=True, help="the policy's name there")
@click.option("--strategy", type=click.Choice(["greedy", "beam", "mcts"]), default="greedy", show_default=True)
@click.option("--width", type=click.IntRange(1, 64), default=4, show_default=True, help="of beam, or of mcts a round")
@click.option("--proposals", type=click.IntRange(1, 64), default=4, show_default=True, help="next steps of a node")
@click.option("--budget-tokens", type=click.IntRange(1), default=10_000, show_default=True, help="for the policy")
@click.option("--step-tokens", type=click.IntRange(1), default=256, show_default=True, help="longest step")
@click.option("--temperature", type=click.FloatRange(0), default=0.8, show_default=True)
@click.option("--method", type=click.Choice(["retsp", "rprm", "cascade"]), help="[default: the service's]")
@click.option("--trace", type=click.Path(path_type=Path, dir_okay=False), help="JSON lines; goes on from there")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="a picture of the tree")
def command(question: str, trace: Path | None, html: Path | None, **given: Any) -> None:
    """Search for a solution of QUESTION, and print the best as one line of JSON."""
    names = ("strategy", "width", "proposals", "budget_tokens")
    wanted = Search(question, **{name: given[name] for name in names})
    sampling = Sampling(given["model"], given["temperature"], given["step_tokens"])
    options: ScoreOptions = {"method": given["method"]} if given["method"] else {}
    try:
        found, tree = asyncio.run(_search(wanted, sampling, given["url"], given["policy_url"], trace, options=options))
        if html:
            html.write_text(page(question, tree), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{error.filename}: {error.strerror or error}") from error
    click.echo(json.dumps(dataclasses.asdict(found), ensure_ascii=False))


async def _search(
    wanted: Search, sampling: Sampling, url: str, policy_url: str, trace: Path | None, *, options: ScoreOptions
) -> tuple[Found, Tree]:
    async with AsyncClient(url) as client, httpx.AsyncClient(base_url=policy_url, timeout=600) as http:
        return await search(wanted, CompletionsPolicy(http, sampling), client, trace, options)
