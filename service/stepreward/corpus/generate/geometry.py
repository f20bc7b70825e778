"""Geometry: lengths, areas, volumes, angles, coordinates."""

from fractions import Fraction

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.formula import single
from stepreward.corpus.generate.model import Fault, Move, Problem

_TRIPLES = ((3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29), (9, 40, 41), (12, 35, 37))
_PI = ({"π": Fraction(333, 106)}, {"π": Fraction(-5, 7)})  # an equation with π must hold whatever π is


def area_from_perimeter(d: Draw) -> Problem:
    unit, field = (
        d.pick("meters", "feet", "cm"),
        d.pick("garden", "poster", "playground", "carpet", "parking lot", "flower bed"),
    )
    width, length, price = d.whole(3, 30), d.whole(8, 50), d.whole(2, 9)
    length += width >= length
    return Problem(
        question=(
            f"A rectangular {field} has a perimeter of [perimeter] {unit} and is [length] {unit} long. Covering one square unit costs [price]. What does it cost to cover all of it?",
            f"What does it cost to cover a rectangle with a perimeter of [perimeter] {unit} and a length of [length] {unit} at [price] per square unit?",
        ),
        given=numbers(perimeter=2 * (length + width), length=length, price=price),
        money=frozenset({"price", "cost"}),
        moves=(
            Move(
                "half",
                "perimeter / 2",
                (
                    f"Length and width together are half of the perimeter, [=] {unit}.",
                    f"Half of the perimeter is [=] {unit}.",
                ),
            ),
            Move(
                "width",
                "half - length",
                (f"So the width is [=] {unit}.", f"This leaves a width of [=] {unit}."),
                (
                    Fault(
                        "bad_rearrangement",
                        "The length must be taken from half of the perimeter, as the perimeter holds it twice.",
                        formula="perimeter - length",
                    ),
                    Fault(
                        "bad_rearrangement",
                        "From half = length + width the length must be subtracted; here it is added.",
                        formula="half + length",
                    ),
                ),
            ),
            Move(
                "area",
                "length * width",
                (f"The area is [=] square {unit}.", f"Length times width gives [=] square {unit}."),
            ),
            Move("cost", "area * price", ("Covering it costs [=].", "The price for all of it is [=].")),
        ),
        answer="cost",
        conclusion=("It costs [cost].", ""),
    )


