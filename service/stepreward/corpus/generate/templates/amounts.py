"""Word problems: lengths, weights and volumes; all convert a unit."""

from stepreward.corpus.generate.draw import Draw, named, numbers
from stepreward.corpus.generate.model import Problem, compute


def recipe(d: Draw) -> Problem:
    p, dish = (
        d.person(),
        d.pick("lentil soup", "risotto", "pancakes", "potato salad", "bread", "granola", "vegetable stew"),
    )
    food = d.pick("flour", "rice", "lentils", "potatoes", "oats", "vegetables")
    serves, factor, grams = d.whole(2, 6), d.whole(3, 12), d.whole(3, 18) * 50
    stock = d.whole(1, 4) * 100
    guests = serves * factor
    while (grams * factor - stock) % 100 or grams * factor <= stock:
        grams += 50
    return Problem(
        question=(
            f"A recipe for {dish} that serves [serves] people needs [grams] grams of {food}. {p.name} cooks for "
            f"[guests] people and has [stock] grams of {food} at home. How many kilograms of {food} must {p.he} buy?",
            f"{p.name} expects [guests] guests and makes {dish}. For [serves] servings one takes [grams] grams of "
            f"{food}. {p.He} still has [stock] grams. How many kilograms are missing?",
        ),
        given=numbers(serves=serves, guests=guests, grams=grams, stock=stock),
        constants=numbers(grams_in_a_kilogram=1000),
        moves=(
            compute(
                "factor = guests / serves",
                f"{p.name} has to make the recipe [=] times.",
                "The recipe must be multiplied by [=].",
            ),
            compute("needed = grams * factor", f"This takes [=] grams of {food}.", f"So {p.he} needs [=] grams."),
            compute(
                "missing = needed - stock",
                f"What {p.he} must buy is [=] grams.",
                "Beyond what is at home, [=] grams are needed.",
            ),
            compute(
                "kilograms = missing / grams_in_a_kilogram",
                "There are [grams_in_a_kilogram] grams in a kilogram, which gives [=] kilograms.",
                "That is [=] kilograms.",
            ),
        ),
        answer="kilograms",
        conclusion=(f"{p.name} must buy [kilograms] kilograms.", ""),
    )


def cutting_rope(d: Draw) -> Problem:
    p, stuff = d.person(), d.pick("rope", "ribbon", "wire", "string", "copper pipe", "lace")
    meters, piece = d.whole(3, 24), d.pick(15, 20, 25, 30, 35, 40, 45, 60)
    pieces = (meters * 100) // piece - d.whole(1, 5)
    return Problem(
        question=(
            f"From a {stuff} of [meters] meters, {p.name} cuts [pieces] pieces that are [piece] centimeters long. "
            f"How many centimeters of the {stuff} are left?",
            f"{p.name} has [meters] meters of {stuff} and needs [pieces] pieces of [piece] centimeters each. What "
            "length remains, in centimeters?",
        ),
        given=numbers(meters=meters, pieces=pieces, piece=piece),
        constants=numbers(centimeters_in_a_meter=100),
        moves=(
            compute(
                "length = meters * centimeters_in_a_meter",
                f"There are [centimeters_in_a_meter] centimeters in a meter, so the {stuff} is [=] centimeters long.",
                f"In centimeters, the {stuff} measures [=] centimeters.",
            ),
            compute("used = pieces * piece", "The pieces take [=] centimeters.", f"{p.name} cuts off [=] centimeters."),
            compute("left = length - used", "What is left is [=] centimeters.", "So [=] centimeters remain."),
        ),
        answer="left",
        conclusion=("[left] centimeters are left.", ""),
    )


