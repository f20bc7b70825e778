# ruff: noqa: S311
"""RetrievalPRM's training: "+" or "-" after the serving prompts of labelled steps (arXiv 2502.14361).

Deviations from the paper: 1. The steps of a question's solutions are learned from one sequence (packing.py). 2. The
loss compares the two labels alone, which is what is read when it serves. 3. Right and wrong versions of a step may be
learned as pairs too, and a right solution token by token (the latter as Cobbe et al. 2021 train verifiers).
"""

import json
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice, takewhile
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from stepreward.errors import ConfigurationError
from stepreward.evaluation.step_quality import step_quality
from stepreward.files import reason_of
from stepreward.prompts.retsp import RetSP
from stepreward.training.groups import Group
from stepreward.training.learner import Learner
from stepreward.training.packing import Example, Packed, divided, pack
from stepreward.values import References, Solution

STATE = "state.json"

# A learner that goes on at a checkpoint, or begins.
LearnWith = Callable[[Path | None], Learner]

# What there is to learn from a group.
Examples = Callable[[Group], list[Example]]


@dataclass(frozen=True)
class Pace:
    """Packs of at most `pack_tokens`, at least `batch_tokens` of them a step, and what happens how often.

    `evaluate_groups`: of the held-out ones, of each family. `stop_s`: how long this piece of the run may last.
    """

    pack_tokens: int
    batch_tokens: int
    evaluate_tokens: int
    evaluate_groups: int
    save_s: float
    stop_s: float | None = None


