"""Expressions, functions and lines: no unknown to find."""

from fractions import Fraction

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.model import Fault, Problem, compute, state

_ANYWHERE = (Fraction(7, 3), Fraction(-11, 5), Fraction(13, 2))


def value_of_a_polynomial(d: Draw) -> Problem:
    v, at = d.letter(), d.other(-6, 7, 0, 1)
    a, b, c = d.whole(2, 6), d.other(-8, 8, 0), d.other(-20, 20, 0)
    return Problem(
        question=(
            f"Evaluate <[a]{v}^2 [b:+{v}] [c:+]> at <{v} = [at]>.",
            f"If <{v} = [at]>, what is the value of <[a]{v}^2 [b:+{v}] [c:+]>?",
        ),
        given=numbers(a=a, b=b, c=c, at=at),
        points=({v: Fraction(at)},),
        fractional=True,
        moves=(
            compute("square = at ** 2", f"First, <{v}^2 = [=]>.", f"The square is <{v}^2 = [=]>."),
            compute("quadratic = a * square", f"So the first term is <[a]{v}^2 = [=]>.", f"Then <[a]{v}^2 = [=]>."),
            compute("linear = b * at", f"The second term is <[b:{v}] = [=]>.", f"Next, <[b:{v}] = [=]>."),
            compute(
                "total = quadratic + linear + c", "Adding all terms gives [=].", "Together with the constant, [=]."
            ),
        ),
        answer="total",
        conclusion=("The value is [total].", ""),
    )


def expansion(d: Draw) -> Problem:
    v = d.letter()
    a, c = d.whole(1, 5), d.whole(2, 6)
    b, e = d.other(-9, 9, 0), d.other(-9, 9, 0)
    e += 1 if a * e + b * c == 0 else 0
    e += 1 if e == 0 else 0
    return Problem(
        question=(
            f"Expand <([a:{v}] [b:+])([c:{v}] [e:+])> and give the sum of its three coefficients.",
            f"Multiply out <([a:{v}] [b:+])([c:{v}] [e:+])>. What do the coefficients of the result add up to?",
        ),
        given=numbers(a=a, b=b, c=c, e=e),
        points=tuple({v: point} for point in _ANYWHERE),
        fractional=True,
        moves=(
            compute("leading = a * c", f"The coefficient of <{v}^2> is [=].", f"For <{v}^2> we get [=]."),
            compute(
                "middle = a * e + b * c",
                f"The coefficient of <{v}> is [=].",
                f"For <{v}> we get [=].",
                faults=(
                    Fault(
                        "dropped_case",
                        "Each term of one bracket meets each of the other; the product of b and c is left out.",
                        formula="a * e",
                    ),
                    Fault(
                        "dropped_case",
                        "Each term of one bracket meets each of the other; one mixed product is left out.",
                        formula="b * c",
                    ),
                ),
            ),
            compute("constant = b * e", "The constant term is [=].", "Without the variable there is [=]."),
            state(f"So <([a:{v}] [b:+])([c:{v}] [e:+]) = [leading]{v}^2 [middle:+{v}] [constant:+]>."),
            compute("total = leading + middle + constant", "The coefficients add up to [=].", "Their sum is [=]."),
        ),
        answer="total",
        conclusion=("The sum of the coefficients is [total].", ""),
    )


def line_through_two_points(d: Draw) -> Problem:
    slope, intercept = d.other(-5, 6, 0), d.other(-12, 12, 0)
    x1, gap, x3 = d.other(-4, 5, 0), d.whole(2, 6), d.whole(8, 15)
    x2 = x1 + gap
    return Problem(
        question=(
            "A line goes through the points <([x1], [y1])> and <([x2], [y2])>. At which height does it pass over "
            "<x = [x3]>?",
            "The points <([x1], [y1])> and <([x2], [y2])> lie on a line. What is the <y>-coordinate of its point "
            "with <x = [x3]>?",
        ),
        given=numbers(x1=x1, y1=slope * x1 + intercept, x2=x2, y2=slope * x2 + intercept, x3=x3),
        points=({"x": Fraction(x3), "y": Fraction(slope * x3 + intercept)},),
        fractional=True,
        moves=(
            compute(
                "rise = y2 - y1",
                "The difference in height of the two points is [=].",
                "Between the points, the line rises by [=].",
            ),
            compute("run = x2 - x1", "Their horizontal distance is [=].", "To the side it moves by [=]."),
            compute(
                "slope = rise / run",
                "So the slope is [=].",
                "The slope of the line is [=].",
                faults=(
                    Fault(
                        "bad_rearrangement",
                        "The slope is the rise over the run; here the fraction is upside down.",
                        formula="run / rise",
                    ),
                ),
            ),
            compute(
                "intercept = y1 - slope * x1",
                "The line meets the vertical axis at [=].",
                "Its intercept is [=].",
                faults=(
                    Fault(
                        "bad_rearrangement",
                        "From y = slope * x + intercept the product must be subtracted; here it is added.",
                        formula="y1 + slope * x1",
                    ),
                ),
            ),
            compute("height = slope * x3 + intercept", "At <x = [x3]> the height is <y = [=]>.", "Hence <y = [=]>."),
        ),
        answer="height",
        conclusion=("The height is [height].", ""),
    )


def composed_functions(d: Draw) -> Problem:
    a, b, c, e, at = d.whole(2, 6), d.other(-9, 9, 0), d.whole(2, 5), d.other(-9, 9, 0), d.whole(-4, 6)
    outer_first = d.maybe(0.3)
    first, second = ("g", "f") if not outer_first else ("f", "g")
    f_move = "a * {} + b"
    g_move = "c * {} + e"
    one, two = (g_move, f_move) if not outer_first else (f_move, g_move)
    return Problem(
        question=(
            f"Let <f(x) = [a]x [b:+]> and <g(x) = [c]x [e:+]>. Find <{second}({first}([at])) + {first}([at])>.",
            f"For <f(x) = [a]x [b:+]> and <g(x) = [c]x [e:+]>, what is the sum of <{first}([at])> and "
            f"<{second}({first}([at]))>?",
        ),
        given=numbers(a=a, b=b, c=c, e=e, at=at),
        fractional=True,
        moves=(
            compute(
                f"inner = {one.format('at')}",
                f"The function {first} at [at] has the value [=].",
                f"Start inside: the value of {first} is [=].",
            ),
            compute(
                f"outer = {two.format('inner')}",
                f"Putting this into {second} gives [=].",
                f"The value of {second} at [inner] is [=].",
                faults=(
                    Fault(
                        "wrong_quantity",
                        "The outer function is applied to the first number, not to the value of the inner one.",
                        formula=two.format("at"),
                    ),
                ),
            ),
            compute("total = outer + inner", "The sum of both values is [=].", "Together they make [=]."),
        ),
        answer="total",
        conclusion=("The sum is [total].", ""),
    )


TEMPLATES = (
    value_of_a_polynomial,
    expansion,
    line_through_two_points,
    composed_functions,
)
