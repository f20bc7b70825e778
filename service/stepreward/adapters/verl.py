"""verl: a custom reward function, its options in `reward_kwargs`.

    reward.custom_reward_function.path=pkg://stepreward.adapters.verl
    reward.custom_reward_function.name=compute_score
    +reward.custom_reward_function.reward_kwargs.url=http://HOST:8080
    +reward.custom_reward_function.reward_kwargs.method=rprm

The question stands in `extra_info["question"]`. Managers that do not await take `compute_score_sync`.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, Self

from stepreward.adapters.asking import Sample, begin, numbers
from stepreward.errors import ConfigurationError, StepRewardError
from stepreward.schema import ItemResult

_PATIENCE_S = 280.0
# What verl says of a reward model of its own.
_OF_VERL = ("reward_router_address", "reward_model_tokenizer")


async def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: object,
    extra_info: Mapping[str, Any] | None = None,
    **reward_kwargs: Any,
) -> dict[str, float]:
    """`score` and the same extras for each sample, as verl takes their names from the first.

    `reward_kwargs`: `url`, `deadline_s`, `on_error` and `fallback_score`, and the options of a score request. A sample
    without a score has the fallback value (0) and `prm_fallback` 1; `on_error="raise"` raises instead. Neither the
    ground truth nor the data source is needed.
    Raises ConfigurationError without a question or an address, RequestError for options that are refused.
    """
    asked = _Asked.of(reward_kwargs)
    [result] = await asyncio.wrap_future(asked.begin(solution_str, extra_info))
    return asked.numbers(result)


def compute_score_sync(
    data_source: str,
    solution_str: str,
    ground_truth: object,
    extra_info: Mapping[str, Any] | None = None,
    **reward_kwargs: Any,
) -> dict[str, float]:
    """As `compute_score`, not awaited."""
    asked = _Asked.of(reward_kwargs)
    [result] = asked.begin(solution_str, extra_info).result()
    return asked.numbers(result)


@dataclass(frozen=True)
class _Asked:
    url: str | None
    deadline_s: float
    on_error: Literal["value", "raise"]
    fallback_score: float
    options: Mapping[str, Any]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Raises ConfigurationError."""
        options = {name: value for name, value in given.items() if name not in _OF_VERL}
        on_error = options.pop("on_error", "value")
        if on_error not in ("value", "raise"):
            raise ConfigurationError(f"on_error: value or raise, not {on_error!r}")
        return cls(
            url=options.pop("url", None),
            deadline_s=float(options.pop("deadline_s", _PATIENCE_S)),
            on_error=on_error,
            fallback_score=float(options.pop("fallback_score", 0)),
            options=options,
        )

    def begin(self, solution: str, extra_info: Mapping[str, Any] | None) -> "Future[list[ItemResult]]":
        question = (extra_info or {}).get("question")
        if not isinstance(question, str):
            raise ConfigurationError('extra_info["question"]: the question of the sample; the data set lacks it')
        return begin([Sample(question, solution)], self.url, self.deadline_s, self.options)

    def numbers(self, result: ItemResult) -> dict[str, float]:
        if result.failure and self.on_error == "raise":
            raise StepRewardError(f"{result.failure.code}: {result.failure.message}")
        return numbers(result, self.fallback_score)
