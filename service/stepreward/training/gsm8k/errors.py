"""Errors put into a told step, each of a kind that can be checked: what it states is not what the right step states.

- `slip`: the result of a calculation is off by little, or two of its digits are exchanged;
- `operand`: another number of the problem stands in the place of one, and is calculated with;
- `operation`: one operator is exchanged, and calculated with;
- `dropped`: a part of a sum or product is left out;
- `extra`: a number of the problem is added, taken away or multiplied with that does not belong there;
- `complement`: a share stands in the place of what it leaves: 0.3 for 0.7;
- `unit`: the result is off by a factor of units, per cents or tens;
- `misread`: a number of the question is read wrongly wherever the step repeats it;
- `condition`: a word of the text that says how things relate is turned round ("more", "twice", "each day");
- `entity`: somebody's or something's name stands in the place of another.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, get_args

from stepreward.training.gsm8k.marks import Calculation, Piece, Sentence, evaluated, number
from stepreward.training.gsm8k.prose import Style, ToldStep, shown

Kind = Literal[
    "slip", "operand", "operation", "dropped", "extra", "complement", "unit", "misread", "condition", "entity"
]
KINDS: tuple[Kind, ...] = get_args(Kind)

# As models go wrong: more often in what they calculate than in calculating.
_WEIGHTS = {
    "slip": 2,
    "operand": 4,
    "operation": 4,
    "dropped": 3,
    "extra": 3,
    "complement": 3,
    "unit": 1,
    "misread": 1.5,
    "condition": 1.5,
    "entity": 1,
}
# Of a kind, at each calculation: most of what is drawn is not believable.
_TRIES = 4
_FACTORS = (2, 3, 4, 7, 10, 12, 24, 60, 100)
_TURNED = (
    ("more", "fewer"),
    ("fewer", "more"),
    ("less", "more"),
    ("twice", "half"),
    ("half", "twice"),
    ("double", "half"),
    ("day", "week"),
    ("week", "month"),
    ("month", "year"),
    ("hour", "minute"),
    ("hours", "minutes"),
    ("minutes", "hours"),
    ("before", "after"),
    ("after", "before"),
    ("increased", "decreased"),
    ("left", "used"),
    ("remaining", "original"),
    ("most", "least"),
    ("longer", "shorter"),
    ("older", "younger"),
    ("younger", "older"),
    ("each", "all"),
)
_NAME = re.compile(r"(?<![.!?] )(?<!^)\b[A-Z][a-z]{2,}\b")
_COMMON = {
    "The",
    "How",
    "What",
    "She",
    "His",
    "Her",
    "They",
    "Each",
    "There",
    "This",
    "That",
    "After",
    "Then",
    "Answer",
}


@dataclass(frozen=True)
class WrongStep:
    """`truth` says what is right instead."""

    step: ToldStep
    kind: Kind
    truth: str


def wrong_steps(
    step: ToldStep, scope: Sequence[str], question: str, style: Style, rng: random.Random
) -> Iterator[WrongStep]:
    """Drawn without end until nothing can be found; `scope`: the numbers that are known before this step."""
    while True:
        kinds = sorted(KINDS, key=lambda kind: rng.random() ** (1 / _WEIGHTS[kind]), reverse=True)
        drawn = (
            _entity(step, question, rng) if kind == "entity" else _wrong(kind, step, scope, style, rng)
            for kind in kinds
        )
        found = next((one for one in drawn if one is not None), None)
        if found is None:
            return
        yield found


def _wrong(kind: Kind, step: ToldStep, scope: Sequence[str], style: Style, rng: random.Random) -> WrongStep | None:
    if kind == "condition":
        return _condition(step, rng)
    places = list(step.calculations) * _TRIES
    rng.shuffle(places)
    for row, column in places:
        piece = step.sentences[row][column]
        if isinstance(piece, Calculation):
            wrong = _CALCULATIONS[kind](piece, scope, rng)
            if wrong is not None and _believable(wrong.result, piece.result):
                truth = f"it should be {' '.join(piece.tokens)} = {shown(piece.result, style)}"
                changed = _followed(step, (row, column), piece, wrong, style)
                if kind == "misread":
                    changed = _misread_text(changed, row, piece, wrong)
                return WrongStep(changed, kind, truth)
    return None


def _slip(right: Calculation, scope: Sequence[str], rng: random.Random) -> Calculation | None:
    value = right.result
    unit = next((Fraction(1, 10**places) for places in range(5) if (value * 10**places).denominator == 1), None)
    if unit is None:
        return None
    offs = [sign * size * unit for sign in (1, -1) for size in (1, 2, 10)]
    if value >= 100 * unit:
        offs += [sign * size * unit for sign in (1, -1) for size in (20, 30, 100)]
    digits = str(int(value / unit))
    swaps = [digits[:at] + digits[at + 1] + digits[at] + digits[at + 2 :] for at in range(len(digits) - 1)]
    others = [value + off for off in offs] + [int(one) * unit for one in swaps if one[0] != "0"]
    others = [one for one in others if one > 0 and one != value]
    return replace(right, result=rng.choice(others)) if others else None


def _operand(right: Calculation, scope: Sequence[str], rng: random.Random) -> Calculation | None:
    place = rng.choice(right.numbers)
    others = [one for one in scope if number(one) not in {number(right.tokens[at]) for at in right.numbers}]
    return _with(right, place, rng.choice(others)) if others else None


def _operation(right: Calculation, scope: Sequence[str], rng: random.Random) -> Calculation | None:
    place = rng.choice(right.operations)
    others = {"+": "-*", "-": "+", "*": "/+", "/": "*-"}[right.tokens[place]]
    return _with(right, place, rng.choice(others))


def _dropped(right: Calculation, scope: Sequence[str], rng: random.Random) -> Calculation | None:
    if len(right.operations) < 2 or "(" in right.tokens:
        return None
    place = rng.choice(right.operations)
    return _evaluated(right, (*right.tokens[:place], *right.tokens[place + 2 :]))


def _extra(right: Calculation, scope: Sequence[str], rng: random.Random) -> Calculation | None:
    used = {number(right.tokens[at]) for at in right.numbers}
    others = [one for one in scope if number(one) not in used]
    return _evaluated(right, (*right.tokens, rng.choice("+-*"), rng.choice(others))) if others else None


def _complement(right: Calculation, scope: Sequence[str], rng: random.Random) -> Calculation | None:
    shares = [at for at in right.numbers if 0 < number(right.tokens[at]) < 1]
    if not shares:
        return None
    place = rng.choice(shares)
    return _with(right, place, _plain(1 - number(right.tokens[place])))


def _unit(right: Calculation, scope: Sequence[str], rng: random.Random) -> Calculation | None:
    factor = Fraction(rng.choice(_FACTORS))
    others = [one for one in (right.result * factor, right.result / factor) if 100 % one.denominator == 0]
    return replace(right, result=rng.choice(others)) if others else None


def _misread(right: Calculation, scope: Sequence[str], rng: random.Random) -> Calculation | None:
    place = rng.choice(right.numbers)
    digits = right.tokens[place]
    at = rng.choice([position for position, sign in enumerate(digits) if sign.isdigit()])
    other = digits[:at] + rng.choice("123456789") + digits[at + 1 :]
    return _with(right, place, other) if other != digits else None


_CALCULATIONS: dict[str, Callable[[Calculation, Sequence[str], random.Random], Calculation | None]] = {
    "slip": _slip,
    "operand": _operand,
    "operation": _operation,
    "dropped": _dropped,
    "extra": _extra,
    "complement": _complement,
    "unit": _unit,
    "misread": _misread,
}


def _with(right: Calculation, place: int, token: str) -> Calculation | None:
    return _evaluated(right, (*right.tokens[:place], token, *right.tokens[place + 1 :]))


def _evaluated(right: Calculation, tokens: tuple[str, ...]) -> Calculation | None:
    try:
        return Calculation(tokens, evaluated(tokens), right.money)
    except ValueError:
        return None


def _believable(wrong: Fraction, right: Fraction) -> bool:
    """Another value, positive, not out of proportion, and with as few decimals as the right one or two."""
    return (
        wrong != right
        and wrong > 0
        and wrong <= 100 * max(right, Fraction(10))
        and (100 if right.denominator > 1 else 1) % wrong.denominator == 0
    )


def _followed(step: ToldStep, place: tuple[int, int], right: Calculation, wrong: Calculation, style: Style) -> ToldStep:
    """The step with the wrong calculation, and its result wherever the right one stood after it or in its sentence."""
    row, column = place
    old = re.compile(rf"(?<![\d.,]){re.escape(shown(right.result, style))}(?![\d]|[.,]\d)")
    new = shown(wrong.result, style)

    def later(piece: Piece) -> Piece:
        if isinstance(piece, str):
            return old.sub(new, piece)
        tokens = tuple(
            _plain(wrong.result) if at in piece.numbers and number(token) == right.result else token
            for at, token in enumerate(piece.tokens)
        )
        return (_evaluated(piece, tokens) if tokens != piece.tokens else None) or piece

    sentences: list[Sentence] = []
    for index, sentence in enumerate(step.sentences):
        if index < row:
            sentences.append(sentence)
        elif index == row:
            before = [old.sub(new, piece) if isinstance(piece, str) else piece for piece in sentence[:column]]
            sentences.append((*before, wrong, *(later(piece) for piece in sentence[column + 1 :])))
        else:
            sentences.append(tuple(later(piece) for piece in sentence))
    return replace(step, sentences=tuple(sentences))


def _plain(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else str(float(value))


def _misread_text(step: ToldStep, row: int, right: Calculation, wrong: Calculation) -> ToldStep:
    pairs = [(old, new) for old, new in zip(right.tokens, wrong.tokens, strict=True) if old != new]
    sentences = list(step.sentences)
    for old, new in pairs:
        seen = re.compile(rf"(?<![\d.,]){re.escape(old)}(?![\d]|[.,]\d)")
        for index in range(row + 1):
            sentences[index] = tuple(seen.sub(new, one) if isinstance(one, str) else one for one in sentences[index])
    return replace(step, sentences=tuple(sentences))


def _condition(step: ToldStep, rng: random.Random) -> WrongStep | None:
    found = [
        (row, column, match, new)
        for row, sentence in enumerate(step.sentences)
        for column, piece in enumerate(sentence)
        if isinstance(piece, str)
        for old, new in _TURNED
        for match in re.finditer(rf"\b{old}\b", piece)
    ]
    return _replaced(step, rng.choice(found), "condition") if found else None


def _entity(step: ToldStep, question: str, rng: random.Random) -> WrongStep | None:
    names = sorted({one for one in _NAME.findall(question) if one not in _COMMON})
    found = [
        (row, column, match, rng.choice([name for name in names if name != match[0]]))
        for row, sentence in enumerate(step.sentences)
        for column, piece in enumerate(sentence)
        if isinstance(piece, str) and not re.search(r"\b(?:and|both|each|all|total)\b", "".join(map(str, sentence)))
        for match in re.finditer(r"\b[A-Z][a-z]{2,}\b", piece)
        if match[0] in names and len(names) > 1
    ]
    return _replaced(step, rng.choice(found), "entity") if found else None


def _replaced(step: ToldStep, place: tuple[int, int, re.Match[str], str], kind: Kind) -> WrongStep:
    row, column, match, new = place
    sentence = step.sentences[row]
    changed = match.string[: match.start()] + new + match.string[match.end() :]
    sentences = list(step.sentences)
    sentences[row] = (*sentence[:column], changed, *sentence[column + 1 :])
    return WrongStep(replace(step, sentences=tuple(sentences)), kind, f'it should say "{match[0]}", not "{new}"')
