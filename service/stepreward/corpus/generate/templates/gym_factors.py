"""Common divisors and multiples, prime factors, lowest terms, with the questions and numbers of reasoning-gym."""

from collections.abc import Callable
from fractions import Fraction

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.formula import Value, single
from stepreward.corpus.generate.model import Fault, Problem, compute, find, state
from stepreward.corpus.generate.templates.gym import draw_entry


def greatest_common_divisor(d: Draw) -> Problem:
    question, data = draw_entry(
        d, "gcd", lambda data: data["result"] >= 6 and not _is_prime(data["result"]), max_value=800
    )
    a, b = data["numbers"]
    return _shared_primes(d, question, (a, b), "greatest common divisor", min)


def least_common_multiple(d: Draw) -> Problem:
    question, data = draw_entry(
        d, "lcm", lambda data: data["result"] < max(data["numbers"]) * min(data["numbers"]), min_value=6
    )
    a, b = data["numbers"]
    return _shared_primes(d, question, (a, b), "least common multiple", max)


def _shared_primes(
    d: Draw, question: str, pair: tuple[int, int], what: str, choose: Callable[[int, int], int]
) -> Problem:
    """GCD and LCM by prime factors: every prime with the smaller, or the larger, of its two exponents."""
    a, b = pair
    exponents = {p: choose(_exponent(a, p), _exponent(b, p)) for p in sorted({*_primes(a), *_primes(b)})}
    used = {p: e for p, e in exponents.items() if e}
    powers = {f"power_of_{p}": p**e for p, e in used.items()}
    taken = "smaller" if choose is min else "larger"
    lost = d.pick(*used)
    moves = [
        state(
            f"The prime factors of the first number: <{a} = {_product(a)}>.",
            f"Factor the first number: <{a} = {_product(a)}>.",
        ),
        state(
            f"The prime factors of the second number: <{b} = {_product(b)}>.",
            f"Factor the second number: <{b} = {_product(b)}>.",
        ),
    ]
    constants: dict[str, Value] = {}
    for p, e in used.items():
        constants |= {f"prime_{p}": Fraction(p), f"exponent_{p}": Fraction(e)}
        moves.append(
            compute(
                f"power_of_{p} = prime_{p} ** exponent_{p}",
                f"For the prime {p} we take the {taken} exponent, [exponent_{p}]: the factor is [=].",
                f"The {taken} power of {p} is [=].",
            )
        )
    others = [name for name in powers if name != f"power_of_{lost}"]
    moves.append(
        compute(
            f"result = {' * '.join(powers)}",
            f"Multiplied, the {what} is [=].",
            f"So the {what} is [=].",
            faults=(
                Fault(
                    "dropped_case",
                    f"The prime {lost} belongs to the {what} and is left out.",
                    formula=" * ".join(others),
                ),
            )
            if others
            else (),
        )
    )
    return Problem(
        question=(question,),
        given=numbers(first=a, second=b),
        constants=constants,
        moves=tuple(moves),
        answer="result",
        conclusion=(f"The {what} is [result].", ""),
    )


def _primes(n: int) -> list[int]:
    """With repetition, in order."""
    result, p = [], 2
    while n > 1:
        while n % p == 0:
            result.append(p)
            n //= p
        p += 1
    return result


def _is_prime(n: int) -> bool:
    return _primes(n) == [n]


def _exponent(n: int, p: int) -> int:
    return _primes(n).count(p)


def _product(n: int) -> str:
    primes = _primes(n)
    return " * ".join(str(p) if primes.count(p) == 1 else f"{p}^{primes.count(p)}" for p in dict.fromkeys(primes))


def prime_factorization(d: Draw) -> Problem:
    question, data = draw_entry(d, "prime_factorization", lambda data: 3 <= len(data["factors"]) <= 6, max_value=1500)
    factors: list[int] = data["factors"]
    given: dict[str, Value] = {"rest_0": Fraction(data["number"])}
    moves = []
    for index, p in enumerate(factors[:-1], 1):
        given[f"prime_{index}"] = Fraction(p)
        moves.append(
            compute(
                f"rest_{index} = rest_{index - 1} / prime_{index}",
                f"Divide by {p}: [=].",
                f"{p} is a divisor of [rest_{index - 1}], and [=].",
            )
        )
    last = f"rest_{len(factors) - 1}"
    moves.append(
        state(f"[{last}] is prime, so the division ends here.", f"Since [{last}] is a prime number, we are done.")
    )
    moves.append(
        find(
            "factors",
            lambda env: tuple(sorted([*map(Fraction, factors[:-1]), single(env[last])])),
            "In order, the prime factors are [factors].",
            "The list of prime factors is [factors].",
            faults=(
                Fault(
                    "dropped_case",
                    "A prime that divides the number more than once, or the last one, is listed too seldom.",
                    value=tuple(map(Fraction, factors[1:])),
                ),
            ),
        )
    )
    return Problem(
        question=(question,),
        given=given,
        moves=tuple(moves),
        answer="factors",
        answer_form="[factors:*]",
        conclusion=("The prime factorization is complete.", ""),
    )


def lowest_terms(d: Draw) -> Problem:
    question, data = draw_entry(
        d,
        "fraction_simplification",
        lambda data: len(_primes(data["reduction_factor"])) in (2, 3),
        max_value=60,
        max_factor=60,
    )
    top, bottom = data["numerator"], data["denominator"]
    given: dict[str, Value] = numbers(top_0=top, bottom_0=bottom)
    moves = []
    for index, p in enumerate(_primes(data["reduction_factor"]), 1):
        given[f"divisor_{index}"] = Fraction(p)
        moves.append(
            compute(
                f"top_{index} = top_{index - 1} / divisor_{index}",
                f"Both numbers are divisible by {p}; the numerator becomes [=].",
                f"Cancel {p}. Numerator: [=].",
            )
        )
        moves.append(
            compute(
                f"bottom_{index} = bottom_{index - 1} / divisor_{index}",
                "The denominator becomes [=].",
                "Denominator: [=].",
            )
        )
    count = len(moves) // 2
    return Problem(
        question=(question,),
        given=given,
        moves=(*moves, state(f"[top_{count}] and [bottom_{count}] have no common divisor any more.")),
        answer=f"top_{count}",
        answer_form=f"[top_{count}]/[bottom_{count}]",
        conclusion=("In lowest terms the fraction is finished.", ""),
    )


TEMPLATES = (
    greatest_common_divisor,
    least_common_multiple,
    prime_factorization,
    lowest_terms,
)
