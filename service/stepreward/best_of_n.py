"""The best of N candidate solutions of one question, by their step scores, by vote, or by both.

All candidates go out together: their common first steps are judged once. For many, `narrowed` judges them a few steps
at a time and goes on with the better half of those that are not judged wrong.
"""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Unpack

from stepreward.client.options import ScoreOptions
from stepreward.errors import ConfigurationError
from stepreward.schema import Item, ItemResult

_SECONDS_AN_ANSWER = 5

# Whether two solutions come to the same answer, by their last steps.
SameAnswer = Callable[[str, str], bool]


class Scorer(Protocol):
    """An AsyncClient."""

    async def score_items(self, items: Sequence[Item], **options: Unpack[ScoreOptions]) -> list[ItemResult]:
        """The result of each item, in order."""


@dataclass(frozen=True)
class Judged:
    """A candidate. `score` is the PRM's, None where there is none; `steps_judged` of its steps were looked at."""

    score: float | None
    steps_judged: int
    dropped: bool = False


@dataclass(frozen=True)
class Selection:
    """Candidates by their places. None where no candidate can be chosen: none has a score.

    `groups` are the candidates with the same answer, the largest first.
    """

    prm: int | None
    majority: int
    weighted: int | None
    ranking: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]


async def judged(
    scorer: Scorer, question: str, candidates: Sequence[Sequence[str]], **options: Unpack[ScoreOptions]
) -> list[Judged]:
    """Every candidate whole. Raises what the client raises."""
    results = await scorer.score_items(_items(question, candidates), **options)
    return [Judged(one.score, len(steps)) for one, steps in zip(results, candidates, strict=True)]


async def narrowed(
    scorer: Scorer, question: str, candidates: Sequence[Sequence[str]], **options: Unpack[ScoreOptions]
) -> list[Judged]:
    """Successive halving over steps: first one step of each, then two, four, …; after each round those whose prefix is
    judged wrong are dropped, unless all are, and the better half of the others goes on.

    What was judged in one round costs nothing in the next. Raises what the client raises.
    """
    found: list[Judged] = [Judged(None, 0)] * len(candidates)
    alive, depth = list(range(len(candidates))), 1
    while alive:
        prefixes = [candidates[place][:depth] for place in alive]
        results = await scorer.score_items(_items(question, prefixes), **options)
        for place, prefix, result in zip(alive, prefixes, results, strict=True):
            found[place] = Judged(result.score, len(prefix))
        if all(len(candidates[place]) <= depth for place in alive):
            break
        kept = _better_half(dict(zip(alive, results, strict=True)))
        for place in set(alive) - set(kept):
            found[place] = Judged(found[place].score, found[place].steps_judged, dropped=True)
        alive, depth = kept, depth * 2
    return found


def _better_half(alive: Mapping[int, ItemResult]) -> list[int]:
    right = [place for place, result in alive.items() if result.first_error == -1]
    left = sorted(right or alive, key=lambda place: -(alive[place].aggregates.min or 0))
    return sorted(left[: max(1, math.ceil(len(alive) / 2))])


def select(candidates: Sequence[Sequence[str]], found: Sequence[Judged], same: SameAnswer) -> Selection:
    """By the PRM, by the most common answer, and by the answer whose candidates' scores add up to the most.

    Among candidates with the chosen answer it is the one with the best score; among equals the first. A candidate that
    was dropped stands behind those that were not, and votes; its score does not.
    """
    groups = _groups([steps[-1] for steps in candidates], same)
    ranking = tuple(sorted(range(len(found)), key=lambda place: _rank(found[place])))
    standing = {place: one.score for place, one in enumerate(found) if one.score is not None and not one.dropped}

    def best(group: Sequence[int]) -> int:
        return min(group, key=ranking.index)

    sums = [(sum(standing.get(place, 0) for place in group), group) for group in groups]
    return Selection(
        prm=ranking[0] if standing else None,
        majority=best(groups[0]) if standing else groups[0][0],
        weighted=best(max(sums, key=lambda one: one[0])[1]) if standing else None,
        ranking=ranking,
        groups=groups,
    )


def _rank(one: Judged) -> tuple[bool, bool, int, float]:
    """The deeper one got, the better; only then the score counts, as those of prefixes are of less."""
    return (one.score is None, one.dropped, -one.steps_judged if one.dropped else 0, -(one.score or 0))


def _groups(answers: Sequence[str], same: SameAnswer) -> tuple[tuple[int, ...], ...]:
    groups: list[list[int]] = []
    for place, answer in enumerate(answers):
        group = next((group for group in groups if same(answers[group[0]], answer)), None)
        if group is None:
            groups.append([place])
        else:
            group.append(place)
    return tuple(map(tuple, sorted(groups, key=len, reverse=True)))


def _items(question: str, candidates: Sequence[Sequence[str]]) -> list[Item]:
    return [Item(question=question, steps=list(steps)) for steps in candidates]


def same_answers() -> SameAnswer:
    """By what they mean: 1/2 is 0.5. A step without an answer is equal only to the same words.

    Raises ConfigurationError without math-verify.
    """
    try:
        import math_verify  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError as error:
        raise ConfigurationError("comparing answers needs math-verify: pip install stepreward[eval]") from error
    parsed: dict[str, Any] = {}

    def parse(text: str) -> Any:
        if text not in parsed:
            parsed[text] = math_verify.parse(text, parsing_timeout=_limit_s())
        return parsed[text]

    def same(one: str, other: str) -> bool:
        if one == other:
            return True
        return bool(parse(one)) and math_verify.verify(parse(one), parse(other), timeout_seconds=_limit_s())

    return same


def _limit_s() -> int | None:
    """Its time limit is a signal, which only the main thread gets."""
    return _SECONDS_AN_ANSWER if threading.current_thread() is threading.main_thread() else None
