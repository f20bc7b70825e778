"""Sums, equations, angles, coin flips and bases, with the questions and numbers of reasoning-gym."""

import re
from fractions import Fraction
from math import comb

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.formula import Value
from stepreward.corpus.generate.model import Fault, Problem, always, compute, find, state
from stepreward.corpus.generate.templates.gym import draw_entry


def chain_of_sums(d: Draw) -> Problem:
    question, data = draw_entry(
        d,
        "chain_sum",
        lambda data: "-" in data["expression"] and not data["expression"].startswith("-"),
        min_terms=4,
        max_terms=6,
        min_digits=2,
        max_digits=3,
    )
    parts = data["expression"].split()
    given: dict[str, Value] = {"sum_0": Fraction(parts[0])}
    moves = []
    for index, (sign, number) in enumerate(zip(parts[1::2], parts[2::2], strict=True), 1):
        given[f"term_{index}"] = Fraction(number)
        done = "adding" if sign == "+" else "subtracting"
        moves.append(
            compute(
                f"sum_{index} = sum_{index - 1} {sign} term_{index}",
                f"After {done} [term_{index}] we have [=].",
                "From left to right, [=].",
                "This gives [=].",
            )
        )
    return Problem(
        question=(
            question.removeprefix("State the final answer to the following arithmetic problem: ")
            .removesuffix("=")
            .strip()
            .join(("Work out ", ".")),
        ),
        given=given,
        moves=tuple(moves),
        answer=f"sum_{len(moves)}",
        conclusion=("",),
        fractional=True,
    )


def simple_equation(d: Draw) -> Problem:
    pattern = re.compile(r"(\d+)\*([a-z]) ([+-]) (\d+) = (\d+)")
    question, data = draw_entry(
        d,
        "simple_equations",
        lambda data: bool(pattern.fullmatch(data["equation"])) and data["variable"] not in "aoi",
        max_value=60,
    )
    found = pattern.fullmatch(data["equation"])
    if found is None:
        raise ValueError("an equation that was chosen for its form has another one. This is a bug.")
    a, v, sign, b, c = int(found[1]), found[2], found[3], int(found[4]), int(found[5])
    undone, done = ("-", "subtract") if sign == "+" else ("+", "add")
    return Problem(
        question=(question.replace(data["equation"], f"{a}{v} {sign} {b} = {c}"),),
        given=numbers(a=a, b=b, c=c),
        points=({v: Fraction(c - b if sign == "+" else c + b, a)},),
        fractional=True,
        moves=(
            state(f"We want <{v}> alone in <[a]{v} {sign} [b] = [c]>.", f"The equation is <[a]{v} {sign} [b] = [c]>."),
            compute(
                f"multiple = c {undone} b",
                f"On both sides, {done} [b]: <[a]{v} = [=]>.",
                f"So <[a]{v} = [=]>.",
                faults=(
                    Fault(
                        "bad_rearrangement",
                        "A term changes sides and must change its sign; here it keeps it.",
                        formula=f"c {sign} b",
                    ),
                ),
            ),
            compute(
                "root = multiple / a",
                f"Dividing by [a] gives <{v} = [=]>.",
                f"Then <{v} = [=]>.",
                faults=(
                    Fault(
                        "bad_rearrangement",
                        "Both sides must be divided by the factor; here it is subtracted.",
                        formula="multiple - a",
                    ),
                ),
            ),
        ),
        answer="root",
        conclusion=(f"So <{v} = [root]>.", ""),
    )


def polygon_angle(d: Draw) -> Problem:
    question, data = draw_entry(
        d, "simple_geometry", lambda data: 10 <= data["missing_angle_raw"] < 180, min_angle=25, max_angle=160
    )
    sides, angles = data["n_sides"], [int(angle) for angle in data["known_angles"]]
    names = [f"angle_{index}" for index in range(1, sides)]
    return Problem(
        question=(re.sub(r"\.0°", "°", question),),
        given=numbers(sides=sides, **dict(zip(names, angles, strict=True))),
        moves=(
            compute(
                "triangles = sides - 2",
                "From one corner the polygon is cut into [=] triangles.",
                "The polygon consists of [=] triangles.",
            ),
            compute(
                "total = triangles * 180",
                "So its angles add up to [=] degrees.",
                "The sum of the interior angles is [=] degrees.",
            ),
            compute(
                f"known = {' + '.join(names)}",
                "The known angles add up to [=] degrees.",
                "Those given make [=] degrees.",
            ),
            compute("missing = total - known", "The remaining angle has [=] degrees.", "What is left is [=] degrees."),
        ),
        answer="missing",
        conclusion=("The remaining angle measures [missing] degrees.", ""),
    )


