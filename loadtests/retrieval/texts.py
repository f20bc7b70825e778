"""The starter corpus, parted: solutions that are stored, and solutions whose question is not among them."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from stepreward.commands.ingest import STARTER
from stepreward.corpus.survey import read_corpus, solutions_of
from stepreward.values import LabelledSolution, Solution

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
    solutions = list(dict.fromkeys(solutions_of(read_corpus([STARTER]))))
    fitting = {each.question: each for each in reversed(solutions) if len(each.steps) == ASKED_STEPS}
    asked = list(itertools.islice(fitting.values(), ASKED))
    questions = {each.question for each in asked}
    others = [each for each in solutions if each.question not in questions]
    steps = itertools.accumulate(len(each.steps) for each in others)
    count = 1 + sum(total < STORED_STEPS for total in steps)
    return Texts(others[:count], [Solution(each.question, each.steps) for each in asked])
