r"""Tell a worked problem in sentences: numbers filled in, calculations shown, in one of several styles.

A wording holds, in square brackets, the name of a quantity and perhaps a format:

    [price]       12 or $12 if it is money     [b:+]        + 5 or - 5; [b:+x] is + 5x
    [price:bare]  12, never with a sign        [a:x]        3x, x or -x (any single letter, also π)
    [=]           48 / 2 = 24                  [roots:x =]  x = 2 or x = -2

and between < and > what is mathematics: plain, with signs for times and divided by, or LaTeX, depending on the style.
"""

import random
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from stepreward.corpus.generate.draw import NAMES
from stepreward.corpus.generate.formula import Binary, Call, Name, Number, Value, names, plain, show, spoken, words
from stepreward.corpus.generate.model import Claim, InjectedError, Problem, Solution, Step
from stepreward.corpus.generate.work import Flaw, Worked, moves_of, work

_SLOT = re.compile(r"\[(=|[a-z]\w*)(?::([^\]]*))?\]")
_MATH = re.compile(r"<([^<>]*)>")
# A sentence that begins like this needs no "Next, " before it.
_LED = re.compile(r"(?:Therefore|So|Then|Now|Next|First|Finally|After|Hence|The final|The answer|Step)\b|\*\*")
# One simple thing over another one: not the exponent of a power, not before a bracket or a power.
_FRACTION = re.compile(r"(?<![\w.,^)])(\d[\d,.]*[a-z]?|[a-z]) / (\d[\d,.]*|[a-z])(?![\w^(.,])")
_NEXT = ("Next, ", "Then, ", "After that, ", "Now, ")


@dataclass(frozen=True)
class Style:
    """How one solution is written. `signs`: where calculations with money show "$"; `fractions`: LaTeX uses frac."""

    math: Literal["plain", "times", "latex", "dollars"]
    lead: Literal["none", "words", "step", "bold", "number"]
    signs: Literal["all", "result", "none"]
    commas: bool
    fractions: bool


def draw_style(problem: Problem, rng: random.Random) -> Style:
    math: list[Literal["plain", "times", "latex", "dollars"]] = ["plain", "times", "latex"]
    if not problem.money:  # "$" would mean two things
        math.append("dollars")
    weights = [3, 2, 4, 3] if problem.fractional else [6, 2, 2, 1]
    return Style(
        math=rng.choices(math, weights[: len(math)])[0],
        lead=rng.choices(("none", "words", "step", "bold", "number"), (5, 4, 2, 1, 1))[0],
        signs=rng.choice(("all", "result", "none")),
        commas=rng.random() < 0.3,
        fractions=rng.random() < 0.5,
    )


def tell(problem: Problem, flaw: Flaw | None, question: str, source: tuple[str, str], rng: random.Random) -> Solution:
    """Write the solution with this flaw, or the right one. `source` is the family and the template."""
    moves = moves_of(problem)
    worked = work(problem, moves, flaw)
    style = draw_style(problem, rng)
    said = [_say(problem, step, style, rng) for step in worked]
    groups = _group(len(said), rng)
    steps = []
    for number, group in enumerate(groups):
        lead = _lead(style, number, len(groups), rng)
        part = said[group.start : group.stop]
        steps.append(
            Step(
                text=_join(lead, [step.text for step in part]),
                label=all(step.label for step in part),
                true_text=_join(lead, [step.true_text for step in part]),
                claims=tuple(claim for step in part for claim in step.claims),
                explanation=" ".join(step.explanation for step in part),
            )
        )
    error = None
    if flaw is not None:
        index = next(number for number, group in enumerate(groups) if flaw.move in group)
        error = InjectedError(flaw.kind, index, flaw.why)
    quantities = worked[-1].true
    bare = Style("plain", "none", "none", commas=False, fractions=False)
    return Solution(
        family=source[0],
        template=source[1],
        question=question,
        steps=tuple(steps),
        error=error,
        answer=_fill(problem.answer_form or f"[{problem.answer}:bare]", problem, quantities, None, bare),
        quantities=quantities,
        points=problem.points,
    )


