# ruff: noqa: S311
"""The procedural teacher: analyses of R-PRM's five parts, written from what is known of a step instead of by a model.

What is known: its label, why it is wrong where the data says so, the right step in its place where another solution of
the question has it, and what can be worked out: each calculation in the text, and where its numbers come from.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from stepreward.training.gsm8k.marks import evaluated, number

_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_CALCULATION = re.compile(rf"({_NUMBER}(?:\s*[-+*/]\s*\$?{_NUMBER})+)\s*=\s*\$?\s*({_NUMBER})")
_TOKEN = re.compile(rf"{_NUMBER}|[-+*/]")
_SIGNS = str.maketrans({"\u00d7": "*", "\u00f7": "/", "\u2212": "-", "$": " "})
_LATEX = re.compile(r"\\times|\\cdot|\\div|\\\(|\\\)|\\\[|\\\]")
_MOST_NUMBERS = 4
_MOST_CALCULATIONS = 2


@dataclass(frozen=True)
class Lesson:
    """A step to analyse, 0-based, and what is known of it. `right`: the step that belongs there, where it is known."""

    question: str
    steps: tuple[str, ...]
    index: int
    label: bool
    why: str | None = None
    right: str | None = None


@dataclass(frozen=True)
class Redone:
    """A calculation of the text: `stated` is what it says, `value` what it is."""

    formula: str
    stated: str
    value: Fraction

    @property
    def holds(self) -> bool:
        """Also where the text rounds."""
        stated = number(self.stated)
        places = len(self.stated.partition(".")[2])
        return abs(stated - self.value) <= Fraction(1, 2 * 10**places) if places else stated == self.value


def calculations(text: str) -> list[Redone]:
    """Those that stand in a text, in order; what cannot be worked out is none."""
    plain = _LATEX.sub(lambda sign: {"\\times": "*", "\\cdot": "*", "\\div": "/"}.get(sign[0], " "), text)
    plain = plain.translate(_SIGNS)
    found = []
    for match in _CALCULATION.finditer(plain):
        tokens = tuple(_TOKEN.findall(match[1]))
        try:
            found.append(Redone(" ".join(tokens), match[2], evaluated(tokens)))
        except ValueError:
            continue
    return found


def analysis(lesson: Lesson, seed: int) -> str:
    """Five parts and a conclusion, up to where the verdict's marker comes; varied by the seed."""
    rng = random.Random(f"{seed} {lesson.question} {lesson.steps[: lesson.index + 1]}")
    step = lesson.steps[lesson.index]
    redone = calculations(step)
    lines = (
        f"Previous steps: {_before(lesson, rng)}",
        f"Now step: {_claim(step, redone, rng)}",
        f"Data source: {_origins(lesson, redone, rng)}",
        f"Consistency: {_consistency(lesson, redone, rng)}",
        f"Calculation: {_calculated(redone, rng)}",
        f"Conclusion: {_conclusion(lesson, rng)}",
    )
    return "".join(f"{line}\n" for line in lines)


def _before(lesson: Lesson, rng: random.Random) -> str:
    if lesson.index == 0:
        return rng.choice(("none.", "this is the first step.", "there are none yet."))
    found = [one for step in lesson.steps[: lesson.index] for one in calculations(step)]
    if found:
        return f"{rng.choice(('so far', 'they found', 'known is'))} {found[-1].formula} = {found[-1].stated}."
    return rng.choice(("they set up the problem.", "they say what is given.", "nothing is calculated yet."))


def _claim(step: str, redone: Sequence[Redone], rng: random.Random) -> str:
    if redone:
        return (
            f"{rng.choice(('it calculates', 'it states', 'it says that'))} {redone[-1].formula} = {redone[-1].stated}."
        )
    words = step.split()
    said = " ".join(words[:10]) + (" ..." if len(words) > 10 else "")
    return f'{rng.choice(("it says", "it states"))} "{said}"'


def _origins(lesson: Lesson, redone: Sequence[Redone], rng: random.Random) -> str:
    numbers = dict.fromkeys(one for made in redone for one in re.findall(_NUMBER, made.formula))
    if not numbers:
        return rng.choice(("the question.", "it uses no numbers of its own.", "what the question says."))
    told = [f"{one} {_origin(one, lesson)}" for one in list(numbers)[:_MOST_NUMBERS]]
    return ", ".join(told) + "."


def _origin(digits: str, lesson: Lesson) -> str:
    value = number(digits)
    if value in _values(lesson.question):
        return "is in the question"
    for place in range(lesson.index - 1, -1, -1):
        if value in _values(lesson.steps[place]):
            return f"is from step {place + 1}"
    # A number that is worked out in the step itself is from there.
    made = {number(one.stated) for one in calculations(lesson.steps[lesson.index])}
    return "is from this step" if value in made else "is not given"


def _values(text: str) -> set[Fraction]:
    return {number(one) for one in re.findall(_NUMBER, text)}


def _consistency(lesson: Lesson, redone: Sequence[Redone], rng: random.Random) -> str:
    if lesson.label:
        return rng.choice(("it agrees with the question.", "the question asks for this.", "it fits what is given."))
    if not all(one.holds for one in redone):
        return rng.choice(("the result is not what it should be.", "it does not hold together."))
    right = calculations(lesson.right) if lesson.right else []
    if right and redone and right[-1] != redone[-1]:
        return f"it should be {right[-1].formula} = {right[-1].stated}."
    if lesson.why:
        return f"no; {lesson.why[:1].lower()}{lesson.why[1:]}".rstrip(".") + "."
    return rng.choice(("it does not agree with the question.", "this does not follow.", "that is not what is given."))


def _calculated(redone: Sequence[Redone], rng: random.Random) -> str:
    if not redone:
        return rng.choice(("there is none.", "nothing to redo."))
    told = []
    for one in redone[-_MOST_CALCULATIONS:]:
        value = _shown(one.value)
        told.append(f"{one.formula} = {value}" + (", as stated" if one.holds else f", not {one.stated}"))
    return "; ".join(told) + "."


def _shown(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.4f}".rstrip("0").rstrip(".")


def _conclusion(lesson: Lesson, rng: random.Random) -> str:
    if lesson.label:
        return rng.choice(("the step is correct.", "this step is right.", "it holds."))
    return rng.choice(("the step is wrong.", "this step has a mistake.", "it does not hold."))
