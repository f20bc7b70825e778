"""Probability and counting by cases."""

from fractions import Fraction
from math import comb

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.formula import single
from stepreward.corpus.generate.model import Fault, Problem, always, compute, find


def drawing_marbles(d: Draw) -> Problem:
    p, thing = d.person(), d.pick("marbles", "balls", "counters", "socks", "beads", "sweets")
    a, b, c = d.some(3, "red", "blue", "green", "white", "yellow", "black")
    x, y, z = d.whole(2, 7), d.whole(2, 7), d.whole(2, 7)
    return Problem(
        question=(
            f"A bag holds [first_color] {a}, [second_color] {b} and [third_color] {c} {thing}. {p.name} takes out "
            "two without looking. What is the probability that both have the same color?",
            f"{p.name} draws two {thing} at once from a bag with [first_color] {a}, [second_color] {b} and "
            f"[third_color] {c} ones. Find the probability that their colors agree.",
        ),
        given=numbers(first_color=x, second_color=y, third_color=z),
        fractional=True,
        moves=(
            compute(
                "all = first_color + second_color + third_color",
                f"There are [=] {thing}.",
                f"The bag holds [=] {thing} in all.",
            ),
            compute(
                "pairs = all * (all - 1) / 2",
                "The number of possible pairs is [=].",
                "Two of them can be chosen in [=] ways.",
            ),
            compute(
                "first_pairs = first_color * (first_color - 1) / 2",
                f"Of these, [=] pairs are {a}.",
                f"There are [=] pairs of two {a} ones.",
            ),
            compute(
                "second_pairs = second_color * (second_color - 1) / 2",
                f"[=] pairs are {b}.",
                f"For {b} it is [=] pairs.",
            ),
            compute(
                "third_pairs = third_color * (third_color - 1) / 2", f"[=] pairs are {c}.", f"For {c} it is [=] pairs."
            ),
            compute(
                "same = first_pairs + second_pairs + third_pairs",
                "So [=] pairs have one color.",
                "The favorable pairs number [=].",
            ),
            compute("probability = same / pairs", "The probability is [=].", "Dividing by all pairs gives [=]."),
        ),
        answer="probability",
        conclusion=("The probability is [probability].", ""),
    )


def sums_with_two_dice(d: Draw) -> Problem:
    p, low = d.person(), d.whole(7, 11)
    ways = {total: 6 - abs(total - 7) for total in range(2, 13)}
    sums = tuple(range(low, 13)) if low > 8 else tuple(range(low, low + 3))
    listed = ", ".join(map(str, sums[:-1])) + f" or {sums[-1]}"
    names = [f"ways_for_{total}" for total in sums]
    moves = [
        find(
            name,
            always(ways[total]),
            f"A sum of {total} can come up in [{name}] way{'s' * (ways[total] > 1)}.",
            f"The number of ways to get {total} is [{name}].",
        )
        for name, total in zip(names, sums, strict=True)
    ]
    return Problem(
        question=(
            f"{p.name} rolls two dice with six faces, [times] times. How often can a sum of {listed} be expected?",
            "Two ordinary dice are thrown [times] times. What is the expected number of throws with a sum of "
            f"{listed}?",
        ),
        given=numbers(times=36 * d.whole(1, 20)),
        constants=numbers(faces=6),
        fractional=True,
        moves=(
            compute(
                "outcomes = faces * faces",
                "Two dice have [=] equally likely outcomes.",
                "There are [=] outcomes in all.",
            ),
            *moves,
            compute(
                f"good = {' + '.join(names)}",
                "Together that is [=] outcomes.",
                "So [=] outcomes are favorable.",
                faults=_dropped_sums(names),
            ),
            compute("chance = good / outcomes", "The probability is [=].", "Their share of all outcomes is [=]."),
            compute("expected = times * chance", "The expected number is [=].", "In [times] throws we can expect [=]."),
        ),
        answer="expected",
        conclusion=("The expected number is [expected].", ""),
    )


def _dropped_sums(names: list[str]) -> tuple[Fault, ...]:
    """With two sums there is no total of three for `errors` to shorten."""
    return (Fault("dropped_case", "One of the sums is not counted.", formula=names[0]),) if len(names) == 2 else ()


def choosing_a_team(d: Draw) -> Problem:
    club = d.pick("a debate club", "a hiking group", "a choir", "a student council", "an orchestra", "a robotics team")
    boys, girls = d.whole(4, 8), d.whole(4, 8)
    at_least = d.maybe()
    whom = "at least two girls" if at_least else "one or two girls"
    return Problem(
        question=(
            f"From [boys] boys and [girls] girls in {club}, a team of three is chosen that has {whom}. How many teams "
            "are possible?",
            f"How many teams of three with {whom} can be formed from the [girls] girls and [boys] boys of {club}?",
        ),
        given=numbers(boys=boys, girls=girls),
        moves=(
            find(
                "pairs_of_girls",
                lambda env: Fraction(comb(int(single(env["girls"])), 2)),
                "Two girls can be chosen in [pairs_of_girls] ways.",
                "There are [pairs_of_girls] pairs of girls.",
            ),
            compute(
                "two_girls = pairs_of_girls * boys",
                "With one boy added, that makes [=] teams.",
                "Teams with exactly two girls: [=].",
            ),
            find(
                "other_teams",
                (lambda env: Fraction(comb(int(single(env["girls"])), 3)))
                if at_least
                else (lambda env: single(env["girls"]) * comb(int(single(env["boys"])), 2)),
                *(
                    ("Teams of three girls: [other_teams].",)
                    if at_least
                    else ("Teams with one girl and two boys: [other_teams].",)
                ),
            ),
            compute(
                "teams = two_girls + other_teams",
                "In total there are [=] teams.",
                "Both cases together give [=] teams.",
                faults=(
                    Fault("dropped_case", "Both cases count; one of them is left out.", formula="two_girls"),
                    Fault("dropped_case", "Both cases count; one of them is left out.", formula="other_teams"),
                ),
            ),
        ),
        answer="teams",
        conclusion=("There are [teams] possible teams.", ""),
    )


TEMPLATES = (
    drawing_marbles,
    sums_with_two_dice,
    choosing_a_team,
)
