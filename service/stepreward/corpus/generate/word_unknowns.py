"""Word problems solved by an equation for an unknown, which gives room for bad rearrangements."""

from fractions import Fraction

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.model import Fault, Move, Problem


def _moved_with_its_sign(formula: str) -> tuple[Fault, ...]:
    return (
        Fault("bad_rearrangement", "A term changes sides and must change its sign; here it keeps it.", formula=formula),
    )


def _turned_over(formula: str) -> tuple[Fault, ...]:
    return (
        Fault(
            "bad_rearrangement",
            "The factor of the unknown must be divided by; here it is multiplied or taken away.",
            formula=formula,
        ),
    )


def sum_and_ratio(d: Draw) -> Problem:
    a, b = d.people(2)
    thing, v = d.thing(), d.letter()
    times, small, extra = d.whole(2, 6), d.whole(4, 40), d.whole(2, 20)
    total = small * (times + 1) + extra
    return Problem(
        question=(
            f"{a.name} and {b.name} have [total] {thing} together. {b.name} has [extra] more than [times] times as many as {a.name}. How many {thing} does {b.name} have?",
            f"Together two friends own [total] {thing}. The number that {b.name} owns is [times] times {a.name}'s number plus [extra]. How many belong to {b.name}?",
        ),
        given=numbers(total=total, times=times, extra=extra),
        points=({v: Fraction(small)},),
        moves=(
            Move(
                None,
                None,
                (
                    f"Let <{v}> be the number of {thing} that {a.name} has. Then {b.name} has <[times]{v} + [extra]>, so <{v} + [times]{v} + [extra] = [total]>.",
                    f"If {a.name} has <{v}> {thing}, {b.name} has <[times]{v} + [extra]>. Both together: <{v} + [times]{v} + [extra] = [total]>.",
                ),
            ),
            Move(
                "coefficient",
                "times + 1",
                (f"On the left side the number of <{v}> is [=].", f"The multiples of <{v}> are collected: [=]."),
            ),
            Move(
                "rest",
                "total - extra",
                (
                    f"Subtracting [extra] from both sides gives <[coefficient]{v} = [=]>.",
                    f"Then <[coefficient]{v} = [=]>.",
                ),
                _moved_with_its_sign("total + extra"),
            ),
            Move(
                "small",
                "rest / coefficient",
                (f"So <{v} = [=]>.", f"Dividing by [coefficient]: <{v} = [=]>."),
                _turned_over("rest - coefficient"),
            ),
            Move("large", "times * small + extra", (f"{b.name} has [=] {thing}.", f"For {b.name} this gives [=].")),
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
            Move(
                None,
                None,
                (
                    f"Let the smallest number be <{v}>; the others are <{v} + [gap]> and <{v} + {2 * gap}>.",
                    f"The numbers are <{v}>, <{v} + [gap]> and <{v} + {2 * gap}>, where <{v}> is the smallest.",
                ),
            ),
            Move(
                "constants",
                "3 * gap",
                (
                    f"The sum is <3{v} + [constants]>, since <{gap} + {2 * gap} = [constants]>, so <3{v} + [constants] = [total]>.",
                ),
            ),
            Move(
                "rest",
                "total - constants",
                (f"This means <3{v} = [=]>.", f"Subtracting [constants] from both sides, <3{v} = [=]>."),
                _moved_with_its_sign("total + constants"),
            ),
            Move(
                "first", "rest / 3", (f"So <{v} = [=]>.", f"Dividing by 3 gives <{v} = [=]>."), _turned_over("rest - 3")
            ),
            Move("largest", "first + 2 * gap", ("The largest number is [=].", "The largest of the three is [=].")),
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
            f"{p.name}'s {parent} is [gap] years older than {p.name}. In [years] years the {parent} will be [times] times as old as {p.name}. How old is the {parent} now?",
            f"The {parent} of {p.name} is older than {p.name} by [gap] years, and [years] years from now will be exactly [times] times as old. What is the {parent}'s age today?",
        ),
        given=numbers(gap=gap, years=years, times=times),
        points=({v: Fraction(child)},),
        moves=(
            Move(
                None,
                None,
                (
                    f"Let <{v}> be {p.name}'s age. In [years] years: <{v} + [gap] + [years] = [times]({v} + [years])>.",
                    f"With <{v}> for the age of {p.name}, the condition is <{v} + [gap] + [years] = [times]({v} + [years])>.",
                ),
            ),
            Move(
                "left",
                "gap + years",
                ("The numbers on the left add up to [=].", f"On the left side, [=] is added to <{v}>."),
            ),
            Move(
                "right",
                "times * years",
                (
                    f"The right side is <[times]{v} + [right]>, because [=].",
                    "Multiplying out, the number on the right is [=].",
                ),
            ),
            Move(
                "rest",
                "left - right",
                (f"Collecting <{v}> on one side and numbers on the other: <[times]{v} - {v} = [=]>.",),
                _moved_with_its_sign("left + right"),
            ),
            Move("child", "rest / (times - 1)", (f"So <{v} = [=]>.",)),
            Move(
                "age",
                "child + gap",
                (f"The {parent} is [=] years old.", f"Adding the difference, the {parent}'s age is [=]."),
            ),
        ),
        answer="age",
        conclusion=(f"The {parent} is [age] years old.", ""),
    )


