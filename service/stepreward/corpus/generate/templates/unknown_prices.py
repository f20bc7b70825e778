"""Word problems about money solved by an equation."""

from fractions import Fraction

from stepreward.corpus.generate.draw import Draw, named, numbers
from stepreward.corpus.generate.model import Fault, Problem, compute, state
from stepreward.corpus.generate.templates.rearranging import kept_sign, not_divided


def two_kinds_of_tickets(d: Draw) -> Problem:
    event = d.pick(
        "a school play", "a football match", "a magic show", "a flower show", "a choir concert", "a film premiere"
    )
    v = d.letter()
    adult, child = d.whole(8, 20), d.whole(3, 7)
    adults, children = d.whole(10, 90), d.whole(10, 90)
    return Problem(
        question=(
            f"For {event}, [count] tickets were sold for [income] in total. A ticket costs [adult] for adults and "
            "[child] for children. How many adults came?",
            f"Adults pay [adult] and children pay [child] at {event}. With [count] visitors, [income] was taken "
            "in. Find the number of adults.",
        ),
        given=numbers(count=adults + children, income=adults * adult + children * child, adult=adult, child=child),
        money=named("adult child income if_all_children difference per_adult"),
        points=({v: Fraction(adults)},),
        moves=(
            state(
                f"Let <{v}> be the number of adults, so that there are <[count] - {v}> children. Then "
                f"<[adult:bare]{v} + [child:bare]([count] - {v}) = [income:bare]>."
            ),
            compute(
                "if_all_children = child * count",
                "Multiplying out the bracket, the number in it becomes [=].",
                "If everybody were a child, the income would be [=].",
            ),
            compute(
                "per_adult = adult - child",
                f"The factor of <{v}> is [=].",
                "Each adult pays more by [=].",
                faults=(
                    Fault(
                        "bad_rearrangement",
                        "The bracket is subtracted in part, so the child's price must be taken from the adult's; "
                        "here it is added.",
                        formula="adult + child",
                    ),
                ),
            ),
            compute(
                "difference = income - if_all_children",
                f"So <[per_adult:bare]{v}> must be [=].",
                "The part of the income beyond that is [=].",
                faults=kept_sign("income + if_all_children"),
            ),
            compute(
                "adults = difference / per_adult",
                f"Therefore <{v} = [=]>.",
                f"Dividing, <{v} = [=]>.",
                faults=not_divided("difference - per_adult"),
            ),
        ),
        answer="adults",
        conclusion=("There were [adults] adults.", "The number of adults is [adults]."),
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
            f"{service.capitalize()} {a} charges a fixed fee of [fee_a] and [rate_a] per {unit}. "
            f"{service.capitalize()} {b} charges a fee of [fee_b] and [rate_b] per {unit}. For how many {unit}s "
            "do both cost the same, and how much do they cost then? Give the cost.",
            f"A {service} called {a} costs [fee_a] plus [rate_a] for every {unit}; one called {b} costs [fee_b] "
            f"plus [rate_b] for every {unit}. What is the price at the point where both are equally expensive?",
        ),
        given=numbers(fee_a=low_fee, rate_a=low_rate + extra, fee_b=low_fee + extra * units, rate_b=low_rate),
        money=named("fee_a rate_a fee_b rate_b rate_difference fee_difference cost"),
        points=({v: Fraction(units)},),
        moves=(
            state(
                f"For <{v}> {unit}s the costs are equal if <[fee_a:bare] + [rate_a:bare]{v} = [fee_b:bare] + "
                f"[rate_b:bare]{v}>.",
                f"Set both costs equal: <[rate_a:bare]{v} + [fee_a:bare] = [rate_b:bare]{v} + [fee_b:bare]>.",
            ),
            compute(
                "rate_difference = rate_a - rate_b",
                f"Bringing the terms with <{v}> to the left, their factor is [=].",
                faults=kept_sign("rate_a + rate_b"),
            ),
            compute(
                "fee_difference = fee_b - fee_a",
                "On the right, the numbers give [=].",
                "The fees differ by [=].",
                faults=kept_sign("fee_b + fee_a"),
            ),
            compute("units = fee_difference / rate_difference", f"So <{v} = [=]>.", f"Dividing gives <{v} = [=]>."),
            compute(
                "cost = fee_a + rate_a * units",
                f"For [units] {unit}s, {a} costs [=].",
                "The cost at this point is [=].",
            ),
        ),
        answer="cost",
        conclusion=("Both cost [cost].", ""),
    )


