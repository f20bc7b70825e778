"""Work a problem through: what each quantity is, and what a solution with one flaw states that it is."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from stepreward.corpus.generate.formula import Env, Formula, Value, evaluate, parse
from stepreward.corpus.generate.model import Kind, Move, Problem

_ENDINGS = (
    "The answer is {}.",
    "So the answer is {}.",
    "Therefore, the answer is {}.",
    "**Answer: {}**",
    r"The final answer is \(\boxed{{{}}}\).",
)

Rule = Formula | Callable[[Env], Value] | None


@dataclass(frozen=True)
class Flaw:
    """One error at one move; what is None is as in the right solution.

    `value` stands in place of the value of the formula; `believed` is a quantity taken wrongly from this move on;
    `wording` is a pair of templates, the right one and what is said instead.
    """

    kind: Kind
    move: int
    why: str
    formula: Formula | None = None
    value: Value | None = None
    believed: tuple[str, Value] | None = None
    wording: tuple[str, str] | None = None


@dataclass(frozen=True)
class Worked:
    """A move with all quantities known after it, as they are and as the solution states them."""

    move: Move
    flaw: Flaw | None
    rule: Rule
    stated_rule: Rule
    true: dict[str, Value]
    stated: dict[str, Value]


def moves_of(problem: Problem) -> tuple[Move, ...]:
    """The problem's moves and, as the last, the one that states the answer."""
    form = problem.answer_form or f"[{problem.answer}]"
    bare = problem.answer_form or f"[{problem.answer}:bare]"
    endings = tuple(ending.format(bare if "boxed" in ending else form) for ending in _ENDINGS)
    wordings = tuple(f"{said} {ending}".strip() for said in problem.conclusion for ending in endings)
    return (*problem.moves, Move(None, None, wordings))


def work(problem: Problem, moves: tuple[Move, ...], flaw: Flaw | None) -> list[Worked]:
    """Raises ZeroDivisionError or ValueError where a wrong value leads to something that cannot be computed."""
    true: dict[str, Value] = {**problem.constants, **problem.given}
    stated = true
    result = []
    for index, move in enumerate(moves):
        here = flaw if flaw is not None and flaw.move == index else None
        if here is not None and here.believed is not None:
            stated = {**stated, here.believed[0]: here.believed[1]}
        rule: Rule = parse(move.formula) if isinstance(move.formula, str) else move.formula
        stated_rule = here.formula if here is not None and here.formula is not None else rule
        if move.name is not None and rule is not None:
            value = _value(stated_rule, stated) if here is None or here.value is None else here.value
            same = stated is true
            true = {**true, move.name: _value(rule, true)}
            stated = true if same and value == true[move.name] else {**stated, move.name: value}
        result.append(Worked(move, here, rule, stated_rule, true, stated))
    return result


def _value(rule: Rule, env: Env) -> Value:
    if rule is None:
        raise ValueError("a quantity without a rule. This is a bug.")
    return rule(env) if callable(rule) else evaluate(rule, env)


def plausible(problem: Problem, worked: list[Worked]) -> bool:
    """Whether a person could have gone on from the error without noticing at once.

    Not so with 3.5 people, -4 apples, or a result out of all proportion.
    """
    return all(
        _believable(problem, step.move.name, step.true[step.move.name], step.stated[step.move.name])
        for step in worked
        if step.move.name is not None
    )


def _believable(problem: Problem, name: str, true: Value, stated: Value) -> bool:
    if isinstance(true, tuple) or isinstance(stated, tuple):
        return isinstance(true, tuple) and isinstance(stated, tuple) and len(stated) > 0
    if abs(stated) > 40 * max(abs(true), Fraction(10)):
        return False
    if problem.fractional:
        return stated.denominator <= max(true.denominator, 24)
    if (true > 0 and stated <= 0) or (true == 0 and stated < 0):
        return False
    return _decimals_allowed(true, money=name in problem.money) % stated.denominator == 0


def _decimals_allowed(true: Fraction, *, money: bool) -> int:
    """A value that stands for `true` may have any divisor of this as its denominator."""
    if money:
        return 100
    if true.denominator == 1:
        return 1
    return max(100, true.denominator)