def coin_flips(d: Draw) -> Problem:
    question, data = draw_entry(
        d,
        "coin_flip",
        lambda data: (
            (data["problem_type"] == "exact" and 2 <= data["k_heads"] <= data["num_trials"] - 2)
            or 1 <= data["num_trials"] - data["k_heads"] <= 3 < data["k_heads"]
        ),
        max_trials=9,
        min_trials=4,
    )
    n, k = data["num_trials"], data["k_heads"]
    numbers_of_heads = [k] if data["problem_type"] == "exact" else list(range(k, n + 1))
    cases = [f"ways_for_{heads}" for heads in numbers_of_heads]
    moves = [
        compute("outcomes = 2 ** flips", "There are [=] equally likely outcomes.", "[flips] flips have [=] outcomes.")
    ]
    for heads, case in zip(numbers_of_heads, cases, strict=True):
        moves.append(
            find(
                case,
                always(comb(n, heads)),
                f"Exactly {heads} heads come up in [{case}] of them.",
                f"In [{case}] outcomes there are exactly {heads} heads.",
            )
        )
    if len(cases) > 1:
        moves.append(
            compute(
                f"good = {' + '.join(cases)}",
                "Together these are [=] outcomes.",
                "So [=] outcomes are favorable.",
                faults=(
                    Fault(
                        "dropped_case",
                        f'"At least" includes {n} heads; that case is left out.',
                        formula=" + ".join(cases[:-1]),
                    ),
                ),
            )
        )
    moves.append(
        compute(
            f"chance = {'good' if len(cases) > 1 else cases[0]} / outcomes",
            "The probability is [=].",
            "Divided by all outcomes this is [=].",
        )
    )
    return Problem(
        question=(question,),
        given=numbers(flips=n),
        moves=tuple(moves),
        answer="chance",
        conclusion=("The probability is [chance].", ""),
        fractional=True,
    )


def number_in_another_base(d: Draw) -> Problem:
    _, data = draw_entry(
        d,
        "base_conversion",
        lambda data: len(data["source_repr"]) in (3, 4) and data["source_repr"].isdigit() and data["source_base"] < 10,
        max_base=9,
        min_base=2,
        min_value=20,
    )
    base, digits = data["source_base"], data["source_repr"]
    given: dict[str, Value] = numbers(base=base)
    moves, parts = [], []
    for place, digit in enumerate(reversed(digits)):
        if digit == "0":
            continue
        given[f"digit_{place}"] = Fraction(int(digit))
        moves.append(
            compute(
                f"part_{place} = digit_{place} * base ** {place}",
                f"The digit {digit} at place {place} (counted from 0 on the right) is worth [=].",
                f"Place {place} gives [=].",
            )
        )
        parts.append(f"part_{place}")
    added = d.whole(11, 99)
    return Problem(
        question=(
            f"Write the base-{base} number {digits} in base 10 and add {added}. What is the result?",
            f"What do you get if you add {added} (in base 10) to the number that is written {digits} in base {base}?",
        ),
        given={**given, "added": Fraction(added)},
        moves=(
            *moves,
            compute(
                f"value = {' + '.join(parts)}",
                "The number is [=].",
                "In base 10 it is [=].",
                faults=(
                    Fault("dropped_case", "The contribution of one digit is left out.", formula=" + ".join(parts[1:])),
                )
                if len(parts) == 2
                else (),
            ),
            compute("result = value + added", "Adding the other number gives [=].", "The sum is [=]."),
        ),
        answer="result",
        conclusion=("The result is [result].", ""),
    )


TEMPLATES = (
    chain_of_sums,
    simple_equation,
    polygon_angle,
    coin_flips,
    number_in_another_base,
)
