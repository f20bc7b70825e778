"""Algebra with an unknown to find: linear and quadratic equations, absolute values, systems, proportions."""

from fractions import Fraction
from math import isqrt, prod

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.formula import Env, Value, items, single
from stepreward.corpus.generate.model import Fault, Move, Problem

_KEPT_SIGN = "A term changes sides and must change its sign; here it keeps it."


def _rearranged(formula: str, why: str = _KEPT_SIGN) -> tuple[Fault, ...]:
    return (Fault("bad_rearrangement", why, formula=formula),)


def _not_divided(formula: str) -> tuple[Fault, ...]:
    return _rearranged(formula, "To free the unknown, both sides must be divided by its factor.")


def linear_on_both_sides(d: Draw) -> Problem:
    v, root = d.letter(), d.other(-12, 15, 0)
    a = d.whole(4, 12)
    c, b = d.other(2, 9, a, a - 1), d.other(-30, 30, 0)
    if (a - c) * root + b == 0:
        b += 1
    return Problem(
        question=(
            f"Solve for <{v}>: <[a]{v} [b:+] = [c]{v} [e:+]>.",
            f"Find the value of <{v}> for which <[a]{v} [b:+] = [c]{v} [e:+]>.",
            f"What number <{v}> satisfies the equation <[a]{v} [b:+] = [c]{v} [e:+]>?",
        ),
        given=numbers(a=a, b=b, c=c, e=(a - c) * root + b),
        points=({v: Fraction(root)},),
        fractional=True,
        moves=(
            Move(
                None,
                None,
                (
                    f"We solve <[a]{v} [b:+] = [c]{v} [e:+]> by collecting the unknown on the left.",
                    f"The equation is <[a]{v} [b:+] = [c]{v} [e:+]>.",
                ),
            ),
            Move(
                "factor",
                "a - c",
                (
                    f"Collect the terms with <{v}> on the left side: their factor is [=].",
                    f"Subtract <[c]{v}> from both sides; the factor of <{v}> becomes [=].",
                ),
                _rearranged("a + c"),
            ),
            Move(
                "right",
                "e - b",
                (
                    f"Bring the numbers to the right side: <[factor:{v}] = [=]>.",
                    f"Moving the constant over gives <[factor:{v}] = [=]>.",
                ),
                _rearranged("e + b"),
            ),
            Move(
                "root",
                "right / factor",
                (f"Divide by the factor: <{v} = [=]>.", f"So <{v} = [=]>."),
                _not_divided("right - factor"),
            ),
        ),
        answer="root",
        conclusion=(f"Therefore <{v} = [root]>.", f"The solution is <{v} = [root]>."),
    )


def linear_with_bracket(d: Draw) -> Problem:
    v, root = d.letter(), d.other(-9, 12, 0)
    a, b = d.whole(2, 9), d.other(-9, 9, 0)
    c = d.other(-20, 20, 0, -a * b)
    return Problem(
        question=(
            f"Solve <[a]({v} [b:+]) [c:+] = [e]> for <{v}>.",
            f"What is <{v}> if <[a]({v} [b:+]) [c:+] = [e]>?",
        ),
        given=numbers(a=a, b=b, c=c, e=a * (root + b) + c),
        points=({v: Fraction(root)},),
        fractional=True,
        moves=(
            Move(
                "product",
                "a * b",
                (
                    f"Multiply out the bracket. Its number becomes [=], so <[a]{v} [product:+] [c:+] = [e]>.",
                    f"Expanding gives [=] beside <[a]{v}>, that is <[a]{v} [product:+] [c:+] = [e]>.",
                ),
                (
                    Fault(
                        "bad_rearrangement",
                        "The factor in front of a bracket multiplies every term in it; here it is left out for the number.",
                        formula="b",
                        wording=f"Multiplying out the bracket, the equation is <[a]{v} [product:+] [c:+] = [e]>.",
                    ),
                ),
            ),
            Move(
                "constant",
                "product + c",
                (
                    f"Adding up the numbers on the left, [=]. So <[a]{v} [constant:+] = [e]>.",
                    "The numbers on the left side add up to [=].",
                ),
            ),
            Move(
                "right",
                "e - constant",
                (f"Then <[a]{v} = [=]>.", f"Taking it to the other side gives <[a]{v} = [=]>."),
                _rearranged("e + constant"),
            ),
            Move(
                "root",
                "right / a",
                (f"Dividing both sides by [a] gives <{v} = [=]>.", f"Hence <{v} = [=]>."),
                _not_divided("right - a"),
            ),
        ),
        answer="root",
        conclusion=(f"So <{v} = [root]>.", ""),
    )


