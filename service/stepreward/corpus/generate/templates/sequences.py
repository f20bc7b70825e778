"""Sequences, growth and means."""

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.model import Fault, Problem, compute


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
            f"{scene} starts [first], [second], [third] and goes on in the same way. Find the sum of the first "
            "[count] numbers.",
        ),
        given=numbers(first=first, second=first + step, third=first + 2 * step, count=count),
        moves=(
            compute("step = second - first", "The common difference is [=].", "From term to term it grows by [=]."),
            compute(
                "last = first + (count - 1) * step",
                "The last of these terms is [=].",
                "Term number [count] is [=].",
                faults=(
                    Fault(
                        "wrong_quantity",
                        "Up to the last term there are count - 1 differences, not count.",
                        formula="first + count * step",
                    ),
                ),
            ),
            compute("ends = first + last", "The first and the last term add up to [=].", "First plus last is [=]."),
            compute("pairs = count / 2", "There are [=] such pairs.", "The terms form [=] pairs with this sum."),
            compute("total = pairs * ends", "The sum of all terms is [=].", "So the total is [=]."),
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
    removed = d.whole(2, 15)
    return Problem(
        question=(
            f"On the first day {what} has [first] {verb}, and on every day after that [ratio] times as many as on "
            f"the day before. How many {verb} are there on day [day], after [removed] are taken away?",
            f"The number of {verb} of {what} is multiplied by [ratio] every day, beginning with [first] on day 1. "
            f"On day [day], [removed] {verb} drop out. How many remain?",
        ),
        given=numbers(first=first, ratio=ratio, day=days + 1, removed=removed),
        moves=(
            compute(
                "times = day - 1",
                "Up to that day the number is multiplied [=] times.",
                "There are [=] multiplications.",
            ),
            compute("factor = ratio ** times", "That is a factor of [=].", "All of them together multiply by [=]."),
            compute("many = first * factor", f"So there are [=] {verb}.", f"The number of {verb} grows to [=]."),
            compute("left = many - removed", "After that, [=] remain.", f"This leaves [=] {verb}."),
        ),
        answer="left",
        conclusion=(f"There are [left] {verb}.", ""),
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
            f"The mean of {p.name}'s [count] {test} is [mean] points. The {final}, with [score] points, counts "
            f"like [weight] {test}. What is {p.name}'s overall mean?",
            f"{p.name} has a mean of [mean] points on [count] {test} and [score] points in the {final}, which has "
            f"the weight of [weight] {test}. Find the weighted mean.",
        ),
        given=numbers(count=count, mean=mean, score=score, weight=weight),
        moves=(
            compute(
                "points = count * mean", f"The {test} add up to [=] points.", f"For the {test}, the sum is [=] points."
            ),
            compute(
                "weighted = weight * score",
                f"The {final} contributes [=] points.",
                f"Counted [weight] times, the {final} gives [=].",
            ),
            compute("total = points + weighted", "In total there are [=] points.", "The sum of everything is [=]."),
            compute("parts = count + weight", "They are spread over [=] parts.", "The weights add up to [=]."),
            compute("overall = total / parts", "The overall mean is [=].", "Dividing gives a mean of [=]."),
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
            f"In three {game}, {p.name} scored [first_score], [second_score] and [third_score] points. How many "
            f"points must {p.he} score the fourth time to reach a mean of [goal_for_the_mean]?",
            f"{p.name} wants a mean of [goal_for_the_mean] points over four {game}. The first three brought "
            "[first_score], [second_score] and [third_score] points. What is needed in the fourth?",
        ),
        given=numbers(first_score=a, second_score=b, third_score=c, goal_for_the_mean=goal),
        moves=(
            compute(
                "needed = goal_for_the_mean * 4",
                "For this mean, the four scores must add up to [=].",
                "The total has to be [=].",
            ),
            compute(
                "so_far = first_score + second_score + third_score",
                "So far there are [=] points.",
                f"{p.name} already has [=] points.",
            ),
            compute("fourth = needed - so_far", "The fourth score must be [=].", f"What {p.he} still needs is [=]."),
        ),
        answer="fourth",
        conclusion=(f"{p.name} needs [fourth] points.", ""),
    )


TEMPLATES = (
    arithmetic_sequence,
    geometric_sequence,
    weighted_mean,
    missing_score,
)
