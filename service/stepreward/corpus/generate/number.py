"""Number theory, arithmetic and counting, with numbers drawn here; see `gym` for those drawn by reasoning-gym."""

from fractions import Fraction
from math import comb

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.formula import Env, Value, items, single
from stepreward.corpus.generate.model import Fault, Move, Problem


def sum_of_divisors(d: Draw) -> Problem:
    n = d.pick(*(n for n in range(12, 151) if 5 <= len(_divisors(n)) <= 10))
    proper = d.maybe()
    divisors = [Fraction(k) for k in _divisors(n) if k < n or not proper]
    which = "proper divisors (all but the number itself)" if proper else "positive divisors"
    lost = d.some(2, *divisors[1:-1])
    return Problem(
        question=(
            f"What is the mean of the {which} of [n]?",
            f"Find the average of all {which} of the number [n].",
        ),
        given=numbers(n=n),
        fractional=True,
        moves=(
            Move(
                None,
                None,
                (
                    "We look for the numbers that divide [n] without remainder.",
                    "To list the divisors of [n], we try small numbers and pair them up.",
                ),
            ),
            Move(
                "divisors",
                lambda env: tuple(divisors),
                ("These divisors are [divisors].", "The list is [divisors]."),
                tuple(
                    Fault(
                        "dropped_case",
                        f"{one} divides the number too and is left out.",
                        value=tuple(k for k in divisors if k != one),
                    )
                    for one in lost
                ),
            ),
            Move("number", "count(divisors)", ("There are [number] of them.", "The list has [number] entries.")),
            Move("total", "sum(divisors)", ("Their sum is [=].", "Adding them, [=].")),
            Move(
                "mean", "total / number", ("So the mean is [=].", "The sum divided by the number of divisors is [=].")
            ),
        ),
        answer="mean",
        conclusion=("The mean is [mean].", ""),
    )


def _divisors(n: int) -> list[int]:
    return [k for k in range(1, n + 1) if n % k == 0]


def number_of_divisors(d: Draw) -> Problem:
    p, q, r = sorted(d.some(3, 2, 3, 5, 7))
    a, b, c = d.whole(1, 4), d.whole(1, 3), d.pick(0, 1, 1)
    n = p**a * q**b * r**c
    primes = (p, q, r) if c else (p, q)
    exponents = (a, b, c) if c else (a, b)
    given: dict[str, Value] = {**numbers(n=n)}
    moves = [
        Move(
            None,
            None,
            (
                f"The prime factorization is <[n] = {' * '.join(_power(x, y) for x, y in zip(primes, exponents, strict=True))}>.",
            ),
        )
    ]
    for index, (prime, exponent) in enumerate(zip(primes, exponents, strict=True), 1):
        given[f"exponent_{index}"] = Fraction(exponent)
        moves.append(
            Move(
                f"choices_{index}",
                f"exponent_{index} + 1",
                (
                    f"The exponent of {prime} in a divisor can be chosen in [=] ways.",
                    f"For the prime {prime} there are [=] possible exponents.",
                ),
                (
                    Fault(
                        "dropped_case",
                        "The exponent 0 is a possible choice too and is left out.",
                        formula=f"exponent_{index}",
                        wording=f"The exponent of {prime} in a divisor can be chosen in [choices_{index}] ways.",
                    ),
                ),
            )
        )
    product = " * ".join(f"choices_{index}" for index in range(1, len(primes) + 1))
    moves.append(
        Move(
            "divisors",
            product,
            ("The choices are independent, so there are [=] divisors.", "Multiplying the choices gives [=] divisors."),
        )
    )
    return Problem(
        question=("How many positive divisors does [n] have?", "Find the number of positive integers that divide [n]."),
        given=given,
        moves=tuple(moves),
        answer="divisors",
        conclusion=("[n] has [divisors] positive divisors.", ""),
    )


def _power(prime: int, exponent: int) -> str:
    return str(prime) if exponent == 1 else f"{prime}^{exponent}"


