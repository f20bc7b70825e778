"""Word problems solved by an equation for an unknown number."""

from fractions import Fraction

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.model import Fault, Problem, compute, state
from stepreward.corpus.generate.templates.rearranging import kept_sign, not_divided


def sum_and_ratio(d: Draw) -> Problem:
    a, b = d.people(2)
    thing, v = d.thing(), d.letter()
    times, small, extra = d.whole(2, 6), d.whole(4, 40), d.whole(2, 20)
    total = small * (times + 1) + extra
    return Problem(
        question=(
            f"{a.name} and {b.name} have [total] {thing} together. {b.name} has [extra] more than [times] times "
            f"as many as {a.name}. How many {thing} does {b.name} have?",
            f"Together two friends own [total] {thing}. The number that {b.name} owns is [times] times {a.name}'s "
            f"number plus [extra]. How many belong to {b.name}?",
        ),
        given=numbers(total=total, times=times, extra=extra),
        points=({v: Fraction(small)},),
        moves=(
            state(
                f"Let <{v}> be the number of {thing} that {a.name} has. Then {b.name} has <[times]{v} + [extra]>, "
                f"so <{v} + [times]{v} + [extra] = [total]>.",
                f"If {a.name} has <{v}> {thing}, {b.name} has <[times]{v} + [extra]>. Both together: <{v} + "
                f"[times]{v} + [extra] = [total]>.",
            ),
            compute(
                "coefficient = times + 1",
                f"On the left side the number of <{v}> is [=].",
                f"The multiples of <{v}> are collected: [=].",
            ),
            compute(
                "rest = total - extra",
                f"Subtracting [extra] from both sides gives <[coefficient]{v} = [=]>.",
                f"Then <[coefficient]{v} = [=]>.",
                faults=kept_sign("total + extra"),
            ),
            compute(
                "small = rest / coefficient",
                f"So <{v} = [=]>.",
                f"Dividing by [coefficient]: <{v} = [=]>.",
                faults=not_divided("rest - coefficient"),
            ),
            compute("large = times * small + extra", f"{b.name} has [=] {thing}.", f"For {b.name} this gives [=]."),
        ),
        answer="large",
        conclusion=(f"{b.name} has [large] {thing}.", ""),
    )


def consecutive_numbers(d: Draw) -> Problem:
    v = d.letter()
    kind, gap = d.pick(
        ("consecutive whole numbers", 1),
        ("consecutive even numbers", 2),
        ("consecutive odd numbers", 2),
        ("consecutive multiples of 5", 5),
    )
    first = {
        "consecutive whole numbers": d.whole(3, 90),
        "consecutive even numbers": d.whole(2, 80, 2),
        "consecutive odd numbers": d.whole(3, 81, 2),
    }.get(kind, d.whole(5, 100, 5))
    return Problem(
        question=(
            f"The sum of three {kind} is [total]. What is the largest of them?",
            f"Three {kind} add up to [total]. Find the largest number.",
        ),
        given=numbers(total=3 * first + 3 * gap, gap=gap),
        points=({v: Fraction(first)},),
        moves=(
            state(
                f"Let the smallest number be <{v}>; the others are <{v} + [gap]> and <{v} + {2 * gap}>.",
                f"The numbers are <{v}>, <{v} + [gap]> and <{v} + {2 * gap}>, where <{v}> is the smallest.",
            ),
            compute(
                "constants = 3 * gap",
                f"The sum is <3{v} + [constants]>, since <{gap} + {2 * gap} = [constants]>, so <3{v} + "
                "[constants] = [total]>.",
            ),
            compute(
                "rest = total - constants",
                f"This means <3{v} = [=]>.",
                f"Subtracting [constants] from both sides, <3{v} = [=]>.",
                faults=kept_sign("total + constants"),
            ),
            compute(
                "first = rest / 3",
                f"So <{v} = [=]>.",
                f"Dividing by 3 gives <{v} = [=]>.",
                faults=not_divided("rest - 3"),
            ),
            compute("largest = first + 2 * gap", "The largest number is [=].", "The largest of the three is [=]."),
        ),
        answer="largest",
        conclusion=("The largest number is [largest].", ""),
    )


