"""SkyRL: an environment of one turn.

    register(id="stepreward", entry_point="stepreward.adapters.skyrl:StepRewardEnv")

Its configuration has `url`, and may have `options`, as of a score request, and `fallback_score`. The metadata of a step
has `step_spans` and `step_scores`: `dense_rewards` puts them on the tokens of the response, for a generator that gives
SkyRL a list of rewards for each response.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput

from stepreward.adapters.asking import Sample, numbers, score
from stepreward.adapters.token_rewards import Decoder, token_rewards

_PATIENCE_S = 600.0


class StepRewardEnv(BaseTextEnv):  # type: ignore[misc]  # SkyRL has no types
    """Ends after the first action, whose reward is its score."""

    def __init__(self, env_config: Any = None, extras: Mapping[str, Any] | None = None) -> None:
        """`extras["question"]` is the question; without it, it is what the user said last in the prompt."""
        super().__init__()
        self._config: Mapping[str, Any] = env_config or {}
        self._prompt: Any = (extras or {}).get("question")

    def init(self, prompt: list[dict[str, str]]) -> tuple[list[dict[str, str]], dict[str, Any]]:
        if self._prompt is None:
            self._prompt = prompt
        return prompt, {}

    def step(self, action: str) -> BaseTextEnvStepOutput:
        """Raises ServiceUnavailable when there is no answer."""
        config = self._config
        sample = Sample(self._prompt, action, exact=True)
        [result] = score([sample], config.get("url"), _PATIENCE_S, dict(config.get("options") or {}))
        told = numbers(result, float(config.get("fallback_score", 0)))
        metadata = {**told, "step_spans": result.spans or [], "step_scores": [step.score for step in result.steps]}
        return BaseTextEnvStepOutput(observations=[], reward=told["score"], done=True, metadata=metadata)


def dense_rewards(
    metadata: Sequence[Mapping[str, Any]], response_ids: Sequence[Sequence[int]], tokenizer: Decoder
) -> list[list[float]]:
    """Of each response, a reward for each token; all 0 where there is no score (`prm_fallback`)."""
    return [
        [0.0] * len(ids)
        if told["prm_fallback"]
        else token_rewards(ids, tokenizer, told["step_spans"], told["step_scores"])
        for told, ids in zip(metadata, response_ids, strict=True)
    ]
