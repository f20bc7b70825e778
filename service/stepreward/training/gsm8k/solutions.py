# ruff: noqa: S311
"""Labelled solutions of one question of GSM8K: the right one, and some that end with their first wrong step."""

import hashlib
import random
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import islice

from stepreward.training.groups import Explained
from stepreward.training.gsm8k.errors import WrongStep, wrong_steps
from stepreward.training.gsm8k.marks import Calculation, MarkedAnswer, number
from stepreward.training.gsm8k.prose import Style, ToldStep, draw_style, ending, plan, shown, text
from stepreward.values import LabelledSolution

_NOTHING_CALCULATED = 0.15
_WRONG_END = 0.15
_EARLY_END = 0.2


def solutions(question: str, answer: MarkedAnswer, seed: int) -> Iterator[LabelledSolution]:
    """The right one first. The same for the same seed.

    As many wrong versions of a step as it has calculations: what states more can go wrong in more places.
    """
    rng = random.Random(hashlib.sha256(f"{seed}\0{question}".encode()).digest())
    style = draw_style(rng)
    steps = plan(question, answer, style, rng)
    told = [text(step, style) for step in steps]
    end = ending(answer.answer, style)
    apart = rng.random() < 0.6
    right = [*told, end] if apart else [*told[:-1], f"{told[-1]} {end}"]
    yield LabelledSolution(question, tuple(right), (True,) * len(right), "gsm8k/right")
    scope = dict.fromkeys(_numbers(question))
    for index, step in enumerate(steps):
        tailed = not apart and index == len(steps) - 1
        for wrong in _wrong(step, scope, question, style, rng):
            said = text(wrong.step, style)
            if said != told[index]:
                said += _tail(wrong.step, end, style) if tailed else ""
                yield _ended(question, right[:index], said, wrong.kind, wrong.truth)
        results = _results(step)
        scope |= dict.fromkeys(results)
        if results and index < len(steps) - 1 and rng.random() < _EARLY_END and number(results[-1]) != answer.answer:
            why = f"the question asks for more than {results[-1]}"
            yield _ended(question, right[: index + 1], ending(number(results[-1]), style), "early", why)
    if rng.random() < _WRONG_END:
        yield from _wrong_end(question, right, told, (answer.answer, scope, apart), (style, rng))


def _wrong(
    step: ToldStep, scope: Mapping[str, None], question: str, style: Style, rng: random.Random
) -> Iterator[WrongStep]:
    wanted = len(step.calculations) or int(rng.random() < _NOTHING_CALCULATED)
    seen: set[str] = set()
    for wrong in islice(wrong_steps(step, list(scope), question, style, rng), 3 * wanted):
        said = text(wrong.step, style)
        if said not in seen and len(seen) < wanted:
            seen.add(said)
            yield wrong


def _tail(step: ToldStep, end: str, style: Style) -> str:
    """The answer is what the step ends with, where it calculates."""
    results = _results(step)
    return f" {ending(number(results[-1]), style) if results else end}"


def _wrong_end(
    question: str,
    right: list[str],
    told: list[str],
    known: tuple[Fraction, Mapping[str, None], bool],
    writing: tuple[Style, random.Random],
) -> Iterator[LabelledSolution]:
    """The last step states another number of the solution as the answer."""
    answer, scope, apart = known
    style, rng = writing
    others = [number(one) for one in scope if number(one) != answer and number(one) > 0]
    if others:
        end = ending(rng.choice(others), style)
        why = f"the answer is {shown(answer, style)}"
        yield _ended(question, right[:-1], end if apart else f"{told[-1]} {end}", "answer", why)


def _ended(question: str, right: list[str], wrong: str, kind: str, why: str) -> LabelledSolution:
    return Explained(question, (*right, wrong), (True,) * len(right) + (False,), f"gsm8k/{kind}", why)


def _results(step: ToldStep) -> list[str]:
    pieces = [step.sentences[row][column] for row, column in step.calculations]
    values = [piece.result for piece in pieces if isinstance(piece, Calculation)]
    return [str(one.numerator) if one.denominator == 1 else str(float(one)) for one in values]


def _numbers(question: str) -> list[str]:
    found = [word.strip("$%.,?!()").removesuffix("%") for word in question.split()]
    return [one for one in found if one and all(part.isdigit() for part in one.replace(",", "").split(".", 1))]
