"""AReaL: `reward_fn="stepreward.adapters.areal.reward_fn"`, with the address in STEPREWARD_CLIENT_URL.

AReaL calls it in a process of its own, waits 15 s, tries four times, and takes 0 for what did not come. So it has its
own deadline below that, and raises when there is no score: an error is logged and tried again, and the last one ends
the rollout with it. What was judged in one attempt is known in the next. With `fallback_score` that value stands for a
score that is not there (functools.partial gives it, and `options`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from stepreward.adapters.asking import Sample, score
from stepreward.errors import StepRewardError

DEADLINE_S = 11.0


def reward_fn(
    prompt: str,
    completions: str,
    prompt_ids: Sequence[int],
    completion_ids: Sequence[int],
    *,
    url: str | None = None,
    fallback_score: float | None = None,
    options: Mapping[str, Any] | None = None,
    **row: object,
) -> float:
    """The score of one completion. `row`, what else the data set has of it, and the token ids are not needed.

    Raises StepRewardError when there is none and no fallback value.
    """
    [result] = score([Sample(prompt, completions)], url, DEADLINE_S, options or {})
    if result.status == "ok" and result.score is not None:
        return result.score
    if fallback_score is None:
        raise StepRewardError(result.failure.message if result.failure else "the solution has no score")
    return fallback_score
