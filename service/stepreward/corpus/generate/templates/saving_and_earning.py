"""Word problems: saving up, wages, commissions, raising money, comparing plans."""

from fractions import Fraction

from stepreward.corpus.generate.draw import Draw, named, numbers
from stepreward.corpus.generate.model import Problem, compute


def saving_up(d: Draw) -> Problem:
    p, relative = d.person(), d.pick("grandmother", "uncle", "aunt", "older brother", "godfather")
    goal = d.pick("a bicycle", "a telescope", "a guitar", "a tent", "a keyboard", "a skateboard", "a camera")
    weekly, weeks, gift = d.whole(6, 45), d.whole(4, 16), d.whole(10, 80, 5)
    price = weekly * weeks + gift + d.whole(15, 180)
    return Problem(
        question=(
            f"{p.name} wants to buy {goal} that costs [price]. {p.He} saves [weekly] every week for [weeks] "
            f"weeks, and {p.his} {relative} gives {p.him} [gift]. How much more money does {p.name} need?",
            f"{goal[0].upper() + goal[1:]} costs [price]. To buy it, {p.name} puts aside [weekly] a week. After "
            f"[weeks] weeks {p.he} also gets [gift] from {p.his} {relative}. How many dollars are still missing?",
        ),
        given=numbers(price=price, weekly=weekly, weeks=weeks, gift=gift),
        money=named("price weekly gift saved together missing"),
        moves=(
            compute(
                "saved = weekly * weeks",
                f"In [weeks] weeks {p.name} saves [=].",
                "The weekly savings come to [=].",
                f"{p.name} puts aside [weekly] a week for [weeks] weeks, which makes [=].",
            ),
            compute(
                "together = saved + gift",
                f"With the gift from {p.his} {relative}, {p.he} has [=].",
                f"The {relative} adds [gift], so {p.name} now has [=].",
            ),
            compute(
                "missing = price - together", f"{p.He} still needs [=].", "What is missing for the full price is [=]."
            ),
        ),
        answer="missing",
        conclusion=(f"{p.name} needs [missing] more.", ""),
    )


