# ruff: noqa: S311
"""Steps graded by a learner, a solution from one sequence: the scores that it has when it serves, but for rounding."""

import hashlib
import random
from dataclasses import dataclass

from stepreward.prompts.retsp import RetSP
from stepreward.training.groups import Group
from stepreward.training.learner import Learner
from stepreward.training.packing import Example, divided, pack
from stepreward.values import References, Solution


@dataclass(frozen=True)
class Graded:
    """A solution to grade, and what is known of it."""

    id: str
    question: str
    steps: tuple[str, ...]
    labels: tuple[bool | None, ...]


def natural(group: Group, seed: int) -> Graded:
    """One of the group's solutions, as they come: right or wrong with the same chance, where it has both."""
    rng = random.Random(f"{seed} {group.question}")
    wrong = [one for one in group.solutions if False in one.labels]
    right = [one for one in group.solutions if False not in one.labels]
    kinds = [kind for kind in (right, wrong) if kind]
    chosen = rng.choice(rng.choice(kinds))
    return Graded(hashlib.sha256(group.question.encode()).hexdigest()[:16], group.question, chosen.steps, chosen.labels)


def grade(one: Graded, grader: RetSP, learner: Learner, pack_tokens: int) -> list[float]:
    """p(correct) of every step. Raises ContextOverflow naming the step."""
    prompts = grader.render(Solution(one.question, one.steps), References((), ((),) * len(one.steps)))
    examples = [Example(prompt.token_ids, label=True, choices=grader.labels) for prompt in prompts]
    packs = [pack(part) for part in divided(examples, pack_tokens)]
    return [score for of_pack in learner.scores(packs) for score in of_pack]
