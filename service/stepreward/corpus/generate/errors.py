"""The six kinds of error, and how one is put into a problem.

- `arithmetic_slip`: the value of a shown calculation is off by a little, or two of its digits are exchanged.
- `wrong_quantity`: another quantity of the problem stands in the formula, or is given as the answer.
- `wrong_operation`: one operator is exchanged.
- `unit`: a conversion factor is wrong (100 minutes in an hour; believed to the end), or a value is stated in a
  unit that it is not in (a slip of the pen: the value is right, so later steps are true).
- `dropped_case`: a summand of a total, or, where the template says so, a root or a case, is left out.
- `bad_rearrangement`: only where the template says so, mostly a term moved over without changing its sign.
"""

import random
import re
from collections.abc import Iterator
from fractions import Fraction

from stepreward.corpus.generate.formula import (
    Formula,
    Value,
    names,
    other_operations,
    parse,
    plain,
    single,
    spoken,
    terms,
    total,
    with_name,
    words,
)
from stepreward.corpus.generate.model import KINDS, Kind, Move, Problem
from stepreward.corpus.generate.work import Flaw, Worked, plausible, work

# The first three fit nearly every problem, the last three few: drawn evenly, they would come out rare.
_WEIGHTS: dict[Kind, float] = {
    "arithmetic_slip": 1.0,
    "wrong_quantity": 1.0,
    "wrong_operation": 1.0,
    "unit": 1.6,
    "dropped_case": 2.5,
    "bad_rearrangement": 4.0,
}
_WRONG_FACTORS = {
    7: 5,
    10: 100,
    12: 10,
    16: 12,
    24: 12,
    32: 16,
    36: 12,
    52: 50,
    60: 100,
    100: 1000,
    365: 360,
    1000: 100,
}
_WRONG_UNITS = {
    "minutes": "hours",
    "hours": "minutes",
    "seconds": "minutes",
    "meters": "centimeters",
    "centimeters": "meters",
    "cm": "m",
    "m": "cm",
    "km": "meters",
    "kilometers": "meters",
    "feet": "inches",
    "inches": "feet",
    "grams": "kilograms",
    "kilograms": "grams",
    "kg": "grams",
    "liters": "milliliters",
    "milliliters": "liters",
    "ounces": "pounds",
    "pounds": "ounces",
    "days": "weeks",
    "weeks": "days",
    "months": "years",
    "cents": "dollars",
    "quarts": "gallons",
    "gallons": "quarts",
    "megabytes": "gigabytes",
    "degrees": "percent",
}
_UNIT = re.compile(rf"(?<=\])( (?:square |cubic )?)({'|'.join(_WRONG_UNITS)})\b(?! per| in an? |-)")


def draw_flaw(problem: Problem, moves: tuple[Move, ...], rng: random.Random) -> Flaw | None:
    """A plausible flaw: first its kind, then its place among all moves that permit the kind. None if there is none."""
    true = work(problem, moves, None)
    for kind in sorted(KINDS, key=lambda kind: rng.random() ** (1 / _WEIGHTS[kind]), reverse=True):
        places = list(range(len(moves)))
        rng.shuffle(places)
        for place in places:
            candidates = list(_candidates(kind, problem, true, place))
            rng.shuffle(candidates)
            for flaw in candidates:
                if _works(problem, moves, flaw):
                    return flaw
    return None


def _works(problem: Problem, moves: tuple[Move, ...], flaw: Flaw) -> bool:
    try:
        worked = work(problem, moves, flaw)
    except (ZeroDivisionError, ValueError):
        return False
    end = worked[-1]
    if worked[flaw.move].true == worked[flaw.move].stated:
        return flaw.wording is not None  # said wrongly, but no value is wrong
    # An error that leads to the right answer by chance would make true steps of a wrong chain of reasoning.
    return end.true[problem.answer] != end.stated[problem.answer] and plausible(problem, worked)


def _candidates(kind: Kind, problem: Problem, true: list[Worked], place: int) -> Iterator[Flaw]:
    step = true[place]
    for fault in step.move.faults:
        if fault.kind == kind:
            yield Flaw(
                kind,
                place,
                fault.why,
                formula=None if fault.formula is None else parse(fault.formula),
                value=fault.value,
                wording=None if fault.wording is None else (step.move.wordings[0], fault.wording),
            )
    match kind:
        case "unit":
            yield from _wrong_factors(problem, true, place)
            yield from _wrong_units(step.move, place)
        case "wrong_quantity" if place == len(true) - 1:
            yield from _wrong_answers(problem, true, place)
        case "bad_rearrangement":
            return
    if (
        isinstance(step.move.formula, str)
        and step.move.name
        and any("[=]" in wording for wording in step.move.wordings)
    ):
        yield from _in_calculation(kind, problem, true, place, parse(step.move.formula))