def medicine(d: Draw) -> Problem:
    p, drug = d.person(), d.pick("cough syrup", "a liquid vitamin", "an iron tonic", "a herbal extract", "fish oil")
    dose, times, days, spilled = d.whole(5, 20, 5), d.whole(2, 4), d.whole(7, 30), d.whole(5, 50, 5)
    bottle = (dose * times * days + spilled) // 500 + d.whole(1, 2)
    return Problem(
        question=(
            f"{p.name} has [bottle] liters of {drug} in the cupboard. {p.He} takes [dose] milliliters [times] "
            "times a day for [days] days and spills [spilled] milliliters. How many milliliters are left?",
            f"Of [bottle] liters of {drug}, {p.name} uses [dose] milliliters at a time, [times] times a day, "
            "during [days] days; [spilled] milliliters are spilled. What remains, in milliliters?",
        ),
        given=numbers(bottle=bottle, dose=dose, times=times, days=days, spilled=spilled),
        constants=numbers(milliliters_in_a_liter=1000),
        moves=(
            compute(
                "at_first = bottle * milliliters_in_a_liter",
                "There are [milliliters_in_a_liter] milliliters in a liter, so at first there are [=] milliliters.",
                "The supply is [=] milliliters.",
            ),
            compute(
                "per_day = dose * times", "A day's dose is [=] milliliters.", f"{p.name} takes [=] milliliters a day."
            ),
            compute(
                "taken = per_day * days",
                "In [days] days that is [=] milliliters.",
                f"Over [days] days {p.he} takes [=] milliliters.",
            ),
            compute(
                "gone = taken + spilled",
                "With what was spilled, [=] milliliters are gone.",
                "Altogether [=] milliliters are used up.",
            ),
            compute("left = at_first - gone", "This leaves [=] milliliters.", "The rest is [=] milliliters."),
        ),
        answer="left",
        conclusion=("[left] milliliters are left.", ""),
    )


def sewing(d: Draw) -> Problem:
    p, item = d.person(), d.pick("curtains", "flags", "tablecloths", "scarves", "banners", "blankets")
    inches, count = d.whole(18, 70), d.whole(3, 14)
    while (inches * count) % 12:
        inches += 1
    feet = inches * count // 12
    have = d.whole(2, feet - 2)
    price = d.whole(2, 9)
    return Problem(
        question=(
            f"{p.name} sews [count] {item}, and each one takes [inches] inches of fabric. {p.He} has [have] feet "
            f"of fabric already. A foot of fabric costs [price]. How much must {p.he} spend?",
            f"For [count] {item} of [inches] inches of cloth each, {p.name} has only [have] feet of cloth. The "
            f"missing cloth costs [price] a foot. What does {p.he} pay?",
        ),
        given=numbers(count=count, inches=inches, have=have, price=price),
        constants=numbers(inches_in_a_foot=12),
        money=named("price cost"),
        moves=(
            compute(
                "needed = count * inches",
                f"All {item} together take [=] inches.",
                f"{p.name} needs [=] inches of fabric.",
            ),
            compute(
                "feet = needed / inches_in_a_foot",
                "There are [inches_in_a_foot] inches in a foot, so this is [=] feet.",
                "In feet, that is [=] feet.",
            ),
            compute(
                "missing = feet - have",
                f"{p.He} lacks [=] feet.",
                f"Beyond the [have] feet at hand, {p.he} needs [=] feet.",
            ),
            compute("cost = missing * price", "They cost [=].", f"For them {p.he} pays [=]."),
        ),
        answer="cost",
        conclusion=(f"{p.name} spends [cost].", ""),
    )


def parcels(d: Draw) -> Problem:
    p = d.person()
    thing = d.pick("books", "jars of honey", "candles", "ceramic bowls", "bars of soap", "bags of tea")
    each, count, box = d.whole(6, 30), d.whole(4, 20), d.whole(4, 24)
    while (each * count + box) % 16:
        box += 1
    fee, base = d.whole(2, 5), d.whole(3, 9)
    return Problem(
        question=(
            f"{p.name} mails a parcel with [count] {thing} that weigh [each] ounces apiece. The empty box weighs "
            f"[box] ounces. Shipping costs [base] plus [fee] for each pound. How much does {p.name} pay?",
            f"A box of [box] ounces is filled with [count] {thing} of [each] ounces each. The post charges [base] "
            "for a parcel and [fee] for every pound of weight. What does it cost to send it?",
        ),
        given=numbers(count=count, each=each, box=box, base=base, fee=fee),
        constants=numbers(ounces_in_a_pound=16),
        money=named("fee base for_weight cost"),
        moves=(
            compute("content = count * each", f"The {thing} weigh [=] ounces.", "The content weighs [=] ounces."),
            compute("ounces = content + box", "With the box it is [=] ounces.", "The whole parcel weighs [=] ounces."),
            compute(
                "weight = ounces / ounces_in_a_pound",
                "There are [ounces_in_a_pound] ounces in a pound, so it weighs [=] pounds.",
                "This is [=] pounds.",
            ),
            compute("for_weight = weight * fee", "For the weight one pays [=].", "[weight] pounds cost [=]."),
            compute("cost = base + for_weight", "In total the post takes [=].", f"So {p.name} pays [=]."),
        ),
        answer="cost",
        conclusion=(f"{p.name} pays [cost].", ""),
    )


TEMPLATES = (
    recipe,
    cutting_rope,
    medicine,
    sewing,
    parcels,
)
