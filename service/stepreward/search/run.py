"""A search, round after round. All candidates of a round are scored in one batch.

The trace is a line for what is searched, then one for each round: a search that was ended goes on from its trace, and
comes to what it would have come to. The best solution so far is there at any time.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from stepreward.best_of_n import Scorer
from stepreward.client import ScoreOptions
from stepreward.concurrency import run_all
from stepreward.errors import ConfigurationError
from stepreward.schema import Item
from stepreward.search.policy import Policy
from stepreward.search.strategies import StrategyName, strategy
from stepreward.search.tree import Proposal, Tree


@dataclass(frozen=True)
class Search:
    """`proposals` for each node that is expanded; no round begins once the policy wrote `budget_tokens`, and none goes
    deeper than `most_steps`."""

    question: str
    strategy: StrategyName = "greedy"
    width: int = 4
    proposals: int = 4
    budget_tokens: int = 10_000
    most_steps: int = 40


@dataclass(frozen=True)
class Found:
    """`score` is None where nothing was scored; `is_done`: the policy ended the solution."""

    steps: tuple[str, ...]
    score: float | None
    is_done: bool
    tokens: int
    rounds: int


async def search(
    wanted: Search, policy: Policy, scorer: Scorer, trace: Path | None = None, options: ScoreOptions | None = None
) -> tuple[Found, Tree]:
    """Raises ServiceUnavailable, ConfigurationError for a trace of another search; what was found is in the trace."""
    tree, choose = Tree(), strategy(wanted.strategy, wanted.width)
    rounds = _replayed(wanted, trace, tree) if trace else 0
    while tree.tokens < wanted.budget_tokens:
        leaves = [number for number in choose(tree) if tree.nodes[number].depth < wanted.most_steps]
        if not leaves:
            break
        paths = [(leaf, tree.steps(leaf)) for leaf in leaves]
        made = await _round(wanted, policy, scorer, paths, options or {})
        _add(tree, made)
        rounds += 1
        if trace:
            _write(trace, {"round": rounds, "made": made})
    return _found(tree, rounds), tree


Made = list[dict[str, Any]]


async def _round(
    wanted: Search, policy: Policy, scorer: Scorer, paths: Sequence[tuple[int, list[str]]], options: ScoreOptions
) -> Made:
    """`paths`: the nodes to expand, each with the steps that lead to it."""
    proposed = await run_all(policy.propose(wanted.question, steps, wanted.proposals) for _, steps in paths)
    grown = [(leaf, steps, one) for (leaf, steps), some in zip(paths, proposed, strict=True) for one in some]
    items = [Item(question=wanted.question, steps=[*steps, one.step]) for _, steps, one in grown]
    results = await scorer.score_items(items, **options)
    return [
        {"parent": leaf, "step": one.step, "done": one.done, "tokens": one.tokens, "score": result.score}
        for (leaf, _, one), result in zip(grown, results, strict=True)
    ]


def _add(tree: Tree, made: Made) -> None:
    tree.newest = [
        tree.add(one["parent"], Proposal(one["step"], one["done"], one["tokens"]), one["score"]) for one in made
    ]


def _found(tree: Tree, rounds: int) -> Found:
    best = tree.best()
    if best is None:
        return Found((), None, False, tree.tokens, rounds)
    node = tree.nodes[best]
    is_done = node.proposal is not None and node.proposal.done
    return Found(tuple(tree.steps(best)), node.score, is_done, tree.tokens, rounds)


def _identity(wanted: Search) -> Mapping[str, object]:
    """Of a trace: not what only says when to stop."""
    return {
        "question": wanted.question,
        "strategy": wanted.strategy,
        "width": wanted.width,
        "proposals": wanted.proposals,
    }


def _replayed(wanted: Search, trace: Path, tree: Tree) -> int:
    """Rounds that the trace holds; begins it where there is none. A line that a kill cut off is taken out."""
    try:
        whole = [line for line in trace.read_text("utf-8").splitlines(keepends=True) if line.endswith("\n")]
    except FileNotFoundError:
        whole = []
    if not whole:
        with trace.open("w", encoding="utf-8") as begun:
            _print(begun, _identity(wanted))
        return 0
    try:
        said, *rounds = [json.loads(line) for line in whole]
        if said != _identity(wanted):
            raise ConfigurationError(f"{trace}: the trace of another search")
        for one in rounds:
            _add(tree, one["made"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ConfigurationError(f"{trace}: not a trace of a search") from error
    trace.write_text("".join(whole), encoding="utf-8")
    return len(rounds)


def _write(trace: Path, line: Mapping[str, object]) -> None:
    with trace.open("a", encoding="utf-8") as out:
        _print(out, line)


def _print(out: IO[str], line: Mapping[str, object]) -> None:
    out.write(json.dumps(line, ensure_ascii=False) + "\n")
    out.flush()