def ask(problem: Problem, rng: random.Random) -> str:
    math: Literal["plain", "dollars"] = "plain" if problem.money or rng.random() < 0.5 else "dollars"
    style = Style(math, "none", "all", commas=True, fractions=True)
    return _fill(rng.choice(problem.question), problem, {**problem.constants, **problem.given}, None, style)


def _say(problem: Problem, step: Worked, style: Style, rng: random.Random) -> Step:
    shown = [wording for wording in step.move.wordings if "[=]" in wording]
    changed = step.flaw is not None and step.flaw.wording is None
    right = wrong = rng.choice(shown if changed and shown else step.move.wordings)
    if step.flaw is not None and step.flaw.wording is not None:
        right, wrong = step.flaw.wording
    text = _fill(wrong, problem, step.stated, step, style, stated=True)
    true_text = _fill(right, problem, step.true, step, style)
    label = step.flaw is None and not _misled(step, right)
    return Step(text, label, true_text, _claims(step), _explain(step, right, label=label))


def _misled(step: Worked, wording: str) -> list[str]:
    """The quantities mentioned in the step whose stated values are wrong."""
    if step.true is step.stated:
        return []
    mentioned = [found[1] for found in _SLOT.finditer(wording) if found[1] != "="]
    if "[=]" in wording and step.rule is not None and not callable(step.rule):
        mentioned.extend(names(step.rule))
    if step.move.name is not None:
        mentioned.append(step.move.name)
    return [name for name in dict.fromkeys(mentioned) if step.true[name] != step.stated[name]]


def _claims(step: Worked) -> tuple[Claim, ...]:
    if step.move.name is None:
        return ()
    name = step.move.name
    return (Claim(name, _spoken(step.rule), _spoken(step.stated_rule), step.true[name], step.stated[name]),)


def _spoken(rule: object) -> str:
    return spoken(rule) if isinstance(rule, Name | Number | Binary | Call) else "what the problem says"


def _explain(step: Worked, wording: str, *, label: bool) -> str:
    if step.flaw is not None:
        return step.flaw.why
    if not label:
        name = _misled(step, wording)[0]
        return f"It takes {words(name)} to be {plain(step.stated[name])}; it is {plain(step.true[name])}."
    if step.move.name is None:
        return "It states what is known."
    return f"{words(step.move.name)} = {_spoken(step.rule)} = {plain(step.true[step.move.name])}."


def _group(count: int, rng: random.Random) -> list[range]:
    """Moves that share a step: mostly one each, now and then two; three to eight steps of three moves or more."""
    groups: list[range] = []
    start = 0
    while start < count:
        steps = len(groups) + count - start  # if nothing is joined from here on
        joined = start + 2 <= count and steps > 3 and (steps > 8 or rng.random() < 0.1)
        size = 2 if joined else 1
        groups.append(range(start, start + size))
        start += size
    return groups


def _lead(style: Style, number: int, count: int, rng: random.Random) -> str:
    if style.lead != "words":
        return {"none": "", "step": "Step {}: ", "bold": "**Step {}:** ", "number": "{}. "}[style.lead].format(
            number + 1
        )
    if number == 0:
        return rng.choice(("First, ", "To begin with, ", ""))
    return rng.choice((*_NEXT, "", "") if number < count - 1 else ("Finally, ", "In the end, ", ""))


def _join(lead: str, texts: list[str]) -> str:
    text = " ".join(texts)
    if lead.endswith(", "):
        if _LED.match(text):
            return text
        if text.split()[0].strip("'s,") not in NAMES:
            text = text[0].lower() + text[1:]
    return lead + text


