r"""Read the claims of a step back from its text, and compute them again.

Nothing here uses the formulas that made the text: this is a reader of its own, for plain text and LaTeX. It covers

- every equation in the text, `48 / 2 = 24`, `3x + 5 = 20`, chains of "=", and alternatives `x = 2 or x = -2`; an
  equation with unknowns must hold at every point of `Solution.points`, of alternatives at least one must hold at each
  point and each must hold somewhere (so a lost root is found);
- common facts about units ("60 minutes in an hour");
- the numbers, operators, unknowns and units of the text, which must be those of `Step.true_text`.

It does not cover what the words say.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

from stepreward.corpus.generate.draw import named
from stepreward.corpus.generate.model import Solution, Step

Point = Mapping[str, Fraction]

_LEAD = re.compile(r"^(?:\*\*)?(?:Step \d+:|\d+\. )(?:\*\*)? ?")
_REWRITES = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"\*\*", ""),
        (r"\\[()]", " ; "),
        (r"\\text\{ or \}", " or "),
        (r"\\boxed", ""),
        (r"\\d?frac\{([^{}]*)\}\{([^{}]*)\}", r"((\1)/(\2))"),
        ("\\\\times|\\\\cdot|\N{MULTIPLICATION SIGN}|·", "*"),
        (r"\\div|÷", "/"),
        (r"\\sqrt|√", "sqrt"),
        (r"\\pi", "π"),
        (r"\\pm", "±"),
        (r"\\([%$])", r"\1"),
        (r"\{", "("),
        (r"\}", ")"),
        (r"\$", ""),
    )
)
_TOKEN = re.compile(
    r"(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d])|\d+(?:\.\d+)?)"
    r"|(?P<hyphen>-(?=[A-Za-z]{2}))"
    r"|(?P<word>[A-Za-z]+(?:['-][A-Za-z]+)*|π)"
    r"|(?P<sign>[-+*/^()=±%])"
    r"|(?P<other>\S)"
)
_FACT = re.compile(r"(\d[\d,.]*) (\w+) in (?:a|an|one|each|every) (\w+)")
_FACTS = {
    ("seconds", "minute"): 60,
    ("minutes", "hour"): 60,
    ("hours", "day"): 24,
    ("days", "week"): 7,
    ("months", "year"): 12,
    ("weeks", "year"): 52,
    ("inches", "foot"): 12,
    ("feet", "yard"): 3,
    ("ounces", "pound"): 16,
    ("quarts", "gallon"): 4,
    ("centimeters", "meter"): 100,
    ("millimeters", "centimeter"): 10,
    ("meters", "kilometer"): 1000,
    ("grams", "kilogram"): 1000,
    ("milliliters", "liter"): 1000,
    ("cents", "dollar"): 100,
    ("eggs", "dozen"): 12,
    ("degrees", "triangle"): 180,
}
_UNITS = named(
    "second seconds minute minutes hour hours day days week weeks month months year years inch inches foot feet yard "
    "yards mm cm m km meter meters centimeter centimeters kilometer kilometers millimeters square cubic gram grams kg "
    "kilogram kilograms liter liters milliliters ounce ounces pound pounds quart quarts gallon gallons cents dollars "
    "percent degrees megabytes gigabytes"
)


class UnreadableClaim(ValueError):
    """An equation of the text that this reader cannot take apart."""


@dataclass(frozen=True)
class Reading:
    """What one step claims: `equations` and `facts` with their truth; `agrees`: its numbers and units are true."""

    equations: tuple[tuple[str, bool], ...]
    facts: tuple[tuple[str, bool], ...]
    agrees: bool

    @property
    def holds(self) -> bool:
        return self.agrees and self.computes

    @property
    def computes(self) -> bool:
        """Whether every equation and fact is true, whatever the problem asks for."""
        return all(truth for _, truth in self.equations + self.facts)


def check(solution: Solution) -> tuple[Reading, ...]:
    """One reading per step. Raises UnreadableClaim."""
    return tuple(read(step, solution.points) for step in solution.steps)


def read(step: Step, points: tuple[Point, ...]) -> Reading:
    unknowns = frozenset(points[0])
    return Reading(
        equations=tuple(_equations(step.text, points)),
        facts=tuple(_facts(step.text)),
        agrees=_measures(step.text, unknowns) == _measures(step.true_text, unknowns),
    )


def _clean(text: str) -> str:
    text = _LEAD.sub("", text)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text


def _facts(text: str) -> Iterator[tuple[str, bool]]:
    for found in _FACT.finditer(_clean(text)):
        if (found[2], found[3]) in _FACTS:
            yield found[0], Fraction(found[1].replace(",", "")) == _FACTS[found[2], found[3]]


def _measures(text: str, unknowns: frozenset[str]) -> list[str]:
    result = []
    for found in _TOKEN.finditer(_clean(text)):
        piece = found[0]
        if found.lastgroup == "number":
            result.append(piece.replace(",", ""))
        elif found.lastgroup == "sign" or piece in unknowns or piece in _UNITS:
            result.append(piece)
    return result


def _equations(text: str, points: tuple[Point, ...]) -> Iterator[tuple[str, bool]]:
    for alternatives in _runs(text, frozenset(points[0])):
        chains = [_sides(run) for run in alternatives]
        truths = [[_equal(chain, point) for point in points] for chain in chains]
        shown = " or ".join(" ".join(run) for run in alternatives)
        covered = all(any(truth[index] for truth in truths) for index in range(len(points)))
        yield shown, covered and all(any(truth) for truth in truths)


def _runs(text: str, unknowns: frozenset[str]) -> Iterator[list[list[str]]]:
    """Stretches of mathematics with a "=" in them; those joined by nothing but "or" come together."""
    segments: list[tuple[list[str], str]] = []
    run: list[str] = []
    link = "break"  # what stands between this run and the one before: nothing but "or", or anything else
    for found in _TOKEN.finditer(f"{_clean(text)} ;"):
        piece = found[0]
        if found.lastgroup in ("number", "sign") or piece in unknowns or piece == "sqrt":
            run.append(piece.replace(",", ""))
            continue
        if run:
            segments.append((run, link))
            run, link = [], ""
        link = "or" if piece == "or" and not link else "break"
    group: list[list[str]] = []
    for pieces, joint in segments:
        trimmed = pieces[1:] if pieces[0] == "=" else pieces
        if group and (joint != "or" or "=" not in trimmed):
            yield group
            group = []
        if "=" in trimmed:
            group.extend(_plus_minus(trimmed))
    if group:
        yield group


def _plus_minus(run: list[str]) -> list[list[str]]:
    if "±" not in run:
        return [run]
    return [[sign if piece == "±" else piece for piece in run] for sign in "+-"]


def _sides(run: list[str]) -> list[list[str]]:
    sides: list[list[str]] = [[]]
    for piece in run:
        if piece == "=":
            sides.append([])
        else:
            sides[-1].append(piece)
    if not all(sides):
        raise UnreadableClaim(" ".join(run))
    return sides


def _equal(sides: list[list[str]], point: Point) -> bool:
    values = [_Reader(side, point).value() for side in sides]
    return all(value == values[0] for value in values)


class _Reader:
    """Recursive descent over one side of an equation; a product may be written without a sign, 3x or 2(x + 1)."""

    def __init__(self, pieces: list[str], point: Point) -> None:
        self.pieces = pieces
        self.at = 0
        self.point = point

    def value(self) -> Fraction:
        try:
            result = self._sum()
        except (IndexError, KeyError, ZeroDivisionError) as error:
            raise UnreadableClaim(" ".join(self.pieces)) from error
        if self.at != len(self.pieces):
            raise UnreadableClaim(" ".join(self.pieces))
        return result

    def _next(self) -> str | None:
        return self.pieces[self.at] if self.at < len(self.pieces) else None

    def _take(self) -> str:
        self.at += 1
        return self.pieces[self.at - 1]

    def _sum(self) -> Fraction:
        result = self._product()
        while self._next() in ("+", "-"):
            result = result + self._product() if self._take() == "+" else result - self._product()
        return result

    def _product(self) -> Fraction:
        result = self._signed()
        while (piece := self._next()) is not None and piece not in "+-)^%":
            if piece == "/":
                self._take()
                result /= self._signed()
            else:
                if piece == "*":
                    self._take()
                result *= self._signed()
        return result

    def _signed(self) -> Fraction:
        if self._next() in ("-", "+"):
            return -self._signed() if self._take() == "-" else self._signed()
        return self._power()

    def _power(self) -> Fraction:
        base = self._atom()
        if self._next() == "^":
            self._take()
            exponent = self._signed()
            if exponent.denominator != 1 or abs(exponent) > 64:
                raise UnreadableClaim(" ".join(self.pieces))
            return Fraction(base ** int(exponent))
        return base

    def _atom(self) -> Fraction:
        piece = self._take()
        if piece == "(":
            result = self._sum()
            if self._take() != ")":
                raise UnreadableClaim(" ".join(self.pieces))
        elif piece == "sqrt":
            square = self._atom()
            result = Fraction(isqrt(square.numerator), isqrt(square.denominator))
            if result**2 != square:
                raise UnreadableClaim(" ".join(self.pieces))
        else:
            result = Fraction(piece) if piece[0].isdigit() else self.point[piece]
        if self._next() == "%":
            self._take()
            result /= 100
        return result
