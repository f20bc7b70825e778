"""Questions and numbers from reasoning-gym; the steps are ours, made from its metadata.

Used are the data sets whose metadata gives every number exactly. Not used: `gsm_symbolic` (its chains of thought hold
sentences like "48=48 emails"), `leg_counting` ("sheeps"), `time_intervals` (depends on today's date),
`polynomial_equations` (rounded roots).
"""

import re
import warnings
from collections.abc import Callable
from fractions import Fraction
from math import comb
from typing import Any

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.formula import Value
from stepreward.corpus.generate.model import Fault, Move, Problem
from stepreward.errors import ConfigurationError

_FORMAT_DEMANDS = re.compile(
    r" *(?:Give only|Give the result|Write the factors|Return only|Do not give|Only reply|Please respond).*$", re.DOTALL
)


def _draw(d: Draw, name: str, usable: Callable[[dict[str, Any]], bool], **config: object) -> tuple[str, dict[str, Any]]:
    """A question of the data set without its demands on the format, and the metadata.

    Raises ConfigurationError without reasoning-gym.
    """
    try:
        with warnings.catch_warnings():
            # cellpylib, which it imports, holds invalid escapes: a SyntaxWarning when it is compiled the first time
            warnings.simplefilter("ignore")
            import reasoning_gym  # noqa: PLC0415 - optional, and seconds to import
    except ImportError as error:
        raise ConfigurationError("making the starter corpus needs reasoning-gym: install stepreward[corpus]") from error
    while True:
        entry = reasoning_gym.create_dataset(name, size=1, seed=d.whole(0, 2**31), **config)[0]
        if usable(entry["metadata"]):
            return _FORMAT_DEMANDS.sub("", entry["question"]).strip(), entry["metadata"]


def greatest_common_divisor(d: Draw) -> Problem:
    question, data = _draw(d, "gcd", lambda data: data["result"] >= 6 and not _is_prime(data["result"]), max_value=800)
    a, b = data["numbers"]
    return _shared_primes(d, question, (a, b), "greatest common divisor", min)


def least_common_multiple(d: Draw) -> Problem:
    question, data = _draw(
        d, "lcm", lambda data: data["result"] < max(data["numbers"]) * min(data["numbers"]), min_value=6
    )
    a, b = data["numbers"]
    return _shared_primes(d, question, (a, b), "least common multiple", max)


def _shared_primes(
    d: Draw, question: str, pair: tuple[int, int], what: str, choose: Callable[[int, int], int]
) -> Problem:
    """GCD and LCM by prime factors: every prime with the smaller, or the larger, of its two exponents."""
    a, b = pair
    exponents = {p: choose(_exponent(a, p), _exponent(b, p)) for p in sorted({*_primes(a), *_primes(b)})}
    used = {p: e for p, e in exponents.items() if e}
    powers = {f"power_of_{p}": p**e for p, e in used.items()}
    taken = "smaller" if choose is min else "larger"
    lost = d.pick(*used)
    moves = [
        Move(
            None,
            None,
            (
                f"The prime factors of the first number: <{a} = {_product(a)}>.",
                f"Factor the first number: <{a} = {_product(a)}>.",
            ),
        ),
        Move(
            None,
            None,
            (
                f"The prime factors of the second number: <{b} = {_product(b)}>.",
                f"Factor the second number: <{b} = {_product(b)}>.",
            ),
        ),
    ]
    constants: dict[str, Value] = {}
    for p, e in used.items():
        constants |= {f"prime_{p}": Fraction(p), f"exponent_{p}": Fraction(e)}
        moves.append(
            Move(
                f"power_of_{p}",
                f"prime_{p} ** exponent_{p}",
                (
                    f"For the prime {p} we take the {taken} exponent, [exponent_{p}]: the factor is [=].",
                    f"The {taken} power of {p} is [=].",
                ),
            )
        )
    others = [name for name in powers if name != f"power_of_{lost}"]
    moves.append(
        Move(
            "result",
            " * ".join(powers),
            (f"Multiplied, the {what} is [=].", f"So the {what} is [=]."),
            (
                Fault(
                    "dropped_case",
                    f"The prime {lost} belongs to the {what} and is left out.",
                    formula=" * ".join(others),
                ),
            )
            if others
            else (),
        )
    )
    return Problem(
        question=(question,),
        given=numbers(first=a, second=b),
        constants=constants,
        moves=tuple(moves),
        answer="result",
        conclusion=(f"The {what} is [result].", ""),
    )


