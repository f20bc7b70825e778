"""Fractions, percentages, digits, codes."""

from fractions import Fraction

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.model import Fault, Problem, compute, state


def sum_of_fractions(d: Draw) -> Problem:
    p = d.person()
    b, e = d.some(2, 2, 3, 4, 5, 6, 8, 9, 10)
    a, c = d.whole(1, b - 1), d.whole(1, e - 1)
    while Fraction(a, b) + Fraction(c, e) >= 1:
        a, c, b, e = 1, 1, b + 1, e + 2
    what = d.pick("a wall", "a report", "a field", "a hike", "a puzzle", "the homework")
    return Problem(
        question=(
            f"On one day {p.name} finishes <[first_top]/[first_bottom]> of {what} and on the next day "
            "<[second_top]/[second_bottom]> of it. What fraction is left?",
            f"What part of {what} remains for {p.name} after doing <[first_top]/[first_bottom]> and then "
            "<[second_top]/[second_bottom]> of the whole?",
        ),
        given=numbers(first_top=a, first_bottom=b, second_top=c, second_bottom=e),
        fractional=True,
        answer_form="[left]",
        moves=(
            compute(
                "denominator = first_bottom * second_bottom",
                "A common denominator is [=].",
                "As common denominator we can take [=].",
            ),
            compute(
                "first_numerator = first_top * second_bottom",
                "The first fraction then has the numerator [=].",
                "Expanding the first fraction, its numerator is [=].",
            ),
            compute(
                "second_numerator = second_top * first_bottom",
                "The second fraction then has the numerator [=].",
                "Expanding the second fraction, its numerator is [=].",
            ),
            compute(
                "numerator = first_numerator + second_numerator",
                "Together the numerator is [=].",
                "The numerators add up to [=].",
            ),
            compute(
                "rest = denominator - numerator",
                "Of [denominator] parts, [=] are not done.",
                "To the whole there are missing [=] parts.",
            ),
            compute(
                "left = rest / denominator",
                "In lowest terms, the fraction that is left is [=].",
                "So what is left is [=].",
            ),
        ),
        answer="left",
        conclusion=("The fraction left is [left].", ""),
    )


def percent_up_and_down(d: Draw) -> Problem:
    what = d.pick(
        "The price of a share",
        "The population of a village",
        "The number of members of a club",
        "The output of a mine",
        "The number of bees in a hive",
    )
    up, down, start = d.pick(10, 20, 25, 50), d.pick(10, 20, 30, 40, 50), d.whole(2, 40) * 200
    return Problem(
        question=(
            f"{what} was [start]. It rose by [up]% in one year and fell by [down]% in the next. By how much did "
            "it differ from [start] at the end?"
            if start * (100 + up) * (100 - down) != start * 10000
            else f"{what} was [start]. It rose by [up]% and then fell by [down]%. By how much did it change in all?",
            f"{what} goes up from [start] by [up]% and then down by [down]%. What is the difference between the "
            "first and the last value?",
        ),
        given=numbers(start=start, up=up, down=down),
        moves=(
            compute("rise = start * up / 100", "The increase is [=].", "[up]% of [start] is [=]."),
            compute("high = start + rise", "So it becomes [=].", "After the rise it is [=]."),
            compute(
                "fall = high * down / 100",
                "The decrease is [=].",
                "It falls by [=].",
                faults=(
                    Fault(
                        "wrong_quantity",
                        "The decrease is a part of the raised value, not of the first one.",
                        formula="start * down / 100",
                    ),
                ),
            ),
            compute("end = high - fall", "In the end it is [=].", "So the last value is [=]."),
            compute(
                "difference = start - end" if (100 + up) * (100 - down) <= 10000 else "difference = end - start",
                "The difference is [=].",
                "Compared with the beginning this is a difference of [=].",
            ),
        ),
        answer="difference",
        conclusion=("The difference is [difference].", ""),
    )


def codes_and_outfits(d: Draw) -> Problem:
    letters, digits, banned, spare = d.whole(4, 12), d.whole(2, 3), d.whole(2, 9), d.whole(2, 5)
    lock = d.pick("A locker code", "A license plate", "A product number", "A membership number", "A ticket code")
    return Problem(
        question=(
            f"{lock} has one of [letters] letters, then [digits] digits (each from 0 to 9), then one of [spare] "
            "colors. [banned] of the codes are not used. How many codes are in use?",
            f"{lock} is made of a letter out of [letters], a row of [digits] digits and one of [spare] colors. If "
            "[banned] codes are kept back, how many are there?",
        ),
        given=numbers(letters=letters, digits=digits, banned=banned, spare=spare),
        constants=numbers(ten_digits=10),
        moves=(
            compute(
                "rows = ten_digits ** digits", "The digits can be chosen in [=] ways.", "There are [=] rows of digits."
            ),
            compute(
                "with_letter = letters * rows",
                "With the letter this makes [=].",
                "Each goes with every letter, so there are [=].",
            ),
            compute(
                "codes = with_letter * spare",
                "With the color there are [=] codes.",
                "Times the number of colors, that is [=].",
            ),
            compute("used = codes - banned", "So [=] codes are used.", "Without those kept back, [=] are left."),
        ),
        answer="used",
        conclusion=("There are [used] codes.", ""),
    )


def two_digit_number(d: Draw) -> Problem:
    v = d.letter()
    tens, ones = d.whole(3, 9), d.whole(1, 8)
    while ones >= tens:
        tens, ones = d.whole(3, 9), d.whole(1, 8)
    return Problem(
        question=(
            "The digits of a two-digit number add up to [total]. The number is [gap] larger than the number with "
            "the digits exchanged. What is the number?",
            "Exchanging the digits of a two-digit number makes it smaller by [gap]; its digits have the sum "
            "[total]. Find the number.",
        ),
        given=numbers(total=tens + ones, gap=9 * (tens - ones)),
        points=({v: Fraction(tens)},),
        constants=numbers(nine=9),
        moves=(
            state(
                f"Let <{v}> be the tens digit and <[total] - {v}> the ones digit.",
                f"With the tens digit <{v}>, the ones digit is <[total] - {v}>.",
            ),
            compute(
                "difference = gap / nine",
                "Exchanging the digits changes the number by 9 times their difference, so the digits differ by [=].",
                "The difference of the digits is [=].",
            ),
            compute(
                "double = total + difference",
                f"Sum and difference together are twice the tens digit: <2{v} = [=]>.",
                f"So <2{v} = [=]>.",
                faults=(
                    Fault(
                        "bad_rearrangement",
                        "Adding sum and difference gives twice the larger digit; here the difference is subtracted.",
                        formula="total - difference",
                    ),
                ),
            ),
            compute("tens = double / 2", f"Hence <{v} = [=]>.", f"This means <{v} = [=]>."),
            compute("ones = total - tens", "The ones digit is [=].", "For the ones digit there remains [=]."),
            compute("number = 10 * tens + ones", "The number is [=].", "Written together: [=]."),
        ),
        answer="number",
        conclusion=("The number is [number].", ""),
    )


TEMPLATES = (
    sum_of_fractions,
    percent_up_and_down,
    codes_and_outfits,
    two_digit_number,
)
