"""What a guided search is worth on this machine: questions of GSM8K, by each strategy, within a budget of tokens.

    python -m loadtests.guided_search gsm8k.jsonl.gz --url URL --policy-url URL    # docs/bench/search.json

FILE has `question` and `answer`, which ends in `#### 72`. `alone` is the policy without the service: one solution, its
first proposal at each step. `beam` is ended after half of its budget and goes on from its trace. So does all of it when
it was ended: what stands in the folder of traces is not done again.
"""

import asyncio
import dataclasses
import json
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click
import httpx

from stepreward.best_of_n import SameAnswer, same_answers
from stepreward.client import AsyncClient
from stepreward.files import open_lines
from stepreward.search.policy import CompletionsPolicy, Sampling
from stepreward.search.run import Found, Search, search
from stepreward.settings import EMBEDDED_JUDGE

_STRATEGIES: Mapping[str, Mapping[str, Any]] = {
    "alone": {"strategy": "greedy", "proposals": 1},
    "greedy": {"strategy": "greedy", "proposals": 4},
    "beam": {"strategy": "beam", "proposals": 4, "width": 2},
    "mcts": {"strategy": "mcts", "proposals": 4, "width": 2},
}

Ask = tuple[CompletionsPolicy, AsyncClient, SameAnswer]


@dataclasses.dataclass(frozen=True)
class Tried:
    """A question by a strategy. `is_right`: it came to an end, and to the file's answer."""

    found: Found
    is_right: bool


async def tried(row: Mapping[str, str], name: str, ask: Ask, budget_tokens: int, trace: Path) -> Tried:
    policy, client, same = ask
    wanted = Search(row["question"], budget_tokens=budget_tokens, most_steps=12, **_STRATEGIES[name])
    if name == "beam":
        await search(dataclasses.replace(wanted, budget_tokens=budget_tokens // 2), policy, client, trace)
    found, _ = await search(wanted, policy, client, trace)
    return Tried(found, is_right(found, row["answer"], same))


def is_right(found: Found, answer: str, same: SameAnswer) -> bool:
    gold = answer.rpartition("####")[2].strip()
    return found.is_done and same(found.steps[-1], f"The answer is {gold}.")


def summary(of_one: Sequence[Tried]) -> dict[str, Any]:
    count = len(of_one)
    return {
        "questions": count,
        "right": sum(one.is_right for one in of_one),
        "ended": sum(one.found.is_done for one in of_one),
        "tokens": round(sum(one.found.tokens for one in of_one) / count, 1),
        "rounds": round(sum(one.found.rounds for one in of_one) / count, 1),
    }


async def compared(
    rows: Sequence[Mapping[str, str]], url: str, policy: tuple[str, Sampling], budget_tokens: int, traces: Path
) -> dict[str, Any]:
    """`policy` is where it listens, and how it is sampled."""
    told: dict[str, Any] = {}
    async with AsyncClient(url) as client, httpx.AsyncClient(base_url=policy[0], timeout=600) as http:
        ask = CompletionsPolicy(http, policy[1]), client, same_answers()
        for name in _STRATEGIES:
            found = [
                await tried(row, name, ask, budget_tokens, traces / f"{name}-{number}.jsonl")
                for number, row in enumerate(rows)
            ]
            told[name] = summary(found)
            click.echo(f"{name}: {json.dumps(told[name])}")
    return told


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--url", default="http://127.0.0.1:8080", show_default=True)
@click.option("--policy-url", default="http://127.0.0.1:8081", show_default=True)
@click.option("--model", default=EMBEDDED_JUDGE, show_default=True, help="the policy's name there")
@click.option("--limit", type=click.IntRange(1), default=8, show_default=True)
@click.option("--budget-tokens", type=click.IntRange(2), default=600, show_default=True)
@click.option("--traces", type=click.Path(path_type=Path), default=Path(".stepreward/search"), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/bench/search.json"), show_default=True)
def main(
    file: Path, url: str, policy_url: str, model: str, *, limit: int, budget_tokens: int, traces: Path, out: Path
) -> None:
    """Needs a running service, and a policy."""
    with open_lines(file) as lines:
        rows = [json.loads(line) for line in islice(lines, limit)]
    traces.mkdir(parents=True, exist_ok=True)
    policy = policy_url, Sampling(model, max_step_tokens=64)
    found = asyncio.run(compared(rows, url, policy, budget_tokens, traces))
    found = {"file": file.name, "budget_tokens": budget_tokens, "model": model, "strategies": found}
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
