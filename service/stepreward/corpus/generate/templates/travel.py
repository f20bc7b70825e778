"""Word problems: distances, speeds and ways to work; most convert a unit."""

from stepreward.corpus.generate.draw import Draw, named, numbers
from stepreward.corpus.generate.model import Problem, compute


def two_part_trip(d: Draw) -> Problem:
    p = d.person()
    vehicle = d.pick("drives", "rides a train", "travels by coach", "goes by motorboat")
    a, b = d.towns(2)
    h1, h2 = d.whole(2, 5), d.whole(2, 4)
    v1, v2 = d.whole(4, 11) * 10, d.whole(4, 11) * 10
    while v1 == v2 or (v1 * h1 + v2 * h2) % (h1 + h2):
        v2, h2 = d.whole(4, 11) * 10, d.whole(2, 4)
    return Problem(
        question=(
            f"{p.name} {vehicle} from {a} towards {b}: first [first_hours] hours at [first_speed] kilometers per "
            "hour, then [second_hours] hours at [second_speed] kilometers per hour. What is the average speed of "
            "the whole trip in kilometers per hour?",
            f"On the way from {a} to {b}, {p.name} {vehicle} for [first_hours] hours at [first_speed] km per hour "
            "and for another [second_hours] hours at [second_speed] km per hour. Find the average speed.",
        ),
        given=numbers(first_hours=h1, first_speed=v1, second_hours=h2, second_speed=v2),
        moves=(
            compute(
                "first_distance = first_speed * first_hours",
                "The first part is [=] kilometers long.",
                f"In the first [first_hours] hours {p.name} covers [=] kilometers.",
            ),
            compute(
                "second_distance = second_speed * second_hours",
                "The second part is [=] kilometers long.",
                f"After that {p.he} covers [=] kilometers.",
            ),
            compute(
                "distance = first_distance + second_distance",
                "The whole trip is [=] kilometers.",
                "Both parts together make [=] kilometers.",
            ),
            compute(
                "hours = first_hours + second_hours", "It takes [=] hours.", "The time for both parts is [=] hours."
            ),
            compute(
                "speed = distance / hours",
                "The average speed is [=] kilometers per hour.",
                "Distance over time gives [=] kilometers per hour.",
            ),
        ),
        answer="speed",
        conclusion=("The average speed is [speed] kilometers per hour.", ""),
    )


def commuting(d: Draw) -> Problem:
    p = d.person()
    way, days, weeks = d.whole(4, 16) * 5, d.whole(3, 5), d.whole(3, 12)
    while (2 * way * days * weeks) % 60:
        weeks += 1
    aim = d.pick(
        "to work", "to school", "to the office", "to the university", "to the hospital where {he} works"
    ).replace("{he}", p.he)
    return Problem(
        question=(
            f"{p.name} needs [way] minutes to get {aim} and the same time to get back. {p.He} makes this trip on "
            f"[days] days a week. How many hours does {p.he} spend on the way in [weeks] weeks?",
            f"The way {aim} takes {p.name} [way] minutes in each direction. {p.He} goes there and back [days] "
            "times a week. How many hours of traveling is that in [weeks] weeks?",
        ),
        given=numbers(way=way, days=days, weeks=weeks),
        constants=numbers(minutes_in_an_hour=60),
        moves=(
            compute(
                "per_day = 2 * way",
                "There and back takes [=] minutes.",
                f"On one day {p.name} is on the way for [=] minutes.",
            ),
            compute("per_week = per_day * days", "In a week that is [=] minutes.", "Each week this makes [=] minutes."),
            compute(
                "minutes = per_week * weeks",
                "In [weeks] weeks it is [=] minutes.",
                "Over [weeks] weeks it adds up to [=] minutes.",
            ),
            compute(
                "hours = minutes / minutes_in_an_hour",
                "There are [minutes_in_an_hour] minutes in an hour, so that is [=] hours.",
                "In hours this is [=].",
            ),
        ),
        answer="hours",
        conclusion=(f"{p.name} spends [hours] hours on the way.", ""),
    )


