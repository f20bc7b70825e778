"""What a template writes down (Problem, Move, Fault) and what is made of it (Solution, Step, Claim).

A template says how the quantities of a problem follow from each other, once, by formulas. The true values, the values
that a solution states after an error, the texts and the labels are all worked out from that.

**The label convention.** A step is true only if everything it states is true of the original problem. So the steps
before the injected error are true; the injected step is false; the solution then goes on consistently from its wrong
value, and a later step is false exactly when it mentions a quantity whose stated value is wrong. A later step that
does not touch the wrong value is true.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, get_args

from stepreward.corpus.generate.formula import Env, Value

Kind = Literal[
    "arithmetic_slip",  # the calculation as written does not give the value as written
    "wrong_quantity",  # a number of the problem stands where another one belongs
    "wrong_operation",  # +, -, *, / exchanged
    "unit",  # a wrong conversion factor, or the value in a unit that it is not in
    "dropped_case",  # a case, a root or one of the parts of a total is left out
    "bad_rearrangement",  # an equation is turned into one that does not follow
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Fault:
    """An error that only the template can know of, at one move. What is None stays as in the move."""

    kind: Kind
    why: str
    formula: str | None = None
    value: Value | None = None
    wording: str | None = None


@dataclass(frozen=True)
class Move:
    """One thing a solution says: `name` gets the value of `formula`, told in one of `wordings`.

    A wording holds `[name]` for a number and `[=]` for "formula = value"; see `wording` for the formats. A formula may
    be a function of the quantities so far, which is then not shown. A move without a name states what is known.
    """

    name: str | None
    formula: str | Callable[[Env], Value] | None
    wordings: tuple[str, ...]
    faults: tuple[Fault, ...] = ()


def compute(equation: str, *wordings: str, faults: tuple[Fault, ...] = ()) -> Move:
    """`"saved = weekly * weeks"`: a quantity by a formula, which `[=]` shows with its numbers."""
    name, formula = equation.split(" = ")
    return Move(name, formula, wordings, faults)


def find(name: str, rule: Callable[[Env], Value], *wordings: str, faults: tuple[Fault, ...] = ()) -> Move:
    """A quantity that is not calculated on paper: a remainder, a list of roots, a number of cases."""
    return Move(name, rule, wordings, faults)


def always(value: int) -> Callable[[Env], Value]:
    """A rule for `find` whose result the template knows."""
    return lambda env: Fraction(value)


def state(*wordings: str) -> Move:
    """Something known: an equation that the text sets up, a case distinction."""
    return Move(None, None, wordings)


@dataclass(frozen=True)
class Problem:
    """`given` stands in the question; `constants` are known to everybody (60 minutes in an hour).

    `conclusion` states the quantity `answer`; `answer_form` is how it is written when it is not a bare number
    (`[area]π`). Each of `points` gives every unknown of the text (x, y, π) a value at which all its equations hold: one
    point per root, any few points for an identity. `fractional`: numbers are shown as 25/3, not as decimals, and an
    error may lead to such numbers.
    """

    question: tuple[str, ...]
    given: Mapping[str, Value]
    moves: tuple[Move, ...]
    answer: str
    conclusion: tuple[str, ...]
    answer_form: str | None = None
    constants: Mapping[str, Value] = field(default_factory=dict)
    money: frozenset[str] = frozenset()
    points: tuple[Mapping[str, Fraction], ...] = ({},)
    fractional: bool = False


@dataclass(frozen=True)
class Claim:
    """One quantity that a step states. `formula` is the right one in words, `stated_formula` what the step does."""

    quantity: str
    formula: str
    stated_formula: str
    true_value: Value
    stated_value: Value


@dataclass(frozen=True)
class Step:
    """`true_text` is what the same step says in the correct solution; `explanation`: why the step is right or wrong."""

    text: str
    label: bool
    true_text: str
    claims: tuple[Claim, ...]
    explanation: str

    @property
    def true_value(self) -> Value | None:
        """What the last quantity of the step should be; None where the step computes nothing."""
        return self.claims[-1].true_value if self.claims else None

    @property
    def stated_value(self) -> Value | None:
        return self.claims[-1].stated_value if self.claims else None


@dataclass(frozen=True)
class InjectedError:
    """`step` is 0-based."""

    kind: Kind
    step: int
    explanation: str


@dataclass(frozen=True)
class Solution:
    """`quantities` holds every true value by name, `points` as in Problem."""

    family: str
    template: str
    question: str
    steps: tuple[Step, ...]
    error: InjectedError | None
    answer: str
    quantities: Mapping[str, Value]
    points: tuple[Mapping[str, Fraction], ...]

    def row(self) -> dict[str, object]:
        """The product's plain form; `id` is a hash of the question and the steps."""
        steps = [step.text for step in self.steps]
        return {
            "id": hashlib.sha256("\x1f".join([self.question, *steps]).encode()).hexdigest()[:16],
            "question": self.question,
            "steps": steps,
            "labels": [step.label for step in self.steps],
            "source": f"starter/{self.family}",
            "error": None if self.error is None else {"kind": self.error.kind, "step": self.error.step},
            "answer": self.answer,
        }
