"""Divisors, multiples, remainders, last digits."""

from fractions import Fraction

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.formula import Env, Value, items, single
from stepreward.corpus.generate.model import Fault, Problem, compute, find, state


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
            state(
                "We look for the numbers that divide [n] without remainder.",
                "To list the divisors of [n], we try small numbers and pair them up.",
            ),
            find(
                "divisors",
                lambda env: tuple(divisors),
                "These divisors are [divisors].",
                "The list is [divisors].",
                faults=tuple(
                    Fault(
                        "dropped_case",
                        f"{one} divides the number too and is left out.",
                        value=tuple(k for k in divisors if k != one),
                    )
                    for one in lost
                ),
            ),
            compute("number = count(divisors)", "There are [number] of them.", "The list has [number] entries."),
            compute("total = sum(divisors)", "Their sum is [=].", "Adding them, [=]."),
            compute(
                "mean = total / number", "So the mean is [=].", "The sum divided by the number of divisors is [=]."
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
    known: dict[str, Value] = {}
    moves = [
        state(
            "The prime factorization is <[n] = "
            f"{' * '.join(_power(x, y) for x, y in zip(primes, exponents, strict=True))}>."
        )
    ]
    for index, (prime, exponent) in enumerate(zip(primes, exponents, strict=True), 1):
        known[f"exponent_{index}"] = Fraction(exponent)
        moves.append(
            compute(
                f"choices_{index} = exponent_{index} + 1",
                f"The exponent of {prime} in a divisor can be chosen in [=] ways.",
                f"For the prime {prime} there are [=] possible exponents.",
                faults=(
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
        compute(
            f"divisors = {product}",
            "The choices are independent, so there are [=] divisors.",
            "Multiplying the choices gives [=] divisors.",
        )
    )
    return Problem(
        question=("How many positive divisors does [n] have?", "Find the number of positive integers that divide [n]."),
        given=numbers(n=n),
        constants=known,
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
        fractional=True,
        moves=(
            find(
                "of_a",
                lambda env: _floor(env, "limit", "a"),
                "There are [of_a] multiples of [a] up to [limit].",
                "[of_a] of the numbers are divisible by [a].",
            ),
            find(
                "of_b",
                lambda env: _floor(env, "limit", "b"),
                "There are [of_b] multiples of [b] up to [limit].",
                "[of_b] of the numbers are divisible by [b].",
            ),
            compute(
                "both = a * b",
                "The multiples of both are the multiples of [=].",
                "Divisible by both means divisible by [=].",
            ),
            find(
                "of_both",
                lambda env: _floor(env, "limit", "both"),
                "There are [of_both] of these.",
                "Up to [limit] there are [of_both] multiples of [both].",
            ),
            compute(
                "either = of_a + of_b - of_both",
                "Counting those of both only once, we get [=].",
                "So [=] numbers are divisible by at least one of the two.",
                faults=(
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
        fractional=True,
        moves=(
            find(
                "rest_a",
                lambda env: _rest(env, "a"),
                "Dividing [a] by [m] leaves the remainder [rest_a].",
                "[a] has the remainder [rest_a].",
            ),
            find(
                "rest_b",
                lambda env: _rest(env, "b"),
                "Dividing [b] by [m] leaves the remainder [rest_b].",
                "[b] has the remainder [rest_b].",
            ),
            find(
                "rest_c",
                lambda env: _rest(env, "c"),
                "Dividing [c] by [m] leaves the remainder [rest_c].",
                "[c] has the remainder [rest_c].",
            ),
            compute(
                "small = rest_a * rest_b + rest_c",
                "The remainders may be used instead of the numbers: [=].",
                "Calculating with the remainders, [=].",
            ),
            find(
                "rest",
                lambda env: _rest(env, "small"),
                "Divided by [m], this leaves the remainder [rest].",
                "The remainder of [small] is [rest].",
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
        fractional=True,
        moves=(
            find(
                "cycle",
                lambda env: tuple(map(Fraction, cycle)),
                "The last digits of the powers of [base] repeat: [cycle], and so on.",
                "Powers of [base] end in [cycle], then it starts again.",
            ),
            compute(
                "number = count(cycle)",
                "The cycle has [number] digits.",
                "So the pattern repeats after [number] powers.",
            ),
            find(
                "place",
                lambda env: Fraction(
                    int(single(env["exponent"])) % int(single(env["number"])) or int(single(env["number"]))
                ),
                "In this cycle, the exponent [exponent] has the place [place].",
                "Power number [exponent] stands at place [place] of the cycle.",
            ),
            find(
                "digit",
                lambda env: items(env["cycle"])[int(single(env["place"])) - 1],
                "So the power ends in [digit].",
                "The digit at this place is [digit].",
            ),
            compute("total = digit + added", "Adding the other number: [=].", "With the summand this gives [=]."),
            find(
                "last",
                lambda env: Fraction(single(env["total"]) % 10),
                "So the last digit is [last].",
                "Only the units digit counts, which is [last].",
            ),
        ),
        answer="last",
        conclusion=("The last digit is [last].", ""),
    )


TEMPLATES = (
    sum_of_divisors,
    number_of_divisors,
    multiples_of_either,
    remainder_of_a_product,
    last_digit_of_a_power,
)
