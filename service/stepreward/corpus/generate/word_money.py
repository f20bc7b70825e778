"""Word problems about money: saving, buying, selling, earning, sharing."""

from fractions import Fraction

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.model import Move, Problem


def saving_up(d: Draw) -> Problem:
    p, relative = d.person(), d.pick("grandmother", "uncle", "aunt", "older brother", "godfather")
    goal = d.pick("a bicycle", "a telescope", "a guitar", "a tent", "a keyboard", "a skateboard", "a camera")
    weekly, weeks, gift = d.whole(6, 45), d.whole(4, 16), d.whole(10, 80, 5)
    price = weekly * weeks + gift + d.whole(15, 180)
    return Problem(
        question=(
            f"{p.name} wants to buy {goal} that costs [price]. {p.He} saves [weekly] every week for [weeks] weeks, and "
            f"{p.his} {relative} gives {p.him} [gift]. How much more money does {p.name} need?",
            f"{goal[0].upper() + goal[1:]} costs [price]. To buy it, {p.name} puts aside [weekly] a week. After [weeks] weeks "
            f"{p.he} also gets [gift] from {p.his} {relative}. How many dollars are still missing?",
        ),
        given=numbers(price=price, weekly=weekly, weeks=weeks, gift=gift),
        money=frozenset({"price", "weekly", "gift", "saved", "together", "missing"}),
        moves=(
            Move(
                "saved",
                "weekly * weeks",
                (
                    f"In [weeks] weeks {p.name} saves [=].",
                    "The weekly savings come to [=].",
                    f"{p.name} puts aside [weekly] a week for [weeks] weeks, which makes [=].",
                ),
            ),
            Move(
                "together",
                "saved + gift",
                (
                    f"With the gift from {p.his} {relative}, {p.he} has [=].",
                    f"The {relative} adds [gift], so {p.name} now has [=].",
                ),
            ),
            Move(
                "missing",
                "price - together",
                (f"{p.He} still needs [=].", "What is missing for the full price is [=]."),
            ),
        ),
        answer="missing",
        conclusion=(f"{p.name} needs [missing] more.", ""),
    )


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
            f"At {shop}, {p.name} buys [n] {a} for [x] each, [m] {b} for [y] each and [k] {c} for [z] each. {p.He} pays "
            "with [bill]. How much change does the cashier return?",
            f"{p.name} goes to {shop}. {a.capitalize()} cost [x] each, {b} cost [y] each and {c} cost [z] each. {p.He} takes [n] {a}, "
            f"[m] {b} and [k] {c} and hands over [bill]. How many dollars does {p.he} get back?",
        ),
        given=numbers(n=n, x=x, m=m, y=y, k=k, z=z, bill=bill),
        money=frozenset({"x", "y", "z", "bill", "cost_of_a", "cost_of_b", "cost_of_c", "total", "change"}),
        moves=(
            Move("cost_of_a", "n * x", (f"The {a} cost [=].", f"For the {a}, {p.name} pays [=].")),
            Move("cost_of_b", "m * y", (f"The {b} cost [=].", f"For the [m] {b} {p.he} pays [=].")),
            Move("cost_of_c", "k * z", (f"The {c} cost [=].", f"[k] {c} come to [=].")),
            Move(
                "total",
                "cost_of_a + cost_of_b + cost_of_c",
                ("Everything together costs [=].", f"So {p.name} has to pay [=] in total."),
            ),
            Move("change", "bill - total", ("The change is [=].", f"From [bill] {p.he} gets back [=].")),
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
            f"A {item} normally costs [price]. During a sale it is [percent]% off, and {p.name} has a coupon that takes another "
            f"[coupon] off each one after the discount. How much do [count] of them cost {p.him}?",
            f"A store lowers the price of a {item} from [price] by [percent]%. With a coupon, every piece is a further [coupon] "
            f"cheaper. {p.name} buys [count]. What does {p.he} pay altogether?",
        ),
        given=numbers(price=price, percent=percent, coupon=coupon, count=count),
        money=frozenset({"price", "coupon", "discount", "sale_price", "price_with_coupon", "cost"}),
        moves=(
            Move(
                "discount",
                "price * percent / 100",
                ("The discount on one piece is [=].", "[percent]% of [price] is [=]."),
            ),
            Move("sale_price", "price - discount", ("The sale price is [=].", f"So one {item} is on sale for [=].")),
            Move(
                "price_with_coupon",
                "sale_price - coupon",
                ("With the coupon each one costs [=].", "The coupon brings this to [=]."),
            ),
            Move(
                "cost",
                "price_with_coupon * count",
                (f"For [count] of them {p.name} pays [=].", "All [count] together cost [=]."),
            ),
        ),
        answer="cost",
        conclusion=(f"{p.name} pays [cost].", ""),
    )