def two_kinds_of_tickets(d: Draw) -> Problem:
    event = d.pick(
        "a school play", "a football match", "a magic show", "a flower show", "a choir concert", "a film premiere"
    )
    v = d.letter()
    adult, child = d.whole(8, 20), d.whole(3, 7)
    adults, children = d.whole(10, 90), d.whole(10, 90)
    return Problem(
        question=(
            f"For {event}, [count] tickets were sold for [income] in total. A ticket costs [adult] for adults and [child] for children. How many adults came?",
            f"Adults pay [adult] and children pay [child] at {event}. With [count] visitors, [income] was taken in. Find the number of adults.",
        ),
        given=numbers(count=adults + children, income=adults * adult + children * child, adult=adult, child=child),
        money=frozenset({"adult", "child", "income", "if_all_children", "difference", "per_adult"}),
        points=({v: Fraction(adults)},),
        moves=(
            Move(
                None,
                None,
                (
                    f"Let <{v}> be the number of adults, so that there are <[count] - {v}> children. Then <[adult:bare]{v} + [child:bare]([count] - {v}) = [income:bare]>.",
                ),
            ),
            Move(
                "if_all_children",
                "child * count",
                (
                    "Multiplying out, the number in the bracket becomes [=].",
                    "If everybody were a child, the income would be [=].",
                ),
            ),
            Move(
                "per_adult",
                "adult - child",
                (f"The factor of <{v}> is [=].", "Each adult pays more by [=]."),
                (
                    Fault(
                        "bad_rearrangement",
                        "The bracket is subtracted in part, so the child's price must be taken from the adult's; here it is added.",
                        formula="adult + child",
                    ),
                ),
            ),
            Move(
                "difference",
                "income - if_all_children",
                (f"So <[per_adult:bare]{v}> must be [=].", "The part of the income beyond that is [=]."),
                _moved_with_its_sign("income + if_all_children"),
            ),
            Move(
                "adults",
                "difference / per_adult",
                (f"Therefore <{v} = [=]>.", f"Dividing, <{v} = [=]>."),
                _turned_over("difference - per_adult"),
            ),
        ),
        answer="adults",
        conclusion=("There were [adults] adults.", "The number of adults is [adults]."),
    )


def what_was_there_first(d: Draw) -> Problem:
    p, thing, v = d.person(), d.thing(), d.letter()
    part, lost, left = d.pick(2, 3, 4, 5), d.whole(2, 20), d.whole(5, 60)
    while (lost + left) % (part - 1):
        left += 1
    first = (lost + left) * part // (part - 1)
    return Problem(
        question=(
            f"{p.name} gave away 1/[part] of {p.his} {thing} and then lost [lost]. Now {p.he} has [left]. How many {thing} did {p.he} have at first?",
            f"After giving 1/[part] of {p.his} {thing} to a friend and losing another [lost], {p.name} is left with [left] {thing}. How many were there in the beginning?",
        ),
        given=numbers(part=part, lost=lost, left=left),
        points=({v: Fraction(first)},),
        moves=(
            Move(
                None,
                None,
                (
                    f"Let <{v}> be the number of {thing} at first. Then <{v} - {v} / [part] - [lost] = [left]>.",
                    f"If there were <{v}> {thing}, then <{v} - {v} / [part] - [lost] = [left]>.",
                ),
            ),
            Move(
                "before_losing",
                "left + lost",
                (f"Adding [lost] to both sides: <{v} - {v} / [part] = [=]>.", f"So <{v} - {v} / [part] = [=]>."),
                _moved_with_its_sign("left - lost"),
            ),
            Move(
                "parts_kept",
                "part - 1",
                ("Of [part] parts, [=] are kept.", f"{p.name} keeps [=] of [part] equal parts."),
            ),
            Move(
                "one_part", "before_losing / parts_kept", (f"One part is [=] {thing}.", f"Each part has [=] {thing}.")
            ),
            Move(
                "first",
                "one_part * part",
                (f"Therefore <{v} = [=]>.", f"All [part] parts make <{v} = [=]>."),
                _turned_over("one_part + part"),
            ),
        ),
        answer="first",
        conclusion=(f"{p.name} had [first] {thing} at first.", ""),
    )


