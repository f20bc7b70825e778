"""Training questions that stand in a test, word for word or nearly: they are dropped, and counted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stepreward.retrieval.duplicates import normalised
from stepreward.retrieval.encoder import Encoder
from stepreward.training.groups import Group

_AT_ONCE = 1024


@dataclass(frozen=True)
class Dropped:
    """Of so many questions, so many were dropped: `verbatim` after normalisation, `near` by the cosine alone."""

    questions: int
    verbatim: int
    near: int


async def without_test(
    groups: Sequence[Group],
    test: Sequence[str],
    encoder: Encoder,
    similarity: float,
    advance: Callable[[int], None],
) -> tuple[list[Group], Dropped]:
    """The groups whose question is none of the test's, and has a cosine below `similarity` with all of them.

    `advance` hears of groups compared. Raises EncoderFailed.
    """
    if not test:
        return list(groups), Dropped(len(groups), 0, 0)
    known = {normalised(question) for question in test}
    vectors = await encoder.encode(list(dict.fromkeys(test)), remember=False)
    kept: list[Group] = []
    verbatim = 0
    for start in range(0, len(groups), _AT_ONCE):
        page = [group for group in groups[start : start + _AT_ONCE] if normalised(group.question) not in known]
        verbatim += len(groups[start : start + _AT_ONCE]) - len(page)
        if page:
            own = await encoder.encode([group.question for group in page], remember=False)
            nearest = np.max(own @ vectors.T, axis=1)
            kept += [group for group, cosine in zip(page, nearest.tolist(), strict=True) if cosine < similarity]
        advance(len(groups[start : start + _AT_ONCE]))
    return kept, Dropped(len(groups), verbatim, len(groups) - verbatim - len(kept))
