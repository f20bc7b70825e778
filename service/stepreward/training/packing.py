"""Prompts that share beginnings as one sequence: each token of their trie once.

A token sees what precedes it in its own prompts and nothing else, at the place that it has there: what the model says
at the end of each prompt is what it says after the prompt alone, for a fraction of the tokens. The steps of a solution,
a right and a wrong version of a step, and solutions of one question share nearly all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Example:
    """A serving prompt and whether the step that it shows is right.

    `choices`: the tokens for right and wrong, one of which comes next. `written`: how many of the last tokens are
    learned too, one by one: an analysis, or a right solution. Examples of the same `place` are versions of one step.
    """

    token_ids: tuple[int, ...]
    label: bool
    choices: tuple[int, int]
    written: int = 0
    place: int | None = None


@dataclass(frozen=True)
class Packed:
    """A trie of prompts, its n tokens, each after those that it sees.

    `token_ids`, `positions`: (n,), the latter counted from 0 in each prompt; `sees`: (n, n), row i has True where
    token i may look; `ends`: (examples,), where each prompt ends; `labels`: (examples,); `choices`: (examples, 2).
    After token `writes[i]` comes token id `written[i]`, which is to be learned. `pairs`: (pairs, 2), numbers of
    examples: a right version of a step, and a wrong one.
    """

    token_ids: Ints
    positions: Ints
    sees: NDArray[np.bool_]
    ends: Ints
    labels: NDArray[np.bool_]
    choices: Ints
    writes: Ints
    written: Ints
    pairs: Ints


class _Trie:
    """Token ids under one root, which is no token. `parents[i]` and `tokens[i]` of node i; a parent comes before."""

    def __init__(self) -> None:
        self.parents = [-1]
        self.tokens = [-1]
        self._children: list[dict[int, int]] = [{}]

    @property
    def size(self) -> int:
        return len(self.tokens) - 1

    def missing(self, token_ids: Sequence[int]) -> int:
        """How many of them it does not hold yet."""
        node = 0
        for known, token in enumerate(token_ids):
            child = self._children[node].get(token)
            if child is None:
                return len(token_ids) - known
            node = child
        return 0

    def add(self, token_ids: Sequence[int]) -> list[int]:
        """The nodes that they are, in order."""
        node, path = 0, list[int]()
        for token in token_ids:
            child = self._children[node].get(token)
            if child is None:
                child = len(self.tokens)
                self._children[node][token] = child
                self._children.append({})
                self.parents.append(node)
                self.tokens.append(token)
            node = child
            path.append(node)
        return path


def pack(examples: Sequence[Example]) -> Packed:
    """Raises ValueError without examples or for an empty prompt."""
    if not examples or not all(example.token_ids for example in examples):
        raise ValueError("nothing to pack. This is a bug.")
    trie = _Trie()
    paths = [trie.add(example.token_ids) for example in examples]
    # Several analyses of a step may begin alike: what comes next is learned once for each of them.
    written = [
        (path[place - 1], path[place])
        for example, path in zip(examples, paths, strict=True)
        for place in range(len(path) - example.written, len(path))
    ]
    sees = np.zeros((trie.size + 1, trie.size + 1), dtype=np.bool_)
    positions = np.full(trie.size + 1, -1, dtype=np.int64)
    for node, parent in enumerate(trie.parents[1:], start=1):
        sees[node] = sees[parent]
        sees[node, node] = True
        positions[node] = positions[parent] + 1
    return Packed(
        np.array(trie.tokens[1:], dtype=np.int64),
        positions[1:],
        sees[1:, 1:],
        np.array([path[-1] for path in paths], dtype=np.int64) - 1,
        np.array([example.label for example in examples], dtype=np.bool_),
        np.array([example.choices for example in examples], dtype=np.int64),
        np.array([before for before, _ in written], dtype=np.int64) - 1,
        np.array([trie.tokens[node] for _, node in written], dtype=np.int64),
        np.array(_pairs(examples), dtype=np.int64).reshape(-1, 2),
    )


def _pairs(examples: Sequence[Example]) -> list[tuple[int, int]]:
    return [
        (right, wrong)
        for right, better in enumerate(examples)
        for wrong, worse in enumerate(examples)
        if better.place is not None and better.place == worse.place and better.label and not worse.label
    ]


def divided(examples: Sequence[Example], most_tokens: int) -> list[list[Example]]:
    """In order, in groups whose tries have at most so many tokens; a longer prompt is alone in its group."""
    groups: list[list[Example]] = []
    trie = _Trie()
    for example in examples:
        if not groups or trie.size + trie.missing(example.token_ids) > most_tokens:
            groups.append([])
            trie = _Trie()
        groups[-1].append(example)
        trie.add(example.token_ids)
    return groups
