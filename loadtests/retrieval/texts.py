"""The starter corpus, parted: solutions that are stored, and solutions whose question is not among them."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from stepreward.commands.corpus import STARTER
from stepreward.corpus.build import read_corpus
from stepreward.schema import LabelledSolution, Solution

STORED_STEPS = 10_000
ASKED = 200
ASKED_STEPS = 6


@dataclass(frozen=True)
class Texts:
    """`stored` has at least STORED_STEPS steps, and ends with the solution that reaches them."""

    stored: Sequence[LabelledSolution]
    asked: Sequence[Solution]


def read_texts() -> Texts:
    """The last solutions of ASKED_STEPS steps are asked, one for each question; no stored one has their questions."""
    solutions = read_corpus(STARTER).solutions
    fitting = {each.question: each for each in reversed(solutions) if len(each.steps) == ASKED_STEPS}
    asked = list(itertools.islice(fitting.values(), ASKED))
    questions = {each.question for each in asked}
    others = [each for each in solutions if each.question not in questions]
    steps = itertools.accumulate(len(each.steps) for each in others)
    count = 1 + sum(total < STORED_STEPS for total in steps)
    return Texts(others[:count], [Solution(each.question, each.steps) for each in asked])
