"""Quadratic, cubic and exponential equations, and absolute values: more than one case."""

from fractions import Fraction
from math import isqrt, prod

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.formula import Env, Value, items, single
from stepreward.corpus.generate.model import Fault, Problem, compute, find
from stepreward.corpus.generate.templates.rearranging import kept_sign, not_divided


def quadratic_by_factoring(d: Draw) -> Problem:
    v = d.letter()
    r, s = sorted(d.some(2, *(n for n in range(-9, 12) if n)))
    s += r + s == 0
    larger = d.maybe()
    which = "larger" if larger else "smaller"
    return Problem(
        question=(
            f"Find the {which} solution of <{v}^2 [b:+{v}] [c:+] = 0>.",
            f"The equation <{v}^2 [b:+{v}] [c:+] = 0> has two solutions. What is the {which} one?",
            f"What is the {which} of the two numbers <{v}> with <{v}^2 [b:+{v}] [c:+] = 0>?",
        ),
        given=numbers(b=-(r + s), c=r * s),
        points=({v: Fraction(r)}, {v: Fraction(s)}),
        fractional=True,
        moves=(
            compute(
                "total = 0 - b",
                "The solutions multiply to [c] and add up to [total].",
                "We look for two numbers with sum [total] and product [c].",
                faults=(
                    Fault(
                        "bad_rearrangement",
                        "The sum of the solutions is the middle coefficient with its sign changed; here the sign "
                        "is kept.",
                        formula="b",
                        wording="The solutions multiply to [c] and add up to [total].",
                    ),
                ),
            ),
            find("small", lambda env: _pair(env)[0], "The smaller of these numbers is [small].", "One is [small]."),
            compute(
                "large = total - small", "The other one is [=].", "What is missing to the sum is the other number, [=]."
            ),
            find(
                "roots",
                lambda env: (single(env["small"]), single(env["large"])),
                f"So <[roots:{v} =]>.",
                f"The equation holds for <[roots:{v} =]>.",
                faults=(
                    Fault(
                        "dropped_case",
                        "A product is zero when either factor is; the solution of one factor is left out.",
                        value=(Fraction(r if larger else s),),
                    ),
                ),
            ),
            find(
                "asked",
                lambda env: (max if larger else min)(items(env["roots"])),
                f"Of the solutions, the {which} is [asked].",
                f"The {which} one is [asked].",
            ),
        ),
        answer="asked",
        conclusion=(f"The {which} solution is [asked].", ""),
    )


def _pair(env: Env) -> tuple[Fraction, Fraction]:
    """The two numbers with the sum `total` and the product `c`. Raises ValueError where they are not rational."""
    total, product = single(env["total"]), single(env["c"])
    square = total * total - 4 * product
    if square < 0 or square.denominator != 1 or isqrt(int(square)) ** 2 != square:
        raise ValueError("no rational numbers")
    return (total - isqrt(int(square))) / 2, (total + isqrt(int(square))) / 2


