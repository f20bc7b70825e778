"""One solution's steps before the judges: what is known, what is being asked for another, what must be asked.

A judgement's key is the hash of all that it depends on, so that a change of any of it is another key. References are
not part of it but follow from it: from the snapshot, the search's options, the question and the steps up to this one.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import astuple, dataclass

from stepreward.cache import ScoreCache
from stepreward.errors import PoisonRequest
from stepreward.metrics import Metrics
from stepreward.plan import Plan
from stepreward.references import ReferenceFinder
from stepreward.retrieval.store import Snapshot
from stepreward.schema import JudgeMethod
from stepreward.urgency import Urgency
from stepreward.values import Prompt, References, Solution, StepJudgement, TokenCount, Verdict
from stepreward.worker.sampling import Judge, Terms

# Bumped when a judgement's meaning changes: what an older version stored is not found.
_KEY_VERSION = 2


@dataclass(frozen=True)
class Bench:
    """The parts that judge, one set for the service. `model` names the weights behind the worker."""

    finder: ReferenceFinder
    judges: Mapping[JudgeMethod, Judge]
    cache: ScoreCache[StepJudgement]
    model: str
    metrics: Metrics


class Judging:
    """One solution of one request. `snapshot` is None where no references are wanted or the store is missing.

    `references` may be brought from outside, and so may `known`: judgements by key, None where the cache has none or
    where the plan is to do without it.
    `spent` adds up what the worker was asked for it; `asked` says whether it was asked anything.
    """

    def __init__(self, bench: Bench, plan: Plan, seed: int, solution: Solution, snapshot: Snapshot | None) -> None:
        self.solution = solution
        self.snapshot = snapshot
        self.known: dict[str, StepJudgement | None] = {}
        self.references: References | None = None
        self.spent = TokenCount()
        self.asked = False
        self._bench = bench
        self._plan = plan
        self._seed = seed
        self._keys: dict[JudgeMethod, list[str]] = {}

    def keys(self, method: JudgeMethod, indexes: Sequence[int]) -> list[str]:
        """Of the judgements of these steps: 64 hex digits each."""
        if method not in self._keys:
            self._keys[method] = self._all_keys(method)
        return [self._keys[method][index] for index in indexes]

    def _all_keys(self, method: JudgeMethod) -> list[str]:
        judge, search = self._bench.judges[method], self._plan.searches[method]
        samples = method == "rprm"
        # Random references and those of an oracle are chosen for the solution as a whole.
        whole = search.random_seed is not None or search.oracle
        shared = [
            _KEY_VERSION,
            self._bench.model,
            judge.revision,
            repr(self._plan.policy) if samples else None,
            self._seed if samples else None,
            self.snapshot.id if search.wanted and self.snapshot else None,
            [repr(search), self._bench.finder.revision] if search.wanted else None,
            astuple(self.solution) if whole else self.solution.question,
            *([self._plan.salt] if self._plan.salt else []),
        ]
        digest, keys = hashlib.sha256(json.dumps(shared).encode()), []
        for step in self.solution.steps:
            digest.update(json.dumps(step).encode())
            keys.append(digest.hexdigest())
        return keys

    async def judged(self, method: JudgeMethod, indexes: Sequence[int]) -> list[StepJudgement]:
        """The judgement of each of these steps, in order. Raises StepRewardError, the first of any step."""
        keys = self.keys(method, indexes)
        await self._look(keys)
        missing = [(key, index) for key, index in zip(keys, indexes, strict=True) if self.known[key] is None]
        if missing:
            await self._compute(method, missing)
        return [judgement for key in keys if (judgement := self.known[key]) is not None]

    async def _look(self, keys: Sequence[str]) -> None:
        new = [key for key in keys if key not in self.known]
        if new:
            found = await self._bench.cache.get(new) if self._plan.use_cache else [None] * len(new)
            self.known |= zip(new, found, strict=True)

    async def _compute(self, method: JudgeMethod, missing: Sequence[tuple[str, int]]) -> None:
        """Prompts are rendered before others can join: an item that cannot be rendered fails alone."""
        references = await self._found(method)
        with self._bench.metrics.stage("render"):
            prompts = self._bench.judges[method].render(self.solution, references, [index for _, index in missing])

        urgency = Urgency(self._plan.priority)

        async def compute(positions: Sequence[int]) -> list[StepJudgement]:
            asked = [prompts[position] for position in positions]
            verdicts = await self._ask(method, asked, urgency)
            return [
                _judgement(method, said, prompt, references, missing[position][1])
                for said, prompt, position in zip(verdicts, asked, positions, strict=True)
            ]

        judgements = await self._computed([key for key, _ in missing], compute, urgency)
        self.known |= {key: judgement for (key, _), judgement in zip(missing, judgements, strict=True)}

    async def _computed(
        self,
        keys: Sequence[str],
        compute: Callable[[Sequence[int]], Awaitable[list[StepJudgement]]],
        urgency: Urgency,
    ) -> list[StepJudgement]:
        if self._plan.use_cache:
            try:
                return [one.judgement for one in await self._bench.cache.get_or_compute(keys, compute, urgency)]
            except PoisonRequest:
                # It may be another's: who joins a computation shares steps with it, and not those it is refused for.
                if self.asked:
                    raise
                return [one.judgement for one in await self._bench.cache.get_or_compute(keys, compute, urgency)]
        computed = await compute(range(len(keys)))
        self._bench.metrics.cache_steps.labels("computed").inc(len(computed))
        return computed

    async def _found(self, method: JudgeMethod) -> References:
        """As a rule found for the whole request beforehand."""
        search = self._plan.searches[method]
        if not search.wanted:
            return References((), ((),) * len(self.solution.steps))
        if self.references is None:
            [self.references] = await self._bench.finder.find(self.snapshot, [self.solution], search)
        return self.references

    async def _ask(self, method: JudgeMethod, prompts: Sequence[Prompt], urgency: Urgency) -> list[tuple[Verdict, ...]]:
        self.asked = True
        spent, metrics = TokenCount(), self._bench.metrics
        terms = Terms(self._plan.policy, self._seed, urgency, self._plan.salt)
        try:
            with metrics.stage("judge"):
                verdicts = await self._bench.judges[method].judge(prompts, terms, spent)
        finally:
            self.spent.add(spent.prompt, spent.generated, spent.cached)
            metrics.count_tokens(spent)
        metrics.count_verdicts(method, verdicts, self._plan.policy.cap if method == "rprm" else 1)
        return verdicts


def _judgement(
    method: JudgeMethod, verdicts: tuple[Verdict, ...], prompt: Prompt, references: References, index: int
) -> StepJudgement:
    questions = references.questions[: prompt.questions]
    steps = references.steps[index][: prompt.steps]
    dropped = len(questions) < len(references.questions) or len(steps) < len(references.steps[index])
    return StepJudgement(
        method=method,
        verdicts=verdicts,
        questions=questions,
        steps=steps,
        dropped_duplicates=references.dropped_duplicates,
        degraded=("retrieval",) if references.unavailable else ("references_dropped",) if dropped else (),
    )


def may_keep(judgement: StepJudgement) -> bool:
    """Whether it may be given to later requests: all was there that should have been, and all could be read."""
    return not judgement.degraded and all(verdict.p_correct is not None for verdict in judgement.verdicts)