def _primes(n: int) -> list[int]:
    """With repetition, in order."""
    result, p = [], 2
    while n > 1:
        while n % p == 0:
            result.append(p)
            n //= p
        p += 1
    return result


def _is_prime(n: int) -> bool:
    return _primes(n) == [n]


def _exponent(n: int, p: int) -> int:
    return _primes(n).count(p)


def _product(n: int) -> str:
    primes = _primes(n)
    return " * ".join(str(p) if primes.count(p) == 1 else f"{p}^{primes.count(p)}" for p in dict.fromkeys(primes))


def prime_factorization(d: Draw) -> Problem:
    question, data = _draw(d, "prime_factorization", lambda data: 3 <= len(data["factors"]) <= 6, max_value=1500)
    factors: list[int] = data["factors"]
    given: dict[str, Value] = {"rest_0": Fraction(data["number"])}
    moves = []
    for index, p in enumerate(factors[:-1], 1):
        given[f"prime_{index}"] = Fraction(p)
        moves.append(
            Move(
                f"rest_{index}",
                f"rest_{index - 1} / prime_{index}",
                (f"Divide by {p}: [=].", f"{p} is a divisor of [rest_{index - 1}], and [=]."),
            )
        )
    last = f"rest_{len(factors) - 1}"
    moves.append(
        Move(
            None,
            None,
            (f"[{last}] is prime, so the division ends here.", f"Since [{last}] is a prime number, we are done."),
        )
    )
    moves.append(
        Move(
            "factors",
            lambda env: tuple(
                sorted([*map(Fraction, factors[:-1]), env[last] if isinstance(env[last], Fraction) else Fraction()])
            ),
            ("In order, the prime factors are [factors].", "The list of prime factors is [factors]."),
            (
                Fault(
                    "dropped_case",
                    "A prime that divides the number more than once, or the last one, is listed too seldom.",
                    value=tuple(map(Fraction, factors[1:])),
                ),
            ),
        )
    )
    return Problem(
        question=(question,),
        given=given,
        moves=tuple(moves),
        answer="factors",
        conclusion=("The prime factorization has the factors [factors].", ""),
    )


def lowest_terms(d: Draw) -> Problem:
    question, data = _draw(
        d,
        "fraction_simplification",
        lambda data: len(_primes(data["reduction_factor"])) in (2, 3),
        max_value=60,
        max_factor=60,
    )
    top, bottom = data["numerator"], data["denominator"]
    given: dict[str, Value] = numbers(top_0=top, bottom_0=bottom)
    moves = []
    for index, p in enumerate(_primes(data["reduction_factor"]), 1):
        given[f"divisor_{index}"] = Fraction(p)
        moves.append(
            Move(
                f"top_{index}",
                f"top_{index - 1} / divisor_{index}",
                (f"Both numbers are divisible by {p}; the numerator becomes [=].", f"Cancel {p}. Numerator: [=]."),
            )
        )
        moves.append(
            Move(
                f"bottom_{index}",
                f"bottom_{index - 1} / divisor_{index}",
                ("The denominator becomes [=].", "Denominator: [=]."),
            )
        )
    count = len(moves) // 2
    return Problem(
        question=(question,),
        given=given,
        moves=(*moves, Move(None, None, (f"[top_{count}] and [bottom_{count}] have no common divisor any more.",))),
        answer=f"top_{count}",
        answer_form=f"[top_{count}]/[bottom_{count}]",
        conclusion=("In lowest terms the fraction is finished.", ""),
    )


