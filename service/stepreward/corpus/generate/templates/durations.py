"""Word problems: how long something takes or runs; all convert a unit of time."""

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.model import Problem, compute


def filling_a_tank(d: Draw) -> Problem:
    vessel = d.pick("tank", "pool", "cistern", "pond", "water tower")
    fill, leak, there, hours = d.whole(8, 40), d.whole(2, 6), d.whole(5, 60) * 10, d.whole(2, 6)
    full = there + (fill - leak) * hours * 60
    return Problem(
        question=(
            f"A {vessel} holds [full] liters and already contains [there] liters. A pump adds [fill] liters a "
            f"minute, while [leak] liters a minute leak out. How many hours does it take until the {vessel} is full?",
            f"Into a {vessel} with room for [full] liters, in which there are [there] liters, flow [fill] liters "
            "of water per minute, and [leak] liters per minute are lost. After how many hours is it full?",
        ),
        given=numbers(full=full, there=there, fill=fill, leak=leak),
        constants=numbers(minutes_in_an_hour=60),
        moves=(
            compute(
                "missing = full - there",
                f"The {vessel} still lacks [=] liters.",
                "There is room for another [=] liters.",
            ),
            compute(
                "rate = fill - leak",
                "Each minute the content grows by [=] liters.",
                "The net flow is [=] liters per minute.",
            ),
            compute("minutes = missing / rate", "Filling takes [=] minutes.", "At this rate it needs [=] minutes."),
            compute(
                "hours = minutes / minutes_in_an_hour",
                "With [minutes_in_an_hour] minutes in an hour, these are [=] hours.",
                "That makes [=] hours.",
            ),
        ),
        answer="hours",
        conclusion=("It takes [hours] hours.", ""),
    )


def two_machines(d: Draw) -> Problem:
    goods = d.pick("screws", "bottles", "envelopes", "tiles", "light bulbs", "yogurt cups", "labels")
    x, y, hours, faulty = d.whole(4, 30), d.whole(4, 30), d.whole(2, 8), d.whole(10, 90)
    minutes = d.whole(10, 50, 5)
    return Problem(
        question=(
            f"One machine makes [first_rate] {goods} a minute, another one [second_rate] a minute. Both run for "
            f"[hours] hours and [minutes] minutes. [faulty] of the {goods} are faulty. How many good ones are there?",
            f"Two machines produce {goods}: the first [first_rate] and the second [second_rate] per minute. How "
            f"many {goods} are in order after [hours] hours and [minutes] minutes if [faulty] are rejected?",
        ),
        given=numbers(first_rate=x, second_rate=y, hours=hours, minutes=minutes, faulty=faulty),
        constants=numbers(minutes_in_an_hour=60),
        moves=(
            compute(
                "rate = first_rate + second_rate",
                f"Together the machines make [=] {goods} a minute.",
                f"In one minute there are [=] {goods}.",
            ),
            compute(
                "running_minutes = hours * minutes_in_an_hour + minutes",
                "With [minutes_in_an_hour] minutes in an hour, they run for [=] minutes.",
                "The running time is [=] minutes.",
            ),
            compute(
                "made = rate * running_minutes", f"In this time they make [=] {goods}.", f"That gives [=] {goods}."
            ),
            compute("good = made - faulty", "Of these, [=] are good.", "Without the faulty ones, [=] are left."),
        ),
        answer="good",
        conclusion=(f"There are [good] good {goods}.", ""),
    )


def evening_program(d: Draw) -> Problem:
    what, part = d.pick(
        ("concert", "pieces"), ("film night", "short films"), ("lecture evening", "talks"), ("school show", "scenes")
    )
    count, each, pause, pauses = d.whole(4, 12), d.whole(6, 24), d.whole(5, 20, 5), d.whole(2, 3)
    speech = d.whole(3, 15)
    hours = d.whole(3, 6)
    while count * each + pause * pauses + speech >= hours * 60:
        hours += 1
    return Problem(
        question=(
            f"A hall is rented for [hours] hours for a {what}. There are [count] {part} of [each] minutes each, "
            "[pauses] breaks of [pause] minutes and a speech of [speech] minutes. How many minutes are left to "
            "clean up?",
            f"A {what} consists of [count] {part}, each [each] minutes long, a speech of [speech] minutes and "
            "[pauses] breaks, each of [pause] minutes. The room is free for [hours] hours. How many minutes "
            "remain at the end?",
        ),
        given=numbers(hours=hours, count=count, each=each, pauses=pauses, pause=pause, speech=speech),
        constants=numbers(minutes_in_an_hour=60),
        moves=(
            compute(
                "rented = hours * minutes_in_an_hour",
                "There are [minutes_in_an_hour] minutes in an hour, so the room is free for [=] minutes.",
                "The time available is [=] minutes.",
            ),
            compute(
                "performed = count * each", f"The {part} take [=] minutes.", f"For the {part}, [=] minutes are needed."
            ),
            compute("breaks = pauses * pause", "The breaks take [=] minutes.", "Breaks add up to [=] minutes."),
            compute(
                "length = performed + breaks + speech",
                f"The whole {what} takes [=] minutes.",
                "With the speech everything lasts [=] minutes.",
            ),
            compute("left = rented - length", "So [=] minutes are left.", "What remains is [=] minutes."),
        ),
        answer="left",
        conclusion=("[left] minutes are left.", ""),
    )