def training_laps(d: Draw) -> Problem:
    p, verb = d.person(), d.pick("runs", "jogs", "walks", "skates", "cycles")
    lap, laps, days, extra = d.pick(200, 250, 300, 400, 500), d.whole(5, 20), d.whole(3, 6), d.whole(2, 9) * 100
    weeks = d.whole(2, 8)
    return Problem(
        question=(
            f"A track is [lap] meters long. {p.name} {verb} [laps] laps on each of [days] days a week and another "
            "[extra] meters home on each of these days. How many kilometers are that in [weeks] weeks?",
            f"On [days] days a week {p.name} {verb} [laps] laps of [lap] meters and then [extra] meters to get "
            f"home. What distance in kilometers does {p.he} cover in [weeks] weeks?",
        ),
        given=numbers(lap=lap, laps=laps, days=days, extra=extra, weeks=weeks),
        constants=numbers(meters_in_a_kilometer=1000),
        moves=(
            compute(
                "on_the_track = lap * laps",
                "On the track that is [=] meters a day.",
                f"{p.name} {verb} [=] meters on the track.",
            ),
            compute(
                "per_day = on_the_track + extra",
                "With the way home it is [=] meters.",
                "A day's distance is [=] meters.",
            ),
            compute(
                "per_week = per_day * days", "In a week this makes [=] meters.", f"Every week {p.he} covers [=] meters."
            ),
            compute(
                "meters = per_week * weeks",
                "In [weeks] weeks that is [=] meters.",
                "The total for [weeks] weeks is [=] meters.",
            ),
            compute(
                "kilometers = meters / meters_in_a_kilometer",
                "There are [meters_in_a_kilometer] meters in a kilometer, so it is [=] kilometers.",
                "In kilometers this is [=].",
            ),
        ),
        answer="kilometers",
        conclusion=(f"{p.name} covers [kilometers] kilometers.", ""),
    )


def fuel_costs(d: Draw) -> Problem:
    p, a = d.person(), d.town()
    per_liter, liters, price, toll = d.whole(8, 20), d.whole(6, 40), d.pick(1, 2, 3), d.whole(4, 30)
    liters += liters % 2  # so that the way there is a whole number
    way, mates = per_liter * liters // 2, d.whole(2, 3)
    while (liters * price + toll) % (mates + 1):
        toll += 1
    return Problem(
        question=(
            f"{p.name} and [mates] colleagues drive to {a}, [way] kilometers away, and back. The car goes "
            "[per_liter] kilometers on a liter of fuel, a liter costs [price], and the toll is [toll] for the "
            "whole trip. Fuel and toll are shared equally. How much does each pay?",
            f"{a} is [way] kilometers away. {p.name}'s car needs one liter of fuel for [per_liter] kilometers; a "
            f"liter costs [price]. {p.name} and [mates] passengers go there and back, pay [toll] in tolls, and "
            "split all costs. What is each share in dollars?",
        ),
        given=numbers(mates=mates, way=way, per_liter=per_liter, price=price, toll=toll),
        money=named("price toll fuel costs share"),
        moves=(
            compute(
                "distance = 2 * way", "There and back, it is [=] kilometers.", "The whole distance is [=] kilometers."
            ),
            compute("liters = distance / per_liter", "The car uses [=] liters.", "This takes [=] liters of fuel."),
            compute("fuel = liters * price", "The fuel costs [=].", "For fuel they pay [=]."),
            compute("costs = fuel + toll", "With the toll, the trip costs [=].", "Fuel and toll make [=]."),
            compute(
                "share = costs / (mates + 1)",
                "Each of them pays [=].",
                f"Since {p.name} shares the costs too, one share is [=].",
            ),
        ),
        answer="share",
        conclusion=("Each pays [share].", ""),
    )


def catching_up(d: Draw) -> Problem:
    a, b = d.people(2)
    slow, faster, ahead = d.whole(4, 18), d.whole(2, 9), d.whole(2, 4)
    while (slow * ahead) % faster:
        slow += 1
    fast = slow + faster
    return Problem(
        question=(
            f"{a.name} cycles away at [slow] kilometers per hour. [ahead] hours later {b.name} follows on the "
            f"same road at [fast] kilometers per hour. How far from the start does {b.name} catch up with {a.name}?",
            f"{b.name} sets out [ahead] hours after {a.name} on the same path. {a.name} moves at [slow] km per "
            f"hour and {b.name} at [fast] km per hour. After how many kilometers has {b.name} reached {a.name}?",
        ),
        given=numbers(slow=slow, ahead=ahead, fast=fast),
        moves=(
            compute(
                "lead = slow * ahead",
                f"When {b.name} starts, {a.name} is [=] kilometers ahead.",
                f"The lead of {a.name} is [=] kilometers.",
            ),
            compute(
                "gain = fast - slow",
                f"Each hour {b.name} gains [=] kilometers.",
                "The difference of the speeds is [=] kilometers per hour.",
            ),
            compute("hours = lead / gain", "To close the gap takes [=] hours.", f"So {b.name} needs [=] hours."),
            compute(
                "distance = fast * hours",
                f"In this time {b.name} covers [=] kilometers.",
                "The distance from the start is [=] kilometers.",
            ),
        ),
        answer="distance",
        conclusion=(f"{b.name} catches up after [distance] kilometers.", ""),
    )


TEMPLATES = (
    two_part_trip,
    commuting,
    training_laps,
    fuel_costs,
    catching_up,
)