def break_even(d: Draw) -> Problem:
    service, unit = d.pick(
        ("taxi", "kilometer"),
        ("bike rental", "hour"),
        ("copy shop", "poster"),
        ("plumber", "hour"),
        ("studio", "session"),
    )
    a, b = d.some(2, "Blue", "Swift", "Star", "City", "Metro", "Prime", "Delta")
    v = d.letter()
    low_fee, low_rate = d.whole(2, 20), d.whole(2, 9)
    extra, units = d.whole(1, 6), d.whole(3, 25)
    return Problem(
        question=(
            f"{service.capitalize()} {a} charges a fixed fee of [fee_a] and [rate_a] per {unit}. {service.capitalize()} {b} charges a fee of [fee_b] and [rate_b] per {unit}. For how many {unit}s "
            "do both cost the same, and how much do they cost then? Give the cost.",
            f"A {service} called {a} costs [fee_a] plus [rate_a] for every {unit}; one called {b} costs [fee_b] plus [rate_b] for every {unit}. What is the price at the point where both are equally expensive?",
        ),
        given=numbers(fee_a=low_fee, rate_a=low_rate + extra, fee_b=low_fee + extra * units, rate_b=low_rate),
        money=frozenset({"fee_a", "rate_a", "fee_b", "rate_b", "rate_difference", "fee_difference", "cost"}),
        points=({v: Fraction(units)},),
        moves=(
            Move(
                None,
                None,
                (
                    f"For <{v}> {unit}s the costs are equal if <[fee_a:bare] + [rate_a:bare]{v} = [fee_b:bare] + [rate_b:bare]{v}>.",
                    f"Set both costs equal: <[rate_a:bare]{v} + [fee_a:bare] = [rate_b:bare]{v} + [fee_b:bare]>.",
                ),
            ),
            Move(
                "rate_difference",
                "rate_a - rate_b",
                (f"Bringing the terms with <{v}> to the left, their factor is [=].",),
                _moved_with_its_sign("rate_a + rate_b"),
            ),
            Move(
                "fee_difference",
                "fee_b - fee_a",
                ("On the right, the numbers give [=].", "The fees differ by [=]."),
                _moved_with_its_sign("fee_b + fee_a"),
            ),
            Move("units", "fee_difference / rate_difference", (f"So <{v} = [=]>.", f"Dividing gives <{v} = [=]>.")),
            Move(
                "cost",
                "fee_a + rate_a * units",
                (f"For [units] {unit}s, {a} costs [=].", "The cost at this point is [=]."),
            ),
        ),
        answer="cost",
        conclusion=("Both cost [cost].", ""),
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
            f"In {p.name}'s {place} there are [count] {four} and {two}. Together they have [legs] legs. How many {four} are there?",
            f"{p.name} counts [count] {four} and {two} with [legs] legs in all in the {place}. How many of them are {four}?",
        ),
        given=numbers(count=a + b, legs=4 * a + 2 * b),
        points=({v: Fraction(a)},),
        moves=(
            Move(
                None,
                None,
                (
                    f"With <{v}> {four} there are <[count] - {v}> {two}, so <4{v} + 2([count] - {v}) = [legs]>.",
                    f"Let <{v}> be the number of {four}. The legs give <4{v} + 2([count] - {v}) = [legs]>.",
                ),
            ),
            Move(
                "legs_at_two_each",
                "2 * count",
                (
                    "Expanding, the equation has the number [=] on its left side.",
                    f"If all were {two}, there would be [=] legs.",
                ),
            ),
            Move(
                "rest",
                "legs - legs_at_two_each",
                (
                    f"The left side is then <2{v} + [legs_at_two_each]>, hence <2{v} = [=]>.",
                    f"This leaves <2{v} = [=]>.",
                ),
                _moved_with_its_sign("legs + legs_at_two_each"),
            ),
            Move("fours", "rest / 2", (f"So <{v} = [=]>.", f"Half of it is <{v} = [=]>."), _turned_over("rest - 2")),
        ),
        answer="fours",
        conclusion=(f"There are [fours] {four}.", ""),
    )


