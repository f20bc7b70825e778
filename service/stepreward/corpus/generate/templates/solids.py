"""Circles, volumes and surfaces."""

from fractions import Fraction

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.model import Fault, Problem, compute

_PI = ({"π": Fraction(333, 106)}, {"π": Fraction(-5, 7)})  # an equation with π must hold whatever π is


def ring(d: Draw) -> Problem:
    what, unit = (
        d.pick(
            "pond with a path around it",
            "fountain with a stone rim",
            "round lawn with a border",
            "target with an outer ring",
        ),
        d.pick("meters", "feet", "cm"),
    )
    inner, width = d.whole(2, 14), d.whole(2, 6)
    return Problem(
        question=(
            f"A {what} has an inner radius of [inner] {unit}. The ring around it is [width] {unit} wide. What is "
            "the area of the ring in terms of π?",
            f"Around a circle with a radius of [inner] {unit} lies a ring that is [width] {unit} wide. Express "
            "the area of the ring as a multiple of π.",
        ),
        given=numbers(inner=inner, width=width),
        points=_PI,
        answer_form="[ring:π]",
        moves=(
            compute(
                "outer = inner + width", f"The outer radius is [=] {unit}.", f"To the outer edge it is [=] {unit}."
            ),
            compute(
                "large = outer ** 2",
                f"The large circle has an area of [large:π] square {unit}, since [=].",
                f"With [=], the large circle has [large:π] square {unit}.",
            ),
            compute(
                "small = inner ** 2",
                f"The small circle has an area of [small:π] square {unit}, since [=].",
                f"With [=], the small one has [small:π] square {unit}.",
            ),
            compute(
                "ring = large - small",
                f"The difference is [=], so the ring has [ring:π] square {unit}.",
                f"Because [=], the area of the ring is [ring:π] square {unit}.",
            ),
        ),
        answer="ring",
        conclusion=(f"The area is [ring:π] square {unit}.", ""),
    )


def cylinder(d: Draw) -> Problem:
    what, unit = d.pick(("tin", "cm"), ("water tank", "feet"), ("candle", "cm"), ("silo", "meters"))
    diameter, height, count = 2 * d.whole(2, 9), d.whole(3, 20), d.whole(2, 6)
    return Problem(
        question=(
            f"A {what} is a cylinder with a diameter of [diameter] {unit} and a height of [height] {unit}. What "
            "is the volume of [count] of them, as a multiple of π?",
            f"[count] cylinders have a height of [height] {unit} and a diameter of [diameter] {unit} each. What "
            "is their total volume in terms of π?",
        ),
        given=numbers(diameter=diameter, height=height, count=count),
        points=_PI,
        answer_form="[volume:π]",
        moves=(
            compute(
                "radius = diameter / 2",
                f"The radius is [=] {unit}.",
                f"Half of the diameter is the radius, [=] {unit}.",
            ),
            compute("square = radius ** 2", "The square of the radius is [=].", "Squaring it, [=]."),
            compute(
                "base = square",
                f"So the base has an area of [base:π] square {unit}.",
                f"The area of the base is [base:π] square {unit}.",
            ),
            compute(
                "one = base * height",
                f"As [=], one volume is [one:π] cubic {unit}.",
                f"Base times height: [=], that is [one:π] cubic {unit}.",
            ),
            compute(
                "volume = one * count",
                f"For all of them, [=], so [volume:π] cubic {unit}.",
                f"Multiplied by their number, [=], which means [volume:π] cubic {unit}.",
            ),
        ),
        answer="volume",
        conclusion=(f"The volume is [volume:π] cubic {unit}.", ""),
    )