def multiples_of_either(d: Draw) -> Problem:
    a, b = d.pick((2, 3), (2, 5), (3, 5), (3, 4), (4, 5), (2, 7), (3, 7), (5, 7), (4, 7), (5, 6))
    limit = d.whole(4, 30) * 10 + d.whole(0, 9)
    return Problem(
        question=(
            "How many whole numbers from 1 to [limit] are divisible by [a] or by [b]?",
            "Among the numbers 1, 2, 3, ..., [limit], how many are multiples of [a] or of [b] (or of both)?",
        ),
        given=numbers(limit=limit, a=a, b=b),
        moves=(
            Move(
                "of_a",
                lambda env: _floor(env, "limit", "a"),
                ("There are [of_a] multiples of [a] up to [limit].", "[of_a] of the numbers are divisible by [a]."),
            ),
            Move(
                "of_b",
                lambda env: _floor(env, "limit", "b"),
                ("There are [of_b] multiples of [b] up to [limit].", "[of_b] of the numbers are divisible by [b]."),
            ),
            Move(
                "both",
                "a * b",
                ("The multiples of both are the multiples of [=].", "Divisible by both means divisible by [=]."),
            ),
            Move(
                "of_both",
                lambda env: _floor(env, "limit", "both"),
                ("There are [of_both] of these.", "Up to [limit] there are [of_both] multiples of [both]."),
            ),
            Move(
                "either",
                "of_a + of_b - of_both",
                (
                    "Counting those of both only once, we get [=].",
                    "So [=] numbers are divisible by at least one of the two.",
                ),
                (
                    Fault(
                        "dropped_case",
                        "The numbers divisible by both are counted twice; that case is forgotten.",
                        formula="of_a + of_b",
                    ),
                ),
            ),
        ),
        answer="either",
        conclusion=("There are [either] such numbers.", ""),
    )