def _fill(
    template: str, problem: Problem, env: dict[str, Value], step: Worked | None, style: Style, *, stated: bool = False
) -> str:
    """Put numbers into a wording. `step` and `stated` say which calculation `[=]` shows."""

    def slot(found: re.Match[str]) -> str:
        name, form = found[1], found[2]
        if name == "=":
            if step is None:
                raise ValueError("[=] outside a step. This is a bug.")
            return _calculation(problem, step, style, stated=stated)
        return _format(env[name], form, style, problem, money=name in problem.money)

    def mathematics(found: re.Match[str]) -> str:
        return _typeset(_SLOT.sub(slot, found[1]), style)

    marked = "".join(
        part if index % 2 else part.replace("[=]", "<[=]>")
        for index, part in enumerate(re.split(r"(<[^<>]*>)", template))
    )
    return _SLOT.sub(slot, _MATH.sub(mathematics, marked))


def _calculation(problem: Problem, step: Worked, style: Style, *, stated: bool) -> str:
    rule, env = (step.stated_rule, step.stated) if stated else (step.rule, step.true)
    if step.move.name is None or rule is None or callable(rule):
        raise ValueError(f"[=] in a move without a formula: {step.move}. This is a bug.")
    in_latex = style.math in ("latex", "dollars")

    def spell(name: str | None, value: Value) -> str:
        money = name in problem.money
        form = None if money and style.signs == "all" and not in_latex else "bare"
        return _format(value, form, style, problem, money=money)

    shown = show(rule, spell, env)
    money = step.move.name in problem.money
    form = None if money and style.signs != "none" and not in_latex else "bare"
    result = _format(env[step.move.name], form, style, problem, money=money)
    if shown.replace(" ", "") == result or shown == result:
        return result
    return f"{shown} = {result}"


def _format(value: Value, form: str | None, style: Style, problem: Problem, *, money: bool) -> str:
    if isinstance(value, tuple):
        items = [_number(item, style, problem, money=money) for item in value]
        if form == "*":
            return " * ".join(items)
        return " or ".join(f"{form} {item}" for item in items) if form else ", ".join(items)
    if form and form[0] == "+":
        sign = "-" if value < 0 else "+"
        return f"{sign} {_format(abs(value), form[1:] or 'bare', style, problem, money=money)}"
    number = _number(value, style, problem, money=money)
    if form is None or form == "bare":
        return f"${number}" if money and form is None else number
    if form.endswith("="):
        return f"{form} {number}"
    return {"1": "", "-1": "-"}.get(number, f"({number})" if "/" in number else number) + form


def _number(value: Fraction, style: Style, problem: Problem, *, money: bool) -> str:
    if value.denominator == 1:
        return f"{int(value):,}" if style.commas and abs(value) >= 1000 else str(int(value))
    if money and 100 % value.denominator == 0:
        return f"{int(value * 100) // 100}.{int(value * 100) % 100:02d}"
    if 10000 % value.denominator or problem.fractional:
        return f"{value.numerator}/{value.denominator}"
    digits = f"{int(abs(value) * 10000):05d}"
    return ("-" if value < 0 else "") + f"{digits[:-4]}.{digits[-4:]}".rstrip("0")


def _typeset(math: str, style: Style) -> str:
    if style.math == "plain":
        return math
    if style.math == "times":
        return math.replace(" * ", " \N{MULTIPLICATION SIGN} ").replace(" / ", " ÷ ")
    latex = _FRACTION.sub(r"\\frac{\1}{\2}", math) if style.fractions else math
    latex = latex.replace(" * ", r" \times ").replace(" / ", r" \div ").replace("%", r"\%").replace("π", r"\pi ")
    latex = re.sub(r"√\(([^()]*)\)", r"\\sqrt{\1}", latex)
    latex = re.sub(r"\((\d+)/(\d+)\)|\b(\d+)/(\d+)\b", lambda m: rf"\frac{{{m[1] or m[3]}}}{{{m[2] or m[4]}}}", latex)
    latex = re.sub(r"\^(?:\(([^()]*)\)|(\d\d+))", lambda m: f"^{{{m[1] or m[2]}}}", latex)
    latex = re.sub(r" or ", r" \\text{ or } ", latex).replace("±", r"\pm ").replace("  ", " ").strip()
    return f"${latex}$" if style.math == "dollars" else rf"\({latex}\)"
