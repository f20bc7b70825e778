"""Areas and perimeters."""

from stepreward.corpus.generate.draw import Draw, named, numbers
from stepreward.corpus.generate.model import Fault, Problem, compute


def area_from_perimeter(d: Draw) -> Problem:
    unit, field = (
        d.pick("meters", "feet", "cm"),
        d.pick("garden", "poster", "playground", "carpet", "parking lot", "flower bed"),
    )
    width, length, price = d.whole(3, 30), d.whole(8, 50), d.whole(2, 9)
    length += width >= length
    return Problem(
        question=(
            f"A rectangular {field} has a perimeter of [perimeter] {unit} and is [length] {unit} long. Covering "
            "one square unit costs [price]. What does it cost to cover all of it?",
            f"What does it cost to cover a rectangle with a perimeter of [perimeter] {unit} and a length of "
            f"[length] {unit} at [price] per square unit?",
        ),
        given=numbers(perimeter=2 * (length + width), length=length, price=price),
        money=named("price cost"),
        moves=(
            compute(
                "half = perimeter / 2",
                f"Length and width together are half of the perimeter, [=] {unit}.",
                f"Half of the perimeter is [=] {unit}.",
            ),
            compute(
                "width = half - length",
                f"So the width is [=] {unit}.",
                f"This leaves a width of [=] {unit}.",
                faults=(
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
            compute(
                "area = length * width",
                f"The area is [=] square {unit}.",
                f"Length times width gives [=] square {unit}.",
            ),
            compute("cost = area * price", "Covering it costs [=].", "The price for all of it is [=]."),
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
            f"{p.name} covers a {room} floor of [length] meters by [width] meters with square tiles whose sides "
            "are [tile] centimeters long, and orders [spare] spare tiles. Tiles come in boxes of [box]. How many "
            "boxes are needed?",
            f"A {room} is [length] meters long and [width] meters wide. Square tiles with a side of [tile] "
            f"centimeters come [box] to a box. How many boxes does {p.name} order for the floor and [spare] spare "
            "tiles?",
        ),
        given=numbers(length=length, width=width, tile=tile, spare=spare, box=box),
        constants=numbers(centimeters_in_a_meter=100),
        moves=(
            compute(
                "along = length * centimeters_in_a_meter / tile",
                "There are [centimeters_in_a_meter] centimeters in a meter, so along the length lie [=] tiles.",
                "Along the length fit [=] tiles.",
            ),
            compute(
                "across = width * centimeters_in_a_meter / tile",
                "Across the width lie [=] tiles.",
                "For the width it takes [=] tiles.",
            ),
            compute("floor = along * across", "The floor needs [=] tiles.", "That makes [=] tiles for the floor."),
            compute("tiles = floor + spare", "With the spare ones, it is [=] tiles.", f"{p.name} orders [=] tiles."),
            compute("boxes = tiles / box", "These are [=] boxes.", "The number of boxes is [=]."),
        ),
        answer="boxes",
        conclusion=("[boxes] boxes are needed.", ""),
    )


def three_rectangles(d: Draw) -> Problem:
    p, what = d.person(), d.pick("an apartment", "a stage set", "a garden plot", "a showroom", "a patio")
    a, b, c, e, f, g = (d.whole(2, 14) for _ in range(6))
    price = d.whole(3, 20)
    return Problem(
        question=(
            f"The floor of {what} consists of three rectangles: [first_length] m by [first_width] m, "
            f"[second_length] m by [second_width] m and [third_length] m by [third_width] m. {p.name} covers it "
            "with cork at [price] per square meter. What does it cost?",
            f"{p.name} lays a floor in {what} made up of rectangles of [first_length] by [first_width] m, "
            "[second_length] by [second_width] m and [third_length] by [third_width] m. A square meter costs "
            "[price]. How much is the whole floor?",
        ),
        given=numbers(
            first_length=a, first_width=b, second_length=c, second_width=e, third_length=f, third_width=g, price=price
        ),
        money=named("price cost"),
        moves=(
            compute(
                "first_area = first_length * first_width",
                "The first rectangle has [=] square m.",
                "For the first part we get [=] square m.",
            ),
            compute(
                "second_area = second_length * second_width",
                "The second rectangle has [=] square m.",
                "For the second part we get [=] square m.",
            ),
            compute(
                "third_area = third_length * third_width",
                "The third rectangle has [=] square m.",
                "For the third part we get [=] square m.",
            ),
            compute(
                "area = first_area + second_area + third_area",
                "The whole area is [=] square m.",
                "Altogether there are [=] square m.",
            ),
            compute("cost = area * price", "This costs [=].", "For all of it one pays [=]."),
        ),
        answer="cost",
        conclusion=("The floor costs [cost].", ""),
    )


def fence_with_a_gate(d: Draw) -> Problem:
    p, animals = d.person(), d.pick("goats", "sheep", "hens", "ponies", "alpacas")
    length, width, gate, price, gate_price = (
        d.whole(8, 50),
        d.whole(5, 30),
        d.whole(2, 4),
        d.whole(3, 25),
        d.whole(30, 200, 5),
    )
    return Problem(
        question=(
            f"{p.name} fences a rectangular run for {animals}, [length] meters long and [width] meters wide. A "
            "gate of [gate] meters needs no fence. A meter of fence costs [price] and the gate [gate_price]. What "
            "is the total cost?",
            f"A run for {animals} measures [length] by [width] meters. {p.name} buys a gate that is [gate] meters "
            "wide for [gate_price], and fence for the rest of the border at [price] per meter. How much does "
            f"{p.he} spend?",
        ),
        given=numbers(length=length, width=width, gate=gate, price=price, gate_price=gate_price),
        money=named("price gate_price fence_cost cost"),
        moves=(
            compute(
                "perimeter = 2 * (length + width)",
                "The border is [=] meters long.",
                "The perimeter is [=] meters.",
                faults=(
                    Fault(
                        "dropped_case",
                        "A rectangle has four sides; only two of them are counted.",
                        formula="length + width",
                    ),
                ),
            ),
            compute(
                "fence = perimeter - gate",
                "Without the gate, [=] meters of fence are needed.",
                "The fence has to be [=] meters long.",
            ),
            compute("fence_cost = fence * price", "The fence costs [=].", "For the fence one pays [=]."),
            compute("cost = fence_cost + gate_price", "With the gate it is [=].", "Fence and gate together cost [=]."),
        ),
        answer="cost",
        conclusion=("The total cost is [cost].", ""),
    )


def picture_frame(d: Draw) -> Problem:
    p, motif = d.person(), d.pick("photo", "map", "painting", "mirror", "print")
    length, width, border = d.whole(12, 60), d.whole(10, 45), d.whole(2, 8)
    return Problem(
        question=(
            f"{p.name} puts a frame that is [border] cm wide on every side of a {motif} of [length] cm by [width] "
            "cm. What is the area of the frame alone?",
            f"A {motif} measures [length] by [width] cm. The frame around it is [border] cm wide everywhere. Find "
            "the area of the frame in square cm.",
        ),
        given=numbers(length=length, width=width, border=border),
        moves=(
            compute(
                "outer_length = length + 2 * border",
                "With the frame the length is [=] cm.",
                "The outer length is [=] cm.",
                faults=(
                    Fault(
                        "dropped_case", "The frame is on both ends; one of them is left out.", formula="length + border"
                    ),
                ),
            ),
            compute(
                "outer_width = width + 2 * border", "The outer width is [=] cm.", "With the frame the width is [=] cm."
            ),
            compute(
                "outer_area = outer_length * outer_width",
                "Everything together covers [=] square cm.",
                "The outer rectangle has [=] square cm.",
            ),
            compute(
                "inner_area = length * width",
                f"The {motif} covers [=] square cm.",
                "The inner rectangle has [=] square cm.",
            ),
            compute(
                "frame = outer_area - inner_area", "So the frame has [=] square cm.", "The difference is [=] square cm."
            ),
        ),
        answer="frame",
        conclusion=("The frame has an area of [frame] square cm.", ""),
    )


def trapezoid_field(d: Draw) -> Problem:
    p, crop = d.person(), d.pick("wheat", "potatoes", "lavender", "corn", "clover", "sunflowers")
    a, b, height, per = d.whole(10, 60), d.whole(10, 60), d.whole(4, 30) * 2, d.whole(2, 6)
    b += a == b
    return Problem(
        question=(
            f"{p.name}'s field has the shape of a trapezoid with parallel sides of [first_side] and [second_side] "
            f"meters that are [height] meters apart. Each square meter yields [per] kilograms of {crop}. How many "
            f"kilograms does {p.he} harvest?",
            f"A field for {crop} is a trapezoid: its parallel sides measure [first_side] meters and [second_side] "
            "meters, its height [height] meters. With [per] kilograms per square meter, what is the harvest?",
        ),
        given=numbers(first_side=a, second_side=b, height=height, per=per),
        moves=(
            compute(
                "sides = first_side + second_side",
                "The parallel sides add up to [=] meters.",
                "Both parallel sides together measure [=] meters.",
            ),
            compute(
                "product = sides * height", "Times the height, that is [=].", "Multiplying by the height gives [=]."
            ),
            compute(
                "area = product / 2",
                "Half of it is the area, [=] square meters.",
                "The area is [=] square meters.",
                faults=(
                    Fault(
                        "bad_rearrangement",
                        "In the area formula the product is halved; here it is doubled.",
                        formula="product * 2",
                    ),
                ),
            ),
            compute("harvest = area * per", "The harvest is [=] kilograms.", f"This yields [=] kilograms of {crop}."),
        ),
        answer="harvest",
        conclusion=("The harvest is [harvest] kilograms.", ""),
    )


TEMPLATES = (
    area_from_perimeter,
    tiling_a_floor,
    three_rectangles,
    fence_with_a_gate,
    picture_frame,
    trapezoid_field,
)