def _in_calculation(kind: Kind, problem: Problem, true: list[Worked], place: int, formula: Formula) -> Iterator[Flaw]:
    step = true[place]
    name = step.move.name or ""
    value = step.true[name]
    if kind == "arithmetic_slip" and isinstance(value, Fraction):
        for wrong in _slips(value):
            why = (
                f"The calculation is wrong: {words(name)} = {spoken(formula)} gives {plain(value)}, not {plain(wrong)}."
            )
            yield Flaw(kind, place, why, value=wrong)
    elif kind == "wrong_quantity":
        for old in dict.fromkeys(name for name in names(formula) if name not in problem.constants):
            for new in _rivals(problem, true, place, old, set(names(formula))):
                why = (
                    f"It uses {words(new)} ({plain(step.true[new])}) where {words(old)} ({plain(step.true[old])}) "
                    f"belongs: {words(name)} = {spoken(formula)} = {plain(value)}."
                )
                yield Flaw(kind, place, why, formula=with_name(formula, old, new))
    elif kind == "wrong_operation":
        for wrong_formula, op, wrong_op in other_operations(formula):
            why = f'It uses "{wrong_op}" where "{op}" is right: {words(name)} = {spoken(formula)} = {plain(value)}.'
            yield Flaw(kind, place, why, formula=wrong_formula)
    elif kind == "dropped_case" and len(parts := terms(formula)) >= 3:
        for index, part in enumerate(parts):
            rest = total(parts[:index] + parts[index + 1 :])
            why = f"It leaves out {spoken(part)}: {words(name)} = {spoken(formula)} = {plain(value)}."
            yield Flaw(kind, place, why, formula=rest)


def _slips(value: Fraction) -> Iterator[Fraction]:
    if value.denominator != 1 and 10**6 % value.denominator:  # no decimal, so it is shown as a fraction
        yield Fraction(value.numerator + 1, value.denominator)
        yield Fraction(value.numerator + 2, value.denominator)
        yield Fraction(value.numerator, value.denominator + 1)
        return
    last = next(Fraction(1, 10**places) for places in range(7) if (value * 10**places).denominator == 1)
    for units in (1, 2, 10, 20) if abs(value) >= 30 * last else (1, 2):
        yield value + units * last
        yield value - units * last
    if abs(value) >= 300 * last:
        yield value + 100 * last
        yield value - 100 * last
    digits = str(int(abs(value) / last))
    for index in range(1, len(digits)):
        swapped = digits[: index - 1] + digits[index] + digits[index - 1] + digits[index + 1 :]
        if swapped != digits and swapped[0] != "0":
            yield int(swapped) * last * (1 if value > 0 else -1)


def _rivals(problem: Problem, true: list[Worked], place: int, old: str, used: set[str]) -> list[str]:
    """Quantities known before the move that somebody may take for `old`: numbers, money for money."""
    before: dict[str, Value] = {**problem.given, **(true[place - 1].true if place else {})}
    return [
        name
        for name, value in before.items()
        if name not in problem.constants
        and name not in used
        and isinstance(value, Fraction)
        and value != before.get(old)
        and (name in problem.money) == (old in problem.money)
    ]


def _wrong_answers(problem: Problem, true: list[Worked], place: int) -> Iterator[Flaw]:
    """The solution is right up to here and then answers with something computed on the way."""
    answer, known = problem.answer, true[place].true
    if not isinstance(known[answer], Fraction):
        return
    for step in true[:place]:
        name = step.move.name
        value = None if name is None else known[name]
        if name is None or not isinstance(value, Fraction) or abs(value) == abs(single(known[answer])):
            continue
        if (name in problem.money) == (answer in problem.money):
            why = (
                f"It answers with {words(name)} ({plain(value)}); "
                f"asked for is {words(answer)} ({plain(known[answer])})."
            )
            for right in true[place].move.wordings:
                wrong = re.sub(rf"\[{answer}(?=[\]:])", f"[{name}", right)
                yield Flaw("wrong_quantity", place, why, wording=(right, wrong))


def _wrong_factors(problem: Problem, true: list[Worked], place: int) -> Iterator[Flaw]:
    rule = true[place].move.formula
    for name in dict.fromkeys(names(parse(rule))) if isinstance(rule, str) else ():
        value = problem.constants.get(name) if "_in_a" in name else None  # minutes_in_an_hour, but not ten_digits
        earlier = any(
            name in names(parse(step.move.formula)) for step in true[:place] if isinstance(step.move.formula, str)
        )
        if isinstance(value, Fraction) and int(value) in _WRONG_FACTORS and not earlier:
            wrong = Fraction(_WRONG_FACTORS[int(value)])
            yield Flaw(
                "unit",
                place,
                f"It takes {words(name)} to be {plain(wrong)}; it is {plain(value)}.",
                believed=(name, wrong),
            )


def _wrong_units(move: Move, place: int) -> Iterator[Flaw]:
    for right in move.wordings:
        for found in _UNIT.finditer(right):
            power, unit = found[1].strip(), found[2]
            # An area is told as if it were a length, a volume as if it were an area.
            said = _WRONG_UNITS[unit] if not power else unit if power == "square" else f"square {unit}"
            wrong = f"{right[: found.start()]} {said}{right[found.end() :]}"
            why = f"The number is right, but it is in {power + ' ' if power else ''}{unit}, not in {said}."
            yield Flaw("unit", place, why, wording=(right, wrong))