def price_before_discount(d: Draw) -> Problem:
    p, v = d.person(), d.letter()
    item = d.pick("coat", "table", "sleeping bag", "microscope", "violin", "suitcase", "carpet", "tennis racket")
    percent, hundreds, count = d.pick(10, 20, 25, 30, 40), d.whole(2, 16), d.whole(2, 4)
    price = hundreds * 20
    return Problem(
        question=(
            f"After a discount of [percent]%, {p.name} pays [paid] for a {item}. What would [count] such {item}s "
            "have cost before the discount?",
            f"A {item} is reduced by [percent]% and now costs [paid]. How many dollars did [count] of them cost "
            "at the old price?",
        ),
        given=numbers(percent=percent, paid=Fraction(price * (100 - percent), 100), count=count),
        money=named("paid one_percent price cost"),
        points=({v: Fraction(price)},),
        moves=(
            compute(
                "remaining = 100 - percent",
                f"The {item} still costs [=] percent of the old price <{v}>.",
                f"If <{v}> is the old price, what is paid is [=] percent of it.",
                faults=(
                    Fault(
                        "bad_rearrangement",
                        "A discount leaves less than the whole price; it must be subtracted from 100 percent.",
                        formula="100 + percent",
                    ),
                ),
            ),
            compute("one_percent = paid / remaining", "One percent of the old price is [=].", "So one percent is [=]."),
            compute("price = one_percent * 100", "The old price was [=].", f"Therefore <{v}> is [=]."),
            compute("cost = price * count", f"[count] {item}s cost [=].", "For [count] of them this makes [=]."),
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
            f"{p.name} mixes {cheap} at [low] per kilogram with {dear} at [high] per kilogram. The [total] "
            f"kilograms of {what} are worth [value]. How many kilograms of {dear} are in it?",
            f"[total] kilograms of {what} worth [value] are made of {cheap} ([low] per kilogram) and {dear} "
            f"([high] per kilogram). How many kilograms of {dear} did {p.name} take?",
        ),
        given=numbers(low=low, high=high, total=total, value=value),
        money=named("low high value cheap_value difference surplus"),
        points=({v: Fraction(y)},),
        moves=(
            state(
                f"Let <{v}> be the kilograms of {dear}; there are <[total] - {v}> kilograms of {cheap}. So "
                f"<[high:bare]{v} + [low:bare]([total] - {v}) = [value:bare]>."
            ),
            compute(
                "cheap_value = low * total",
                f"[total] kilograms of {cheap} alone would be worth [=].",
                "Multiplying out, the constant term is [=].",
            ),
            compute(
                "surplus = value - cheap_value",
                "The mix is worth more than that by [=].",
                "Taking this to the right side leaves [=].",
                faults=kept_sign("value + cheap_value"),
            ),
            compute("difference = high - low", f"Every kilogram of {dear} adds [=].", f"The factor of <{v}> is [=]."),
            compute(
                "kilograms = surplus / difference",
                f"Hence <{v} = [=]>.",
                f"So <{v} = [=]>.",
                faults=not_divided("surplus - difference"),
            ),
        ),
        answer="kilograms",
        conclusion=(f"There are [kilograms] kilograms of {dear}.", ""),
    )


TEMPLATES = (
    two_kinds_of_tickets,
    break_even,
    price_before_discount,
    mixing,
)
