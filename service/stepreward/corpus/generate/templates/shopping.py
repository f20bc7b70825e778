"""Word problems: buying and selling, discounts, tips, shared bills."""

from stepreward.corpus.generate.draw import Draw, named, numbers
from stepreward.corpus.generate.model import Problem, compute


def change_from_a_bill(d: Draw) -> Problem:
    p = d.person()
    a, b, c = d.some(3, "notebooks", "pens", "folders", "erasers", "rulers", "glue sticks", "markers", "staplers")
    n, m, k = d.whole(2, 9), d.whole(2, 12), d.whole(2, 6)
    x, y, z = d.price(2, 7), d.price(1, 4), d.price(3, 9)
    total = n * x + m * y + k * z
    bill = (int(total) // 20 + 1) * 20 + d.pick(0, 20)
    shop = d.pick("a stationery shop", "the corner store", "a supermarket", "an office supply store")
    return Problem(
        question=(
            f"At {shop}, {p.name} buys [count_of_first] {a} for [price_of_first] each, [count_of_second] {b} for "
            f"[price_of_second] each and [count_of_third] {c} for [price_of_third] each. {p.He} pays with [bill]. "
            "How much change does the cashier return?",
            f"{p.name} goes to {shop}. {a.capitalize()} cost [price_of_first] each, {b} cost [price_of_second] "
            f"each and {c} cost [price_of_third] each. {p.He} takes [count_of_first] {a}, [count_of_second] {b} "
            f"and [count_of_third] {c} and hands over [bill]. How many dollars does {p.he} get back?",
        ),
        given=numbers(
            count_of_first=n,
            price_of_first=x,
            count_of_second=m,
            price_of_second=y,
            count_of_third=k,
            price_of_third=z,
            bill=bill,
        ),
        money=named(
            "price_of_first price_of_second price_of_third bill cost_of_first cost_of_second cost_of_third total change"
        ),
        moves=(
            compute(
                "cost_of_first = count_of_first * price_of_first",
                f"The {a} cost [=].",
                f"For the {a}, {p.name} pays [=].",
            ),
            compute(
                "cost_of_second = count_of_second * price_of_second",
                f"The {b} cost [=].",
                f"For the [count_of_second] {b} {p.he} pays [=].",
            ),
            compute(
                "cost_of_third = count_of_third * price_of_third",
                f"The {c} cost [=].",
                f"[count_of_third] {c} come to [=].",
            ),
            compute(
                "total = cost_of_first + cost_of_second + cost_of_third",
                "Everything together costs [=].",
                f"So {p.name} has to pay [=] in total.",
            ),
            compute("change = bill - total", "The change is [=].", f"From [bill] {p.he} gets back [=]."),
        ),
        answer="change",
        conclusion=(f"{p.name} gets [change] back.", ""),
    )


def discount_then_coupon(d: Draw) -> Problem:
    p, item = (
        d.person(),
        d.pick("jacket", "backpack", "pair of boots", "desk lamp", "winter coat", "headset", "blender"),
    )
    percent = d.pick(10, 15, 20, 25, 30, 40)
    price, coupon, count = d.whole(40, 240, 20), d.whole(3, 12), d.whole(2, 5)
    return Problem(
        question=(
            f"A {item} normally costs [price]. During a sale it is [percent]% off, and {p.name} has a coupon that "
            f"takes another [coupon] off each one after the discount. How much do [count] of them cost {p.him}?",
            f"A store lowers the price of a {item} from [price] by [percent]%. With a coupon, every piece is a "
            f"further [coupon] cheaper. {p.name} buys [count]. What does {p.he} pay altogether?",
        ),
        given=numbers(price=price, percent=percent, coupon=coupon, count=count),
        money=named("price coupon discount sale_price price_with_coupon cost"),
        moves=(
            compute(
                "discount = price * percent / 100", "The discount on one piece is [=].", "[percent]% of [price] is [=]."
            ),
            compute("sale_price = price - discount", "The sale price is [=].", f"So one {item} is on sale for [=]."),
            compute(
                "price_with_coupon = sale_price - coupon",
                "With the coupon each one costs [=].",
                "The coupon brings this to [=].",
            ),
            compute(
                "cost = price_with_coupon * count",
                f"For [count] of them {p.name} pays [=].",
                "All [count] together cost [=].",
            ),
        ),
        answer="cost",
        conclusion=(f"{p.name} pays [cost].", ""),
    )


def restaurant_bill(d: Draw) -> Problem:
    p, friends = d.person(), d.whole(2, 4)
    people = friends + 1
    each = d.whole(9, 26) * 5
    total = people * each  # a multiple of five, so that the tip comes out in whole cents
    first = d.whole(total // 5, total // 3)
    second = d.whole(total // 5, total // 3)
    third, percent = total - first - second, d.pick(10, 15, 20)
    dishes = d.some(3, "the starters", "the main courses", "the desserts", "the drinks", "the side dishes")
    return Problem(
        question=(
            f"{p.name} has dinner with [friends] of {p.his} friends. {dishes[0].capitalize()} cost [first_dish], "
            f"{dishes[1]} [second_dish] and {dishes[2]} [third_dish]. They add a tip of [percent]% and divide "
            "everything equally. How much does each one pay?",
            f"A restaurant charges [first_dish] for {dishes[0]}, [second_dish] for {dishes[1]} and [third_dish] "
            f"for {dishes[2]}. {p.name} and [friends] friends leave a [percent]% tip and split the amount evenly. "
            "What is one share in dollars?",
        ),
        given=numbers(friends=friends, first_dish=first, second_dish=second, third_dish=third, percent=percent),
        money=named("first_dish second_dish third_dish bill tip amount share"),
        moves=(
            compute(
                "people = friends + 1",
                "There are [=] people at the table.",
                f"With {p.name}, [=] people share the bill.",
            ),
            compute(
                "bill = first_dish + second_dish + third_dish",
                "The bill before the tip is [=].",
                "Food and drink cost [=].",
            ),
            compute("tip = bill * percent / 100", "The tip is [=].", "A tip of [percent]% means [=]."),
            compute("amount = bill + tip", "Together they pay [=].", "With the tip it comes to [=]."),
            compute("share = amount / people", "Each person pays [=].", "One share is [=]."),
        ),
        answer="share",
        conclusion=("Everyone pays [share].", "Each share is [share]."),
    )


def shared_bills(d: Draw) -> Problem:
    p, mates = d.person(), d.whole(2, 4)
    share = d.whole(260, 480)
    rent = share * (mates + 1) - d.whole(180, 330)
    rest = share * (mates + 1) - rent
    water = d.whole(30, rest // 2 - 20)
    power = d.whole(40, rest - water - 25)
    internet, income = rest - water - power, share + d.whole(400, 1500, 10)
    return Problem(
        question=(
            f"{p.name} shares a flat with [mates] other people. Each month the rent is [rent], water costs "
            f"[water], electricity [power] and internet [internet]. Everybody pays the same. {p.name} earns "
            f"[income] a month. How much does {p.he} keep after paying {p.his} share?",
            "The monthly bills of a flat are [rent] for rent, [water] for water, [power] for electricity and "
            f"[internet] for internet. {p.name} and [mates] flatmates split them equally. What is left of "
            f"{p.name}'s income of [income]?",
        ),
        given=numbers(mates=mates, rent=rent, water=water, power=power, internet=internet, income=income),
        money=named("rent water power internet income bills share kept"),
        moves=(
            compute(
                "people = mates + 1",
                f"Together with {p.name} there are [=] people in the flat.",
                "The bills are shared by [=] people.",
            ),
            compute(
                "bills = rent + water + power + internet",
                "All bills of a month add up to [=].",
                "Each month the flat costs [=].",
            ),
            compute("share = bills / people", "The share of each person is [=].", f"{p.name} pays [=]."),
            compute("kept = income - share", f"{p.name} keeps [=].", "After that, what is left of the income is [=]."),
        ),
        answer="kept",
        conclusion=(f"{p.name} keeps [kept] a month.", ""),
    )


TEMPLATES = (
    change_from_a_bill,
    discount_then_coupon,
    restaurant_bill,
    shared_bills,
)
