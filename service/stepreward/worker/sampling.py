"""How a step's prompt becomes verdicts: one reading for retsp, sampled trajectories for rprm."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

from stepreward.calibration import Scale
from stepreward.concurrency import run_all
from stepreward.policies import Policy
from stepreward.prompts.retsp import RetSP
from stepreward.prompts.rprm import MARKER, RPRM
from stepreward.values import Prompt, References, Solution, TokenCount, Verdict
from stepreward.worker.client import SamplingOptions, WorkerClient

_PROMPTS_PER_CALL = 64

Verdicts = tuple[Verdict, ...]


class Judge(Protocol):
    """One method: renders a step's prompt and turns prompts into verdicts.

    `version` names the prompt; `revision` is all that a verdict depends on beside the prompt, the model and the seed.
    """

    version: str
    revision: str

    def render(self, solution: Solution, references: References, indexes: Sequence[int]) -> list[Prompt]:
        """The prompts of these steps. Raises ContextOverflow."""

    async def judge(self, prompts: Sequence[Prompt], policy: Policy, seed: int, spent: TokenCount) -> list[Verdicts]:
        """The verdicts of each step, in the order of `prompts`. Raises WorkerUnavailable, WorkerAnswerInvalid."""


class RetSPJudge:
    """Reads p(correct) from the label tokens, all steps in one batched request: nothing is sampled, so policy and seed
    rest. `scale` sets it right."""

    def __init__(self, method: RetSP, worker: WorkerClient, scale: Scale | None = None) -> None:
        self._method = method
        self._worker = worker
        self._scale = scale
        self.version = method.version
        self.revision = f"{method.version} {scale}"

    def render(self, solution: Solution, references: References, indexes: Sequence[int]) -> list[Prompt]:
        return self._method.render(solution, references, indexes)

    async def judge(self, prompts: Sequence[Prompt], policy: Policy, seed: int, spent: TokenCount) -> list[Verdicts]:
        chunks = [prompts[start : start + _PROMPTS_PER_CALL] for start in range(0, len(prompts), _PROMPTS_PER_CALL)]
        shares = await run_all(
            self._worker.label_probabilities([prompt.token_ids for prompt in chunk], self._method.labels, spent)
            for chunk in chunks
        )
        return [(Verdict(self._set_right(p_correct)),) for chunk in shares for p_correct in chunk]

    def _set_right(self, p_correct: float | None) -> float | None:
        return p_correct if p_correct is None or self._scale is None else self._scale.apply(p_correct)


class RPRMJudge:
    """Samples a step's trajectories in the policy's rounds, each round one request, and reads its verdicts in another.

    The second request is one token on prefixes that the engine has just computed. Steps do not wait for each other's
    rounds: the engine batches what is open.
    """

    def __init__(self, method: RPRM, worker: WorkerClient, options: SamplingOptions) -> None:
        self._method = method
        self._worker = worker
        self._options = options
        self.version = method.version
        self.revision = f"{method.version} {options}"

    def render(self, solution: Solution, references: References, indexes: Sequence[int]) -> list[Prompt]:
        return self._method.render(solution, references, indexes)

    async def judge(self, prompts: Sequence[Prompt], policy: Policy, seed: int, spent: TokenCount) -> list[Verdicts]:
        return await run_all(self._judge_step(prompt, policy, seed, spent) for prompt in prompts)

    async def _judge_step(self, prompt: Prompt, policy: Policy, seed: int, spent: TokenCount) -> Verdicts:
        verdicts: Verdicts = ()
        while count := policy.next_round([verdict.p_correct for verdict in verdicts]):
            round_seed = content_seed(prompt, seed, len(verdicts))
            verdicts += await self._round(prompt, count, round_seed, spent)
        return verdicts

    async def _round(self, prompt: Prompt, count: int, seed: int, spent: TokenCount) -> Verdicts:
        trajectories = await self._worker.sample(prompt.token_ids, count, seed, self._options, spent)
        endings = [self._method.verdict_prompt(prompt.token_ids, trajectory) for trajectory in trajectories]
        shares = await self._worker.label_probabilities([ids for ids, _ in endings], self._method.labels, spent)
        texts = [self._method.text(trajectory) for trajectory in trajectories]
        return tuple(
            Verdict(p_correct, forced, text)
            for p_correct, (_, forced), text in zip(shares, endings, texts, strict=True)
        )


def sampling_options(max_tokens: int, temperature: float, top_p: float, marker: str = MARKER) -> SamplingOptions:
    """rprm's options: a trajectory ends at the marker."""
    return SamplingOptions(max_tokens, temperature, top_p, stop=marker)


def content_seed(prompt: Prompt, seed: int, first: int = 0) -> int:
    """A seed in [0, 2⁶³) from the prompt's content and the number of the `first` trajectory that it draws.

    Equal input samples equal trajectories, wherever it stands.
    """
    digest = hashlib.sha256(repr((prompt.token_ids, seed, first)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
