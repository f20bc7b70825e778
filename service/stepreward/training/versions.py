# ruff: noqa: S311
"""A right and a wrong version of the same step, of questions held out: what a judge should tell apart."""

import hashlib
import random
from collections.abc import Iterable

from stepreward.evaluation.labelled import LabelledItem
from stepreward.evaluation.pairs import Pair
from stepreward.training.groups import Group


def versions(groups: Iterable[Group], seed: int) -> list[Pair]:
    """One pair of each group that is held out and has one, in their order, drawn by the question and the seed."""
    drawn = (_pair(group, random.Random(f"{seed} {group.question}")) for group in groups if group.held_out)
    return [pair for pair in drawn if pair is not None]


def _pair(group: Group, rng: random.Random) -> Pair | None:
    right = {
        one.steps[:index]: one.steps[: index + 1]
        for one in group.solutions
        for index, label in enumerate(one.labels)
        if label
    }
    wrong = [one.steps for one in group.solutions if one.labels[-1] is False and one.steps[:-1] in right]
    if not wrong:
        return None
    chosen = rng.choice(wrong)
    return Pair(_item(group, right[chosen[:-1]], label=True), _item(group, chosen, label=False))


def _item(group: Group, steps: tuple[str, ...], *, label: bool) -> LabelledItem:
    """Nothing is said of the steps before the last."""
    named = f"{hashlib.sha256(group.question.encode()).hexdigest()[:16]}-{'right' if label else 'wrong'}"
    labels = (*(None for _ in steps[1:]), label)
    return LabelledItem(named, group.family, "unknown", group.question, steps, labels)
