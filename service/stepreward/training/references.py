# ruff: noqa: S311
"""References in training prompts, found as they are when it serves: helpful, missing, of one kind, or beside the point.

A group has one draw. Its own question and near-duplicates of it are never among its references. Random ones teach that
a reference may be disregarded.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stepreward.retrieval.search import Retriever, SearchOptions
from stepreward.training.groups import Group
from stepreward.values import Solution

_AT_ONCE = 64


@dataclass(frozen=True)
class Shares:
    """Of all groups `any` get references; of those `random` get random ones, `one_kind` questions or steps alone."""

    any: float
    random: float = 0.25
    one_kind: float = 0.3


async def with_references(
    groups: Sequence[Group],
    retriever: Retriever,
    shares: Shares,
    options: SearchOptions,
    *,
    seed: int,
    advance: Callable[[int], None],
) -> list[Group]:
    """The same groups in the same order; `advance` hears of those done. Raises RetrievalUnavailable, EncoderFailed."""
    snapshot = await retriever.active()
    drawn = [_draw(group, shares, options, seed) for group in groups]
    found = list(groups)
    for wanted in sorted({repr(one) for one in drawn if one is not None}):
        places = [place for place, one in enumerate(drawn) if repr(one) == wanted]
        for start in range(0, len(places), _AT_ONCE):
            page = places[start : start + _AT_ONCE]
            solutions = [(place, one) for place in page for one in groups[place].solutions]
            asked = [Solution(groups[place].question, one.steps) for place, one in solutions]
            search = drawn[page[0]]
            if search is None:
                continue
            references = iter(await retriever.search(snapshot, asked, search))
            for place in page:
                kept = tuple(one.model_copy(update={"references": next(references)}) for one in groups[place].solutions)
                found[place] = groups[place].model_copy(update={"solutions": kept})
            advance(len(page))
    return found


def _draw(group: Group, shares: Shares, options: SearchOptions, seed: int) -> SearchOptions | None:
    """None for no references."""
    rng = random.Random(f"{seed} {group.question}")
    if rng.random() >= shares.any:
        return None
    questions, steps = options.questions, options.steps
    if rng.random() < shares.one_kind:
        questions, steps = rng.choice(((questions, 0), (0, steps)))
    at_random = rng.randrange(16) if rng.random() < shares.random else None
    return SearchOptions(questions, steps, options.min_similarity, exclude_duplicates=True, random_seed=at_random)
