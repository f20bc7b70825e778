"""Linear equations, proportions and systems."""

from fractions import Fraction

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.model import Fault, Problem, compute, state
from stepreward.corpus.generate.templates.rearranging import kept_sign, not_divided, rearranged


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
            state(
                f"We solve <[a]{v} [b:+] = [c]{v} [e:+]> by collecting the unknown on the left.",
                f"The equation is <[a]{v} [b:+] = [c]{v} [e:+]>.",
            ),
            compute(
                "factor = a - c",
                f"Collect the terms with <{v}> on the left side: their factor is [=].",
                f"Subtract <[c]{v}> from both sides; the factor of <{v}> becomes [=].",
                faults=kept_sign("a + c"),
            ),
            compute(
                "right = e - b",
                f"Bring the numbers to the right side: <[factor:{v}] = [=]>.",
                f"Moving the constant over gives <[factor:{v}] = [=]>.",
                faults=kept_sign("e + b"),
            ),
            compute(
                "root = right / factor",
                f"Divide by the factor: <{v} = [=]>.",
                f"So <{v} = [=]>.",
                faults=not_divided("right - factor"),
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
            compute(
                "product = a * b",
                f"Multiply out the bracket. Its number becomes [=], so <[a]{v} [product:+] [c:+] = [e]>.",
                f"Expanding gives [=] beside <[a]{v}>, that is <[a]{v} [product:+] [c:+] = [e]>.",
                faults=(
                    Fault(
                        "bad_rearrangement",
                        "The factor in front of a bracket multiplies every term in it; here it is left out for "
                        "the number.",
                        formula="b",
                        wording=f"Multiplying out the bracket, the equation is <[a]{v} [product:+] [c:+] = [e]>.",
                    ),
                ),
            ),
            compute(
                "constant = product + c",
                f"Adding up the numbers on the left, [=]. So <[a]{v} [constant:+] = [e]>.",
                "The numbers on the left side add up to [=].",
            ),
            compute(
                "right = e - constant",
                f"Then <[a]{v} = [=]>.",
                f"Taking it to the other side gives <[a]{v} = [=]>.",
                faults=kept_sign("e + constant"),
            ),
            compute(
                "root = right / a",
                f"Dividing both sides by [a] gives <{v} = [=]>.",
                f"Hence <{v} = [=]>.",
                faults=not_divided("right - a"),
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
            compute(
                "quotient = e - b",
                f"First isolate the fraction: <{v} / [part] = [=]>.",
                f"We get <{v} / [part] = [=]>.",
                faults=kept_sign("e + b"),
            ),
            compute(
                "root = quotient * part",
                f"Multiplying both sides by [part], <{v} = [=]>.",
                f"Hence <{v} = [=]>.",
                faults=rearranged(
                    "quotient / part", "A division is undone by multiplying both sides; here they are divided."
                ),
            ),
            compute("asked = c * root", f"Then <[c]{v} = [=]>.", f"The value asked for is <[c]{v} = [=]>."),
        ),
        answer="asked",
        conclusion=(f"So <[c]{v} = [asked]>.", ""),
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
            f"Two numbers satisfy <[a]{x} + [b]{y} = [first]> and <[c:{x}] + [b]{y} = [second]>. Find their sum "
            f"<{x} + {y}>.",
        ),
        given=numbers(a=a, b=b, c=c, first=a * u + b * w, second=c * u + b * w),
        points=({x: Fraction(u), y: Fraction(w)},),
        fractional=True,
        moves=(
            compute(
                "factor = a - c",
                f"Subtract the second equation from the first one, so that <{y}> disappears; the factor of <{x}> "
                "is [=].",
                f"Both equations contain <[b]{y}>. In their difference <{x}> has the factor [=].",
                faults=rearranged(
                    "a + c",
                    "The equations are subtracted, so their factors must be subtracted too; here they are added.",
                ),
            ),
            compute(
                "difference = first - second",
                f"The right side of the difference gives <[factor:{x}] = [=]>.",
                f"So <[factor:{x}] = [=]>.",
                faults=rearranged(
                    "first + second",
                    "The equations are subtracted, so both sides must be; here the right sides are added.",
                ),
            ),
            compute(
                "u = difference / factor",
                f"Therefore <{x} = [=]>.",
                f"Hence <{x} = [=]>.",
                faults=not_divided("difference - factor"),
            ),
            compute(
                "multiple = first - a * u",
                f"Substituting this in the first equation: <[b]{y} = [=]>.",
                f"The first equation then says <[b]{y} = [=]>.",
                faults=kept_sign("first + a * u"),
            ),
            compute(
                "w = multiple / b", f"So <{y} = [=]>.", f"This means <{y} = [=]>.", faults=not_divided("multiple - b")
            ),
            compute("total = u + w", f"Then <{x} + {y} = [=]>.", f"For the sum we get <{x} + {y} = [=]>."),
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
            compute(
                "cross = p * c",
                f"Cross-multiplying gives <[q]({v} + [shift]) = [=]>.",
                f"Multiply crosswise: <[q]({v} + [shift]) = [=]>.",
                faults=rearranged("q * c", "In cross-multiplying, each numerator goes with the other denominator."),
            ),
            compute(
                "bracket = cross / q",
                f"Divide by [q]: <{v} + [shift] = [=]>.",
                f"So <{v} + [shift] = [=]>.",
                faults=not_divided("cross - q"),
            ),
            compute(
                "root = bracket - shift",
                f"Then <{v} = [=]>.",
                f"Finally <{v} = [=]>.",
                faults=kept_sign("bracket + shift"),
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
            f"A formula for {fixed} is <{what}>. For which <t> is <{letter} = [reached]>, and how large is "
            f"<{letter}> [more] units of <t> later? Give the second value.",
            f"Let <{what}> describe {fixed}. At some <t> we have <{letter} = [reached]>. What is <{letter}> when "
            "<t> is larger by [more]?",
        ),
        given=numbers(first=first, rate=speed, reached=first + speed * time, more=later - time),
        points=({"t": Fraction(time), letter: Fraction(first + speed * time)},),
        fractional=True,
        moves=(
            compute(
                "rise = reached - first",
                "From <[first] + [rate]t = [reached]> it follows that <[rate]t = [=]>.",
                "Subtracting the constant, <[rate]t = [=]>.",
                faults=kept_sign("reached + first"),
            ),
            compute(
                "time = rise / rate",
                "So <t = [=]>.",
                "Dividing by the factor of <t>, <t = [=]>.",
                faults=not_divided("rise - rate"),
            ),
            compute(
                "later = time + more", "The later value of the time is [=].", "Adding [more], the second time is [=]."
            ),
            compute("grown = rate * later", "By then the growth is [=].", "The part that grows has become [=]."),
            compute(
                "value = first + grown", "With the constant this gives [=].", "Together with the constant it is [=]."
            ),
        ),
        answer="value",
        conclusion=("The second value is [value].", ""),
    )


TEMPLATES = (
    linear_on_both_sides,
    linear_with_bracket,
    linear_with_fraction,
    linear_system,
    proportion,
    formula_for_a_quantity,
)