def chain_of_sums(d: Draw) -> Problem:
    question, data = _draw(
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
            Move(
                f"sum_{index}",
                f"sum_{index - 1} {sign} term_{index}",
                (f"After {done} [term_{index}] we have [=].", "From left to right, [=].", "This gives [=]."),
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
    question, data = _draw(
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
            Move(
                None,
                None,
                (f"We want <{v}> alone in <[a]{v} {sign} [b] = [c]>.", f"The equation is <[a]{v} {sign} [b] = [c]>."),
            ),
            Move(
                "multiple",
                f"c {undone} b",
                (f"On both sides, {done} [b]: <[a]{v} = [=]>.", f"So <[a]{v} = [=]>."),
                (
                    Fault(
                        "bad_rearrangement",
                        "A term changes sides and must change its sign; here it keeps it.",
                        formula=f"c {sign} b",
                    ),
                ),
            ),
            Move(
                "root",
                "multiple / a",
                (f"Dividing by [a] gives <{v} = [=]>.", f"Then <{v} = [=]>."),
                (
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
    question, data = _draw(
        d, "simple_geometry", lambda data: 10 <= data["missing_angle_raw"] < 180, min_angle=25, max_angle=160
    )
    sides, angles = data["n_sides"], [int(angle) for angle in data["known_angles"]]
    names = [f"angle_{index}" for index in range(1, sides)]
    return Problem(
        question=(re.sub(r"\.0°", "°", question),),
        given=numbers(sides=sides, **dict(zip(names, angles, strict=True))),
        moves=(
            Move(
                "triangles",
                "sides - 2",
                ("From one corner the polygon is cut into [=] triangles.", "The polygon consists of [=] triangles."),
            ),
            Move(
                "total",
                "triangles * 180",
                ("So its angles add up to [=] degrees.", "The sum of the interior angles is [=] degrees."),
            ),
            Move(
                "known", " + ".join(names), ("The known angles add up to [=] degrees.", "Those given make [=] degrees.")
            ),
            Move("missing", "total - known", ("The remaining angle has [=] degrees.", "What is left is [=] degrees.")),
        ),
        answer="missing",
        conclusion=("The remaining angle measures [missing] degrees.", ""),
    )


def coin_flips(d: Draw) -> Problem:
    question, data = _draw(
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
        Move("outcomes", "2 ** flips", ("There are [=] equally likely outcomes.", "[flips] flips have [=] outcomes."))
    ]
    for heads, case in zip(numbers_of_heads, cases, strict=True):
        moves.append(
            Move(
                case,
                _always(comb(n, heads)),
                (
                    f"Exactly {heads} heads come up in [{case}] of them.",
                    f"In [{case}] outcomes there are exactly {heads} heads.",
                ),
            )
        )
    if len(cases) > 1:
        moves.append(
            Move(
                "good",
                " + ".join(cases),
                ("Together these are [=] outcomes.", "So [=] outcomes are favorable."),
                (
                    Fault(
                        "dropped_case",
                        f'"At least" includes {n} heads; that case is left out.',
                        formula=" + ".join(cases[:-1]),
                    ),
                ),
            )
        )
    moves.append(
        Move(
            "chance",
            f"{'good' if len(cases) > 1 else cases[0]} / outcomes",
            ("The probability is [=].", "Divided by all outcomes this is [=]."),
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


def _always(number: int) -> Callable[[object], Value]:
    return lambda env: Fraction(number)


def number_in_another_base(d: Draw) -> Problem:
    _, data = _draw(
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
        formula = f"digit_{place} * base ** {place}"
        moves.append(
            Move(
                f"part_{place}",
                formula,
                (
                    f"The digit {digit} at place {place} (counted from 0 on the right) is worth [=].",
                    f"Place {place} gives [=].",
                ),
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
            Move(
                "value",
                " + ".join(parts),
                ("The number is [=].", "In base 10 it is [=]."),
                (Fault("dropped_case", "The contribution of one digit is left out.", formula=" + ".join(parts[1:])),)
                if len(parts) == 2
                else (),
            ),
            Move("result", "value + added", ("Adding the other number gives [=].", "The sum is [=].")),
        ),
        answer="result",
        conclusion=("The result is [result].", ""),
    )


NUMBER_TEMPLATES = (
    greatest_common_divisor,
    least_common_multiple,
    prime_factorization,
    lowest_terms,
    chain_of_sums,
    coin_flips,
    number_in_another_base,
)
ALGEBRA_TEMPLATES = (simple_equation,)
GEOMETRY_TEMPLATES = (polygon_angle,)
