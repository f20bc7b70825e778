"""Word problems: income, costs and profit."""

from stepreward.corpus.generate.draw import Draw, named, numbers
from stepreward.corpus.generate.model import Problem, compute


def bake_sale(d: Draw) -> Problem:
    p = d.person()
    good = d.pick("muffins", "brownies", "cookies", "pretzels", "cupcakes", "scones")
    trays, each, price = d.whole(3, 12), d.whole(8, 24), d.price(1, 3)
    left, flour, butter = d.whole(2, 7), d.whole(6, 14), d.whole(3, 9)
    cause = d.pick("the school library", "an animal shelter", "the class trip", "a new playground")
    return Problem(
        question=(
            f"For a bake sale for {cause}, {p.name} bakes [trays] trays of {good} with [each] {good} on each "
            f"tray. {p.He} sells all but [left] of them at [price] each. The flour cost [flour] and the butter "
            f"[butter]. How much money is left for {cause}?",
            f"{p.name} spends [flour] on flour and [butter] on butter and bakes [trays] trays of [each] {good} to "
            f"raise money for {cause}. Each of the {good} sells for [price], and [left] stay unsold. What is the "
            "profit in dollars?",
        ),
        given=numbers(trays=trays, each=each, left=left, price=price, flour=flour, butter=butter),
        money=named("price flour butter income costs profit"),
        moves=(
            compute("baked = trays * each", f"{p.name} bakes [=] {good}.", f"[trays] trays hold [=] {good}."),
            compute("sold = baked - left", "Of these, [=] are sold.", f"{p.He} sells [=] {good}."),
            compute("income = sold * price", "The sale brings in [=].", "Selling them at [price] each gives [=]."),
            compute("costs = flour + butter", "The ingredients cost [=].", f"{p.name} spent [=] on ingredients."),
            compute("profit = income - costs", "What remains is [=].", "Income minus costs is [=]."),
        ),
        answer="profit",
        conclusion=(f"There is [profit] for {cause}.", "The profit is [profit]."),
    )


def ticket_office(d: Draw) -> Problem:
    place = d.pick("a zoo", "a puppet theater", "a science museum", "a boat tour", "an open-air concert", "a circus")
    part = d.pick(2, 3, 4, 5)
    visitors, adult = part * d.whole(12, 60), d.whole(9, 24)
    child, costs = d.whole(3, 8), d.whole(50, 300, 10)
    return Problem(
        question=(
            f"Yesterday {place} had [visitors] visitors. One out of every [part] visitors was a child. Adults pay "
            "[adult] and children pay [child]. Running the place cost [costs] that day. How much was left of the "
            "ticket money?",
            f"Tickets for {place} cost [adult] for adults and [child] for children. Of the [visitors] people who "
            "came on Sunday, 1/[part] were children. After [costs] of running costs, how many dollars remained?",
        ),
        given=numbers(visitors=visitors, part=part, adult=adult, child=child, costs=costs),
        money=named("adult child costs from_children from_adults ticket_money rest"),
        moves=(
            compute(
                "children = visitors / part", "The number of children is [=].", "[=] of the visitors were children."
            ),
            compute("adults = visitors - children", "The other [=] were adults.", "So there were [=] adults."),
            compute(
                "from_children = children * child", "The children paid [=].", "Tickets for children brought in [=]."
            ),
            compute("from_adults = adults * adult", "The adults paid [=].", "Tickets for adults brought in [=]."),
            compute(
                "ticket_money = from_children + from_adults",
                "Altogether the tickets brought [=].",
                "The ticket money was [=].",
            ),
            compute(
                "rest = ticket_money - costs",
                "After the running costs, [=] remained.",
                "Minus the costs this leaves [=].",
            ),
        ),
        answer="rest",
        conclusion=("[rest] was left.", "So [rest] of the ticket money remained."),
    )


def resale(d: Draw) -> Problem:
    p, thing = d.person(), d.thing()
    boxes, size, cost, price = d.whole(3, 14), d.whole(6, 30), d.whole(8, 40), d.price(2, 6)
    while boxes * size * price <= boxes * cost:
        price += 1
    broken = d.whole(2, size // 2)
    while (boxes * size - broken) * price <= boxes * cost + 5:
        price += 1
    return Problem(
        question=(
            f"{p.name} buys [boxes] boxes of {thing} at [cost] a box. Every box holds [size] {thing}. [broken] of "
            f"them turn out to be damaged and cannot be sold; {p.he} sells all the others for [price] each. What "
            f"is {p.his} profit?",
            f"A box of [size] {thing} costs [cost]. {p.name} orders [boxes] boxes, throws away [broken] damaged "
            f"{thing} and sells the rest at [price] apiece. How many dollars does {p.he} gain?",
        ),
        given=numbers(boxes=boxes, size=size, cost=cost, price=price, broken=broken),
        money=named("cost price spent earned profit"),
        moves=(
            compute("spent = boxes * cost", f"{p.name} pays [=] for the boxes.", "The boxes cost [=]."),
            compute("pieces = boxes * size", f"The boxes hold [=] {thing}.", f"That gives {p.him} [=] {thing}."),
            compute("good = pieces - broken", "[=] of them can be sold.", "Without the damaged ones, [=] are left."),
            compute("earned = good * price", "Selling them brings [=].", f"At [price] each {p.he} takes in [=]."),
            compute("profit = earned - spent", "The profit is [=].", f"So {p.he} gains [=]."),
        ),
        answer="profit",
        conclusion=(f"{p.name}'s profit is [profit].", ""),
    )


def juice_stand(d: Draw) -> Problem:
    p, drink = d.person(), d.pick("lemonade", "apple juice", "iced tea", "grape juice", "ginger ale")
    gallons, cup, price, cost = d.whole(2, 9), d.pick(4, 8, 16), d.whole(1, 4), d.whole(5, 40)
    return Problem(
        question=(
            f"{p.name} makes [gallons] gallons of {drink} for [cost]. {p.He} pours it into cups of [cup] ounces "
            f"and sells all cups for [price] each. What is {p.his} profit? (There are 4 quarts in a gallon and 32 "
            "ounces in a quart.)",
            f"With 32 ounces in a quart and 4 quarts in a gallon, how much does {p.name} earn who spends [cost] "
            f"on [gallons] gallons of {drink} and sells it in [cup]-ounce cups at [price] a cup?",
        ),
        given=numbers(gallons=gallons, cost=cost, cup=cup, price=price),
        constants=numbers(quarts_in_a_gallon=4, ounces_in_a_quart=32),
        money=named("price cost income profit"),
        moves=(
            compute(
                "quarts = gallons * quarts_in_a_gallon",
                "[gallons] gallons are [=] quarts.",
                f"The {drink} makes [=] quarts.",
            ),
            compute(
                "ounces = quarts * ounces_in_a_quart",
                "That is [=] ounces.",
                f"In ounces, there are [=] ounces of {drink}.",
            ),
            compute("cups = ounces / cup", "It fills [=] cups.", f"{p.name} can pour [=] cups."),
            compute("income = cups * price", "Selling them brings [=].", f"For all cups {p.he} gets [=]."),
            compute("profit = income - cost", "The profit is [=].", "After the costs, [=] are left."),
        ),
        answer="profit",
        conclusion=(f"{p.name}'s profit is [profit].", ""),
    )


TEMPLATES = (
    bake_sale,
    ticket_office,
    resale,
    juice_stand,
)