def bake_sale(d: Draw) -> Problem:
    p = d.person()
    good = d.pick("muffins", "brownies", "cookies", "pretzels", "cupcakes", "scones")
    trays, each, price = d.whole(3, 12), d.whole(8, 24), d.price(1, 3)
    left, flour, butter = d.whole(2, 7), d.whole(6, 14), d.whole(3, 9)
    cause = d.pick("the school library", "an animal shelter", "the class trip", "a new playground")
    return Problem(
        question=(
            f"For a bake sale for {cause}, {p.name} bakes [trays] trays of {good} with [each] {good} on each tray. "
            f"{p.He} sells all but [left] of them at [price] each. The flour cost [flour] and the butter [butter]. How much "
            f"money is left for {cause}?",
            f"{p.name} spends [flour] on flour and [butter] on butter and bakes [trays] trays of [each] {good} to raise money for {cause}. "
            f"Each of the {good} sells for [price], and [left] stay unsold. What is the profit in dollars?",
        ),
        given=numbers(trays=trays, each=each, left=left, price=price, flour=flour, butter=butter),
        money=frozenset({"price", "flour", "butter", "income", "costs", "profit"}),
        moves=(
            Move("baked", "trays * each", (f"{p.name} bakes [=] {good}.", f"[trays] trays hold [=] {good}.")),
            Move("sold", "baked - left", ("Of these, [=] are sold.", f"{p.He} sells [=] {good}.")),
            Move("income", "sold * price", ("The sale brings in [=].", "Selling them at [price] each gives [=].")),
            Move("costs", "flour + butter", ("The ingredients cost [=].", f"{p.name} spent [=] on ingredients.")),
            Move("profit", "income - costs", ("What remains is [=].", "Income minus costs is [=].")),
        ),
        answer="profit",
        conclusion=(f"There is [profit] for {cause}.", "The profit is [profit]."),
    )


def overtime(d: Draw) -> Problem:
    p, job = d.person(), d.pick("a warehouse", "a bakery", "a garage", "a hotel", "a print shop", "a garden center")
    rate, normal, extra, weeks = d.whole(12, 30, 2), d.whole(24, 40), d.whole(2, 10), d.whole(2, 6)
    return Problem(
        question=(
            f"{p.name} works in {job} for [rate] an hour. Overtime is paid at 1.5 times this rate. Every week {p.he} "
            "works [normal] regular hours and [extra] hours of overtime. How much does "
            f"{p.he} earn in [weeks] weeks?",
            f"In {job} a regular hour pays [rate] and an hour of overtime pays one and a half times as much. If {p.name} works "
            "[normal] regular hours and [extra] overtime hours a week, how many dollars are that after [weeks] weeks?",
        ),
        given=numbers(rate=rate, normal=normal, extra=extra, weeks=weeks),
        constants={"factor": Fraction(3, 2)},
        money=frozenset({"rate", "overtime_rate", "regular_pay", "overtime_pay", "weekly_pay", "pay"}),
        moves=(
            Move("overtime_rate", "rate * factor", ("An hour of overtime pays [=].", "The overtime rate is [=].")),
            Move(
                "regular_pay",
                "normal * rate",
                ("The regular hours bring [=] a week.", f"For regular hours {p.he} gets [=]."),
            ),
            Move("overtime_pay", "extra * overtime_rate", ("The overtime brings [=] a week.", "Overtime adds [=].")),
            Move(
                "weekly_pay", "regular_pay + overtime_pay", (f"So {p.name} earns [=] each week.", "One week makes [=].")
            ),
            Move(
                "pay", "weekly_pay * weeks", ("In [weeks] weeks that is [=].", f"Over [weeks] weeks {p.he} earns [=].")
            ),
        ),
        answer="pay",
        conclusion=(f"{p.name} earns [pay].", ""),
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
            f"{p.name} shares a flat with [mates] other people. Each month the rent is [rent], water costs [water], electricity [power] "
            f"and internet [internet]. Everybody pays the same. {p.name} earns [income] a month. How much does {p.he} keep after paying {p.his} share?",
            f"The monthly bills of a flat are [rent] for rent, [water] for water, [power] for electricity and [internet] for internet. "
            f"{p.name} and [mates] flatmates split them equally. What is left of {p.name}'s income of [income]?",
        ),
        given=numbers(mates=mates, rent=rent, water=water, power=power, internet=internet, income=income),
        money=frozenset({"rent", "water", "power", "internet", "income", "bills", "share", "kept"}),
        moves=(
            Move(
                "people",
                "mates + 1",
                (f"Together with {p.name} there are [=] people in the flat.", "The bills are shared by [=] people."),
            ),
            Move(
                "bills",
                "rent + water + power + internet",
                ("All bills of a month add up to [=].", "Each month the flat costs [=]."),
            ),
            Move("share", "bills / people", ("The share of each person is [=].", f"{p.name} pays [=].")),
            Move("kept", "income - share", (f"{p.name} keeps [=].", "After that, what is left of the income is [=].")),
        ),
        answer="kept",
        conclusion=(f"{p.name} keeps [kept] a month.", ""),
    )