def downloading(d: Draw) -> Problem:
    p, what = d.person(), d.pick("a game", "a map collection", "an update", "a video course", "a backup")
    rate, minutes, restart, second = d.whole(2, 12), d.whole(2, 9), d.whole(2, 6), d.whole(2, 9)
    done = rate * minutes * 60
    size = done + second * 60 * d.whole(3, 10)
    speed = (size - done) // (second * 60)
    return Problem(
        question=(
            f"{p.name} downloads {what} of [size] megabytes. For [minutes] minutes [rate] megabytes arrive each "
            "second. After a pause of [restart] minutes the connection has changed and brings [speed] megabytes "
            "each second until everything is there. How many minutes did it all take, with the pause?",
            "The first [minutes] minutes of a download of [size] megabytes run at [rate] megabytes per second. "
            "Then it stops for [restart] minutes, and the rest comes at [speed] megabytes per second. After how "
            "many minutes in all is the download finished?",
        ),
        given=numbers(size=size, minutes=minutes, rate=rate, restart=restart, speed=speed),
        constants=numbers(seconds_in_a_minute=60),
        moves=(
            compute(
                "seconds = minutes * seconds_in_a_minute",
                "There are [seconds_in_a_minute] seconds in a minute, so the first part lasts [=] seconds.",
                "The first part takes [=] seconds.",
            ),
            compute(
                "first_part = rate * seconds",
                "In this time [=] megabytes arrive.",
                "The first part brings [=] megabytes.",
            ),
            compute("rest = size - first_part", "What is missing is [=] megabytes.", "Then [=] megabytes are left."),
            compute(
                "seconds_for_rest = rest / speed", "The rest takes [=] seconds.", "For them [=] seconds are needed."
            ),
            compute(
                "minutes_for_rest = seconds_for_rest / seconds_in_a_minute",
                "These are [=] minutes.",
                "In minutes that is [=] minutes.",
            ),
            compute(
                "all_minutes = minutes + restart + minutes_for_rest",
                "All in all it took [=] minutes.",
                "Together with the pause that makes [=] minutes.",
            ),
        ),
        answer="all_minutes",
        conclusion=("It took [all_minutes] minutes.", ""),
    )


def watering(d: Draw) -> Problem:
    p, plants = d.person(), d.pick("rose bushes", "young trees", "tomato plants", "hedges", "flower pots")
    count, daily, weeks, rain = d.whole(6, 40), d.whole(2, 5), d.whole(2, 6), d.whole(2, 9)
    barrel = d.pick(50, 60, 75, 80, 100)
    return Problem(
        question=(
            f"Each of [count] {plants} needs [daily] liters of water a day. In a dry spell of [weeks] weeks there "
            f"were only [rain] days on which rain made watering unnecessary. {p.name} had [supply] liters of "
            "water for them. How many liters are left?",
            f"{p.name} waters [count] {plants} with [daily] liters each, every day for [weeks] weeks except on "
            f"[rain] rainy days. {p.He} started with [supply] liters of water. How many liters are left?",
        ),
        given=numbers(
            count=count, daily=daily, weeks=weeks, rain=rain, supply=count * daily * (weeks * 7 - rain) + barrel
        ),
        constants=numbers(days_in_a_week=7),
        moves=(
            compute(
                "days = weeks * days_in_a_week",
                "There are [days_in_a_week] days in a week, so the time is [=] days.",
                "[weeks] weeks are [=] days.",
            ),
            compute(
                "dry_days = days - rain",
                f"{p.name} waters on [=] days.",
                "Without the rainy days that leaves [=] days.",
            ),
            compute(
                "per_day = count * daily",
                f"On each of them the {plants} take [=] liters.",
                "One day of watering takes [=] liters.",
            ),
            compute("used = per_day * dry_days", "Altogether this is [=] liters.", f"So {p.name} uses [=] liters."),
            compute("left = supply - used", "What is left is [=] liters.", "The rest of the supply is [=] liters."),
        ),
        answer="left",
        conclusion=("[left] liters are left.", ""),
    )


TEMPLATES = (
    filling_a_tank,
    two_machines,
    evening_program,
    downloading,
    watering,
)
