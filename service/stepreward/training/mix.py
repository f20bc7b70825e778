# ruff: noqa: S311
"""The order in which groups are learned: families in their shares, each shuffled anew every time it was seen whole."""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from stepreward.errors import ConfigurationError
from stepreward.training.groups import Group


def endless(groups: Sequence[Group], shares: Mapping[str, float], seed: int) -> Iterator[Group]:
    """The same for the same seed. A family without a share has as much as it has groups, 1 a thousand.

    Raises ConfigurationError for a share of a family that is not there, and without groups.
    """
    families: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        families[group.family].append(group)
    if not families:
        raise ConfigurationError("nothing to learn from: the data has no group that is not held out")
    if unknown := sorted(shares.keys() - families.keys()):
        raise ConfigurationError(f"--share {unknown[0]}: the data has {', '.join(sorted(families))}")
    return _drawn(families, {name: shares.get(name, len(of) / 1000) for name, of in families.items()}, seed)


def _drawn(families: Mapping[str, Sequence[Group]], shares: Mapping[str, float], seed: int) -> Iterator[Group]:
    names = sorted(families)
    rng = random.Random(f"{seed} families")
    streams = {name: _shuffled(families[name], f"{seed} {name}") for name in names}
    while True:
        [name] = rng.choices(names, [shares[one] for one in names])
        yield next(streams[name])


def _shuffled(groups: Sequence[Group], seed: str) -> Iterator[Group]:
    rng = random.Random(seed)
    while True:
        yield from rng.sample(groups, len(groups))