def yearly_or_monthly(d: Draw) -> Problem:
    p, club = d.person(), d.pick("gym", "climbing hall", "music app", "swimming pool", "film service", "tool library")
    monthly, fee = d.whole(9, 48), d.whole(10, 60, 5)
    yearly = monthly * 12 + fee - d.whole(20, 90)
    years = d.whole(2, 4)
    return Problem(
        question=(
            f"A {club} charges [monthly] a month plus a fee of [fee] once a year, or [yearly] for a whole year with no fee. "
            f"How much does {p.name} save in [years] years by choosing the yearly plan?",
            f"{p.name} can pay for a {club} by the month ([monthly] each month and a fee of [fee] every year) or by the year ([yearly], "
            "everything included). How many dollars cheaper is paying by the year over [years] years?",
        ),
        given=numbers(monthly=monthly, fee=fee, yearly=yearly, years=years),
        constants=numbers(months_in_a_year=12),
        money=frozenset({"monthly", "fee", "yearly", "payments", "monthly_plan", "difference", "savings"}),
        moves=(
            Move(
                "payments",
                "monthly * months_in_a_year",
                (
                    "There are [months_in_a_year] months in a year, so the monthly payments add up to [=].",
                    "In a year, [months_in_a_year] monthly payments make [=].",
                ),
            ),
            Move(
                "monthly_plan",
                "payments + fee",
                ("With the fee, a year on the monthly plan costs [=].", "Including the fee that is [=] a year."),
            ),
            Move(
                "difference",
                "monthly_plan - yearly",
                ("The yearly plan is cheaper by [=] a year.", f"Each year {p.name} saves [=]."),
            ),
            Move(
                "savings",
                "difference * years",
                ("In [years] years this makes [=].", f"Over [years] years {p.he} saves [=]."),
            ),
        ),
        answer="savings",
        conclusion=(f"{p.name} saves [savings].", ""),
    )


