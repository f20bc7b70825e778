"""TRL: `GRPOTrainer(reward_funcs=[StepReward("http://HOST:8080", method="rprm")], ...)`.

On its command line, `--reward_funcs stepreward.adapters.trl.reward`, with the address in STEPREWARD_CLIENT_URL. A
completion without a score is None, which TRL leaves out.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from stepreward.adapters.asking import Prompt, Sample, numbers, score
from stepreward.chat import text_of
from stepreward.client import ScoreOptions

Completion = str | Sequence[Mapping[str, object]]


class StepReward:
    """A reward function. Can be pickled: the client is made when it is called."""

    def __init__(self, url: str | None = None, *, deadline_s: float = 600, **options: Unpack[ScoreOptions]) -> None:
        self._url = url
        self._deadline_s = deadline_s
        self._options = options

    def __call__(
        self, prompts: Sequence[Prompt], completions: Sequence[Completion], **columns: Any
    ) -> list[float | None]:
        """Of each completion. `columns` are those of the data set, and TRL's `log_metric`, which is told the means.

        Raises ServiceUnavailable when there is no answer: a batch without rewards should end the training.
        """
        samples = [Sample(prompt, _text(one)) for prompt, one in zip(prompts, completions, strict=True)]
        results = score(samples, self._url, self._deadline_s, self._options)
        if log := columns.get("log_metric"):
            told = [numbers(result, 0) for result in results]
            log("stepreward/failed", _mean([one["prm_fallback"] for one in told]))
            scored = [one for one in told if not one["prm_fallback"]]
            for name in ("prm_mean", "prm_steps") if scored else ():
                log(f"stepreward/{name.removeprefix('prm_')}", _mean([one[name] for one in scored]))
        return [result.score if result.status == "ok" else None for result in results]


def _text(completion: Completion) -> str:
    return completion if isinstance(completion, str) else text_of(completion[-1].get("content"))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


# For a configuration that names a function.
reward = StepReward()
