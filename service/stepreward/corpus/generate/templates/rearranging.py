"""The bad rearrangements that many templates share: what is computed instead, and why it is wrong."""

from stepreward.corpus.generate.model import Fault


def rearranged(formula: str, why: str) -> tuple[Fault, ...]:
    return (Fault("bad_rearrangement", why, formula=formula),)


def kept_sign(formula: str) -> tuple[Fault, ...]:
    return rearranged(formula, "A term that changes sides must change its sign; here it keeps it.")


def not_divided(formula: str) -> tuple[Fault, ...]:
    return rearranged(formula, "To free the unknown, both sides must be divided by its factor; here it is subtracted.")