def ticket_office(d: Draw) -> Problem:
    place = d.pick("a zoo", "a puppet theater", "a science museum", "a boat tour", "an open-air concert", "a circus")
    part = d.pick(2, 3, 4, 5)
    visitors, adult = part * d.whole(12, 60), d.whole(9, 24)
    child, costs = d.whole(3, 8), d.whole(50, 300, 10)
    return Problem(
        question=(
            f"Yesterday {place} had [visitors] visitors. One out of every [part] visitors was a child. Adults pay [adult] and children pay [child]. "
            "Running the place cost [costs] that day. How much was left of the ticket money?",
            f"Tickets for {place} cost [adult] for adults and [child] for children. Of the [visitors] people who came on Sunday, 1/[part] "
            "were children. After [costs] of running costs, how many dollars remained?",
        ),
        given=numbers(visitors=visitors, part=part, adult=adult, child=child, costs=costs),
        money=frozenset({"adult", "child", "costs", "from_children", "from_adults", "ticket_money", "rest"}),
        moves=(
            Move(
                "children", "visitors / part", ("The number of children is [=].", "[=] of the visitors were children.")
            ),
            Move("adults", "visitors - children", ("The other [=] were adults.", "So there were [=] adults.")),
            Move(
                "from_children", "children * child", ("The children paid [=].", "Tickets for children brought in [=].")
            ),
            Move("from_adults", "adults * adult", ("The adults paid [=].", "Tickets for adults brought in [=].")),
            Move(
                "ticket_money",
                "from_children + from_adults",
                ("Altogether the tickets brought [=].", "The ticket money was [=]."),
            ),
            Move(
                "rest",
                "ticket_money - costs",
                ("After the running costs, [=] remained.", "Minus the costs this leaves [=]."),
            ),
        ),
        answer="rest",
        conclusion=("[rest] was left.", "So [rest] of the ticket money remained."),
    )


def coin_jar(d: Draw) -> Problem:
    p = d.person()
    quarters, dimes, nickels = d.whole(8, 60), d.whole(5, 70), d.whole(4, 80)
    if (quarters + nickels) % 2:
        nickels += 1
    return Problem(
        question=(
            f"{p.name} empties a jar and finds [quarters] quarters, [dimes] dimes and [nickels] nickels. How many dollars are these coins worth?",
            f"In {p.his} piggy bank, {p.name} has [nickels] nickels, [dimes] dimes and [quarters] quarters. How much money is that in dollars?",
        ),
        given=numbers(quarters=quarters, dimes=dimes, nickels=nickels),
        constants=numbers(cents_in_a_quarter=25, cents_in_a_dime=10, cents_in_a_nickel=5, cents_in_a_dollar=100),
        money=frozenset({"dollars"}),
        moves=(
            Move(
                "cents_in_quarters",
                "quarters * cents_in_a_quarter",
                ("The quarters are worth [=] cents.", "[quarters] quarters make [=] cents."),
            ),
            Move(
                "cents_in_dimes",
                "dimes * cents_in_a_dime",
                ("The dimes are worth [=] cents.", "[dimes] dimes make [=] cents."),
            ),
            Move(
                "cents_in_nickels",
                "nickels * cents_in_a_nickel",
                ("The nickels are worth [=] cents.", "[nickels] nickels make [=] cents."),
            ),
            Move(
                "cents",
                "cents_in_quarters + cents_in_dimes + cents_in_nickels",
                (f"Altogether {p.name} has [=] cents.", "The sum is [=] cents."),
            ),
            Move(
                "dollars",
                "cents / cents_in_a_dollar",
                ("There are [cents_in_a_dollar] cents in a dollar, so this is [=].", "In dollars that is [=]."),
            ),
        ),
        answer="dollars",
        conclusion=(f"{p.name} has [dollars].", ""),
    )


