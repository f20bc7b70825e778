"""Word problems: packs, crates, cartons and bags."""

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.model import Problem, compute


def vegetable_garden(d: Draw) -> Problem:
    p, plant = d.person(), d.pick("tomato", "pepper", "bean", "cucumber", "eggplant", "squash", "melon")
    rows, percent, yielded, size = d.whole(4, 15), d.pick(10, 20, 25, 40), d.whole(3, 12), d.pick(4, 5, 6, 8, 10)
    per_row = d.whole(1, 4) * 20 // d.pick(1, 2)
    while (rows * per_row * (100 - percent)) % 100 or (rows * per_row * (100 - percent) // 100 * yielded) % size:
        rows, yielded = rows + 1, yielded + d.whole(0, 1)
    return Problem(
        question=(
            f"{p.name} plants [rows] rows of {plant} seeds with [per_row] seeds in a row. [percent]% of the seeds "
            f"do not grow. Every {plant} plant bears [yielded] fruits, which {p.he} puts into bags of [size]. How "
            f"many bags does {p.he} fill?",
            f"In a garden there are [rows] rows with [per_row] {plant} seeds each, of which [percent]% fail. Each "
            f"plant that grows gives [yielded] fruits. How many bags of [size] fruits can {p.name} fill?",
        ),
        given=numbers(rows=rows, per_row=per_row, percent=percent, yielded=yielded, size=size),
        moves=(
            compute("seeds = rows * per_row", f"{p.name} plants [=] seeds.", "There are [=] seeds in the ground."),
            compute(
                "failed = seeds * percent / 100", "Of these, [=] do not grow.", "The number of seeds that fail is [=]."
            ),
            compute("plants = seeds - failed", "So there are [=] plants.", f"That leaves [=] {plant} plants."),
            compute("fruits = plants * yielded", "They bear [=] fruits.", "All plants together give [=] fruits."),
            compute(
                "bags = fruits / size", "This fills [=] bags.", f"With [size] fruits to a bag, {p.he} needs [=] bags."
            ),
        ),
        answer="bags",
        conclusion=(f"{p.name} fills [bags] bags.", ""),
    )


def supplies_in_packs(d: Draw) -> Problem:
    p, good = (
        d.person(),
        d.pick("paint brushes", "glue sticks", "sheets of colored paper", "batteries", "balloons", "paper cups"),
    )
    classes, children, each, size = d.whole(2, 7), d.whole(14, 28), d.whole(2, 6), d.pick(10, 12, 20, 24, 25, 30)
    stock = d.whole(5, 60)
    while (classes * children * each - stock) % size:
        stock += 1
    return Problem(
        question=(
            f"{p.name} orders {good} for [classes] classes of [children] children. Each child needs [each]. There "
            "are already [stock] in the cupboard, and they are sold in packs of [size]. How many packs must "
            f"{p.he} buy?",
            f"Each of [children] children in each of [classes] classes gets [each] {good}. The school has [stock] "
            f"of them. {p.name} buys what is missing in packs of [size]. How many packs is that?",
        ),
        given=numbers(classes=classes, children=children, each=each, stock=stock, size=size),
        moves=(
            compute("all_children = classes * children", "There are [=] children.", "The number of children is [=]."),
            compute(
                "needed = all_children * each", f"They need [=] {good}.", f"For all of them, [=] {good} are needed."
            ),
            compute(
                "missing = needed - stock", "Since [stock] are there, [=] are missing.", f"{p.name} has to buy [=]."
            ),
            compute("packs = missing / size", "That is [=] packs.", "In packs of [size] this makes [=] packs."),
        ),
        answer="packs",
        conclusion=(f"{p.name} must buy [packs] packs.", ""),
    )


def egg_farm(d: Draw) -> Problem:
    p = d.person()
    hens, eggs, broken = d.whole(6, 40), d.whole(4, 6), d.whole(2, 20)
    weeks = d.whole(2, 5)
    while (hens * eggs * weeks - broken) % 12 or hens * eggs * weeks <= broken:
        broken += 1
    return Problem(
        question=(
            f"Each of {p.name}'s [hens] hens lays [eggs] eggs a week. In [weeks] weeks, [broken] eggs broke. "
            f"{p.He} sells the others by the dozen. How many dozens does {p.he} have to sell?",
            f"{p.name} keeps [hens] hens, and every hen lays [eggs] eggs per week. Of the eggs of [weeks] weeks, "
            f"[broken] were broken. How many cartons of one dozen can {p.he} fill with the rest?",
        ),
        given=numbers(hens=hens, eggs=eggs, weeks=weeks, broken=broken),
        constants=numbers(eggs_in_a_dozen=12),
        moves=(
            compute("per_week = hens * eggs", "The hens lay [=] eggs a week.", "In one week there are [=] eggs."),
            compute(
                "laid = per_week * weeks",
                "In [weeks] weeks that is [=] eggs.",
                "Over [weeks] weeks the hens lay [=] eggs.",
            ),
            compute("whole = laid - broken", "Without the broken ones, [=] are left.", f"{p.name} still has [=] eggs."),
            compute(
                "dozens = whole / eggs_in_a_dozen",
                "There are [eggs_in_a_dozen] eggs in a dozen, so this is [=] dozens.",
                "A dozen is [eggs_in_a_dozen], which gives [=] dozens.",
            ),
        ),
        answer="dozens",
        conclusion=("That makes [dozens] dozens.", ""),
    )


def school_trip(d: Draw) -> Problem:
    aim = d.pick("the aquarium", "a castle", "the planetarium", "a farm", "the harbor", "a chocolate factory")
    classes, pupils, teachers, sick = d.whole(3, 8), d.whole(17, 29), d.whole(4, 12), d.whole(3, 9)
    seats = d.pick(20, 24, 30, 35, 40)
    while (classes * pupils + teachers - sick) % seats:
        teachers, sick = teachers + d.whole(0, 1), max(sick - 1, 2)
    return Problem(
        question=(
            f"[classes] classes of [pupils] pupils go to {aim} with [teachers] adults. On that day [sick] pupils "
            "are ill and stay at home. Small buses with [seats] seats are hired, and every seat is taken. How "
            "many buses are there?",
            f"A school plans a trip to {aim} for [classes] classes with [pupils] pupils each and [teachers] "
            "adults. [sick] pupils fall ill. How many buses of [seats] seats do the others fill exactly?",
        ),
        given=numbers(classes=classes, pupils=pupils, teachers=teachers, sick=sick, seats=seats),
        moves=(
            compute(
                "all_pupils = classes * pupils",
                "There are [=] pupils in these classes.",
                "The classes have [=] pupils.",
            ),
            compute(
                "pupils_going = all_pupils - sick", "Without those who are ill, [=] pupils go.", "[=] pupils take part."
            ),
            compute(
                "people = pupils_going + teachers",
                "With the adults there are [=] people.",
                "Together with the adults, [=] people travel.",
            ),
            compute(
                "buses = people / seats", "They need [=] buses.", "With [seats] seats to a bus, that is [=] buses."
            ),
        ),
        answer="buses",
        conclusion=("There are [buses] buses.", ""),
    )


def orchard(d: Draw) -> Problem:
    p, fruit = d.person(), d.fruit()
    trees, each, percent, crate = (
        d.whole(5, 30),
        d.whole(4, 15) * 10,
        d.pick(5, 10, 20, 25, 30),
        d.pick(10, 15, 20, 25, 30),
    )
    market = d.whole(3, 9)
    while (trees * each * (100 - percent)) % (100 * crate) or trees * each * (100 - percent) // (100 * crate) <= market:
        trees += 1
    return Problem(
        question=(
            f"{p.name} harvests [each] {fruit} from each of {p.his} [trees] trees. [percent]% of the {fruit} are "
            "spoiled. The others are packed in crates of [crate], and [market] crates are given to neighbors. "
            f"How many crates can {p.he} take to the market?",
            f"An orchard has [trees] trees with [each] {fruit} on each. After sorting out [percent]% as spoiled, "
            f"{p.name} packs the rest into crates that hold [crate]. [market] crates go to neighbors. How many "
            "crates are left?",
        ),
        given=numbers(trees=trees, each=each, percent=percent, crate=crate, market=market),
        moves=(
            compute("harvest = trees * each", f"The harvest is [=] {fruit}.", f"All trees together bear [=] {fruit}."),
            compute(
                "spoiled = harvest * percent / 100", "The number of spoiled ones is [=].", "[percent]% of them is [=]."
            ),
            compute("good = harvest - spoiled", f"So [=] {fruit} are good.", "This leaves [=] good ones."),
            compute("crates = good / crate", "They fill [=] crates.", "In crates of [crate] that is [=] crates."),
            compute(
                "left = crates - market",
                "For the market, [=] crates are left.",
                "After the gift to the neighbors there are [=] crates.",
            ),
        ),
        answer="left",
        conclusion=("[left] crates are left.", ""),
    )


TEMPLATES = (
    vegetable_garden,
    supplies_in_packs,
    egg_farm,
    school_trip,
    orchard,
)