def square_of_a_sum(d: Draw) -> Problem:
    v, shift, root, a, c = d.letter(), d.other(-9, 9, 0), d.whole(2, 12), d.whole(2, 6), d.other(-20, 20, 0)
    side = f"{v} {'-' if shift < 0 else '+'} {abs(shift)}"
    return Problem(
        question=(
            f"Find all solutions of <[a]({v} [shift:+])^2 [c:+] = [e]> and give their product.",
            f"What is the product of all numbers <{v}> with <[a]({v} [shift:+])^2 [c:+] = [e]>?",
        ),
        given=numbers(a=a, shift=shift, c=c, e=a * root * root + c),
        points=({v: Fraction(root - shift)}, {v: Fraction(-root - shift)}),
        fractional=True,
        moves=(
            compute(
                "multiple = e - c",
                f"Taking the number to the right, <[a]({v} [shift:+])^2 = [=]>.",
                f"First, <[a]({v} [shift:+])^2 = [=]>.",
                faults=kept_sign("e + c"),
            ),
            compute(
                "square = multiple / a",
                f"Dividing by [a], <({v} [shift:+])^2 = [=]>.",
                f"So <({v} [shift:+])^2 = [=]>.",
                faults=not_divided("multiple - a"),
            ),
            find(
                "bases",
                _both_roots,
                f"Therefore <[bases:{side} =]>.",
                f"Taking roots, <[bases:{side} =]>.",
                faults=(
                    Fault(
                        "dropped_case", "A square has two roots; the negative one is left out.", value=(Fraction(root),)
                    ),
                ),
            ),
            compute(
                "roots = bases - shift",
                f"This gives <[roots:{v} =]>.",
                f"Solving for <{v}>, we have <[roots:{v} =]>.",
                faults=kept_sign("bases + shift"),
            ),
            find(
                "product",
                _product_of_roots,
                "The product of the solutions is [product].",
                "Multiplied, they make [product].",
            ),
        ),
        answer="product",
        conclusion=("The product is [product].", ""),
    )


def _both_roots(env: Env) -> Value:
    square = single(env["square"])
    if square.denominator != 1 or square <= 0 or isqrt(int(square)) ** 2 != square:
        raise ValueError("no rational root")
    root = Fraction(isqrt(int(square)))
    return (root, -root)


def _product_of_roots(env: Env) -> Value:
    return Fraction(prod(items(env["roots"])))


def absolute_value(d: Draw) -> Problem:
    v, a = d.letter(), d.whole(2, 6)
    r, s = sorted(d.some(2, *range(-8, 10)))
    b, distance = -Fraction(a * (r + s), 2), Fraction(a * (s - r), 2)
    if b.denominator != 1:
        a, b, distance = 2 * a, 2 * b, 2 * distance
    if b == 0:
        r, b = r - 2, Fraction(a)
        distance += a
    left = f"{_coefficient(a, v)} {'-' if b < 0 else '+'} {abs(b)}"
    return Problem(
        question=(
            f"Find the sum of all solutions of the equation <|[a]{v} [b:+]| = [distance]>.",
            f"For which numbers <{v}> is <|[a]{v} [b:+]| = [distance]>? Give the sum of these numbers.",
        ),
        given=numbers(a=a, b=b, distance=distance),
        points=({v: Fraction(s)}, {v: Fraction(r)}),
        fractional=True,
        moves=(
            find(
                "inner",
                lambda env: (single(env["distance"]), -single(env["distance"])),
                f"What stands between the bars can be positive or negative, so <[inner:{left} =]>.",
                f"There are two cases: <[inner:{left} =]>.",
                faults=(
                    Fault(
                        "dropped_case",
                        "What stands between the bars may also be negative; that case is left out.",
                        value=(distance,),
                        wording=f"Removing the bars, <[inner:{left} =]>.",
                    ),
                ),
            ),
            compute(
                "multiples = inner - b",
                f"That gives <[multiples:{_coefficient(a, v)} =]>.",
                f"Hence <[multiples:{_coefficient(a, v)} =]>.",
                faults=kept_sign("inner + b"),
            ),
            compute(
                "roots = multiples / a",
                f"So <[roots:{v} =]>.",
                f"Dividing by [a], <[roots:{v} =]>.",
                faults=not_divided("multiples - a"),
            ),
            compute("total = sum(roots)", "The sum of the solutions is [=].", "Adding the solutions gives [=]."),
        ),
        answer="total",
        conclusion=("The sum is [total].", ""),
    )


def _coefficient(number: int, letter: str) -> str:
    return letter if number == 1 else f"{number}{letter}"


