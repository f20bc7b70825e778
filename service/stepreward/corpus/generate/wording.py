r"""Tell a worked problem in sentences: numbers filled in, calculations shown, in one of several styles.

A wording holds, in square brackets, the name of a quantity and perhaps a format:

    [price]       12 or $12 if it is money     [b:+]        + 5 or - 5; [b:+x] is + 5x
    [price:bare]  12, never with a sign        [a:x]        3x, x or -x (any single letter, also π)
    [=]           48 / 2 = 24                  [roots:x =]  x = 2 or x = -2

and between < and > what is mathematics: plain, with × and ÷, or LaTeX, depending on the style.
"""

import random
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from stepreward.corpus.generate.formula import Binary, Call, Name, Number, Value, names, show, spoken, words
from stepreward.corpus.generate.model import Claim, InjectedError, Problem, Solution, Step
from stepreward.corpus.generate.work import Flaw, Worked, moves_of, work

_SLOT = re.compile(r"\[(=|[a-z]\w*)(?::([^\]]*))?\]")
_MATH = re.compile(r"<([^<>]*)>")
_LOWERED = re.compile(
    r"(?:The|In|So|This|That|To|Each|After|There|He|She|They|Since|Now|It|His|Her|Their|At|For|On|From|With|Of|All|Every|"
    r"An|A|As|If|One|Both|By|We|Let|What|Together|Altogether|Subtract|Add|Divide|Multiply|Subtracting|Adding|Dividing|"
    r"Multiplying|Factor|Expand|Write|Use|Using|Substitute|Substituting|Here|Because|When|Buying|Taking|Putting)\b"
)
_NEXT = ("Next, ", "Then, ", "After that, ", "Now, ")


@dataclass(frozen=True)
class Style:
    """How one solution is written. `signs`: where calculations with money show "$"."""

    math: Literal["plain", "times", "latex", "dollars"]
    lead: Literal["none", "words", "step", "bold", "number"]
    signs: Literal["all", "result", "none"]
    commas: bool


def draw_style(problem: Problem, rng: random.Random) -> Style:
    math: list[Literal["plain", "times", "latex", "dollars"]] = ["plain", "times", "latex"]
    if not problem.money:  # "$" would mean two things
        math.append("dollars")
    weights = [3, 2, 4, 3] if problem.fractional else [6, 2, 2, 1]
    return Style(
        math=rng.choices(math, weights[: len(math)])[0],
        lead=rng.choices(("none", "words", "step", "bold", "number"), (5, 4, 2, 1, 1))[0],  # type: ignore[arg-type]
        signs=rng.choice(("all", "result", "none")),
        commas=rng.random() < 0.3,
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
    plain = Style("plain", "none", "none", commas=False)
    return Solution(
        family=source[0],
        template=source[1],
        question=question,
        steps=tuple(steps),
        error=error,
        answer=_fill(problem.answer_form or f"[{problem.answer}:bare]", problem, quantities, None, plain),
        quantities=quantities,
        points=problem.points,
    )


def ask(problem: Problem, rng: random.Random) -> str:
    style = Style(rng.choice(("plain", "dollars")) if not problem.money else "plain", "none", "all", commas=True)
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
    if step.rule is not None and not callable(step.rule):
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
        return f"It takes {words(name)} to be {_plain(step.stated[name])}; it is {_plain(step.true[name])}."
    if step.move.name is None:
        return "It states what is known."
    return f"{words(step.move.name)} = {_spoken(step.rule)} = {_plain(step.true[step.move.name])}."


def _plain(value: Value) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _group(count: int, rng: random.Random) -> list[range]:
    """Moves that share a step: mostly one each, now and then two; never fewer than three steps where there are three."""
    groups: list[range] = []
    start = 0
    while start < count:
        spare = len(groups) + (count - start) > 3
        size = 2 if spare and start + 2 <= count and rng.random() < (0.5 if count - len(groups) > 8 else 0.1) else 1
        groups.append(range(start, start + size))
        start += size
    return groups


def _lead(style: Style, number: int, count: int, rng: random.Random) -> str:
    match style.lead:
        case "step":
            return f"Step {number + 1}: "
        case "bold":
            return f"**Step {number + 1}:** "
        case "number":
            return f"{number + 1}. "
        case "words" if number == 0:
            return rng.choice(("First, ", "To begin with, ", ""))
        case "words" if number < count - 1:
            return rng.choice((*_NEXT, "", ""))
        case "words":
            return rng.choice(("Finally, ", "In the end, ", ""))
    return ""


def _join(lead: str, texts: list[str]) -> str:
    text = " ".join(texts)
    if lead.endswith(", ") and _LOWERED.match(text):
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
        if form and form.endswith("="):
            return " or ".join(f"{form} {item}" for item in items)
        return ", ".join(items)
    if form is None and money:
        return "$" + _number(value, style, problem, money=True)
    if form and form[0] == "+":
        return ("- " if value < 0 else "+ ") + _format(abs(value), form[1:] or "bare", style, problem, money=money)
    if form and form.endswith("="):
        return f"{form} {_number(value, style, problem, money=money)}"
    number = _number(value, style, problem, money=money)
    if form and form != "bare":
        number = {"1": "", "-1": "-"}.get(number, f"({number})" if "/" in number else number) + form
    return number


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
        return math.replace(" * ", " × ").replace(" / ", " ÷ ")
    latex = math.replace(" * ", r" \times ").replace(" / ", r" \div ").replace("%", r"\%").replace("π", r"\pi ")
    latex = re.sub(r"√\(([^()]*)\)", r"\\sqrt{\1}", latex)
    latex = re.sub(r"\((\d+)/(\d+)\)|\b(\d+)/(\d+)\b", lambda m: rf"\frac{{{m[1] or m[3]}}}{{{m[2] or m[4]}}}", latex)
    latex = re.sub(r"\^(\d\d+|\(-?\d+\))", lambda m: "^{" + m[1].strip("()") + "}", latex)
    latex = re.sub(r" or ", r" \\text{ or } ", latex).replace("±", r"\pm ").replace("  ", " ").strip()
    return f"${latex}$" if style.math == "dollars" else rf"\({latex}\)"
