"""The tree of a search: each node is a step after the steps above it."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Proposal:
    """A next step of the policy. `done`: the solution ends with it. `tokens` it took to write."""

    step: str
    done: bool
    tokens: int


@dataclass
class Node:
    """`score` is that of the solution up to here, None where there is none: then it is not gone on with."""

    number: int
    parent: int | None
    proposal: Proposal | None
    score: float | None
    depth: int
    children: list[int] = field(default_factory=list)


class Tree:
    """Begins as a root without a step. Nodes are numbered as they come."""

    def __init__(self) -> None:
        self.nodes = [Node(0, None, None, None, 0)]
        # Numbers of the nodes that the last round made.
        self.newest: list[int] = []

    @property
    def tokens(self) -> int:
        """Written by the policy."""
        return sum(node.proposal.tokens for node in self.nodes if node.proposal)

    def add(self, parent: int, proposal: Proposal, score: float | None) -> int:
        node = Node(len(self.nodes), parent, proposal, score, self.nodes[parent].depth + 1)
        self.nodes.append(node)
        self.nodes[parent].children.append(node.number)
        return node.number

    def steps(self, number: int) -> list[str]:
        """From the root to this node."""
        return [node.proposal.step for node in reversed(list(self.upward(number))) if node.proposal]

    def upward(self, number: int) -> Iterator[Node]:
        """This node, and those above it, the root too."""
        above: int | None = number
        while above is not None:
            yield self.nodes[above]
            above = self.nodes[above].parent

    def may_go_on(self, number: int) -> bool:
        node = self.nodes[number]
        if node.proposal is None:
            return True
        return node.score is not None and not node.proposal.done

    def best(self) -> int | None:
        """The finished solution with the best score, the first of equals; without one, the best and longest of the
        unfinished ones. None where nothing has a score."""
        scored = [node for node in self.nodes if node.score is not None]
        if not scored:
            return None
        return max(scored, key=_worth).number


def _worth(node: Node) -> tuple[bool, float, int, int]:
    is_done = node.proposal is not None and node.proposal.done
    return (is_done, node.score or 0.0, node.depth, -node.number)