def linear_with_fraction(d: Draw) -> Problem:
    v, part, c = d.letter(), d.whole(2, 9), d.whole(2, 6)
    quotient, b = d.other(-9, 12, 0), d.other(-25, 25, 0)
    return Problem(
        question=(
            f"Solve the equation <{v} / [part] [b:+] = [e]>, then find <[c]{v}>.",
            f"If <{v} / [part] [b:+] = [e]>, what is the value of <[c]{v}>?",
        ),
        given=numbers(part=part, b=b, c=c, e=quotient + b),
        points=({v: Fraction(quotient * part)},),
        fractional=True,
        moves=(
            Move(
                "quotient",
                "e - b",
                (f"First isolate the fraction: <{v} / [part] = [=]>.", f"We get <{v} / [part] = [=]>."),
                _rearranged("e + b"),
            ),
            Move(
                "root",
                "quotient * part",
                (f"Multiplying both sides by [part], <{v} = [=]>.", f"Hence <{v} = [=]>."),
                _rearranged(
                    "quotient / part", "A division is undone by multiplying both sides; here they are divided."
                ),
            ),
            Move("asked", "c * root", (f"Then <[c]{v} = [=]>.", f"The value asked for is <[c]{v} = [=]>.")),
        ),
        answer="asked",
        conclusion=(f"So <[c]{v} = [asked]>.", ""),
    )


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
            Move(
                "total",
                "0 - b",
                (
                    "The solutions multiply to [c] and add up to [total].",
                    "We look for two numbers with sum [total] and product [c].",
                ),
                (
                    Fault(
                        "bad_rearrangement",
                        "The sum of the solutions is the middle coefficient with its sign changed; here the sign is kept.",
                        formula="b",
                        wording="The solutions multiply to [c] and add up to [total].",
                    ),
                ),
            ),
            Move("small", lambda env: _pair(env)[0], ("The smaller of these numbers is [small].", "One is [small].")),
            Move(
                "large",
                "total - small",
                ("The other one is [=].", "What is missing to the sum is the other number, [=]."),
            ),
            Move(
                "roots",
                lambda env: (single(env["small"]), single(env["large"])),
                (f"So <[roots:{v} =]>.", f"The equation holds for <[roots:{v} =]>."),
                (
                    Fault(
                        "dropped_case",
                        "A product is zero when either factor is; the solution of one factor is left out.",
                        value=(Fraction(r if larger else s),),
                    ),
                ),
            ),
            Move(
                "asked",
                lambda env: (max if larger else min)(items(env["roots"])),
                (f"Of the solutions, the {which} is [asked].", f"The {which} one is [asked]."),
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
            Move(
                "multiple",
                "e - c",
                (
                    f"Taking the number to the right, <[a]({v} [shift:+])^2 = [=]>.",
                    f"First, <[a]({v} [shift:+])^2 = [=]>.",
                ),
                _rearranged("e + c"),
            ),
            Move(
                "square",
                "multiple / a",
                (f"Dividing by [a], <({v} [shift:+])^2 = [=]>.", f"So <({v} [shift:+])^2 = [=]>."),
                _not_divided("multiple - a"),
            ),
            Move(
                "bases",
                _both_roots,
                (f"Therefore <[bases:{side} =]>.", f"Taking roots, <[bases:{side} =]>."),
                (
                    Fault(
                        "dropped_case", "A square has two roots; the negative one is left out.", value=(Fraction(root),)
                    ),
                ),
            ),
            Move(
                "roots",
                "bases - shift",
                (f"This gives <[roots:{v} =]>.", f"Solving for <{v}>, we have <[roots:{v} =]>."),
                _rearranged("bases + shift"),
            ),
            Move(
                "product",
                _product_of_roots,
                ("The product of the solutions is [product].", "Multiplied, they make [product]."),
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
            Move(
                "inner",
                lambda env: (single(env["distance"]), -single(env["distance"])),
                (
                    f"What stands between the bars can be positive or negative, so <[inner:{left} =]>.",
                    f"There are two cases: <[inner:{left} =]>.",
                ),
                (
                    Fault(
                        "dropped_case",
                        "What stands between the bars may also be negative; that case is left out.",
                        value=(distance,),
                        wording=f"Removing the bars, <[inner:{left} =]>.",
                    ),
                ),
            ),
            Move(
                "multiples",
                "inner - b",
                (f"That gives <[multiples:{_coefficient(a, v)} =]>.", f"Hence <[multiples:{_coefficient(a, v)} =]>."),
                _rearranged("inner + b"),
            ),
            Move(
                "roots",
                "multiples / a",
                (f"So <[roots:{v} =]>.", f"Dividing by [a], <[roots:{v} =]>."),
                _not_divided("multiples - a"),
            ),
            Move("total", "sum(roots)", ("The sum of the solutions is [=].", "Adding the solutions gives [=].")),
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
            f"How many real solutions does <[a]{v}^3 = [b]{v}> have, and what is the sum of their squares? Give the sum of squares.",
            f"Find the sum of the squares of all real solutions of <[a]{v}^3 = [b]{v}>.",
        ),
        given=numbers(a=a, b=a * root * root),
        points=({v: Fraction(0)}, {v: Fraction(root)}, {v: Fraction(-root)}),
        fractional=True,
        moves=(
            Move(
                "square",
                "b / a",
                (
                    f"Dividing both sides by [a] leaves <{v}^3 = [square]{v}>, as [=].",
                    f"Since [=], the equation is the same as <{v}^3 = [square]{v}>.",
                ),
            ),
            Move(
                "roots",
                lambda env: (Fraction(0), *items(_both_roots(env))),
                (
                    f"Bring everything to one side and factor: <{v}({v}^2 - [square]) = 0>. So <[roots:{v} =]>.",
                    f"From <{v}({v}^2 - [square]) = 0> it follows that <[roots:{v} =]>.",
                ),
                (
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
            Move("number", "count(roots)", ("The number of solutions is [number].", "These are [number] solutions.")),
            Move("squares", "roots ** 2", ("Their squares are [squares].", "Squaring gives [squares].")),
            Move("total", "sum(squares)", ("The sum of the squares is [=].", "Adding them gives [=].")),
        ),
        answer="total",
        conclusion=("The sum of the squares is [total].", ""),
    )


def linear_system(d: Draw) -> Problem:
    x, y = d.pick(("x", "y"), ("p", "q"), ("m", "n"))
    u, w = d.other(-8, 12, 0), d.other(-8, 12, 0)
    a, b, c = d.whole(2, 7), d.whole(2, 7), d.whole(1, 6)
    while a == c:
        c = d.whole(1, 6)
    return Problem(
        question=(
            f"Solve the system <[a]{x} + [b]{y} = [first]> and <[c:{x}] + [b]{y} = [second]>. What is <{x} + {y}>?",
            f"Two numbers satisfy <[a]{x} + [b]{y} = [first]> and <[c:{x}] + [b]{y} = [second]>. Find their sum <{x} + {y}>.",
        ),
        given=numbers(a=a, b=b, c=c, first=a * u + b * w, second=c * u + b * w),
        points=({x: Fraction(u), y: Fraction(w)},),
        fractional=True,
        moves=(
            Move(
                "factor",
                "a - c",
                (
                    f"Subtract the second equation from the first one, so that <{y}> disappears; the factor of <{x}> is [=].",
                    f"Both equations contain <[b]{y}>. In their difference <{x}> has the factor [=].",
                ),
                _rearranged(
                    "a + c",
                    "The equations are subtracted, so their factors must be subtracted too; here they are added.",
                ),
            ),
            Move(
                "difference",
                "first - second",
                (f"The right side of the difference gives <[factor:{x}] = [=]>.", f"So <[factor:{x}] = [=]>."),
                _rearranged(
                    "first + second",
                    "The equations are subtracted, so both sides must be; here the right sides are added.",
                ),
            ),
            Move(
                "u",
                "difference / factor",
                (f"Therefore <{x} = [=]>.", f"Hence <{x} = [=]>."),
                _not_divided("difference - factor"),
            ),
            Move(
                "multiple",
                "first - a * u",
                (
                    f"Substituting this in the first equation: <[b]{y} = [=]>.",
                    f"The first equation then says <[b]{y} = [=]>.",
                ),
                _rearranged("first + a * u"),
            ),
            Move("w", "multiple / b", (f"So <{y} = [=]>.", f"This means <{y} = [=]>."), _not_divided("multiple - b")),
            Move("total", "u + w", (f"Then <{x} + {y} = [=]>.", f"For the sum we get <{x} + {y} = [=]>.")),
        ),
        answer="total",
        conclusion=(f"So <{x} + {y} = [total]>.", ""),
    )


def proportion(d: Draw) -> Problem:
    v, p, q, factor = d.letter(), d.whole(2, 12), d.whole(2, 12), d.whole(2, 9)
    q += q == p
    shift = d.whole(1, 9)
    return Problem(
        question=(
            f"Find <{v}> if <({v} + [shift]) / [c] = [p] / [q]>.",
            f"Solve the proportion <({v} + [shift]) / [c] = [p] / [q]> for <{v}>.",
        ),
        given=numbers(shift=shift, c=q * factor, p=p, q=q),
        points=({v: Fraction(p * factor - shift)},),
        fractional=True,
        moves=(
            Move(
                "cross",
                "p * c",
                (
                    f"Cross-multiplying gives <[q]({v} + [shift]) = [=]>.",
                    f"Multiply crosswise: <[q]({v} + [shift]) = [=]>.",
                ),
                _rearranged("q * c", "In cross-multiplying, each numerator goes with the other denominator."),
            ),
            Move(
                "bracket",
                "cross / q",
                (f"Divide by [q]: <{v} + [shift] = [=]>.", f"So <{v} + [shift] = [=]>."),
                _not_divided("cross - q"),
            ),
            Move(
                "root",
                "bracket - shift",
                (f"Then <{v} = [=]>.", f"Finally <{v} = [=]>."),
                _rearranged("bracket + shift"),
            ),
        ),
        answer="root",
        conclusion=(f"So <{v} = [root]>.", ""),
    )


def formula_for_a_quantity(d: Draw) -> Problem:
    first, speed, time = d.whole(3, 40), d.whole(2, 15), d.whole(3, 18)
    fixed, what = d.pick(
        ("the temperature", "T = [first] + [rate]t"),
        ("the height of a plant", "h = [first] + [rate]t"),
        ("the weight of a load", "w = [first] + [rate]t"),
    )
    letter = what[0]
    later = time + d.whole(2, 9)
    return Problem(
        question=(
            f"A formula for {fixed} is <{what}>. For which <t> is <{letter} = [reached]>, and how large is <{letter}> [more] units of <t> later? Give the second value.",
            f"Let <{what}> describe {fixed}. At some <t> we have <{letter} = [reached]>. What is <{letter}> when <t> is larger by [more]?",
        ),
        given=numbers(first=first, rate=speed, reached=first + speed * time, more=later - time),
        points=({"t": Fraction(time), letter: Fraction(first + speed * time)},),
        fractional=True,
        moves=(
            Move(
                "rise",
                "reached - first",
                (
                    "From <[first] + [rate]t = [reached]> it follows that <[rate]t = [=]>.",
                    "Subtracting the constant, <[rate]t = [=]>.",
                ),
                _rearranged("reached + first"),
            ),
            Move(
                "time",
                "rise / rate",
                ("So <t = [=]>.", "Dividing by the factor of <t>, <t = [=]>."),
                _not_divided("rise - rate"),
            ),
            Move(
                "later",
                "time + more",
                ("The later value of the time is [=].", "Adding [more], the second time is [=]."),
            ),
            Move("grown", "rate * later", ("By then the growth is [=].", "The part that grows has become [=].")),
            Move(
                "value", "first + grown", ("With the constant this gives [=].", "Together with the constant it is [=].")
            ),
        ),
        answer="value",
        conclusion=("The second value is [value].", ""),
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
            Move(
                "multiple",
                "e - c",
                (
                    f"First, <[factor] * [base]^({v} - [shift]) = [=]>.",
                    f"Subtract [c]: <[factor] * [base]^({v} - [shift]) = [=]>.",
                ),
                _rearranged("e + c"),
            ),
            Move(
                "power",
                "multiple / factor",
                (f"Then <[base]^({v} - [shift]) = [=]>.", f"Dividing by [factor], <[base]^({v} - [shift]) = [=]>."),
                _not_divided("multiple - factor"),
            ),
            Move(
                "exponent",
                lambda env: _logarithm(single(env["power"]), single(env["base"])),
                ("Since <[base]^[exponent] = [power]>, the exponent is [exponent].",),
            ),
            Move(
                "root",
                "exponent + shift",
                (f"So <{v} - [shift] = [exponent]> and <{v} = [=]>.",),
                _rearranged("exponent - shift"),
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
    linear_on_both_sides,
    linear_with_bracket,
    linear_with_fraction,
    quadratic_by_factoring,
    square_of_a_sum,
    absolute_value,
    cubic_with_common_factor,
    linear_system,
    proportion,
    formula_for_a_quantity,
    power_equation,
)
