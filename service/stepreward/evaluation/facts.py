"""What every evaluation says of a run beside its figures: how much was scored, what failed, what it cost, by whom."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from stepreward.evaluation.answers import Answers
from stepreward.evaluation.labelled import LabelledItem

N = TypeVar("N", int, float)


@dataclass(frozen=True)
class Reading:
    """How answers become figures: a step is judged right from `threshold` on; `seed` is that of the resampling.

    `exclude_duplicates` is whether near-duplicates were kept out of the references, None where nobody was asked.
    """

    threshold: float
    exclude_duplicates: bool | None
    seed: int


@dataclass(frozen=True)
class Facts:
    """Of one condition. Tokens and seconds are sums over the items, None where nobody counted.

    `failed` and `degraded` count items by reason; `first_failure` is what was said of the first. `cached_items` were
    known to the service: nothing was spent on them. `dropped_duplicates` counts questions of the corpus that were left
    out of the references, `items_with_duplicates` the items they were left out for.
    """

    items: int
    scored: int
    failed: dict[str, int]
    first_failure: str | None
    cached_items: int
    degraded: dict[str, int]
    dropped_duplicates: int
    items_with_duplicates: int
    prompt_tokens: int | None
    cached_tokens: int | None
    generated_tokens: int | None
    seconds: float | None
    model: str | None
    prompt_version: str | None
    corpus_snapshot: str | None


def facts_of(items: Sequence[LabelledItem], answers: Answers) -> Facts:
    lines = [answers[item.id].line for item in items if item.id in answers]
    return Facts(
        items=len(items),
        scored=sum(line.status == "ok" for line in lines),
        failed=dict(Counter(line.failure or "failed" for line in lines if line.status == "failed")),
        first_failure=_known([line.message for line in lines]),
        cached_items=sum(line.cached for line in lines),
        degraded=dict(Counter(reason for line in lines for reason in line.degraded)),
        dropped_duplicates=sum(line.dropped_duplicates for line in lines),
        items_with_duplicates=sum(line.dropped_duplicates > 0 for line in lines),
        prompt_tokens=_sum([line.prompt_tokens for line in lines]),
        cached_tokens=_sum([line.cached_tokens for line in lines]),
        generated_tokens=_sum([line.generated_tokens for line in lines]),
        seconds=_sum([line.seconds for line in lines]),
        model=_known([line.model for line in lines]),
        prompt_version=_known([line.prompt_version for line in lines]),
        corpus_snapshot=_known([line.corpus_snapshot for line in lines]),
    )


def _sum(numbers: Sequence[N | None]) -> N | None:
    known = [number for number in numbers if number is not None]
    return sum(known[1:], start=known[0]) if known else None


def _known(names: Sequence[str | None]) -> str | None:
    return next((name for name in names if name is not None), None)
