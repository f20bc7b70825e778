"""Algebra without an unknown to find: values of expressions, sequences, lines, functions, expansions."""

from fractions import Fraction

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.model import Fault, Move, Problem

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
            Move("square", "at ** 2", (f"First, <{v}^2 = [=]>.", f"The square is <{v}^2 = [=]>.")),
            Move("quadratic", "a * square", (f"So the first term is <[a]{v}^2 = [=]>.", f"Then <[a]{v}^2 = [=]>.")),
            Move("linear", "b * at", (f"The second term is <[b:{v}] = [=]>.", f"Next, <[b:{v}] = [=]>.")),
            Move(
                "total", "quadratic + linear + c", ("Adding all terms gives [=].", "Together with the constant, [=].")
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
            Move("leading", "a * c", (f"The coefficient of <{v}^2> is [=].", f"For <{v}^2> we get [=].")),
            Move(
                "middle",
                "a * e + b * c",
                (f"The coefficient of <{v}> is [=].", f"For <{v}> we get [=]."),
                (
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
            Move("constant", "b * e", ("The constant term is [=].", "Without the variable there is [=].")),
            Move(None, None, (f"So <([a:{v}] [b:+])([c:{v}] [e:+]) = [leading]{v}^2 [middle:+{v}] [constant:+]>.",)),
            Move("total", "leading + middle + constant", ("The coefficients add up to [=].", "Their sum is [=].")),
        ),
        answer="total",
        conclusion=("The sum of the coefficients is [total].", ""),
    )


def arithmetic_sequence(d: Draw) -> Problem:
    first, step, count = d.whole(1, 30), d.whole(2, 12), d.whole(8, 40, 2)
    scene = d.pick(
        "An arithmetic sequence",
        "A list of numbers in which every number exceeds the one before by the same amount",
        "A sequence with a constant difference",
    )
    return Problem(
        question=(
            f"{scene} begins with [first], [second], [third]. What is the sum of its first [count] terms?",
            f"{scene} starts [first], [second], [third] and goes on in the same way. Find the sum of the first [count] numbers.",
        ),
        given=numbers(first=first, second=first + step, third=first + 2 * step, count=count),
        moves=(
            Move("step", "second - first", ("The common difference is [=].", "From term to term it grows by [=].")),
            Move(
                "last",
                "first + (count - 1) * step",
                ("The last of these terms is [=].", "Term number [count] is [=]."),
                (
                    Fault(
                        "wrong_quantity",
                        "Up to the last term there are count - 1 differences, not count.",
                        formula="first + count * step",
                    ),
                ),
            ),
            Move("ends", "first + last", ("The first and the last term add up to [=].", "First plus last is [=].")),
            Move("pairs", "count / 2", ("There are [=] such pairs.", "The terms form [=] pairs with this sum.")),
            Move("total", "pairs * ends", ("The sum of all terms is [=].", "So the total is [=].")),
        ),
        answer="total",
        conclusion=("The sum is [total].", ""),
    )


def geometric_sequence(d: Draw) -> Problem:
    what, verb = d.pick(
        ("a colony of bacteria", "cells"),
        ("a chain letter", "readers"),
        ("a pond plant", "leaves"),
        ("a rumor", "listeners"),
    )
    first, ratio, days = d.whole(2, 12), d.whole(2, 4), d.whole(3, 6)
    removed = d.whole(1, 15)
    return Problem(
        question=(
            f"On the first day {what} has [first] {verb}, and on every day after that [ratio] times as many as on the day before. How many {verb} are there on day [day], after [removed] are taken away?",
            f"The number of {verb} of {what} is multiplied by [ratio] every day, beginning with [first] on day 1. On day [day], [removed] {verb} drop out. How many remain?",
        ),
        given=numbers(first=first, ratio=ratio, day=days + 1, removed=removed),
        moves=(
            Move(
                "times",
                "day - 1",
                ("Up to that day the number is multiplied [=] times.", "There are [=] multiplications."),
            ),
            Move("factor", "ratio ** times", ("That is a factor of [=].", "All of them together multiply by [=].")),
            Move("many", "first * factor", (f"So there are [=] {verb}.", f"The number of {verb} grows to [=].")),
            Move("left", "many - removed", ("After that, [=] remain.", f"This leaves [=] {verb}.")),
        ),
        answer="left",
        conclusion=(f"There are [left] {verb}.", ""),
    )


def line_through_two_points(d: Draw) -> Problem:
    slope, intercept = d.other(-5, 6, 0), d.other(-12, 12, 0)
    x1, gap, x3 = d.other(-4, 5, 0), d.whole(2, 6), d.whole(8, 15)
    x2 = x1 + gap
    return Problem(
        question=(
            "A line goes through the points <([x1], [y1])> and <([x2], [y2])>. At which height does it pass over <x = [x3]>?",
            "The points <([x1], [y1])> and <([x2], [y2])> lie on a line. What is the <y>-coordinate of its point with <x = [x3]>?",
        ),
        given=numbers(x1=x1, y1=slope * x1 + intercept, x2=x2, y2=slope * x2 + intercept, x3=x3),
        points=({"x": Fraction(x3), "y": Fraction(slope * x3 + intercept)},),
        fractional=True,
        moves=(
            Move(
                "rise",
                "y2 - y1",
                ("The difference in height of the two points is [=].", "Between the points, the line rises by [=]."),
            ),
            Move("run", "x2 - x1", ("Their horizontal distance is [=].", "To the side it moves by [=].")),
            Move(
                "slope",
                "rise / run",
                ("So the slope is [=].", "The slope of the line is [=]."),
                (
                    Fault(
                        "bad_rearrangement",
                        "The slope is the rise over the run; here the fraction is upside down.",
                        formula="run / rise",
                    ),
                ),
            ),
            Move(
                "intercept",
                "y1 - slope * x1",
                ("The line meets the vertical axis at [=].", "Its intercept is [=]."),
                (
                    Fault(
                        "bad_rearrangement",
                        "From y = slope * x + intercept the product must be subtracted; here it is added.",
                        formula="y1 + slope * x1",
                    ),
                ),
            ),
            Move("height", "slope * x3 + intercept", ("At <x = [x3]> the height is <y = [=]>.", "Hence <y = [=]>.")),
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
            f"For <f(x) = [a]x [b:+]> and <g(x) = [c]x [e:+]>, what is the sum of <{first}([at])> and <{second}({first}([at]))>?",
        ),
        given=numbers(a=a, b=b, c=c, e=e, at=at),
        fractional=True,
        moves=(
            Move(
                "inner",
                one.format("at"),
                (f"The function {first} at [at] has the value [=].", f"Start inside: the value of {first} is [=]."),
            ),
            Move(
                "outer",
                two.format("inner"),
                (f"Putting this into {second} gives [=].", f"The value of {second} at [inner] is [=]."),
                (
                    Fault(
                        "wrong_quantity",
                        "The outer function is applied to the first number, not to the value of the inner one.",
                        formula=two.format("at"),
                    ),
                ),
            ),
            Move("total", "outer + inner", ("The sum of both values is [=].", "Together they make [=].")),
        ),
        answer="total",
        conclusion=("The sum is [total].", ""),
    )


def weighted_mean(d: Draw) -> Problem:
    p = d.person()
    test, final = d.pick(("quizzes", "exam"), ("reports", "presentation"), ("homework sheets", "final test"))
    count, mean, weight = d.whole(3, 7), d.whole(60, 92), d.whole(2, 4)
    score = d.whole(60, 100)
    while (count * mean + weight * score) % (count + weight):
        score = d.whole(50, 100)
        mean = d.whole(60, 92)
    return Problem(
        question=(
            f"The mean of {p.name}'s [count] {test} is [mean] points. The {final}, with [score] points, counts like [weight] {test}. What is {p.name}'s overall mean?",
            f"{p.name} has a mean of [mean] points on [count] {test} and [score] points in the {final}, which has the weight of [weight] {test}. Find the weighted mean.",
        ),
        given=numbers(count=count, mean=mean, score=score, weight=weight),
        moves=(
            Move(
                "points",
                "count * mean",
                (f"The {test} add up to [=] points.", f"For the {test}, the sum is [=] points."),
            ),
            Move(
                "weighted",
                "weight * score",
                (f"The {final} contributes [=] points.", f"Counted [weight] times, the {final} gives [=]."),
            ),
            Move("total", "points + weighted", ("In total there are [=] points.", "The sum of everything is [=].")),
            Move("parts", "count + weight", ("They are spread over [=] parts.", "The weights add up to [=].")),
            Move("overall", "total / parts", ("The overall mean is [=].", "Dividing gives a mean of [=].")),
        ),
        answer="overall",
        conclusion=("The overall mean is [overall].", ""),
    )


def missing_score(d: Draw) -> Problem:
    p, game = (
        d.person(),
        d.pick("rounds of a card game", "bowling games", "math tests", "rounds of golf", "dance contests"),
    )
    a, b, c, goal = d.whole(60, 95), d.whole(60, 95), d.whole(60, 95), d.whole(75, 92)
    while not 20 <= 4 * goal - a - b - c <= 110:
        goal = d.whole(70, 92)
    return Problem(
        question=(
            f"In three {game}, {p.name} scored [a], [b] and [c] points. How many points must {p.he} score the fourth time to reach a mean of [goal]?",
            f"{p.name} wants a mean of [goal] points over four {game}. The first three brought [a], [b] and [c] points. What is needed in the fourth?",
        ),
        given=numbers(a=a, b=b, c=c, goal=goal),
        moves=(
            Move(
                "needed", "goal * 4", ("For this mean, the four scores must add up to [=].", "The total has to be [=].")
            ),
            Move("so_far", "a + b + c", ("So far there are [=] points.", f"{p.name} already has [=] points.")),
            Move(
                "fourth",
                "needed - so_far",
                ("The fourth score must be [=].", f"What {p.he} still needs is [=]."),
            ),
        ),
        answer="fourth",
        conclusion=(f"{p.name} needs [fourth] points.", ""),
    )


TEMPLATES = (
    value_of_a_polynomial,
    expansion,
    arithmetic_sequence,
    geometric_sequence,
    line_through_two_points,
    composed_functions,
    weighted_mean,
    missing_score,
)