class RunCard(BaseModel):
    """What a run is: one that is continued must be the same in all but `recipe`, whose tokens and rates may change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str
    base_sha256: str
    data_sha256: str
    prompt_version: str
    seed: int
    shares: dict[str, float]
    begun_with: str | None


class State(BaseModel):
    """Where a run is: groups taken from the mix, tokens and steps of the optimizer done."""

    model_config = ConfigDict(extra="forbid")

    groups: int = 0
    tokens: int = 0
    steps: int = 0
    examples: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Told:
    """One line of `log.jsonl`: of a step of the optimizer, or of the held-out part.

    `ordered`: the share of pairs, a right and a wrong version of a step, in which the right one has the higher score.
    """

    kind: str
    tokens: int
    steps: int
    seconds: float
    loss: float | None = None
    rate: float | None = None
    auc: dict[str, float | None] = field(default_factory=dict)
    ordered: dict[str, float | None] = field(default_factory=dict)


def examples_of(group: Group, grader: RetSP, *, references: bool = True) -> list[Example]:
    """The serving prompts of its labelled steps, each once, those that share most beside each other.

    With the references that the group has, if any, or without.

    Raises ContextOverflow, and ConfigurationError for one prompt with two labels.
    """
    found: dict[tuple[int, ...], Example] = {}
    places: dict[tuple[str, ...], int] = {}
    for one in group.solutions:
        shown = one.references if references else None
        shown = shown or References((), ((),) * len(one.steps))
        indexes = [index for index, label in enumerate(one.labels) if label is not None]
        prompts = grader.render(Solution(group.question, one.steps), shown, indexes)
        for index, prompt in zip(indexes, prompts, strict=True):
            place = places.setdefault(one.steps[:index], len(places))
            example = Example(prompt.token_ids, bool(one.labels[index]), grader.labels, place=place)
            if found.setdefault(prompt.token_ids, example).label != example.label:
                raise ConfigurationError(f"contradictory labels: a prompt of {group.question[:60]!r} has both")
    return [found[token_ids] for token_ids in sorted(found)]


def with_solution(examples: Sequence[Example]) -> list[Example]:
    """The longest prompt that shows right steps alone is learned token by token, from where the prompts part."""
    right = max((one for one in examples if one.label), key=lambda one: len(one.token_ids), default=None)
    if right is None or len(examples) < 2:
        return list(examples)
    columns = zip(*(one.token_ids for one in examples), strict=False)
    shared = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
    written = replace(right, written=len(right.token_ids) - shared)
    return [written if one is right else one for one in examples]


def weights_of(examples: Sequence[Example]) -> tuple[float, float]:
    """For right and wrong steps, so that both count the same in all. Raises ConfigurationError where one is missing."""
    right = sum(example.label for example in examples)
    wrong = len(examples) - right
    if not right or not wrong:
        raise ConfigurationError("the data has no " + ("right" if not right else "wrong") + " step to learn from")
    return len(examples) / (2 * right), len(examples) / (2 * wrong)


class Run:
    """One run in its folder: checkpoints, its log, where it is. It takes the groups of one mix in order."""

    def __init__(self, folder: Path, learner: Learner, examples: Examples, pace: Pace, state: State) -> None:
        self.state = state
        self._folder = folder
        self._learner = learner
        self._examples = examples
        self._pace = pace

    def train(
        self,
        groups: Iterator[Group],
        held_out: Sequence[Group],
        weights: tuple[float, float],
        tell: Callable[[Told], None],
    ) -> bool:
        """Until the recipe's tokens are seen, or this piece's time is up: whether all of it is done.

        What was done since the last checkpoint is done again after a kill.
        """
        batches = self._batches(islice(groups, self.state.groups, None))
        begun_s = saved_s = time.monotonic()
        while self.state.tokens < self._learner.recipe.tokens:
            before = self.state.tokens
            self._log(self._step(*next(batches), weights), tell)
            if self.state.tokens // self._pace.evaluate_tokens > before // self._pace.evaluate_tokens:
                self._log(self.evaluated(held_out), tell)
            now_s = time.monotonic()
            if self._pace.stop_s is not None and now_s - begun_s > self._pace.stop_s:
                self.save()
                return False
            if now_s - saved_s > self._pace.save_s:
                self.save()
                saved_s = now_s
        self._log(self.evaluated(held_out), tell)
        self.save()
        return True

    def _step(self, taken: int, batch: Sequence[Packed], weights: tuple[float, float]) -> Told:
        begun_s = time.monotonic()
        state = self.state
        rate = self._learner.recipe.rate(state.tokens)
        loss = self._learner.learn(batch, weights, state.tokens)
        state.groups += taken
        state.tokens += sum(len(packed.token_ids) for packed in batch)
        state.examples += sum(len(packed.labels) for packed in batch)
        state.steps += 1
        state.seconds += time.monotonic() - begun_s
        return Told("step", state.tokens, state.steps, state.seconds, loss, rate)

    def evaluated(self, held_out: Sequence[Group]) -> Told:
        """AUC of the held-out steps, and how many of their pairs are ordered rightly, by family."""
        auc: dict[str, float | None] = {}
        ordered: dict[str, float | None] = {}
        for family in sorted({group.family for group in held_out}):
            examples = [
                part
                for group in held_out
                if group.family == family
                for part in divided(self._examples(group), self._pace.pack_tokens)
            ]
            packs = [pack(part) for part in examples]
            of_packs = list(self._learner.scores(packs))
            labels = [bool(label) for packed in packs for label in packed.labels]
            auc[family] = step_quality([score for scores in of_packs for score in scores], labels, 0.5).auc
            ordered[family] = ordered_rightly(packs, of_packs)
        return Told("held out", self.state.tokens, self.state.steps, self.state.seconds, auc=auc, ordered=ordered)

    def save(self) -> None:
        """A checkpoint; the one before the last is taken away."""
        checkpoint = self._folder / f"checkpoint-{self.state.steps:06d}"
        if checkpoint in checkpoints(self._folder):
            return
        self._learner.save(checkpoint, self.state.model_dump_json())
        for old in checkpoints(self._folder)[:-2]:
            shutil.rmtree(old)

    def _batches(self, groups: Iterator[Group]) -> Iterator[tuple[int, list[Packed]]]:
        """How many groups were taken for it, and the packs of a step. A group is never parted between two."""
        taken, batch = 0, list[Packed]()
        for group in groups:
            taken += 1
            batch += [pack(part) for part in divided(self._examples(group), self._pace.pack_tokens)]
            if sum(len(packed.token_ids) for packed in batch) >= self._pace.batch_tokens:
                yield taken, batch
                taken, batch = 0, []

    def _log(self, told: Told, tell: Callable[[Told], None]) -> None:
        with (self._folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(asdict(told)) + "\n")
        tell(told)


def ordered_rightly(packs: Sequence[Packed], of_packs: Sequence[Sequence[float]]) -> float | None:
    """The share of their pairs whose right version has the higher score; None without pairs."""
    won = [
        scores[right] > scores[wrong]
        for packed, scores in zip(packs, of_packs, strict=True)
        for right, wrong in packed.pairs.tolist()
    ]
    return sum(won) / len(won) if won else None


def checkpoints(folder: Path) -> list[Path]:
    """Whole ones, the oldest first."""
    return sorted(path for path in folder.glob("checkpoint-??????") if (path / STATE).is_file())


def open_run(folder: Path, card: RunCard, examples: Examples, learn_with: LearnWith, pace: Pace) -> Run:
    """A new run, or the one that was begun there at its last checkpoint. `learn_with` makes the learner.

    Raises ConfigurationError where the folder's run is another one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "run.json"
    if path.exists():
        try:
            begun = RunCard.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise ConfigurationError(f"{path}: {reason_of(error)}") from error
        different = [name for name, value in card if value != getattr(begun, name)]
        if different:
            raise ConfigurationError(f"{folder}: was begun with another {', '.join(different)}: take a new folder")
    saved = checkpoints(folder)
    learner = learn_with(saved[-1] if saved else None)
    path.write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    state = State.model_validate_json((saved[-1] / STATE).read_bytes()) if saved else State()
    return Run(folder, learner, examples, pace, state)


def sampled(groups: Sequence[Group], of_family: int, seed: int) -> list[Group]:
    """At most so many held-out groups of each family, always the same."""
    found: list[Group] = []
    for family in sorted({group.family for group in groups}):
        own = [group for group in groups if group.held_out and group.family == family]
        found += random.Random(seed).sample(own, min(of_family, len(own)))
    return found