def restaurant_bill(d: Draw) -> Problem:
    p, friends = d.person(), d.whole(1, 4)
    people = friends + 1
    each = d.whole(9, 26) * 5
    total = people * each  # a multiple of five, so that the tip comes out in whole cents
    first = d.whole(total // 5, total // 3)
    second = d.whole(total // 5, total // 3)
    third, percent = total - first - second, d.pick(10, 15, 20)
    dishes = d.some(3, "the starters", "the main courses", "the desserts", "the drinks", "the side dishes")
    return Problem(
        question=(
            f"{p.name} has dinner with [friends] of {p.his} friends. {dishes[0].capitalize()} cost [first], {dishes[1]} [second] and {dishes[2]} [third]. "
            "They add a tip of [percent]% and divide everything equally. How much does each one pay?",
            f"A restaurant charges [first] for {dishes[0]}, [second] for {dishes[1]} and [third] for {dishes[2]}. {p.name} and [friends] "
            "friends leave a [percent]% tip and split the amount evenly. What is one share in dollars?",
        ),
        given=numbers(friends=friends, first=first, second=second, third=third, percent=percent),
        money=frozenset({"first", "second", "third", "bill", "tip", "amount", "share"}),
        moves=(
            Move(
                "people",
                "friends + 1",
                ("There are [=] people at the table.", f"With {p.name}, [=] people share the bill."),
            ),
            Move("bill", "first + second + third", ("The bill before the tip is [=].", "Food and drink cost [=].")),
            Move("tip", "bill * percent / 100", ("The tip is [=].", "A tip of [percent]% means [=].")),
            Move("amount", "bill + tip", ("Together they pay [=].", "With the tip it comes to [=].")),
            Move("share", "amount / people", ("Each person pays [=].", "One share is [=].")),
        ),
        answer="share",
        conclusion=("Everyone pays [share].", "Each share is [share]."),
    )


def resale(d: Draw) -> Problem:
    p, thing = d.person(), d.thing()
    boxes, size, cost, price = d.whole(3, 14), d.whole(6, 30), d.whole(8, 40), d.price(2, 6)
    while boxes * size * price <= boxes * cost:
        price += 1
    broken = d.whole(1, size // 2)
    while (boxes * size - broken) * price <= boxes * cost + 5:
        price += 1
    return Problem(
        question=(
            f"{p.name} buys [boxes] boxes of {thing} at [cost] a box. Every box holds [size] {thing}. [broken] of them turn out "
            f"to be damaged and cannot be sold; {p.he} sells all the others for [price] each. What is {p.his} profit?",
            f"A box of [size] {thing} costs [cost]. {p.name} orders [boxes] boxes, throws away [broken] damaged {thing} and sells the "
            f"rest at [price] apiece. How many dollars does {p.he} gain?",
        ),
        given=numbers(boxes=boxes, size=size, cost=cost, price=price, broken=broken),
        money=frozenset({"cost", "price", "spent", "earned", "profit"}),
        moves=(
            Move("spent", "boxes * cost", (f"{p.name} pays [=] for the boxes.", "The boxes cost [=].")),
            Move("pieces", "boxes * size", (f"The boxes hold [=] {thing}.", f"That gives {p.him} [=] {thing}.")),
            Move("good", "pieces - broken", ("[=] of them can be sold.", "Without the damaged ones, [=] are left.")),
            Move("earned", "good * price", ("Selling them brings [=].", f"At [price] each {p.he} takes in [=].")),
            Move("profit", "earned - spent", ("The profit is [=].", f"So {p.he} gains [=].")),
        ),
        answer="profit",
        conclusion=(f"{p.name}'s profit is [profit].", ""),
    )


def commission(d: Draw) -> Problem:
    p, goods = (
        d.person(),
        d.pick("vacuum cleaners", "mattresses", "bicycles", "printers", "armchairs", "sewing machines"),
    )
    base, price, percent = d.whole(300, 900, 20), d.whole(80, 400, 20), d.pick(5, 10, 15)
    first, second = d.whole(4, 20), d.whole(4, 20)
    return Problem(
        question=(
            f"{p.name} sells {goods} at [price] each. {p.He} gets a fixed salary of [base] a month and [percent]% of the value of what "
            f"{p.he} sells. In one month {p.he} sold [first] {goods} in the first half and [second] in the second half. What did {p.he} earn that month?",
            f"A shop pays {p.name} [base] a month plus a commission of [percent]% on sales. The {goods} {p.he} sells cost [price] each; "
            f"{p.he} sold [first] before the 15th of the month and [second] afterwards. How many dollars did {p.he} receive?",
        ),
        given=numbers(base=base, price=price, percent=percent, first=first, second=second),
        money=frozenset({"base", "price", "sales", "bonus", "salary"}),
        moves=(
            Move(
                "sold",
                "first + second",
                (f"{p.name} sold [=] {goods} in the month.", f"Over the whole month that is [=] {goods}."),
            ),
            Move("sales", "sold * price", ("They are worth [=].", "The value of the sales is [=].")),
            Move("bonus", "sales * percent / 100", ("The commission is [=].", "[percent]% of this is [=].")),
            Move(
                "salary",
                "base + bonus",
                (f"With the fixed salary {p.he} earned [=].", "Salary and commission together make [=]."),
            ),
        ),
        answer="salary",
        conclusion=(f"{p.name} earned [salary].", ""),
    )


def fundraiser(d: Draw) -> Problem:
    group, aim = (
        d.pick("A choir", "A scout troop", "A chess club", "A school band", "A rowing team"),
        d.pick("a trip", "new uniforms", "a summer camp"),
    )
    members, each, donors, gift = d.whole(8, 30), d.whole(10, 45), d.whole(3, 12), d.whole(15, 90, 5)
    washed, fee = d.whole(12, 60), d.whole(4, 12)
    goal = members * each + donors * gift + washed * fee + d.whole(40, 600, 10)
    return Problem(
        question=(
            f"{group} needs [goal] for {aim}. Each of its [members] members collects [each], [donors] neighbors give [gift] each, and at a car "
            "wash the group cleans [washed] cars for [fee] each. How much money is still missing?",
            f"{group} is raising [goal] for {aim}. So far [members] members have brought [each] each, [donors] sponsors have paid [gift] each, and "
            "washing [washed] cars has earned [fee] per car. How many dollars short of the goal is it?",
        ),
        given=numbers(goal=goal, members=members, each=each, donors=donors, gift=gift, washed=washed, fee=fee),
        money=frozenset(
            {"goal", "each", "gift", "fee", "from_members", "from_sponsors", "from_cars", "raised", "missing"}
        ),
        moves=(
            Move("from_members", "members * each", ("The members collect [=].", "From the members come [=].")),
            Move("from_sponsors", "donors * gift", ("The others give [=].", "[donors] gifts of [gift] make [=].")),
            Move("from_cars", "washed * fee", ("The car wash earns [=].", "Washing [washed] cars brings in [=].")),
            Move(
                "raised",
                "from_members + from_sponsors + from_cars",
                ("Altogether this makes [=].", "The group has raised [=]."),
            ),
            Move("missing", "goal - raised", ("What is missing is [=].", "To reach the goal it needs another [=].")),
        ),
        answer="missing",
        conclusion=("The group is still short of [missing].", ""),
    )


def data_plan(d: Draw) -> Problem:
    p = d.person()
    base, included, extra = d.whole(15, 40), d.whole(3, 12), d.whole(2, 7)
    first, second = included + d.whole(1, 9), included + d.whole(1, 9)
    return Problem(
        question=(
            f"{p.name}'s phone plan costs [base] a month and includes [included] gigabytes of data. Every further gigabyte costs [extra]. {p.He} "
            f"used [first] gigabytes in March and [second] in April. How much did {p.he} pay for both months?",
            f"A phone plan with [included] gigabytes of data costs [base] a month, and [extra] for each gigabyte above that. {p.name} needed [first] "
            "gigabytes one month and [second] the month after. What were the two bills together?",
        ),
        given=numbers(base=base, included=included, extra=extra, first=first, second=second),
        money=frozenset({"base", "extra", "first_bill", "second_bill", "bills"}),
        moves=(
            Move(
                "above_in_first",
                "first - included",
                ("In the first month [=] gigabytes were above the limit.", f"First {p.he} went over by [=] gigabytes."),
            ),
            Move(
                "first_bill",
                "base + above_in_first * extra",
                ("The bill for this month was [=].", "So the first bill was [=]."),
            ),
            Move(
                "above_in_second",
                "second - included",
                (
                    "In the second month [=] gigabytes were above the limit.",
                    "The month after, the excess was [=] gigabytes.",
                ),
            ),
            Move("second_bill", "base + above_in_second * extra", ("The second bill was [=].", "That month cost [=].")),
            Move(
                "bills", "first_bill + second_bill", ("Both months together cost [=].", f"In total {p.name} paid [=].")
            ),
        ),
        answer="bills",
        conclusion=(f"{p.name} paid [bills].", ""),
    )


TEMPLATES = (
    saving_up,
    change_from_a_bill,
    discount_then_coupon,
    bake_sale,
    overtime,
    shared_bills,
    yearly_or_monthly,
    ticket_office,
    coin_jar,
    restaurant_bill,
    resale,
    commission,
    fundraiser,
    data_plan,
)
