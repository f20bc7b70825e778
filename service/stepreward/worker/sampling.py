"""How a step's prompt becomes verdicts: one reading for retsp, sampled trajectories for rprm."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, TypedDict

from stepreward.calibration import Scale
from stepreward.concurrency import run_all
from stepreward.policies import Policy
from stepreward.prompts.retsp import RetSP
from stepreward.prompts.rprm import MARKER, RPRM
from stepreward.schema import Priority
from stepreward.urgency import Urgency
from stepreward.values import Prompt, References, Solution, TokenCount, Verdict
from stepreward.worker.client import SamplingOptions, WorkerClient
from stepreward.worker.pool import Work, WorkerPool

_PROMPTS_PER_CALL = 64

Verdicts = tuple[Verdict, ...]


@dataclass(frozen=True)
class Terms:
    """What a request asks of a judge. `seed` is mixed into the seed that each prompt's content gives.

    `salt`: with whom it shares what the worker keeps of prompts; None for all who have none.
    """

    policy: Policy
    seed: int = 0
    urgency: Urgency = field(default_factory=Urgency)
    salt: str | None = None

    @property
    def place(self) -> "Place":
        """What every call of a worker is told of them."""
        return {"priority": self.urgency.priority, "salt": self.salt}


class Place(TypedDict):
    priority: Priority
    salt: str | None


class Judge(Protocol):
    """One method: renders a step's prompt and turns prompts into verdicts.

    `version` names the prompt; `revision` is all that a verdict depends on beside the prompt, the model and the seed.
    """

    version: str
    revision: str

    def render(self, solution: Solution, references: References, indexes: Sequence[int]) -> list[Prompt]:
        """The prompts of these steps. Raises ContextOverflow."""

    async def judge(self, prompts: Sequence[Prompt], terms: Terms, spent: TokenCount) -> list[Verdicts]:
        """The verdicts of each step, in the order of `prompts`.

        Raises WorkerUnavailable, WorkerAnswerInvalid, PoisonRequest.
        """


class RetSPJudge:
    """Reads p(correct) from the label tokens, all steps in one batched request: nothing is sampled, so policy and seed
    rest. `scale` sets it right."""

    def __init__(self, method: RetSP, workers: WorkerPool, scale: Scale | None = None) -> None:
        self._method = method
        self._workers = workers
        self._scale = scale
        self.version = method.version
        self.revision = f"{method.version} {scale}"

    def render(self, solution: Solution, references: References, indexes: Sequence[int]) -> list[Prompt]:
        return self._method.render(solution, references, indexes)

    async def judge(self, prompts: Sequence[Prompt], terms: Terms, spent: TokenCount) -> list[Verdicts]:
        chunks = [prompts[start : start + _PROMPTS_PER_CALL] for start in range(0, len(prompts), _PROMPTS_PER_CALL)]
        shares = await run_all(self._read(chunk, terms, spent) for chunk in chunks)
        return [(Verdict(self._set_right(p_correct)),) for chunk in shares for p_correct in chunk]

    async def _read(self, chunk: Sequence[Prompt], terms: Terms, spent: TokenCount) -> list[float | None]:
        asked = [prompt.token_ids for prompt in chunk]
        work = Work(asked, sum(len(ids) + 1 for ids in asked), terms.urgency)
        return await self._workers.run(
            work, lambda worker: worker.label_probabilities(asked, self._method.labels, spent, **terms.place)
        )

    def _set_right(self, p_correct: float | None) -> float | None:
        return p_correct if p_correct is None or self._scale is None else self._scale.apply(p_correct)


class RPRMJudge:
    """Samples a step's trajectories in the policy's rounds, each round one request, and reads its verdicts in another.

    The second request is one token on prefixes that the same worker has just computed. Steps do not wait for each
    other's rounds: the engine batches what is open.
    """

    def __init__(self, method: RPRM, workers: WorkerPool, options: SamplingOptions) -> None:
        self._method = method
        self._workers = workers
        self._options = options
        self.version = method.version
        self.revision = f"{method.version} {options}"

    def render(self, solution: Solution, references: References, indexes: Sequence[int]) -> list[Prompt]:
        return self._method.render(solution, references, indexes)

    async def judge(self, prompts: Sequence[Prompt], terms: Terms, spent: TokenCount) -> list[Verdicts]:
        return await run_all(self._judge_step(prompt, terms, spent) for prompt in prompts)

    async def _judge_step(self, prompt: Prompt, terms: Terms, spent: TokenCount) -> Verdicts:
        verdicts: Verdicts = ()
        while count := terms.policy.next_round([verdict.p_correct for verdict in verdicts]):
            tokens = len(prompt.token_ids) + count * self._options.max_tokens
            work = Work([prompt.token_ids], tokens, terms.urgency)
            drawn = replace(terms, seed=content_seed(prompt, terms.seed, len(verdicts)))
            verdicts += await self._workers.run(work, partial(self._round, prompt, count, drawn, spent))
        return verdicts

    async def _round(
        self, prompt: Prompt, count: int, terms: Terms, spent: TokenCount, worker: WorkerClient
    ) -> Verdicts:
        trajectories = await worker.sample(prompt.token_ids, count, terms.seed, self._options, spent, **terms.place)
        endings = [self._method.verdict_prompt(prompt.token_ids, trajectory) for trajectory in trajectories]
        shares = await worker.label_probabilities(
            [ids for ids, _ in endings], self._method.labels, spent, **terms.place
        )
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
