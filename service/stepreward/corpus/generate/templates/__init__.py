"""The templates, by family; the shares say how often each family is drawn: multi-step word problems foremost."""

from collections.abc import Callable

from stepreward.corpus.generate.draw import Draw
from stepreward.corpus.generate.model import Problem
from stepreward.corpus.generate.templates import (
    amounts,
    arithmetic,
    chance,
    divisors,
    durations,
    expressions,
    groups,
    gym_factors,
    gym_mixed,
    linear,
    nonlinear,
    plane,
    saving_and_earning,
    selling,
    sequences,
    shopping,
    solids,
    supplies,
    tasks,
    travel,
    triangles,
    unknown_prices,
    unknowns,
)

Template = Callable[[Draw], Problem]

FAMILIES: dict[str, tuple[float, tuple[Template, ...]]] = {
    "word": (
        0.52,
        (
            *saving_and_earning.TEMPLATES,
            *shopping.TEMPLATES,
            *selling.TEMPLATES,
            *groups.TEMPLATES,
            *supplies.TEMPLATES,
            *tasks.TEMPLATES,
            *travel.TEMPLATES,
            *durations.TEMPLATES,
            *amounts.TEMPLATES,
            *unknowns.TEMPLATES,
            *unknown_prices.TEMPLATES,
        ),
    ),
    "algebra": (
        0.18,
        (
            *linear.TEMPLATES,
            *nonlinear.TEMPLATES,
            *expressions.TEMPLATES,
            *sequences.TEMPLATES,
            gym_mixed.simple_equation,
        ),
    ),
    "number": (
        0.16,
        (
            *divisors.TEMPLATES,
            *arithmetic.TEMPLATES,
            *chance.TEMPLATES,
            *gym_factors.TEMPLATES,
            gym_mixed.chain_of_sums,
            gym_mixed.coin_flips,
            gym_mixed.number_in_another_base,
        ),
    ),
    "geometry": (0.14, (*plane.TEMPLATES, *solids.TEMPLATES, *triangles.TEMPLATES, gym_mixed.polygon_angle)),
}