def overtime(d: Draw) -> Problem:
    p, job = d.person(), d.pick("a warehouse", "a bakery", "a garage", "a hotel", "a print shop", "a garden center")
    rate, normal, extra, weeks = d.whole(12, 30, 2), d.whole(24, 40), d.whole(2, 10), d.whole(2, 6)
    return Problem(
        question=(
            f"{p.name} works in {job} for [rate] an hour. Overtime is paid at 1.5 times this rate. Every week "
            f"{p.he} works [normal] regular hours and [extra] hours of overtime. How much does {p.he} earn in "
            "[weeks] weeks?",
            f"In {job} a regular hour pays [rate] and an hour of overtime pays one and a half times as much. If "
            f"{p.name} works [normal] regular hours and [extra] overtime hours a week, how many dollars are that "
            "after [weeks] weeks?",
        ),
        given=numbers(rate=rate, normal=normal, extra=extra, weeks=weeks),
        constants={"factor": Fraction(3, 2)},
        money=named("rate overtime_rate regular_pay overtime_pay weekly_pay pay"),
        moves=(
            compute("overtime_rate = rate * factor", "An hour of overtime pays [=].", "The overtime rate is [=]."),
            compute(
                "regular_pay = normal * rate",
                "The regular hours bring [=] a week.",
                f"For regular hours {p.he} gets [=].",
            ),
            compute("overtime_pay = extra * overtime_rate", "The overtime brings [=] a week.", "Overtime adds [=]."),
            compute(
                "weekly_pay = regular_pay + overtime_pay", f"So {p.name} earns [=] each week.", "One week makes [=]."
            ),
            compute(
                "pay = weekly_pay * weeks", "In [weeks] weeks that is [=].", f"Over [weeks] weeks {p.he} earns [=]."
            ),
        ),
        answer="pay",
        conclusion=(f"{p.name} earns [pay].", ""),
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
            f"{p.name} sells {goods} at [price] each. {p.He} gets a fixed salary of [base] a month and [percent]% "
            f"of the value of what {p.he} sells. In one month {p.he} sold [sold_before] {goods} in the first half "
            f"and [sold_after] in the second half. What did {p.he} earn that month?",
            f"A shop pays {p.name} [base] a month plus a commission of [percent]% on sales. The {goods} {p.he} "
            f"sells cost [price] each; {p.he} sold [sold_before] before the 15th of the month and [sold_after] "
            f"afterwards. How many dollars did {p.he} receive?",
        ),
        given=numbers(base=base, price=price, percent=percent, sold_before=first, sold_after=second),
        money=named("base price sales bonus salary"),
        moves=(
            compute(
                "sold = sold_before + sold_after",
                f"{p.name} sold [=] {goods} in the month.",
                f"Over the whole month that is [=] {goods}.",
            ),
            compute("sales = sold * price", "They are worth [=].", "The value of the sales is [=]."),
            compute("bonus = sales * percent / 100", "The commission is [=].", "[percent]% of this is [=]."),
            compute(
                "salary = base + bonus",
                f"With the fixed salary {p.he} earned [=].",
                "Salary and commission together make [=].",
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
            f"{group} needs [goal] for {aim}. Each of its [members] members collects [each], [donors] neighbors "
            "give [gift] each, and at a car wash the group cleans [washed] cars for [fee] each. How much money is "
            "still missing?",
            f"{group} is raising [goal] for {aim}. So far [members] members have brought [each] each, [donors] "
            "sponsors have paid [gift] each, and washing [washed] cars has earned [fee] per car. How many dollars "
            "short of the goal is it?",
        ),
        given=numbers(goal=goal, members=members, each=each, donors=donors, gift=gift, washed=washed, fee=fee),
        money=named("goal each gift fee from_members from_sponsors from_cars raised missing"),
        moves=(
            compute("from_members = members * each", "The members collect [=].", "From the members come [=]."),
            compute("from_sponsors = donors * gift", "The others give [=].", "[donors] gifts of [gift] make [=]."),
            compute("from_cars = washed * fee", "The car wash earns [=].", "Washing [washed] cars brings in [=]."),
            compute(
                "raised = from_members + from_sponsors + from_cars",
                "Altogether this makes [=].",
                "The group has raised [=].",
            ),
            compute("missing = goal - raised", "What is missing is [=].", "To reach the goal it needs another [=]."),
        ),
        answer="missing",
        conclusion=("The group is still short of [missing].", ""),
    )


def coin_jar(d: Draw) -> Problem:
    p = d.person()
    quarters, dimes, nickels = d.whole(8, 60), d.whole(5, 70), d.whole(4, 80)
    if (quarters + nickels) % 2:
        nickels += 1
    return Problem(
        question=(
            f"{p.name} empties a jar and finds [quarters] quarters, [dimes] dimes and [nickels] nickels. How many "
            "dollars are these coins worth?",
            f"In {p.his} piggy bank, {p.name} has [nickels] nickels, [dimes] dimes and [quarters] quarters. How "
            "much money is that in dollars?",
        ),
        given=numbers(quarters=quarters, dimes=dimes, nickels=nickels),
        constants=numbers(cents_in_a_quarter=25, cents_in_a_dime=10, cents_in_a_nickel=5, cents_in_a_dollar=100),
        money=named("dollars"),
        moves=(
            compute(
                "cents_in_quarters = quarters * cents_in_a_quarter",
                "The quarters are worth [=] cents.",
                "[quarters] quarters make [=] cents.",
            ),
            compute(
                "cents_in_dimes = dimes * cents_in_a_dime",
                "The dimes are worth [=] cents.",
                "[dimes] dimes make [=] cents.",
            ),
            compute(
                "cents_in_nickels = nickels * cents_in_a_nickel",
                "The nickels are worth [=] cents.",
                "[nickels] nickels make [=] cents.",
            ),
            compute(
                "cents = cents_in_quarters + cents_in_dimes + cents_in_nickels",
                f"Altogether {p.name} has [=] cents.",
                "The sum is [=] cents.",
            ),
            compute(
                "dollars = cents / cents_in_a_dollar",
                "There are [cents_in_a_dollar] cents in a dollar, so this is [=].",
                "In dollars that is [=].",
            ),
        ),
        answer="dollars",
        conclusion=(f"{p.name} has [dollars].", ""),
    )