def _floor(env: Env, above: str, below: str) -> Value:
    return Fraction(single(env[above]) // single(env[below]))


def remainder_of_a_product(d: Draw) -> Problem:
    m = d.whole(5, 13)
    a, b, c = (
        d.whole(2, 9) * m + d.whole(2, m - 1),
        d.whole(2, 9) * m + d.whole(2, m - 1),
        d.whole(2, 9) * m + d.whole(1, m - 1),
    )
    return Problem(
        question=(
            "What is the remainder when <[a] * [b] + [c]> is divided by [m]?",
            "Find the remainder of <[a] * [b] + [c]> on division by [m].",
        ),
        given=numbers(a=a, b=b, c=c, m=m),
        moves=(
            Move(
                "rest_a",
                lambda env: _rest(env, "a"),
                ("Dividing [a] by [m] leaves the remainder [rest_a].", "[a] has the remainder [rest_a]."),
            ),
            Move(
                "rest_b",
                lambda env: _rest(env, "b"),
                ("Dividing [b] by [m] leaves the remainder [rest_b].", "[b] has the remainder [rest_b]."),
            ),
            Move(
                "rest_c",
                lambda env: _rest(env, "c"),
                ("Dividing [c] by [m] leaves the remainder [rest_c].", "[c] has the remainder [rest_c]."),
            ),
            Move(
                "small",
                "rest_a * rest_b + rest_c",
                ("The remainders may be used instead of the numbers: [=].", "Calculating with the remainders, [=]."),
            ),
            Move(
                "rest",
                lambda env: _rest(env, "small"),
                ("Divided by [m], this leaves the remainder [rest].", "The remainder of [small] is [rest]."),
            ),
        ),
        answer="rest",
        conclusion=("The remainder is [rest].", ""),
    )


def _rest(env: Env, name: str) -> Value:
    return Fraction(single(env[name]) % single(env["m"]))


def last_digit_of_a_power(d: Draw) -> Problem:
    base, exponent = d.pick(2, 3, 7, 8), d.whole(10, 120)
    base += 10 * d.whole(0, 4)
    cycle = [base**k % 10 for k in range(1, 5)]
    added = d.whole(1, 60)
    return Problem(
        question=(
            "What is the last digit of <[base]^[exponent] + [added]>?",
            "Find the units digit of the number <[base]^[exponent] + [added]>.",
        ),
        given=numbers(base=base, exponent=exponent, added=added),
        constants=numbers(length=4),
        moves=(
            Move(
                "cycle",
                lambda env: tuple(map(Fraction, cycle)),
                (
                    "The last digits of the powers of [base] repeat: [cycle], and so on.",
                    "Powers of [base] end in [cycle], then it starts again.",
                ),
            ),
            Move(
                "number",
                "count(cycle)",
                ("The cycle has [number] digits.", "So the pattern repeats after [number] powers."),
            ),
            Move(
                "place",
                lambda env: Fraction(
                    int(single(env["exponent"])) % int(single(env["number"])) or int(single(env["number"]))
                ),
                (
                    "In this cycle, the exponent [exponent] has the place [place].",
                    "Power number [exponent] stands at place [place] of the cycle.",
                ),
            ),
            Move(
                "digit",
                lambda env: items(env["cycle"])[int(single(env["place"])) - 1],
                ("So the power ends in [digit].", "The digit at this place is [digit]."),
            ),
            Move("total", "digit + added", ("Adding the other number: [=].", "With the summand this gives [=].")),
            Move(
                "last",
                lambda env: Fraction(single(env["total"]) % 10),
                ("So the last digit is [last].", "Only the units digit counts, which is [last]."),
            ),
        ),
        answer="last",
        conclusion=("The last digit is [last].", ""),
    )


def sum_of_fractions(d: Draw) -> Problem:
    p = d.person()
    b, e = d.some(2, 2, 3, 4, 5, 6, 8, 9, 10)
    a, c = d.whole(1, b - 1), d.whole(1, e - 1)
    while Fraction(a, b) + Fraction(c, e) >= 1:
        a, c, b, e = 1, 1, b + 1, e + 2
    what = d.pick("a wall", "a report", "a field", "a hike", "a puzzle", "the homework")
    return Problem(
        question=(
            f"On one day {p.name} finishes <[a]/[b]> of {what} and on the next day <[c]/[e]> of it. What fraction is left?",
            f"What part of {what} remains for {p.name} after doing <[a]/[b]> and then <[c]/[e]> of the whole?",
        ),
        given=numbers(a=a, b=b, c=c, e=e),
        fractional=True,
        answer_form="[left]",
        moves=(
            Move("denominator", "b * e", ("A common denominator is [=].", "As common denominator we can take [=].")),
            Move(
                "first",
                "a * e",
                (
                    "The first fraction then has the numerator [=].",
                    "Expanding the first fraction, its numerator is [=].",
                ),
            ),
            Move(
                "second",
                "c * b",
                (
                    "The second fraction then has the numerator [=].",
                    "Expanding the second fraction, its numerator is [=].",
                ),
            ),
            Move("numerator", "first + second", ("Together the numerator is [=].", "The numerators add up to [=].")),
            Move(
                "rest",
                "denominator - numerator",
                ("Of [denominator] parts, [=] are not done.", "To the whole there are missing [=] parts."),
            ),
            Move(
                "left",
                "rest / denominator",
                ("In lowest terms, the fraction that is left is [=].", "So what is left is [=]."),
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
            f"{what} was [start]. It rose by [up]% in one year and fell by [down]% in the next. By how much did it differ from [start] at the end?"
            if start * (100 + up) * (100 - down) != start * 10000
            else f"{what} was [start]. It rose by [up]% and then fell by [down]%. By how much did it change in all?",
            f"{what} goes up from [start] by [up]% and then down by [down]%. What is the difference between the first and the last value?",
        ),
        given=numbers(start=start, up=up, down=down),
        moves=(
            Move("rise", "start * up / 100", ("The increase is [=].", "[up]% of [start] is [=].")),
            Move("high", "start + rise", ("So it becomes [=].", "After the rise it is [=].")),
            Move(
                "fall",
                "high * down / 100",
                ("The decrease is [=].", "It falls by [=]."),
                (
                    Fault(
                        "wrong_quantity",
                        "The decrease is a part of the raised value, not of the first one.",
                        formula="start * down / 100",
                    ),
                ),
            ),
            Move("end", "high - fall", ("In the end it is [=].", "So the last value is [=].")),
            Move(
                "difference",
                "start - end" if (100 + up) * (100 - down) <= 10000 else "end - start",
                ("The difference is [=].", "Compared with the beginning this is a difference of [=]."),
            ),
        ),
        answer="difference",
        conclusion=("The difference is [difference].", ""),
    )


def drawing_marbles(d: Draw) -> Problem:
    p, thing = d.person(), d.pick("marbles", "balls", "counters", "socks", "beads", "sweets")
    a, b, c = d.some(3, "red", "blue", "green", "white", "yellow", "black")
    x, y, z = d.whole(2, 7), d.whole(2, 7), d.whole(2, 7)
    return Problem(
        question=(
            f"A bag holds [x] {a}, [y] {b} and [z] {c} {thing}. {p.name} takes out two without looking. What is the probability that both have the same color?",
            f"{p.name} draws two {thing} at once from a bag with [x] {a}, [y] {b} and [z] {c} ones. Find the probability that their colors agree.",
        ),
        given=numbers(x=x, y=y, z=z),
        fractional=True,
        moves=(
            Move("all", "x + y + z", (f"There are [=] {thing}.", f"The bag holds [=] {thing} in all.")),
            Move(
                "pairs",
                "all * (all - 1) / 2",
                ("The number of possible pairs is [=].", "Two of them can be chosen in [=] ways."),
            ),
            Move(
                "first", "x * (x - 1) / 2", (f"Of these, [=] pairs are {a}.", f"There are [=] pairs of two {a} ones.")
            ),
            Move("second", "y * (y - 1) / 2", (f"[=] pairs are {b}.", f"For {b} it is [=] pairs.")),
            Move("third", "z * (z - 1) / 2", (f"[=] pairs are {c}.", f"For {c} it is [=] pairs.")),
            Move("same", "first + second + third", ("So [=] pairs have one color.", "The favorable pairs number [=].")),
            Move("probability", "same / pairs", ("The probability is [=].", "Dividing by all pairs gives [=].")),
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
        Move(
            name,
            (lambda number: lambda env: Fraction(number))(ways[total]),
            (f"A sum of {total} can come up in [{name}] ways.", f"For {total} there are [{name}] ways."),
        )
        for name, total in zip(names, sums, strict=True)
    ]
    return Problem(
        question=(
            f"{p.name} rolls two dice with six faces, [times] times. How often can a sum of {listed} be expected?",
            f"Two ordinary dice are thrown [times] times. What is the expected number of throws with a sum of {listed}?",
        ),
        given=numbers(times=36 * d.whole(1, 20)),
        constants=numbers(faces=6),
        fractional=True,
        moves=(
            Move(
                "outcomes",
                "faces * faces",
                ("Two dice have [=] equally likely outcomes.", "There are [=] outcomes in all."),
            ),
            *moves,
            Move(
                "good",
                " + ".join(names),
                ("Together that is [=] outcomes.", "So [=] outcomes are favorable."),
                _dropped_sums(names),
            ),
            Move("chance", "good / outcomes", ("The probability is [=].", "Their share of all outcomes is [=].")),
            Move("expected", "times * chance", ("The expected number is [=].", "In [times] throws we can expect [=].")),
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
    return Problem(
        question=(
            f"From [boys] boys and [girls] girls in {club}, a team of three is chosen that has at least two girls. How many teams are possible?"
            if at_least
            else f"From [boys] boys and [girls] girls in {club}, a team of three with one or two girls is chosen. How many teams are possible?",
        ),
        given=numbers(boys=boys, girls=girls),
        moves=(
            Move(
                "pairs_of_girls",
                lambda env: Fraction(comb(int(single(env["girls"])), 2)),
                ("Two girls can be chosen in [pairs_of_girls] ways.", "There are [pairs_of_girls] pairs of girls."),
            ),
            Move(
                "two_girls",
                "pairs_of_girls * boys",
                ("With one boy added, that makes [=] teams.", "Teams with exactly two girls: [=]."),
            ),
            Move(
                "other_teams",
                (lambda env: Fraction(comb(int(single(env["girls"])), 3)))
                if at_least
                else (lambda env: single(env["girls"]) * comb(int(single(env["boys"])), 2)),
                ("Teams of three girls: [other_teams].",)
                if at_least
                else ("Teams with one girl and two boys: [other_teams].",),
            ),
            Move(
                "teams",
                "two_girls + other_teams",
                ("In total there are [=] teams.", "Both cases together give [=] teams."),
                (
                    Fault("dropped_case", "Both cases count; one of them is left out.", formula="two_girls"),
                    Fault("dropped_case", "Both cases count; one of them is left out.", formula="other_teams"),
                ),
            ),
        ),
        answer="teams",
        conclusion=("There are [teams] possible teams.", ""),
    )


def codes_and_outfits(d: Draw) -> Problem:
    letters, digits, banned, spare = d.whole(4, 12), d.whole(2, 3), d.whole(1, 4), d.whole(2, 5)
    lock = d.pick("A locker code", "A license plate", "A product number", "A membership number", "A ticket code")
    return Problem(
        question=(
            f"{lock} has one of [letters] letters, then [digits] digits (each from 0 to 9), then one of [spare] colors. [banned] of the codes are not used. How many codes are in use?",
            f"{lock} is made of a letter out of [letters], a row of [digits] digits and one of [spare] colors. If [banned] codes are kept back, how many are there?",
        ),
        given=numbers(letters=letters, digits=digits, banned=banned, spare=spare),
        constants=numbers(ten_digits=10),
        moves=(
            Move(
                "rows",
                "ten_digits ** digits",
                ("The digits can be chosen in [=] ways.", "There are [=] rows of digits."),
            ),
            Move(
                "with_letter",
                "letters * rows",
                ("With the letter this makes [=].", "Each goes with every letter, so there are [=]."),
            ),
            Move(
                "codes",
                "with_letter * spare",
                ("With the color there are [=] codes.", "Times the number of colors, that is [=]."),
            ),
            Move("used", "codes - banned", ("So [=] codes are used.", "Without those kept back, [=] are left.")),
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
            "The digits of a two-digit number add up to [total]. The number is [gap] larger than the number with the digits exchanged. What is the number?",
            "Exchanging the digits of a two-digit number makes it smaller by [gap]; its digits have the sum [total]. Find the number.",
        ),
        given=numbers(total=tens + ones, gap=9 * (tens - ones)),
        points=({v: Fraction(tens)},),
        constants=numbers(nine=9),
        moves=(
            Move(
                None,
                None,
                (
                    f"Let <{v}> be the tens digit and <[total] - {v}> the ones digit.",
                    f"With the tens digit <{v}>, the ones digit is <[total] - {v}>.",
                ),
            ),
            Move(
                "difference",
                "gap / nine",
                (
                    "Exchanging the digits changes the number by 9 times their difference, so the digits differ by [=].",
                    "The difference of the digits is [=].",
                ),
            ),
            Move(
                "double",
                "total + difference",
                (f"Sum and difference together are twice the tens digit: <2{v} = [=]>.", f"So <2{v} = [=]>."),
                (
                    Fault(
                        "bad_rearrangement",
                        "Adding sum and difference gives twice the larger digit; here the difference is subtracted.",
                        formula="total - difference",
                    ),
                ),
            ),
            Move("tens", "double / 2", (f"Hence <{v} = [=]>.", f"This means <{v} = [=]>.")),
            Move("ones", "total - tens", ("The ones digit is [=].", "For the ones digit there remains [=].")),
            Move("number", "10 * tens + ones", ("The number is [=].", "Written together: [=].")),
        ),
        answer="number",
        conclusion=("The number is [number].", ""),
    )


TEMPLATES = (
    sum_of_divisors,
    number_of_divisors,
    multiples_of_either,
    remainder_of_a_product,
    last_digit_of_a_power,
    sum_of_fractions,
    percent_up_and_down,
    drawing_marbles,
    sums_with_two_dice,
    choosing_a_team,
    codes_and_outfits,
    two_digit_number,
)