def painted_box(d: Draw) -> Problem:
    p, what = d.person(), d.pick("chest", "crate", "gift box", "cupboard", "planter")
    a, b, c, coats, reach = d.whole(2, 9), d.whole(2, 9), d.whole(2, 9), d.whole(2, 3), d.pick(2, 4, 5, 8)
    while 2 * (a * b + b * c + a * c) * coats % reach:
        a, b, c = d.whole(2, 9), d.whole(2, 9), d.whole(2, 9)
    return Problem(
        question=(
            f"{p.name} paints all six faces of a {what} that is [length] feet long, [width] feet wide and "
            "[height] feet high, with [coats] coats. A can of paint covers [reach] square feet. How many cans "
            f"does {p.he} use?",
            f"How many cans of paint, each enough for [reach] square feet, does {p.name} need for [coats] coats "
            f"on every face of a {what} of [length] by [width] by [height] feet?",
        ),
        given=numbers(length=a, width=b, height=c, coats=coats, reach=reach),
        moves=(
            compute(
                "top_area = length * width",
                "The top has an area of [=] square feet.",
                "Length times width is [=] square feet.",
            ),
            compute(
                "side_area = width * height",
                "A side has an area of [=] square feet.",
                "Width times height is [=] square feet.",
            ),
            compute(
                "front_area = length * height",
                "The front has an area of [=] square feet.",
                "Length times height is [=] square feet.",
            ),
            compute(
                "three_faces = top_area + side_area + front_area",
                "These three faces have [=] square feet.",
                "Together they make [=] square feet.",
            ),
            compute(
                "surface = 2 * three_faces",
                "Each of them occurs twice, so the surface is [=] square feet.",
                "With the opposite faces it is [=] square feet.",
                faults=(
                    Fault(
                        "dropped_case",
                        "A box has six faces; the three opposite ones are left out.",
                        formula="three_faces",
                        wording="So the surface is [surface] square feet.",
                    ),
                ),
            ),
            compute(
                "painted = surface * coats",
                "In all coats together, [=] square feet are painted.",
                "[coats] coats make [=] square feet.",
            ),
            compute("cans = painted / reach", f"{p.name} uses [=] cans.", "That takes [=] cans."),
        ),
        answer="cans",
        conclusion=(f"{p.name} needs [cans] cans.", ""),
    )


def water_in_an_aquarium(d: Draw) -> Problem:
    p = d.person()
    length, width, height = d.whole(4, 12) * 10, d.whole(3, 6) * 10, d.whole(4, 7) * 10
    gap, liters = d.pick(5, 10, 20), d.whole(2, 12)
    while length * width * (height - gap) % 1000:
        width += 10
    return Problem(
        question=(
            f"{p.name}'s aquarium is [length] cm long, [width] cm wide and [height] cm high. It is filled up to "
            f"[gap] cm below the rim. Then {p.he} takes out [liters] liters. How many liters are left? (A liter "
            "is 1000 cubic cm.)",
            "An aquarium with a base of [length] cm by [width] cm and a height of [height] cm is filled to [gap] "
            f"cm below the top. One liter is 1000 cubic cm. How many liters are in it after {p.name} removes "
            "[liters] liters?",
        ),
        given=numbers(length=length, width=width, height=height, gap=gap, liters=liters),
        constants=numbers(cubic_cm_in_a_liter=1000),
        moves=(
            compute("depth = height - gap", "The water is [=] cm deep.", "The depth of the water is [=] cm."),
            compute("base = length * width", "The base has [=] square cm.", "The area of the bottom is [=] square cm."),
            compute(
                "volume = base * depth",
                "So there are [=] cubic cm of water.",
                "The volume of the water is [=] cubic cm.",
            ),
            compute(
                "filled = volume / cubic_cm_in_a_liter",
                "With [cubic_cm_in_a_liter] cubic cm to a liter, this is [=] liters.",
                "In liters, that is [=] liters.",
            ),
            compute(
                "left = filled - liters",
                "Then [=] liters are left.",
                f"After {p.name} takes some out, [=] liters remain.",
            ),
        ),
        answer="left",
        conclusion=("[left] liters are left.", ""),
    )


TEMPLATES = (
    ring,
    cylinder,
    painted_box,
    water_in_an_aquarium,
)