def yearly_or_monthly(d: Draw) -> Problem:
    p, club = d.person(), d.pick("gym", "climbing hall", "music app", "swimming pool", "film service", "tool library")
    monthly, fee = d.whole(9, 48), d.whole(10, 60, 5)
    yearly = monthly * 12 + fee - d.whole(20, 90)
    years = d.whole(2, 4)
    return Problem(
        question=(
            f"A {club} charges [monthly] a month plus a fee of [fee] once a year, or [yearly] for a whole year "
            f"with no fee. How much does {p.name} save in [years] years by choosing the yearly plan?",
            f"{p.name} can pay for a {club} by the month ([monthly] each month and a fee of [fee] every year) or "
            "by the year ([yearly], everything included). How many dollars cheaper is paying by the year over "
            "[years] years?",
        ),
        given=numbers(monthly=monthly, fee=fee, yearly=yearly, years=years),
        constants=numbers(months_in_a_year=12),
        money=named("monthly fee yearly payments monthly_plan difference savings"),
        moves=(
            compute(
                "payments = monthly * months_in_a_year",
                "There are [months_in_a_year] months in a year, so the monthly payments add up to [=].",
                "In a year, [months_in_a_year] monthly payments make [=].",
            ),
            compute(
                "monthly_plan = payments + fee",
                "With the fee, a year on the monthly plan costs [=].",
                "Including the fee that is [=] a year.",
            ),
            compute(
                "difference = monthly_plan - yearly",
                "The yearly plan is cheaper by [=] a year.",
                f"Each year {p.name} saves [=].",
            ),
            compute(
                "savings = difference * years",
                "In [years] years this makes [=].",
                f"Over [years] years {p.he} saves [=].",
            ),
        ),
        answer="savings",
        conclusion=(f"{p.name} saves [savings].", ""),
    )


def data_plan(d: Draw) -> Problem:
    p = d.person()
    base, included, extra = d.whole(15, 40), d.whole(3, 12), d.whole(2, 7)
    first, second = included + d.whole(2, 9), included + d.whole(2, 9)
    return Problem(
        question=(
            f"{p.name}'s phone plan costs [base] a month and includes [included] gigabytes of data. Every further "
            f"gigabyte costs [extra]. {p.He} used [first_usage] gigabytes in March and [second_usage] in April. "
            f"How much did {p.he} pay for both months?",
            "A phone plan with [included] gigabytes of data costs [base] a month, and [extra] for each gigabyte "
            f"above that. {p.name} needed [first_usage] gigabytes one month and [second_usage] the month after. "
            "What were the two bills together?",
        ),
        given=numbers(base=base, included=included, extra=extra, first_usage=first, second_usage=second),
        money=named("base extra first_bill second_bill bills"),
        moves=(
            compute(
                "above_in_first = first_usage - included",
                "In the first month [=] gigabytes were above the limit.",
                f"First {p.he} went over by [=] gigabytes.",
            ),
            compute(
                "first_bill = base + above_in_first * extra",
                "The bill for this month was [=].",
                "So the first bill was [=].",
            ),
            compute(
                "above_in_second = second_usage - included",
                "In the second month [=] gigabytes were above the limit.",
                "The month after, the excess was [=] gigabytes.",
            ),
            compute("second_bill = base + above_in_second * extra", "The second bill was [=].", "That month cost [=]."),
            compute(
                "bills = first_bill + second_bill", "Both months together cost [=].", f"In total {p.name} paid [=]."
            ),
        ),
        answer="bills",
        conclusion=(f"{p.name} paid [bills].", ""),
    )


TEMPLATES = (
    saving_up,
    overtime,
    commission,
    fundraiser,
    coin_jar,
    yearly_or_monthly,
    data_plan,
)
