"""Triangles: right ones, similar ones, angles, distances."""

from fractions import Fraction

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.formula import single
from stepreward.corpus.generate.model import Fault, Problem, compute, find, state

_TRIPLES = ((3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29), (9, 40, 41), (12, 35, 37))


def right_triangle(d: Draw) -> Problem:
    a, b, c = d.pick(*_TRIPLES)
    factor = d.whole(1, 4)
    a, b, c = a * factor, b * factor, c * factor
    unit = d.pick("cm", "meters", "feet", "inches")
    return Problem(
        question=(
            f"A right triangle has a hypotenuse of [hypotenuse] {unit} and one leg of [leg] {unit}. What is its "
            f"area in square {unit}?",
            f"In a right triangle, the longest side measures [hypotenuse] {unit} and another side [leg] {unit}. "
            "Find the area.",
        ),
        given=numbers(leg=a, hypotenuse=c),
        moves=(
            compute("hypotenuse_squared = hypotenuse ** 2", "The square of the hypotenuse is [=].", "First, [=]."),
            compute("leg_squared = leg ** 2", "The square of the known leg is [=].", "Then, [=] for the leg."),
            compute(
                "other_leg_squared = hypotenuse_squared - leg_squared",
                "By the Pythagorean theorem, the square of the other leg is [=].",
                "Subtracting, the other leg has the square [=].",
                faults=(
                    Fault(
                        "bad_rearrangement",
                        "The square of a leg is the difference of the other two squares; here they are added.",
                        formula="hypotenuse_squared + leg_squared",
                        wording="By the Pythagorean theorem, the square of the other leg is [=].",
                    ),
                ),
            ),
            compute(
                "other_leg = sqrt(other_leg_squared)",
                f"So the other leg is [=] {unit} long.",
                f"This leg measures [=] {unit}.",
            ),
            compute(
                "area = leg * other_leg / 2",
                f"The area is [=] square {unit}.",
                f"Half of the product of the legs is [=] square {unit}.",
            ),
        ),
        answer="area",
        conclusion=(f"The area is [area] square {unit}.", ""),
    )


def angles_of_a_triangle(d: Draw) -> Problem:
    v = d.letter()
    times, smallest = d.whole(2, 4), d.whole(18, 40)
    more = 180 - smallest * (times + 2)
    while more < 5:
        smallest -= 3
        more = 180 - smallest * (times + 2)
    return Problem(
        question=(
            "In a triangle, the second angle is [times] times the first, and the third is [more] degrees larger "
            "than the first. How large is the third angle?",
            "The angles of a triangle are <x>, <[times]x> and <x + [more]> degrees. Find the last one.".replace(
                "x>", f"{v}>"
            ).replace("<x", f"<{v}"),
        ),
        given=numbers(times=times, more=more),
        points=({v: Fraction(smallest)},),
        moves=(
            state(
                f"The angles <{v}>, <[times]{v}> and <{v} + [more]> add up to 180 degrees.",
                f"If the first angle is <{v}>, then <{v} + [times]{v} + {v} + [more] = 180>.",
            ),
            compute(
                "factor = 1 + times + 1",
                f"Together, <{v}> occurs [=] times.",
                f"Collecting terms, the factor of <{v}> is [=].",
            ),
            compute(
                "rest = 180 - more",
                f"So <[factor]{v} = [=]>.",
                f"Taking [more] to the other side, <[factor]{v} = [=]>.",
                faults=(
                    Fault(
                        "bad_rearrangement",
                        "A term changes sides and must change its sign; here it keeps it.",
                        formula="180 + more",
                    ),
                ),
            ),
            compute(
                "first = rest / factor",
                f"Then <{v} = [=]>.",
                f"Hence <{v} = [=]>.",
                faults=(
                    Fault(
                        "bad_rearrangement",
                        "The factor must be divided by; here it is subtracted.",
                        formula="rest - factor",
                    ),
                ),
            ),
            compute(
                "third = first + more", "The third angle is [=] degrees.", "For the third angle we get [=] degrees."
            ),
        ),
        answer="third",
        conclusion=("The third angle has [third] degrees.", ""),
    )


