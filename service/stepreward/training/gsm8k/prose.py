"""A marked answer told in steps as models write them: sentences joined, led in, what is given repeated, an end put."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from stepreward.training.gsm8k.marks import Calculation, MarkedAnswer, Piece, Sentence

Math = Literal["plain", "tight", "times", "latex", "dollars", "display"]

_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'])")
_NUMBERS = re.compile(r"\d[\d,]*(?:\.\d+)?")
_LED = re.compile(r"(?:So|Then|Now|Next|First|Finally|After|Therefore|Thus|Hence|In total|Since|If|Let|To)\b")
_LEADS = (
    ("First, ", "To start, ", "First, we find that ", "Let's begin: ", "To begin with, "),
    (
        "Next, ",
        "Then, ",
        "Now, ",
        "After that, ",
        "So, ",
        "Next, we see that ",
        "We can now say that ",
        "Now we know: ",
    ),
    ("Finally, ", "Therefore, ", "So, ", "Lastly, ", "Thus, ", "In the end, "),
)
_GIVEN = (
    "According to the problem, {}",
    "We know that {}",
    "The problem says: {}",
    "We are given that {}",
    "{}",
    "From the question, {}",
)
_INTRODUCTIONS = (
    "To solve this problem, we need to break it down into smaller steps.",
    "Let's solve this step by step.",
    "To find the answer, we will go through the information that is given.",
    "We need to answer: {}",
    "The question is: {} Let's work it out.",
    "To answer this, let's first look at what is given.",
)
_ENDS = (
    "The answer is {}.",
    "Therefore, the answer is {}.",
    r"Therefore, the answer is \(\boxed{{{}}}\).",
    r"So the final answer is \boxed{{{}}}.",
    "Thus, the final answer is {}.",
    r"The final answer is: $\boxed{{{}}}$",
    "**Answer: {}**",
)
_REMARKS = {
    "+": ("We add these together. ", "Adding gives the total. ", "This is a sum. "),
    "-": ("We subtract to find what remains. ", "We take the difference. "),
    "*": ("We multiply. ", "To find this, we multiply the two. "),
    "/": ("We divide. ", "To find this, we divide. "),
}


@dataclass(frozen=True)
class Style:
    """How one solution is written."""

    math: Math
    lead: Literal["none", "words", "step", "bold"]
    commas: bool
    end: str


@dataclass(frozen=True)
class ToldStep:
    """Sentences with what leads them in; a sentence of the question that is repeated has no calculation."""

    sentences: tuple[Sentence, ...]
    lead: str = ""

    @property
    def calculations(self) -> tuple[tuple[int, int], ...]:
        """Where they stand: sentence, piece."""
        return tuple(
            (row, column)
            for row, sentence in enumerate(self.sentences)
            for column, piece in enumerate(sentence)
            if isinstance(piece, Calculation)
        )


def draw_style(rng: random.Random) -> Style:
    return Style(
        math=rng.choices(("plain", "tight", "times", "latex", "dollars", "display"), (6, 2, 2, 4, 2, 1))[0],
        lead=rng.choices(("none", "words", "step", "bold"), (4, 5, 1, 1))[0],
        commas=rng.random() < 0.5,
        end=rng.choice(_ENDS),
    )


def plan(question: str, answer: MarkedAnswer, style: Style, rng: random.Random) -> list[ToldStep]:
    """The steps, without the one that states the answer."""
    sentences = _SENTENCES.split(question.strip())
    steps: list[ToldStep] = []
    if rng.random() < 0.3:
        steps.append(ToldStep(((rng.choice(_INTRODUCTIONS).format(sentences[-1]),),)))
    facts = sentences[:-1]
    if facts and rng.random() < 0.25:
        start = rng.randrange(len(facts))
        told = [_given(fact, rng) for fact in facts[start : start + rng.randint(1, 3)]]
        steps.append(ToldStep(tuple((one,) for one in told)))
    groups = _joined(answer.sentences, rng)
    for index, group in enumerate(groups):
        place = 0 if index == 0 else 2 if index == len(groups) - 1 else 1
        steps.append(_led(group, facts, (place, len(steps) + 1), style, rng))
    return steps


def ending(answer: Fraction, style: Style) -> str:
    return style.end.format(shown(answer, style))


def text(step: ToldStep, style: Style) -> str:
    said = " ".join(_closed("".join(_piece(piece, style) for piece in sentence)) for sentence in step.sentences)
    return step.lead + (said if not step.lead or step.lead.endswith((": ", ":** ", "\n")) else _lowered(said))


def shown(value: Fraction, style: Style) -> str:
    """As a whole number or a decimal; a fraction where it has no end. Up to four places."""
    if value.denominator == 1:
        return f"{value.numerator:,}" if style.commas else str(value.numerator)
    if 10_000 % value.denominator:
        return f"{value.numerator}/{value.denominator}"
    return f"{float(value):.4f}".rstrip("0")


def _joined(sentences: Sequence[Sentence], rng: random.Random) -> list[tuple[Sentence, ...]]:
    groups: list[tuple[Sentence, ...]] = []
    share = rng.choice((0.1, 0.3, 0.6))
    for sentence in sentences:
        if groups and len(groups[-1]) < 3 and rng.random() < share:
            groups[-1] = (*groups[-1], sentence)
        else:
            groups.append((sentence,))
    return groups


def _led(
    group: tuple[Sentence, ...], facts: Sequence[str], place: tuple[int, int], style: Style, rng: random.Random
) -> ToldStep:
    """With its lead, and before it a fact of the question that has one of its numbers."""
    position, number = place
    told = group
    if rng.random() < 0.45:
        numbers = {token for sentence in group for piece in sentence for token in _numbers(piece)}
        near = [fact for fact in facts if numbers & {*_NUMBERS.findall(fact)}]
        if near:
            told = ((_given(rng.choice(near), rng),), *told)
    if rng.random() < 0.2:
        first = next((piece for piece in group[0] if isinstance(piece, Calculation)), None)
        if first is not None:
            told = ((rng.choice(_REMARKS[first.tokens[first.operations[0]]]).strip(),), *told)
    opening = told[0][0] if isinstance(told[0][0], str) else ""
    match style.lead:
        case "words" if not _LED.match(opening) and rng.random() < 0.7:
            lead = rng.choice(_LEADS[position])
        case "step":
            lead = f"Step {number}: "
        case "bold":
            lead = f"**Step {number}:** "
        case _:
            lead = ""
    return ToldStep(told, lead)


def _given(fact: str, rng: random.Random) -> str:
    form = rng.choice(_GIVEN)
    return form.format(fact if form in ("{}", "The problem says: {}") else _lowered(fact))


def _numbers(piece: Piece) -> list[str]:
    return _NUMBERS.findall(piece) if isinstance(piece, str) else [piece.tokens[place] for place in piece.numbers]


def _lowered(said: str) -> str:
    """Its first letter small, where the word is one that is not a name."""
    word = said.split(" ", 1)[0].rstrip(",.:")
    common = {
        "The",
        "There",
        "This",
        "That",
        "They",
        "He",
        "She",
        "It",
        "In",
        "On",
        "At",
        "Each",
        "If",
        "After",
        "Since",
    }
    common |= {"According", "From", "Adding", "To", "These", "It's", "You", "All", "Both", "If", "Now", "As", "With"}
    common |= {"We", "Her", "His", "Their", "For", "When", "So", "A", "An", "One", "Two", "Half", "Every", "Then"}
    return said[:1].lower() + said[1:] if word in common else said


def _closed(sentence: str) -> str:
    said = sentence.strip()
    return said if said.endswith((".", "!", "?", "]", ":")) else said + "."


def _piece(piece: Piece, style: Style) -> str:
    if isinstance(piece, str):
        return piece
    signs = {"*": "*", "/": "/"}
    if style.math == "times":
        signs = {"*": "\u00d7", "/": "\u00f7"}
    elif style.math in ("latex", "dollars", "display"):
        signs = {"*": r"\times", "/": r"\div" if len(piece.tokens) == 3 else "/"}
    gap = "" if style.math == "tight" else " "
    formula = ""
    for token in piece.tokens:
        said = signs.get(token, token)
        formula += said if token in {"(", ")"} or token[-1].isdigit() else f"{gap}{said}{gap}"
    money = "$" if piece.money else ""
    result = shown(piece.result, style)
    match style.math:
        case "latex":
            return rf"\({formula} = {result}\)"
        case "display":
            return rf"\[{formula} = {result}\]"
        case "dollars" if not money:
            return f"${formula} = {result}$"
        case "tight":
            return f"{formula}={money}{result}"
        case _:
            return f"{formula} = {money}{result}"