def tiling_a_floor(d: Draw) -> Problem:
    p, room = d.person(), d.pick("kitchen", "hall", "bathroom", "terrace", "workshop")
    tile = d.pick(20, 25, 50)
    length, width, spare, box = d.whole(3, 9), d.whole(2, 7), d.whole(2, 20), d.pick(8, 10, 12)
    while (length * width * 10000 // tile**2 + spare) % box:
        spare += 1
    return Problem(
        question=(
            f"{p.name} covers a {room} floor of [length] meters by [width] meters with square tiles whose sides are [tile] centimeters long, and orders [spare] spare tiles. Tiles come in boxes of [box]. How many boxes are needed?",
            f"A {room} is [length] meters long and [width] meters wide. Square tiles with a side of [tile] centimeters come [box] to a box. How many boxes does {p.name} order for the floor and [spare] spare tiles?",
        ),
        given=numbers(length=length, width=width, tile=tile, spare=spare, box=box),
        constants=numbers(centimeters_in_a_meter=100),
        moves=(
            Move(
                "along",
                "length * centimeters_in_a_meter / tile",
                (
                    "There are [centimeters_in_a_meter] centimeters in a meter, so along the length lie [=] tiles.",
                    "Along the length fit [=] tiles.",
                ),
            ),
            Move(
                "across",
                "width * centimeters_in_a_meter / tile",
                ("Across the width lie [=] tiles.", "For the width it takes [=] tiles."),
            ),
            Move("floor", "along * across", ("The floor needs [=] tiles.", "That makes [=] tiles for the floor.")),
            Move("tiles", "floor + spare", ("With the spare ones, it is [=] tiles.", f"{p.name} orders [=] tiles.")),
            Move("boxes", "tiles / box", ("These are [=] boxes.", "The number of boxes is [=].")),
        ),
        answer="boxes",
        conclusion=("[boxes] boxes are needed.", ""),
    )


def right_triangle(d: Draw) -> Problem:
    a, b, c = d.pick(*_TRIPLES)
    factor = d.whole(1, 4)
    a, b, c = a * factor, b * factor, c * factor
    unit = d.pick("cm", "meters", "feet", "inches")
    return Problem(
        question=(
            f"A right triangle has a hypotenuse of [c] {unit} and one leg of [a] {unit}. What is its area in square {unit}?",
            f"In a right triangle, the longest side measures [c] {unit} and another side [a] {unit}. Find the area.",
        ),
        given=numbers(a=a, c=c),
        moves=(
            Move("square_c", "c ** 2", ("The square of the hypotenuse is [=].", "First, [=].")),
            Move("square_a", "a ** 2", ("The square of the known leg is [=].", "Then, [=] for the leg.")),
            Move(
                "square_b",
                "square_c - square_a",
                (
                    "By the Pythagorean theorem, the square of the other leg is [=].",
                    "Subtracting, the other leg has the square [=].",
                ),
                (
                    Fault(
                        "bad_rearrangement",
                        "The square of a leg is the difference of the other two squares; here they are added.",
                        formula="square_c + square_a",
                        wording="By the Pythagorean theorem, the square of the other leg is [=].",
                    ),
                ),
            ),
            Move(
                "b",
                "sqrt(square_b)",
                (f"So the other leg is [=] {unit} long.", f"This leg measures [=] {unit}."),
            ),
            Move(
                "area",
                "a * b / 2",
                (f"The area is [=] square {unit}.", f"Half of the product of the legs is [=] square {unit}."),
            ),
        ),
        answer="area",
        conclusion=(f"The area is [area] square {unit}.", ""),
    )


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
    inner, width = d.whole(2, 14), d.whole(1, 6)
    return Problem(
        question=(
            f"A {what} has an inner radius of [inner] {unit}. The ring around it is [width] {unit} wide. What is the area of the ring in terms of π?",
            f"Around a circle with a radius of [inner] {unit} lies a ring that is [width] {unit} wide. Express the area of the ring as a multiple of π.",
        ),
        given=numbers(inner=inner, width=width),
        points=_PI,
        answer_form="[ring:π]",
        moves=(
            Move(
                "outer", "inner + width", (f"The outer radius is [=] {unit}.", f"To the outer edge it is [=] {unit}.")
            ),
            Move(
                "large",
                "outer ** 2",
                (
                    f"The large circle has an area of [large:π] square {unit}, since [=].",
                    f"With [=], the large circle has [large:π] square {unit}.",
                ),
            ),
            Move(
                "small",
                "inner ** 2",
                (
                    f"The small circle has an area of [small:π] square {unit}, since [=].",
                    f"With [=], the small one has [small:π] square {unit}.",
                ),
            ),
            Move(
                "ring",
                "large - small",
                (
                    f"The difference is [=], so the ring has [ring:π] square {unit}.",
                    f"Because [=], the area of the ring is [ring:π] square {unit}.",
                ),
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
            f"A {what} is a cylinder with a diameter of [diameter] {unit} and a height of [height] {unit}. What is the volume of [count] of them, as a multiple of π?",
            f"[count] cylinders have a height of [height] {unit} and a diameter of [diameter] {unit} each. What is their total volume in terms of π?",
        ),
        given=numbers(diameter=diameter, height=height, count=count),
        points=_PI,
        answer_form="[volume:π]",
        moves=(
            Move(
                "radius",
                "diameter / 2",
                (f"The radius is [=] {unit}.", f"Half of the diameter is the radius, [=] {unit}."),
            ),
            Move("square", "radius ** 2", ("The square of the radius is [=].", "Squaring it, [=].")),
            Move(
                "base",
                "square",
                (
                    f"So the base has an area of [base:π] square {unit}.",
                    f"The area of the base is [base:π] square {unit}.",
                ),
            ),
            Move(
                "one",
                "base * height",
                (
                    f"As [=], one volume is [one:π] cubic {unit}.",
                    f"Base times height: [=], that is [one:π] cubic {unit}.",
                ),
            ),
            Move(
                "volume",
                "one * count",
                (
                    f"For all of them, [=], so [volume:π] cubic {unit}.",
                    f"Multiplied by their number, [=], which means [volume:π] cubic {unit}.",
                ),
            ),
        ),
        answer="volume",
        conclusion=(f"The volume is [volume:π] cubic {unit}.", ""),
    )


def painted_box(d: Draw) -> Problem:
    p, what = d.person(), d.pick("chest", "crate", "gift box", "cupboard", "planter")
    a, b, c, coats, reach = d.whole(2, 9), d.whole(2, 9), d.whole(2, 9), d.whole(2, 3), d.pick(2, 4, 5, 8)
    while 2 * (a * b + b * c + a * c) * coats % reach:
        c += 1
    return Problem(
        question=(
            f"{p.name} paints all six faces of a {what} that is [a] feet long, [b] feet wide and [c] feet high, with [coats] coats. A can of paint covers [reach] square feet. How many cans does {p.he} use?",
            f"How many cans of paint, each enough for [reach] square feet, does {p.name} need for [coats] coats on every face of a {what} of [a] by [b] by [c] feet?",
        ),
        given=numbers(a=a, b=b, c=c, coats=coats, reach=reach),
        moves=(
            Move("top", "a * b", ("The top has an area of [=] square feet.", "Length times width is [=] square feet.")),
            Move("side", "b * c", ("A side has an area of [=] square feet.", "Width times height is [=] square feet.")),
            Move(
                "front",
                "a * c",
                ("The front has an area of [=] square feet.", "Length times height is [=] square feet."),
            ),
            Move(
                "three_faces",
                "top + side + front",
                ("These three faces have [=] square feet.", "Together they make [=] square feet."),
            ),
            Move(
                "surface",
                "2 * three_faces",
                (
                    "Each of them occurs twice, so the surface is [=] square feet.",
                    "With the opposite faces it is [=] square feet.",
                ),
                (
                    Fault(
                        "dropped_case",
                        "A box has six faces; the three opposite ones are left out.",
                        formula="three_faces",
                        wording="So the surface is [surface] square feet.",
                    ),
                ),
            ),
            Move(
                "painted",
                "surface * coats",
                ("In all coats together, [=] square feet are painted.", "[coats] coats make [=] square feet."),
            ),
            Move("cans", "painted / reach", (f"{p.name} uses [=] cans.", "That takes [=] cans.")),
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
            f"{p.name}'s aquarium is [length] cm long, [width] cm wide and [height] cm high. It is filled up to [gap] cm below the rim. Then {p.he} takes out [liters] liters. How many liters are left? (A liter is 1000 cubic cm.)",
            f"An aquarium with a base of [length] cm by [width] cm and a height of [height] cm is filled to [gap] cm below the top. One liter is 1000 cubic cm. How many liters are in it after {p.name} removes [liters] liters?",
        ),
        given=numbers(length=length, width=width, height=height, gap=gap, liters=liters),
        constants=numbers(cubic_cm_in_a_liter=1000),
        moves=(
            Move("depth", "height - gap", ("The water is [=] cm deep.", "The depth of the water is [=] cm.")),
            Move("base", "length * width", ("The base has [=] square cm.", "The area of the bottom is [=] square cm.")),
            Move(
                "volume",
                "base * depth",
                ("So there are [=] cubic cm of water.", "The volume of the water is [=] cubic cm."),
            ),
            Move(
                "filled",
                "volume / cubic_cm_in_a_liter",
                (
                    "With [cubic_cm_in_a_liter] cubic cm to a liter, this is [=] liters.",
                    "In liters, that is [=] liters.",
                ),
            ),
            Move(
                "left",
                "filled - liters",
                ("Then [=] liters are left.", f"After {p.name} takes some out, [=] liters remain."),
            ),
        ),
        answer="left",
        conclusion=("[left] liters are left.", ""),
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
            "In a triangle, the second angle is [times] times the first, and the third is [more] degrees larger than the first. How large is the third angle?",
            "The angles of a triangle are <x>, <[times]x> and <x + [more]> degrees. Find the last one.".replace(
                "x>", f"{v}>"
            ).replace("<x", f"<{v}"),
        ),
        given=numbers(times=times, more=more),
        points=({v: Fraction(smallest)},),
        moves=(
            Move(
                None,
                None,
                (
                    f"The angles <{v}>, <[times]{v}> and <{v} + [more]> add up to 180 degrees.",
                    f"If the first angle is <{v}>, then <{v} + [times]{v} + {v} + [more] = 180>.",
                ),
            ),
            Move(
                "factor",
                "1 + times + 1",
                (f"Together, <{v}> occurs [=] times.", f"Collecting terms, the factor of <{v}> is [=]."),
            ),
            Move(
                "rest",
                "180 - more",
                (f"So <[factor]{v} = [=]>.", f"Taking [more] to the other side, <[factor]{v} = [=]>."),
                (
                    Fault(
                        "bad_rearrangement",
                        "A term changes sides and must change its sign; here it keeps it.",
                        formula="180 + more",
                    ),
                ),
            ),
            Move(
                "first",
                "rest / factor",
                (f"Then <{v} = [=]>.", f"Hence <{v} = [=]>."),
                (
                    Fault(
                        "bad_rearrangement",
                        "The factor must be divided by; here it is subtracted.",
                        formula="rest - factor",
                    ),
                ),
            ),
            Move(
                "third", "first + more", ("The third angle is [=] degrees.", "For the third angle we get [=] degrees.")
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
            "One angle of an isosceles triangle measures [known] degrees. Add up all values that the angle between the equal sides can have.",
            "An isosceles triangle has an angle of [known] degrees. What is the sum of the possible sizes of the angle at its tip?",
        ),
        given=numbers(known=known),
        moves=(
            Move(
                None,
                None,
                (
                    "The angle of [known] degrees can be at the tip or at the base.",
                    "There are two cases: [known] degrees at the tip, or at the base.",
                ),
            ),
            Move(
                "both",
                "2 * known",
                (
                    "If it is at the base, both base angles make [=] degrees.",
                    "In the second case the base angles add up to [=] degrees.",
                ),
            ),
            Move(
                "tip",
                "180 - both",
                ("Then the tip has [=] degrees.", "In this case the angle at the tip is [=] degrees."),
            ),
            Move(
                "tips",
                lambda env: (single(env["known"]), single(env["tip"])),
                ("So the possible values are [tips].", "The list of possible angles is [tips]."),
                (
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
            Move("total", "sum(tips)", ("Their sum is [=] degrees.", "Added up, this is [=] degrees.")),
        ),
        answer="total",
        conclusion=("The sum is [total] degrees.", ""),
    )


def three_rectangles(d: Draw) -> Problem:
    p, what = d.person(), d.pick("an apartment", "a stage set", "a garden plot", "a showroom", "a patio")
    a, b, c, e, f, g = (d.whole(2, 14) for _ in range(6))
    price = d.whole(3, 20)
    return Problem(
        question=(
            f"The floor of {what} consists of three rectangles: [a] m by [b] m, [c] m by [e] m and [f] m by [g] m. {p.name} covers it with cork at [price] per square meter. What does it cost?",
            f"{p.name} lays a floor in {what} made up of rectangles of [a] by [b] m, [c] by [e] m and [f] by [g] m. A square meter costs [price]. How much is the whole floor?",
        ),
        given=numbers(a=a, b=b, c=c, e=e, f=f, g=g, price=price),
        money=frozenset({"price", "cost"}),
        moves=(
            Move(
                "first", "a * b", ("The first rectangle has [=] square m.", "For the first part we get [=] square m.")
            ),
            Move(
                "second",
                "c * e",
                ("The second rectangle has [=] square m.", "For the second part we get [=] square m."),
            ),
            Move(
                "third", "f * g", ("The third rectangle has [=] square m.", "For the third part we get [=] square m.")
            ),
            Move(
                "area",
                "first + second + third",
                ("The whole area is [=] square m.", "Altogether there are [=] square m."),
            ),
            Move("cost", "area * price", ("This costs [=].", "For all of it one pays [=].")),
        ),
        answer="cost",
        conclusion=("The floor costs [cost].", ""),
    )


def fence_with_a_gate(d: Draw) -> Problem:
    p, animals = d.person(), d.pick("goats", "sheep", "hens", "ponies", "alpacas")
    length, width, gate, price, gate_price = (
        d.whole(8, 50),
        d.whole(5, 30),
        d.whole(1, 4),
        d.whole(3, 25),
        d.whole(30, 200, 5),
    )
    return Problem(
        question=(
            f"{p.name} fences a rectangular run for {animals}, [length] meters long and [width] meters wide. A gate of [gate] meters needs no fence. A meter of fence costs [price] and the gate [gate_price]. What is the total cost?",
            f"A run for {animals} measures [length] by [width] meters. {p.name} buys a gate that is [gate] meters wide for [gate_price], and fence for the rest of the border at [price] per meter. How much does {p.he} spend?",
        ),
        given=numbers(length=length, width=width, gate=gate, price=price, gate_price=gate_price),
        money=frozenset({"price", "gate_price", "fence_cost", "cost"}),
        moves=(
            Move(
                "perimeter",
                "2 * (length + width)",
                ("The border is [=] meters long.", "The perimeter is [=] meters."),
                (
                    Fault(
                        "dropped_case",
                        "A rectangle has four sides; only two of them are counted.",
                        formula="length + width",
                    ),
                ),
            ),
            Move(
                "fence",
                "perimeter - gate",
                ("Without the gate, [=] meters of fence are needed.", "The fence has to be [=] meters long."),
            ),
            Move("fence_cost", "fence * price", ("The fence costs [=].", "For the fence one pays [=].")),
            Move("cost", "fence_cost + gate_price", ("With the gate it is [=].", "Fence and gate together cost [=].")),
        ),
        answer="cost",
        conclusion=("The total cost is [cost].", ""),
    )


def picture_frame(d: Draw) -> Problem:
    p, motif = d.person(), d.pick("photo", "map", "painting", "mirror", "print")
    length, width, border = d.whole(12, 60), d.whole(10, 45), d.whole(2, 8)
    return Problem(
        question=(
            f"{p.name} puts a frame that is [border] cm wide on every side of a {motif} of [length] cm by [width] cm. What is the area of the frame alone?",
            f"A {motif} measures [length] by [width] cm. The frame around it is [border] cm wide everywhere. Find the area of the frame in square cm.",
        ),
        given=numbers(length=length, width=width, border=border),
        moves=(
            Move(
                "outer_length",
                "length + 2 * border",
                ("With the frame the length is [=] cm.", "The outer length is [=] cm."),
                (
                    Fault(
                        "dropped_case", "The frame is on both ends; one of them is left out.", formula="length + border"
                    ),
                ),
            ),
            Move(
                "outer_width",
                "width + 2 * border",
                ("The outer width is [=] cm.", "With the frame the width is [=] cm."),
            ),
            Move(
                "outer_area",
                "outer_length * outer_width",
                ("Everything together covers [=] square cm.", "The outer rectangle has [=] square cm."),
            ),
            Move(
                "inner_area",
                "length * width",
                (f"The {motif} covers [=] square cm.", "The inner rectangle has [=] square cm."),
            ),
            Move(
                "frame",
                "outer_area - inner_area",
                ("So the frame has [=] square cm.", "The difference is [=] square cm."),
            ),
        ),
        answer="frame",
        conclusion=("The frame has an area of [frame] square cm.", ""),
    )


def distance_of_points(d: Draw) -> Problem:
    a, b, c = d.pick(*_TRIPLES[:4])
    if d.maybe():
        a, b = b, a
    x1, y1 = d.whole(-9, 9), d.whole(-9, 9)
    scale = d.whole(2, 12)
    return Problem(
        question=(
            "On a map, one unit stands for [scale] kilometers. Two villages lie at <([x1], [y1])> and <([x2], [y2])>. How many kilometers are they apart?",
            "What is the distance in kilometers between the points <([x1], [y1])> and <([x2], [y2])> of a map on which one unit is [scale] kilometers?",
        ),
        given=numbers(x1=x1, y1=y1, x2=x1 + a, y2=y1 + b, scale=scale),
        moves=(
            Move(
                "across",
                "x2 - x1",
                ("The points differ by [=] in the first coordinate.", "Horizontally, the distance is [=]."),
            ),
            Move("up", "y2 - y1", ("They differ by [=] in the second coordinate.", "Vertically, the distance is [=].")),
            Move(
                "square",
                "across ** 2 + up ** 2",
                ("The square of the distance is [=].", "By the Pythagorean theorem the squared distance is [=]."),
                (
                    Fault(
                        "dropped_case",
                        "Only one coordinate is used; the other one belongs to the distance too.",
                        formula="across ** 2",
                    ),
                ),
            ),
            Move(
                "units",
                "sqrt(square)",
                ("So the points are [=] units apart.", "The root of this, [=], is the distance in units."),
            ),
            Move(
                "kilometers",
                "units * scale",
                ("In reality this is [=] kilometers.", "With the scale of the map it is [=] kilometers."),
            ),
        ),
        answer="kilometers",
        conclusion=("They are [kilometers] kilometers apart.", ""),
    )


def shadow(d: Draw) -> Problem:
    p, tall = d.person(), d.pick("tower", "tree", "flagpole", "lighthouse", "chimney", "statue")
    stick, factor, short = d.whole(1, 4), d.whole(3, 15), d.whole(1, 6)
    short += short == stick
    climbed = d.whole(1, 3)
    return Problem(
        question=(
            f"A post of [stick] meters casts a shadow of [short] meters. At the same time the shadow of a {tall} is [long] meters long. {p.name} has climbed [climbed] meters of the {tall}. How many meters are above {p.him}?",
            f"The shadow of a {tall} measures [long] meters while a post that is [stick] meters high has a shadow of [short] meters. If {p.name} stands at a height of [climbed] meters on the {tall}, how far is it to the top?",
        ),
        given=numbers(stick=stick, short=short, long=short * factor, climbed=climbed),
        moves=(
            Move(
                "factor",
                "long / short",
                (
                    f"The shadow of the {tall} is [=] times as long as that of the post.",
                    "The triangles are similar with the factor [=].",
                ),
                (
                    Fault(
                        "bad_rearrangement",
                        "The factor of the similar triangles compares shadow with shadow, not a shadow with a height.",
                        formula="long / stick",
                    ),
                ),
            ),
            Move(
                "height",
                "stick * factor",
                (f"So the {tall} is [=] meters high.", f"The height of the {tall} is [=] meters."),
            ),
            Move(
                "above", "height - climbed", (f"Above {p.name} there are [=] meters.", "To the top it is [=] meters.")
            ),
        ),
        answer="above",
        conclusion=("It is [above] meters to the top.", ""),
    )


def trapezoid_field(d: Draw) -> Problem:
    p, crop = d.person(), d.pick("wheat", "potatoes", "lavender", "corn", "clover", "sunflowers")
    a, b, height, per = d.whole(10, 60), d.whole(10, 60), d.whole(4, 30) * 2, d.whole(2, 6)
    b += a == b
    return Problem(
        question=(
            f"{p.name}'s field has the shape of a trapezoid with parallel sides of [a] and [b] meters that are [height] meters apart. Each square meter yields [per] kilograms of {crop}. How many kilograms does {p.he} harvest?",
            f"A field for {crop} is a trapezoid: its parallel sides measure [a] meters and [b] meters, its height [height] meters. With [per] kilograms per square meter, what is the harvest?",
        ),
        given=numbers(a=a, b=b, height=height, per=per),
        moves=(
            Move(
                "sides",
                "a + b",
                ("The parallel sides add up to [=] meters.", "Both parallel sides together measure [=] meters."),
            ),
            Move(
                "product",
                "sides * height",
                ("Times the height, that is [=].", "Multiplying by the height gives [=]."),
            ),
            Move(
                "area",
                "product / 2",
                ("Half of it is the area, [=] square meters.", "The area is [=] square meters."),
                (
                    Fault(
                        "bad_rearrangement",
                        "In the area formula the product is halved; here it is doubled.",
                        formula="product * 2",
                    ),
                ),
            ),
            Move("harvest", "area * per", ("The harvest is [=] kilograms.", f"This yields [=] kilograms of {crop}.")),
        ),
        answer="harvest",
        conclusion=("The harvest is [harvest] kilograms.", ""),
    )


TEMPLATES = (
    area_from_perimeter,
    tiling_a_floor,
    right_triangle,
    ring,
    cylinder,
    painted_box,
    water_in_an_aquarium,
    angles_of_a_triangle,
    isosceles_angles,
    three_rectangles,
    fence_with_a_gate,
    picture_frame,
    distance_of_points,
    shadow,
    trapezoid_field,
)