def price_before_discount(d: Draw) -> Problem:
    p, v = d.person(), d.letter()
    item = d.pick("coat", "table", "sleeping bag", "microscope", "violin", "suitcase", "carpet", "tennis racket")
    percent, hundreds, count = d.pick(10, 20, 25, 30, 40), d.whole(2, 16), d.whole(2, 4)
    price = hundreds * 20
    return Problem(
        question=(
            f"After a discount of [percent]%, {p.name} pays [paid] for a {item}. What would [count] such {item}s have cost before the discount?",
            f"A {item} is reduced by [percent]% and now costs [paid]. How many dollars did [count] of them cost at the old price?",
        ),
        given=numbers(percent=percent, paid=Fraction(price * (100 - percent), 100), count=count),
        money=frozenset({"paid", "one_percent", "price", "cost"}),
        points=({v: Fraction(price)},),
        moves=(
            Move(
                "remaining",
                "100 - percent",
                (
                    f"The {item} still costs [=] percent of the old price <{v}>.",
                    f"If <{v}> is the old price, what is paid is [=] percent of it.",
                ),
                (
                    Fault(
                        "bad_rearrangement",
                        "A discount leaves less than the whole price; it must be subtracted from 100 percent.",
                        formula="100 + percent",
                    ),
                ),
            ),
            Move("one_percent", "paid / remaining", ("One percent of the old price is [=].", "So one percent is [=].")),
            Move("price", "one_percent * 100", ("The old price was [=].", f"Therefore <{v}> is [=].")),
            Move("cost", "price * count", (f"[count] {item}s cost [=].", "For [count] of them this makes [=].")),
        ),
        answer="cost",
        conclusion=("They would have cost [cost].", ""),
    )


def mixing(d: Draw) -> Problem:
    p, v = d.person(), d.letter()
    cheap, dear, what = d.pick(
        ("raisins", "almonds", "trail mix"),
        ("black tea", "green tea", "tea blend"),
        ("peanuts", "cashews", "nut mix"),
        ("oats", "dried berries", "muesli"),
    )
    low, high = d.whole(3, 8), d.whole(10, 18)
    x, y = d.whole(2, 20), d.whole(2, 20)
    total, value = x + y, low * x + high * y
    return Problem(
        question=(
            f"{p.name} mixes {cheap} at [low] per kilogram with {dear} at [high] per kilogram. The [total] kilograms of {what} are worth [value]. How many kilograms of {dear} are in it?",
            f"[total] kilograms of {what} worth [value] are made of {cheap} ([low] per kilogram) and {dear} ([high] per kilogram). How many kilograms of {dear} did {p.name} take?",
        ),
        given=numbers(low=low, high=high, total=total, value=value),
        money=frozenset({"low", "high", "value", "cheap_value", "difference", "surplus"}),
        points=({v: Fraction(y)},),
        moves=(
            Move(
                None,
                None,
                (
                    f"Let <{v}> be the kilograms of {dear}; there are <[total] - {v}> kilograms of {cheap}. So <[high:bare]{v} + [low:bare]([total] - {v}) = [value:bare]>.",
                ),
            ),
            Move(
                "cheap_value",
                "low * total",
                (
                    f"[total] kilograms of {cheap} alone would be worth [=].",
                    "Multiplying out, the constant term is [=].",
                ),
            ),
            Move(
                "surplus",
                "value - cheap_value",
                ("The mix is worth more than that by [=].", "Taking this to the right side leaves [=]."),
                _moved_with_its_sign("value + cheap_value"),
            ),
            Move("difference", "high - low", (f"Every kilogram of {dear} adds [=].", f"The factor of <{v}> is [=].")),
            Move(
                "kilograms",
                "surplus / difference",
                (f"Hence <{v} = [=]>.", f"So <{v} = [=]>."),
                _turned_over("surplus - difference"),
            ),
        ),
        answer="kilograms",
        conclusion=(f"There are [kilograms] kilograms of {dear}.", ""),
    )


TEMPLATES = (
    sum_and_ratio,
    consecutive_numbers,
    parent_and_child,
    two_kinds_of_tickets,
    what_was_there_first,
    break_even,
    heads_and_legs,
    price_before_discount,
    mixing,
)