def cubic_with_common_factor(d: Draw) -> Problem:
    v, root, a = d.letter(), d.whole(2, 12), d.whole(2, 7)
    return Problem(
        question=(
            f"What is the mean of the squares of all real solutions of <[a]{v}^3 = [b]{v}>?",
            f"Square every real solution of <[a]{v}^3 = [b]{v}>. What is the average of these squares?",
        ),
        given=numbers(a=a, b=a * root * root),
        points=({v: Fraction(0)}, {v: Fraction(root)}, {v: Fraction(-root)}),
        fractional=True,
        moves=(
            compute(
                "square = b / a",
                f"Dividing both sides by [a] leaves <{v}^3 = [square]{v}>, as [=].",
                f"Since [=], the equation is the same as <{v}^3 = [square]{v}>.",
            ),
            find(
                "roots",
                lambda env: (Fraction(0), *items(_both_roots(env))),
                f"Bring everything to one side and factor: <{v}({v}^2 - [square]) = 0>. So <[roots:{v} =]>.",
                f"From <{v}({v}^2 - [square]) = 0> it follows that <[roots:{v} =]>.",
                faults=(
                    Fault(
                        "dropped_case",
                        "Dividing by the unknown loses the solution 0.",
                        value=(Fraction(root), Fraction(-root)),
                        wording=f"Dividing by <{v}>, we get the solutions <[roots:{v} =]>.",
                    ),
                    Fault(
                        "dropped_case",
                        "The negative root is left out.",
                        value=(Fraction(0), Fraction(root)),
                    ),
                ),
            ),
            compute("number = count(roots)", "The equation has [number] solutions.", "These are [number] solutions."),
            compute("squares = roots ** 2", "Their squares are [squares].", "Squaring gives [squares]."),
            compute("total = sum(squares)", "The sum of the squares is [=].", "Adding them gives [=]."),
            compute("mean = total / number", "Their mean is [=].", "Divided by their number, this is [=]."),
        ),
        answer="mean",
        conclusion=("The mean of the squares is [mean].", ""),
    )


def power_equation(d: Draw) -> Problem:
    v, base, exponent, shift, factor = d.letter(), d.pick(2, 3, 5), d.whole(3, 6), d.whole(1, 4), d.whole(2, 6)
    if base == 5:
        exponent = d.whole(3, 4)
    c = d.whole(1, 30)
    return Problem(
        question=(
            f"Solve <[factor] * [base]^({v} - [shift]) + [c] = [e]> for <{v}>.",
            f"For which <{v}> does <[factor] * [base]^({v} - [shift]) + [c]> equal [e]?",
        ),
        given=numbers(factor=factor, base=base, shift=shift, c=c, e=factor * base**exponent + c),
        points=({v: Fraction(exponent + shift)},),
        fractional=True,
        moves=(
            compute(
                "multiple = e - c",
                f"First, <[factor] * [base]^({v} - [shift]) = [=]>.",
                f"Subtract [c]: <[factor] * [base]^({v} - [shift]) = [=]>.",
                faults=kept_sign("e + c"),
            ),
            compute(
                "power = multiple / factor",
                f"Then <[base]^({v} - [shift]) = [=]>.",
                f"Dividing by [factor], <[base]^({v} - [shift]) = [=]>.",
                faults=not_divided("multiple - factor"),
            ),
            find(
                "exponent",
                lambda env: _logarithm(single(env["power"]), single(env["base"])),
                "Since <[base]^[exponent] = [power]>, the exponent is [exponent].",
            ),
            compute(
                "root = exponent + shift",
                f"So <{v} - [shift] = [exponent]> and <{v} = [=]>.",
                faults=kept_sign("exponent - shift"),
            ),
        ),
        answer="root",
        conclusion=(f"So <{v} = [root]>.", ""),
    )


def _logarithm(power: Fraction, base: Fraction) -> Fraction:
    for exponent in range(1, 20):
        if base**exponent == power:
            return Fraction(exponent)
    raise ValueError("not a power of the base")


TEMPLATES = (
    quadratic_by_factoring,
    square_of_a_sum,
    absolute_value,
    cubic_with_common_factor,
    power_equation,
)