def isosceles_angles(d: Draw) -> Problem:
    known = d.whole(20, 86, 2)
    while known == 60:
        known = d.whole(20, 86, 2)
    return Problem(
        question=(
            "One angle of an isosceles triangle measures [known] degrees. Add up all values that the angle "
            "between the equal sides can have.",
            "An isosceles triangle has an angle of [known] degrees. What is the sum of the possible sizes of the "
            "angle at its tip?",
        ),
        given=numbers(known=known),
        moves=(
            state(
                "The angle of [known] degrees can be at the tip or at the base.",
                "There are two cases: [known] degrees at the tip, or at the base.",
            ),
            compute(
                "both = 2 * known",
                "If it is at the base, both base angles make [=] degrees.",
                "In the second case the base angles add up to [=] degrees.",
            ),
            compute(
                "tip = 180 - both", "Then the tip has [=] degrees.", "In this case the angle at the tip is [=] degrees."
            ),
            find(
                "tips",
                lambda env: (single(env["known"]), single(env["tip"])),
                "So the possible values are [tips].",
                "The list of possible angles is [tips].",
                faults=(
                    Fault(
                        "dropped_case",
                        "The known angle may itself be at the tip; that case is left out.",
                        value=(Fraction(180 - 2 * known),),
                    ),
                    Fault(
                        "dropped_case",
                        "The known angle may be at the base; that case is left out.",
                        value=(Fraction(known),),
                    ),
                ),
            ),
            compute("total = sum(tips)", "Their sum is [=] degrees.", "Added up, this is [=] degrees."),
        ),
        answer="total",
        conclusion=("The sum is [total] degrees.", ""),
    )


def distance_of_points(d: Draw) -> Problem:
    a, b, _ = d.pick(*_TRIPLES[:4])
    if d.maybe():
        a, b = b, a
    x1, y1 = d.whole(-9, 9), d.whole(-9, 9)
    scale = d.whole(2, 12)
    return Problem(
        question=(
            "On a map, one unit stands for [scale] kilometers. Two villages lie at <([x1], [y1])> and <([x2], "
            "[y2])>. How many kilometers are they apart?",
            "What is the distance in kilometers between the points <([x1], [y1])> and <([x2], [y2])> of a map on "
            "which one unit is [scale] kilometers?",
        ),
        given=numbers(x1=x1, y1=y1, x2=x1 + a, y2=y1 + b, scale=scale),
        fractional=True,
        moves=(
            compute(
                "across = x2 - x1",
                "The points differ by [=] in the first coordinate.",
                "Horizontally, the distance is [=].",
            ),
            compute("up = y2 - y1", "They differ by [=] in the second coordinate.", "Vertically, the distance is [=]."),
            compute(
                "square = across ** 2 + up ** 2",
                "The square of the distance is [=].",
                "By the Pythagorean theorem the squared distance is [=].",
                faults=(
                    Fault(
                        "dropped_case",
                        "Only one coordinate is used; the other one belongs to the distance too.",
                        formula="across ** 2",
                    ),
                ),
            ),
            compute(
                "units = sqrt(square)",
                "So the points are [=] units apart.",
                "The root of this, [=], is the distance in units.",
            ),
            compute(
                "kilometers = units * scale",
                "In reality this is [=] kilometers.",
                "With the scale of the map it is [=] kilometers.",
            ),
        ),
        answer="kilometers",
        conclusion=("They are [kilometers] kilometers apart.", ""),
    )


def shadow(d: Draw) -> Problem:
    p, tall = d.person(), d.pick("tower", "tree", "flagpole", "lighthouse", "chimney", "statue")
    stick, factor, short = d.whole(2, 5), d.whole(3, 15), d.whole(2, 7)
    short += short == stick
    climbed = d.whole(2, 3)
    return Problem(
        question=(
            f"A post of [stick] meters casts a shadow of [short] meters. At the same time the shadow of a {tall} "
            f"is [long] meters long. {p.name} has climbed [climbed] meters of the {tall}. How many meters are "
            f"above {p.him}?",
            f"The shadow of a {tall} measures [long] meters while a post that is [stick] meters high has a shadow "
            f"of [short] meters. If {p.name} stands at a height of [climbed] meters on the {tall}, how far is it "
            "to the top?",
        ),
        given=numbers(stick=stick, short=short, long=short * factor, climbed=climbed),
        moves=(
            compute(
                "factor = long / short",
                f"The shadow of the {tall} is [=] times as long as that of the post.",
                "The triangles are similar with the factor [=].",
                faults=(
                    Fault(
                        "bad_rearrangement",
                        "The factor of the similar triangles compares shadow with shadow, not a shadow with a height.",
                        formula="long / stick",
                    ),
                ),
            ),
            compute(
                "height = stick * factor",
                f"So the {tall} is [=] meters high.",
                f"The height of the {tall} is [=] meters.",
            ),
            compute(
                "above = height - climbed", f"Above {p.name} there are [=] meters.", "To the top it is [=] meters."
            ),
        ),
        answer="above",
        conclusion=("It is [above] meters to the top.", ""),
    )


TEMPLATES = (
    right_triangle,
    angles_of_a_triangle,
    isosceles_angles,
    distance_of_points,
    shadow,
)
