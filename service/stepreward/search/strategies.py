"""From a tree to the nodes to expand next, none when nothing is left to do. Pure: the same tree, the same nodes."""

import math
from collections.abc import Callable
from typing import Literal

from stepreward.search.tree import Tree

StrategyName = Literal["greedy", "beam", "mcts"]
Strategy = Callable[[Tree], list[int]]

_EXPLORATION = math.sqrt(2)


def strategy(name: StrategyName, width: int) -> Strategy:
    """`width`: of beam, how many solutions go on; of mcts, how many nodes are expanded in one round."""
    if name == "greedy":
        return lambda tree: _beam(tree, 1)
    if name == "beam":
        return lambda tree: _beam(tree, width)
    return lambda tree: _mcts(tree, width)


def _beam(tree: Tree, width: int) -> list[int]:
    """The best of those that the last round made, finished ones too: they take their place in the beam."""
    if len(tree.nodes) == 1:
        return [0]
    scored = [number for number in tree.newest if tree.nodes[number].score is not None]
    best = sorted(scored, key=lambda number: (-(tree.nodes[number].score or 0.0), number))[:width]
    return [number for number in best if tree.may_go_on(number)]


def _mcts(tree: Tree, width: int) -> list[int]:
    """Leaves, each found from the root by the upper confidence bound of what is below (UCT), no leaf twice.

    A node's value is the mean of the scores below it and its own: the score takes the place of a random rollout.
    """
    open_ = _open_below(tree)
    totals, visits = _values(tree)
    chosen: list[int] = []
    while open_[0] and len(chosen) < width:
        number = 0
        while tree.nodes[number].children:
            going_on = [child for child in tree.nodes[number].children if open_[child]]
            parent = number
            number = max(going_on, key=lambda child: _bound(totals[child], visits[child], visits[parent]))
        chosen.append(number)
        for node in tree.upward(number):
            open_[node.number] -= 1
            visits[node.number] += 1
    return sorted(chosen)


def _open_below(tree: Tree) -> list[int]:
    """Of each node, how many leaves at or below it can be expanded."""
    counts = [0] * len(tree.nodes)
    for leaf in tree.nodes:
        if not leaf.children and tree.may_go_on(leaf.number):
            for node in tree.upward(leaf.number):
                counts[node.number] += 1
    return counts


def _values(tree: Tree) -> tuple[list[float], list[int]]:
    totals, visits = [0.0] * len(tree.nodes), [0] * len(tree.nodes)
    for scored in tree.nodes:
        if scored.score is not None:
            for node in tree.upward(scored.number):
                totals[node.number] += scored.score
                visits[node.number] += 1
    return totals, visits


def _bound(total: float, visits: int, parent_visits: int) -> float:
    return total / visits + _EXPLORATION * math.sqrt(math.log(max(parent_visits, 1)) / visits)
