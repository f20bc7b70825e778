"""How a step's prompt becomes verdicts: one reading for retsp, K sampled trajectories for rprm."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

from stepreward.concurrency import run_all
from stepreward.prompts.retsp import RetSP
from stepreward.prompts.rprm import MARKER, RPRM
from stepreward.schema import Prompt, References, Solution, TokenCount, Verdict
from stepreward.worker.client import SamplingOptions, WorkerClient

_PROMPTS_PER_CALL = 64


class Judge(Protocol):
    """One method: renders the prompts of a solution and turns them into verdicts."""

    version: str

    def render(self, solution: Solution, references: References) -> list[Prompt]:
        """One prompt for each step. Raises ContextOverflow."""

    async def judge(self, prompts: Sequence[Prompt], k: int, seed: int, spent: TokenCount) -> list[list[Verdict]]:
        """The verdicts of each step, in the order of `prompts`. Raises WorkerUnavailable, WorkerAnswerInvalid."""


class RetSPJudge:
    """Reads p(correct) from the label tokens, all steps in one batched request. Nothing is sampled: k and seed rest."""

    def __init__(self, method: RetSP, worker: WorkerClient) -> None:
        self._method = method
        self._worker = worker
        self.version = method.version

    def render(self, solution: Solution, references: References) -> list[Prompt]:
        return self._method.render(solution, references)

    async def judge(self, prompts: Sequence[Prompt], k: int, seed: int, spent: TokenCount) -> list[list[Verdict]]:
        chunks = [prompts[start : start + _PROMPTS_PER_CALL] for start in range(0, len(prompts), _PROMPTS_PER_CALL)]
        shares = await run_all(
            self._worker.label_probabilities([prompt.token_ids for prompt in chunk], self._method.labels, spent)
            for chunk in chunks
        )
        return [[Verdict(p_correct)] for chunk in shares for p_correct in chunk]


class RPRMJudge:
    """Samples exactly k trajectories of each step in one request, then reads all their verdicts in another.

    The second request is one token on prefixes that the engine has just computed.
    """

    def __init__(self, method: RPRM, worker: WorkerClient, options: SamplingOptions) -> None:
        self._method = method
        self._worker = worker
        self._options = options
        self.version = method.version

    def render(self, solution: Solution, references: References) -> list[Prompt]:
        return self._method.render(solution, references)

    async def judge(self, prompts: Sequence[Prompt], k: int, seed: int, spent: TokenCount) -> list[list[Verdict]]:
        return await run_all(self._judge_step(prompt, k, seed, spent) for prompt in prompts)

    async def _judge_step(self, prompt: Prompt, k: int, seed: int, spent: TokenCount) -> list[Verdict]:
        step_seed = content_seed(prompt, seed)
        trajectories = await self._worker.sample(prompt.token_ids, k, step_seed, self._options, spent)
        endings = [self._method.verdict_prompt(prompt.token_ids, trajectory) for trajectory in trajectories]
        shares = await self._worker.label_probabilities([ids for ids, _ in endings], self._method.labels, spent)
        texts = [self._method.text(trajectory) for trajectory in trajectories]
        return [
            Verdict(p_correct, forced, text)
            for p_correct, (_, forced), text in zip(shares, endings, texts, strict=True)
        ]


def sampling_options(max_tokens: int, temperature: float, top_p: float, marker: str = MARKER) -> SamplingOptions:
    """rprm's options: a trajectory ends at the marker."""
    return SamplingOptions(max_tokens, temperature, top_p, stop=marker)


def content_seed(prompt: Prompt, seed: int) -> int:
    """A seed in [0, 2⁶³) from the prompt's content: equal input samples equal trajectories, wherever it stands."""
    digest = hashlib.sha256(repr((prompt.token_ids, seed)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