def parent_and_child(d: Draw) -> Problem:
    p = d.person()
    parent = d.pick("mother", "father", "teacher", "aunt", "uncle")
    v = d.letter()
    times, years = d.whole(2, 3), d.whole(2, 12)
    child = d.whole(5, 18)
    gap = (times - 1) * (child + years)
    return Problem(
        question=(
            f"{p.name}'s {parent} is [gap] years older than {p.name}. In [years] years the {parent} will be "
            f"[times] times as old as {p.name}. How old is the {parent} now?",
            f"The {parent} of {p.name} is older than {p.name} by [gap] years, and [years] years from now will be "
            f"exactly [times] times as old. What is the {parent}'s age today?",
        ),
        given=numbers(gap=gap, years=years, times=times),
        points=({v: Fraction(child)},),
        moves=(
            state(
                f"Let <{v}> be {p.name}'s age. In [years] years: <{v} + [gap] + [years] = [times]({v} + [years])>.",
                f"With <{v}> for the age of {p.name}, the condition is <{v} + [gap] + [years] = [times]({v} + "
                "[years])>.",
            ),
            compute(
                "left = gap + years",
                "The numbers on the left add up to [=].",
                f"On the left side, [=] is added to <{v}>.",
            ),
            compute(
                "right = times * years",
                f"The right side is <[times]{v} + [right]>, because [=].",
                "Multiplying out, the number on the right is [=].",
            ),
            compute(
                "rest = left - right",
                f"Collecting <{v}> on one side and numbers on the other: <[times]{v} - {v} = [=]>.",
                faults=kept_sign("left + right"),
            ),
            compute("child = rest / (times - 1)", f"So <{v} = [=]>."),
            compute(
                "age = child + gap",
                f"The {parent} is [=] years old.",
                f"Adding the difference, the {parent}'s age is [=].",
            ),
        ),
        answer="age",
        conclusion=(f"The {parent} is [age] years old.", ""),
    )


def what_was_there_first(d: Draw) -> Problem:
    p, thing, v = d.person(), d.thing(), d.letter()
    part, lost, left = d.pick(2, 3, 4, 5), d.whole(2, 20), d.whole(5, 60)
    while (lost + left) % (part - 1):
        left += 1
    first = (lost + left) * part // (part - 1)
    return Problem(
        question=(
            f"{p.name} gave away 1/[part] of {p.his} {thing} and then lost [lost]. Now {p.he} has [left]. How "
            f"many {thing} did {p.he} have at first?",
            f"After giving 1/[part] of {p.his} {thing} to a friend and losing another [lost], {p.name} is left "
            f"with [left] {thing}. How many were there in the beginning?",
        ),
        given=numbers(part=part, lost=lost, left=left),
        points=({v: Fraction(first)},),
        moves=(
            state(
                f"Let <{v}> be the number of {thing} at first. Then <{v} - {v} / [part] - [lost] = [left]>.",
                f"If there were <{v}> {thing}, then <{v} - {v} / [part] - [lost] = [left]>.",
            ),
            compute(
                "before_losing = left + lost",
                f"Adding [lost] to both sides: <{v} - {v} / [part] = [=]>.",
                f"So <{v} - {v} / [part] = [=]>.",
                faults=kept_sign("left - lost"),
            ),
            compute(
                "parts_kept = part - 1", "Of [part] parts, [=] are kept.", f"{p.name} keeps [=] of [part] equal parts."
            ),
            compute(
                "one_part = before_losing / parts_kept", f"One part is [=] {thing}.", f"Each part has [=] {thing}."
            ),
            compute(
                "first = one_part * part",
                f"Therefore <{v} = [=]>.",
                f"All [part] parts make <{v} = [=]>.",
                faults=(
                    Fault(
                        "bad_rearrangement",
                        "The whole is the part times their number; here it is added.",
                        formula="one_part + part",
                    ),
                ),
            ),
        ),
        answer="first",
        conclusion=(f"{p.name} had [first] {thing} at first.", ""),
    )


def heads_and_legs(d: Draw) -> Problem:
    p, v = d.person(), d.letter()
    four, two, place = d.pick(
        ("rabbits", "hens", "yard"),
        ("goats", "geese", "meadow"),
        ("tables", "two-legged stands", "workshop"),
        ("sheep", "ducks", "paddock"),
    )
    a, b = d.whole(4, 35), d.whole(4, 35)
    return Problem(
        question=(
            f"In {p.name}'s {place} there are [count] {four} and {two}. Together they have [legs] legs. How many "
            f"{four} are there?",
            f"{p.name} counts [count] {four} and {two} with [legs] legs in all in the {place}. How many of them "
            f"are {four}?",
        ),
        given=numbers(count=a + b, legs=4 * a + 2 * b),
        points=({v: Fraction(a)},),
        moves=(
            state(
                f"With <{v}> {four} there are <[count] - {v}> {two}, so <4{v} + 2([count] - {v}) = [legs]>.",
                f"Let <{v}> be the number of {four}. The legs give <4{v} + 2([count] - {v}) = [legs]>.",
            ),
            compute(
                "legs_at_two_each = 2 * count",
                "Expanding, the equation has the number [=] on its left side.",
                f"If all were {two}, there would be [=] legs.",
            ),
            compute(
                "rest = legs - legs_at_two_each",
                f"The left side is then <2{v} + [legs_at_two_each]>, hence <2{v} = [=]>.",
                f"This leaves <2{v} = [=]>.",
                faults=kept_sign("legs + legs_at_two_each"),
            ),
            compute(
                "fours = rest / 2", f"So <{v} = [=]>.", f"Half of it is <{v} = [=]>.", faults=not_divided("rest - 2")
            ),
        ),
        answer="fours",
        conclusion=(f"There are [fours] {four}.", ""),
    )


TEMPLATES = (
    sum_and_ratio,
    consecutive_numbers,
    parent_and_child,
    what_was_there_first,
    heads_and_legs,
)
