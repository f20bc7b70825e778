"""Word problems about measured things: time, distance, speed, volume, weight, length; most convert a unit."""

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.model import Move, Problem


def two_part_trip(d: Draw) -> Problem:
    p = d.person()
    vehicle = d.pick("drives", "rides a train", "travels by coach", "goes by motorboat")
    a, b = d.towns(2)
    h1, h2 = d.whole(2, 5), d.whole(1, 4)
    v1, v2 = d.whole(4, 11) * 10, d.whole(4, 11) * 10
    while v1 == v2 or (v1 * h1 + v2 * h2) % (h1 + h2):
        v2, h2 = d.whole(4, 11) * 10, d.whole(1, 4)
    return Problem(
        question=(
            f"{p.name} {vehicle} from {a} towards {b}: first [h1] hours at [v1] kilometers per hour, then [h2] hours at [v2] kilometers per hour. "
            "What is the average speed of the whole trip in kilometers per hour?",
            f"On the way from {a} to {b}, {p.name} {vehicle} for [h1] hours at [v1] km per hour and for another [h2] hours at [v2] km per hour. "
            "Find the average speed.",
        ),
        given=numbers(h1=h1, v1=v1, h2=h2, v2=v2),
        moves=(
            Move(
                "first_distance",
                "v1 * h1",
                ("The first part is [=] kilometers long.", f"In the first [h1] hours {p.name} covers [=] kilometers."),
            ),
            Move(
                "second_distance",
                "v2 * h2",
                ("The second part is [=] kilometers long.", f"After that {p.he} covers [=] kilometers."),
            ),
            Move(
                "distance",
                "first_distance + second_distance",
                ("The whole trip is [=] kilometers.", "Both parts together make [=] kilometers."),
            ),
            Move("hours", "h1 + h2", ("It takes [=] hours.", "The time for both parts is [=] hours.")),
            Move(
                "speed",
                "distance / hours",
                ("The average speed is [=] kilometers per hour.", "Distance over time gives [=] kilometers per hour."),
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
            f"{p.name} needs [way] minutes to get {aim} and the same time to get back. {p.He} makes this trip on [days] days a week. How many hours does "
            f"{p.he} spend on the way in [weeks] weeks?",
            f"The way {aim} takes {p.name} [way] minutes in each direction. {p.He} goes there and back [days] times a week. How many hours of traveling is that in [weeks] weeks?",
        ),
        given=numbers(way=way, days=days, weeks=weeks),
        constants=numbers(minutes_in_an_hour=60),
        moves=(
            Move(
                "per_day",
                "2 * way",
                ("There and back takes [=] minutes.", f"On one day {p.name} is on the way for [=] minutes."),
            ),
            Move("per_week", "per_day * days", ("In a week that is [=] minutes.", "Each week this makes [=] minutes.")),
            Move(
                "minutes",
                "per_week * weeks",
                ("In [weeks] weeks it is [=] minutes.", "Over [weeks] weeks it adds up to [=] minutes."),
            ),
            Move(
                "hours",
                "minutes / minutes_in_an_hour",
                ("There are [minutes_in_an_hour] minutes in an hour, so that is [=] hours.", "In hours this is [=]."),
            ),
        ),
        answer="hours",
        conclusion=(f"{p.name} spends [hours] hours on the way.", ""),
    )


def filling_a_tank(d: Draw) -> Problem:
    vessel = d.pick("tank", "pool", "cistern", "pond", "water tower")
    fill, leak, there, hours = d.whole(8, 40), d.whole(2, 6), d.whole(5, 60) * 10, d.whole(2, 6)
    full = there + (fill - leak) * hours * 60
    return Problem(
        question=(
            f"A {vessel} holds [full] liters and already contains [there] liters. A pump adds [fill] liters a minute, while [leak] liters a minute leak out. How many "
            f"hours does it take until the {vessel} is full?",
            f"Into a {vessel} with room for [full] liters, in which there are [there] liters, flow [fill] liters of water per minute, and [leak] liters per minute are lost. After how "
            "many hours is it full?",
        ),
        given=numbers(full=full, there=there, fill=fill, leak=leak),
        constants=numbers(minutes_in_an_hour=60),
        moves=(
            Move(
                "missing",
                "full - there",
                (f"The {vessel} still lacks [=] liters.", "There is room for another [=] liters."),
            ),
            Move(
                "rate",
                "fill - leak",
                ("Each minute the content grows by [=] liters.", "The net flow is [=] liters per minute."),
            ),
            Move("minutes", "missing / rate", ("Filling takes [=] minutes.", "At this rate it needs [=] minutes.")),
            Move(
                "hours",
                "minutes / minutes_in_an_hour",
                ("With [minutes_in_an_hour] minutes in an hour, these are [=] hours.", "That makes [=] hours."),
            ),
        ),
        answer="hours",
        conclusion=("It takes [hours] hours.", ""),
    )


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
            f"A recipe for {dish} that serves [serves] people needs [grams] grams of {food}. {p.name} cooks for [guests] people and has [stock] grams of {food} at home. How "
            f"many kilograms of {food} must {p.he} buy?",
            f"{p.name} expects [guests] guests and makes {dish}. For [serves] servings one takes [grams] grams of {food}. {p.He} still has [stock] grams. How many kilograms are missing?",
        ),
        given=numbers(serves=serves, guests=guests, grams=grams, stock=stock),
        constants=numbers(grams_in_a_kilogram=1000),
        moves=(
            Move(
                "factor",
                "guests / serves",
                (f"{p.name} has to make the recipe [=] times.", "The recipe must be multiplied by [=]."),
            ),
            Move("needed", "grams * factor", (f"This takes [=] grams of {food}.", f"So {p.he} needs [=] grams.")),
            Move(
                "missing",
                "needed - stock",
                (f"What {p.he} must buy is [=] grams.", "Beyond what is at home, [=] grams are needed."),
            ),
            Move(
                "kilograms",
                "missing / grams_in_a_kilogram",
                (
                    "There are [grams_in_a_kilogram] grams in a kilogram, which gives [=] kilograms.",
                    "That is [=] kilograms.",
                ),
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
            f"From a {stuff} of [meters] meters, {p.name} cuts [pieces] pieces that are [piece] centimeters long. How many centimeters of the {stuff} are left?",
            f"{p.name} has [meters] meters of {stuff} and needs [pieces] pieces of [piece] centimeters each. What length remains, in centimeters?",
        ),
        given=numbers(meters=meters, pieces=pieces, piece=piece),
        constants=numbers(centimeters_in_a_meter=100),
        moves=(
            Move(
                "length",
                "meters * centimeters_in_a_meter",
                (
                    f"There are [centimeters_in_a_meter] centimeters in a meter, so the {stuff} is [=] centimeters long.",
                    f"In centimeters, the {stuff} measures [=] centimeters.",
                ),
            ),
            Move("used", "pieces * piece", ("The pieces take [=] centimeters.", f"{p.name} cuts off [=] centimeters.")),
            Move("left", "length - used", ("What is left is [=] centimeters.", "So [=] centimeters remain.")),
        ),
        answer="left",
        conclusion=("[left] centimeters are left.", ""),
    )


def two_machines(d: Draw) -> Problem:
    goods = d.pick("screws", "bottles", "envelopes", "tiles", "light bulbs", "yogurt cups", "labels")
    x, y, hours, faulty = d.whole(4, 30), d.whole(4, 30), d.whole(2, 8), d.whole(10, 90)
    minutes = d.whole(10, 50, 5)
    return Problem(
        question=(
            f"One machine makes [x] {goods} a minute, another one [y] a minute. Both run for [hours] hours and [minutes] minutes. [faulty] of the {goods} are faulty. How many good ones "
            "are there?",
            f"Two machines produce {goods}: the first [x] and the second [y] per minute. How many {goods} are in order after [hours] hours and [minutes] minutes if [faulty] are rejected?",
        ),
        given=numbers(x=x, y=y, hours=hours, minutes=minutes, faulty=faulty),
        constants=numbers(minutes_in_an_hour=60),
        moves=(
            Move(
                "rate",
                "x + y",
                (f"Together the machines make [=] {goods} a minute.", f"In one minute there are [=] {goods}."),
            ),
            Move(
                "time",
                "hours * minutes_in_an_hour + minutes",
                (
                    "With [minutes_in_an_hour] minutes in an hour, they run for [=] minutes.",
                    "The running time is [=] minutes.",
                ),
            ),
            Move("made", "rate * time", (f"In this time they make [=] {goods}.", f"That gives [=] {goods}.")),
            Move("good", "made - faulty", ("Of these, [=] are good.", "Without the faulty ones, [=] are left.")),
        ),
        answer="good",
        conclusion=(f"There are [good] good {goods}.", ""),
    )


def training_laps(d: Draw) -> Problem:
    p, verb = d.person(), d.pick("runs", "jogs", "walks", "skates", "cycles")
    lap, laps, days, extra = d.pick(200, 250, 300, 400, 500), d.whole(5, 20), d.whole(3, 6), d.whole(2, 9) * 100
    weeks = d.whole(2, 8)
    return Problem(
        question=(
            f"A track is [lap] meters long. {p.name} {verb} [laps] laps on each of [days] days a week and another [extra] meters home on each of these days. How many kilometers are that in "
            "[weeks] weeks?",
            f"On [days] days a week {p.name} {verb} [laps] laps of [lap] meters and then [extra] meters to get home. What distance in kilometers does {p.he} cover in [weeks] weeks?",
        ),
        given=numbers(lap=lap, laps=laps, days=days, extra=extra, weeks=weeks),
        constants=numbers(meters_in_a_kilometer=1000),
        moves=(
            Move(
                "on_the_track",
                "lap * laps",
                ("On the track that is [=] meters a day.", f"{p.name} {verb} [=] meters on the track."),
            ),
            Move(
                "per_day",
                "on_the_track + extra",
                ("With the way home it is [=] meters.", "A day's distance is [=] meters."),
            ),
            Move(
                "per_week",
                "per_day * days",
                ("In a week this makes [=] meters.", f"Every week {p.he} covers [=] meters."),
            ),
            Move(
                "meters",
                "per_week * weeks",
                ("In [weeks] weeks that is [=] meters.", "The total for [weeks] weeks is [=] meters."),
            ),
            Move(
                "kilometers",
                "meters / meters_in_a_kilometer",
                (
                    "There are [meters_in_a_kilometer] meters in a kilometer, so it is [=] kilometers.",
                    "In kilometers this is [=].",
                ),
            ),
        ),
        answer="kilometers",
        conclusion=(f"{p.name} covers [kilometers] kilometers.", ""),
    )


def medicine(d: Draw) -> Problem:
    p, drug = d.person(), d.pick("cough syrup", "a liquid vitamin", "an iron tonic", "a herbal extract", "fish oil")
    dose, times, days, spilled = d.whole(5, 20, 5), d.whole(2, 4), d.whole(7, 30), d.whole(5, 50, 5)
    bottle = (dose * times * days + spilled) // 500 + d.whole(1, 2)
    return Problem(
        question=(
            f"{p.name} has [bottle] liters of {drug} in the cupboard. {p.He} takes [dose] milliliters [times] times a day for [days] days and spills [spilled] milliliters. How many "
            "milliliters are left?",
            f"Of [bottle] liters of {drug}, {p.name} uses [dose] milliliters at a time, [times] times a day, during [days] days; [spilled] milliliters are spilled. What remains, in milliliters?",
        ),
        given=numbers(bottle=bottle, dose=dose, times=times, days=days, spilled=spilled),
        constants=numbers(milliliters_in_a_liter=1000),
        moves=(
            Move(
                "at_first",
                "bottle * milliliters_in_a_liter",
                (
                    "There are [milliliters_in_a_liter] milliliters in a liter, so at first there are [=] milliliters.",
                    "The supply is [=] milliliters.",
                ),
            ),
            Move(
                "per_day",
                "dose * times",
                ("A day's dose is [=] milliliters.", f"{p.name} takes [=] milliliters a day."),
            ),
            Move(
                "taken",
                "per_day * days",
                ("In [days] days that is [=] milliliters.", f"Over [days] days {p.he} takes [=] milliliters."),
            ),
            Move(
                "gone",
                "taken + spilled",
                ("With what was spilled, [=] milliliters are gone.", "Altogether [=] milliliters are used up."),
            ),
            Move("left", "at_first - gone", ("This leaves [=] milliliters.", "The rest is [=] milliliters.")),
        ),
        answer="left",
        conclusion=("[left] milliliters are left.", ""),
    )


def evening_program(d: Draw) -> Problem:
    what, part = d.pick(
        ("concert", "pieces"), ("film night", "short films"), ("lecture evening", "talks"), ("school show", "scenes")
    )
    count, each, pause, pauses = d.whole(4, 12), d.whole(6, 24), d.whole(5, 20, 5), d.whole(1, 3)
    speech = d.whole(3, 15)
    hours = d.whole(3, 6)
    while count * each + pause * pauses + speech >= hours * 60:
        hours += 1
    return Problem(
        question=(
            f"A hall is rented for [hours] hours for a {what}. There are [count] {part} of [each] minutes each, [pauses] breaks of [pause] minutes and a speech of [speech] minutes. How many "
            "minutes are left to clean up?",
            f"A {what} consists of [count] {part}, each [each] minutes long, a speech of [speech] minutes and [pauses] breaks, each of [pause] minutes. The room is free for [hours] hours. How many minutes "
            "remain at the end?",
        ),
        given=numbers(hours=hours, count=count, each=each, pauses=pauses, pause=pause, speech=speech),
        constants=numbers(minutes_in_an_hour=60),
        moves=(
            Move(
                "rented",
                "hours * minutes_in_an_hour",
                (
                    "There are [minutes_in_an_hour] minutes in an hour, so the room is free for [=] minutes.",
                    "The time available is [=] minutes.",
                ),
            ),
            Move(
                "performed",
                "count * each",
                (f"The {part} take [=] minutes.", f"For the {part}, [=] minutes are needed."),
            ),
            Move("breaks", "pauses * pause", ("The breaks take [=] minutes.", "Breaks add up to [=] minutes.")),
            Move(
                "length",
                "performed + breaks + speech",
                (f"The whole {what} takes [=] minutes.", "With the speech everything lasts [=] minutes."),
            ),
            Move("left", "rented - length", ("So [=] minutes are left.", "What remains is [=] minutes.")),
        ),
        answer="left",
        conclusion=("[left] minutes are left.", ""),
    )


def fuel_costs(d: Draw) -> Problem:
    p, a = d.person(), d.town()
    per_liter, liters, price, toll = d.whole(8, 20), d.whole(6, 40), d.pick(1, 2, 3), d.whole(4, 30)
    liters += liters % 2  # so that the way there is a whole number
    way, mates = per_liter * liters // 2, d.whole(1, 3)
    while (liters * price + toll) % (mates + 1):
        toll += 1
    return Problem(
        question=(
            f"{p.name} and [mates] colleagues drive to {a}, [way] kilometers away, and back. The car goes [per_liter] kilometers on a liter of fuel, a liter costs [price], and the "
            "toll is [toll] for the whole trip. Fuel and toll are shared equally. How much does each pay?",
            f"{a} is [way] kilometers away. {p.name}'s car needs one liter of fuel for [per_liter] kilometers; a liter costs [price]. {p.name} and [mates] passengers go there and back, pay "
            "[toll] in tolls, and split all costs. What is each share in dollars?",
        ),
        given=numbers(mates=mates, way=way, per_liter=per_liter, price=price, toll=toll),
        money=frozenset({"price", "toll", "fuel", "costs", "share"}),
        moves=(
            Move(
                "distance",
                "2 * way",
                ("There and back, it is [=] kilometers.", "The whole distance is [=] kilometers."),
            ),
            Move("liters", "distance / per_liter", ("The car uses [=] liters.", "This takes [=] liters of fuel.")),
            Move("fuel", "liters * price", ("The fuel costs [=].", "For fuel they pay [=].")),
            Move("costs", "fuel + toll", ("With the toll, the trip costs [=].", "Fuel and toll make [=].")),
            Move(
                "share",
                "costs / (mates + 1)",
                ("Each of them pays [=].", f"Since {p.name} shares the costs too, one share is [=]."),
            ),
        ),
        answer="share",
        conclusion=("Each pays [share].", ""),
    )


def sewing(d: Draw) -> Problem:
    p, item = d.person(), d.pick("curtains", "flags", "tablecloths", "scarves", "banners", "blankets")
    inches, count = d.whole(18, 70), d.whole(3, 14)
    while (inches * count) % 12:
        inches += 1
    feet = inches * count // 12
    have = d.whole(1, feet - 1)
    price = d.whole(2, 9)
    return Problem(
        question=(
            f"{p.name} sews [count] {item}, and each one takes [inches] inches of fabric. {p.He} has [have] feet of fabric already. A foot of fabric costs [price]. How much must "
            f"{p.he} spend?",
            f"For [count] {item} of [inches] inches of cloth each, {p.name} has only [have] feet of cloth. The missing cloth costs [price] a foot. What does {p.he} pay?",
        ),
        given=numbers(count=count, inches=inches, have=have, price=price),
        constants=numbers(inches_in_a_foot=12),
        money=frozenset({"price", "cost"}),
        moves=(
            Move(
                "needed",
                "count * inches",
                (f"All {item} together take [=] inches.", f"{p.name} needs [=] inches of fabric."),
            ),
            Move(
                "feet",
                "needed / inches_in_a_foot",
                ("There are [inches_in_a_foot] inches in a foot, so this is [=] feet.", "In feet, that is [=] feet."),
            ),
            Move(
                "missing",
                "feet - have",
                (f"{p.He} lacks [=] feet.", f"Beyond the [have] feet at hand, {p.he} needs [=] feet."),
            ),
            Move("cost", "missing * price", ("They cost [=].", f"For them {p.he} pays [=].")),
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
            f"{p.name} mails a parcel with [count] {thing} that weigh [each] ounces apiece. The empty box weighs [box] ounces. Shipping costs [base] plus [fee] for each pound. How much does "
            f"{p.name} pay?",
            f"A box of [box] ounces is filled with [count] {thing} of [each] ounces each. The post charges [base] for a parcel and [fee] for every pound of weight. What does it cost to send it?",
        ),
        given=numbers(count=count, each=each, box=box, base=base, fee=fee),
        constants=numbers(ounces_in_a_pound=16),
        money=frozenset({"fee", "base", "for_weight", "cost"}),
        moves=(
            Move("content", "count * each", (f"The {thing} weigh [=] ounces.", "The content weighs [=] ounces.")),
            Move("ounces", "content + box", ("With the box it is [=] ounces.", "The whole parcel weighs [=] ounces.")),
            Move(
                "weight",
                "ounces / ounces_in_a_pound",
                ("There are [ounces_in_a_pound] ounces in a pound, so it weighs [=] pounds.", "This is [=] pounds."),
            ),
            Move("for_weight", "weight * fee", ("For the weight one pays [=].", "[weight] pounds cost [=].")),
            Move("cost", "base + for_weight", ("In total the post takes [=].", f"So {p.name} pays [=].")),
        ),
        answer="cost",
        conclusion=(f"{p.name} pays [cost].", ""),
    )


def catching_up(d: Draw) -> Problem:
    a, b = d.people(2)
    slow, faster, ahead = d.whole(4, 18), d.whole(2, 9), d.whole(1, 4)
    while (slow * ahead) % faster:
        slow += 1
    fast = slow + faster
    return Problem(
        question=(
            f"{a.name} cycles away at [slow] kilometers per hour. [ahead] hours later {b.name} follows on the same road at [fast] kilometers per hour. How far from the start does {b.name} catch "
            f"up with {a.name}?",
            f"{b.name} sets out [ahead] hours after {a.name} on the same path. {a.name} moves at [slow] km per hour and {b.name} at [fast] km per hour. After how many kilometers has {b.name} reached {a.name}?",
        ),
        given=numbers(slow=slow, ahead=ahead, fast=fast),
        moves=(
            Move(
                "lead",
                "slow * ahead",
                (
                    f"When {b.name} starts, {a.name} is [=] kilometers ahead.",
                    f"The lead of {a.name} is [=] kilometers.",
                ),
            ),
            Move(
                "gain",
                "fast - slow",
                (
                    f"Each hour {b.name} gains [=] kilometers.",
                    "The difference of the speeds is [=] kilometers per hour.",
                ),
            ),
            Move("hours", "lead / gain", ("To close the gap takes [=] hours.", f"So {b.name} needs [=] hours.")),
            Move(
                "distance",
                "fast * hours",
                (f"In this time {b.name} covers [=] kilometers.", "The distance from the start is [=] kilometers."),
            ),
        ),
        answer="distance",
        conclusion=(f"{b.name} catches up after [distance] kilometers.", ""),
    )


def downloading(d: Draw) -> Problem:
    p, what = d.person(), d.pick("a game", "a map collection", "an update", "a video course", "a backup")
    rate, minutes, restart, second = d.whole(2, 12), d.whole(2, 9), d.whole(1, 6), d.whole(2, 9)
    done = rate * minutes * 60
    size = done + second * 60 * d.whole(3, 10)
    speed = (size - done) // (second * 60)
    return Problem(
        question=(
            f"{p.name} downloads {what} of [size] megabytes. For [minutes] minutes [rate] megabytes arrive each second. After a pause of [restart] minutes the connection has changed and brings [speed] "
            "megabytes each second until everything is there. How many minutes did it all take, with the pause?",
            "The first [minutes] minutes of a download of [size] megabytes run at [rate] megabytes per second. Then it stops for [restart] minutes, and the rest comes at [speed] megabytes per second. After "
            "how many minutes in all is the download finished?",
        ),
        given=numbers(size=size, minutes=minutes, rate=rate, restart=restart, speed=speed),
        constants=numbers(seconds_in_a_minute=60),
        moves=(
            Move(
                "seconds",
                "minutes * seconds_in_a_minute",
                (
                    "There are [seconds_in_a_minute] seconds in a minute, so the first part lasts [=] seconds.",
                    "The first part takes [=] seconds.",
                ),
            ),
            Move(
                "first_part",
                "rate * seconds",
                ("In this time [=] megabytes arrive.", "The first part brings [=] megabytes."),
            ),
            Move("rest", "size - first_part", ("What is missing is [=] megabytes.", "Then [=] megabytes are left.")),
            Move(
                "seconds_for_rest", "rest / speed", ("The rest takes [=] seconds.", "For them [=] seconds are needed.")
            ),
            Move(
                "minutes_for_rest",
                "seconds_for_rest / seconds_in_a_minute",
                ("These are [=] minutes.", "In minutes that is [=] minutes."),
            ),
            Move(
                "all_minutes",
                "minutes + restart + minutes_for_rest",
                ("All in all it took [=] minutes.", "Together with the pause that makes [=] minutes."),
            ),
        ),
        answer="all_minutes",
        conclusion=("It took [all_minutes] minutes.", ""),
    )


def juice_stand(d: Draw) -> Problem:
    p, drink = d.person(), d.pick("lemonade", "apple juice", "iced tea", "grape juice", "ginger ale")
    gallons, cup, price, cost = d.whole(2, 9), d.pick(4, 8, 16), d.whole(1, 4), d.whole(5, 40)
    return Problem(
        question=(
            f"{p.name} makes [gallons] gallons of {drink} for [cost]. {p.He} pours it into cups of [cup] ounces and sells all cups for [price] each. What is {p.his} profit? (There are 4 quarts in a "
            "gallon and 32 ounces in a quart.)",
            f"With 32 ounces in a quart and 4 quarts in a gallon, how much does {p.name} earn who spends [cost] on [gallons] gallons of {drink} and sells it in [cup]-ounce cups at [price] a cup?",
        ),
        given=numbers(gallons=gallons, cost=cost, cup=cup, price=price),
        constants=numbers(quarts_in_a_gallon=4, ounces_in_a_quart=32),
        money=frozenset({"price", "cost", "income", "profit"}),
        moves=(
            Move(
                "quarts",
                "gallons * quarts_in_a_gallon",
                ("[gallons] gallons are [=] quarts.", f"The {drink} makes [=] quarts."),
            ),
            Move(
                "ounces",
                "quarts * ounces_in_a_quart",
                ("That is [=] ounces.", f"In ounces, there are [=] ounces of {drink}."),
            ),
            Move("cups", "ounces / cup", ("It fills [=] cups.", f"{p.name} can pour [=] cups.")),
            Move("income", "cups * price", ("Selling them brings [=].", f"For all cups {p.he} gets [=].")),
            Move("profit", "income - cost", ("The profit is [=].", "After the costs, [=] are left.")),
        ),
        answer="profit",
        conclusion=(f"{p.name}'s profit is [profit].", ""),
    )


def watering(d: Draw) -> Problem:
    p, plants = d.person(), d.pick("rose bushes", "young trees", "tomato plants", "hedges", "flower pots")
    count, daily, weeks, rain = d.whole(6, 40), d.whole(1, 5), d.whole(2, 6), d.whole(2, 9)
    barrel = d.pick(50, 60, 75, 80, 100)
    return Problem(
        question=(
            f"Each of [count] {plants} needs [daily] liters of water a day. In a dry spell of [weeks] weeks there were only [rain] days on which rain made watering unnecessary. {p.name} had "
            "[supply] liters of water for them. How many liters are left?",
            f"{p.name} waters [count] {plants} with [daily] liters each, every day for [weeks] weeks except on [rain] rainy days. {p.He} started with [supply] liters of water. How many liters are left?",
        ),
        given=numbers(
            count=count, daily=daily, weeks=weeks, rain=rain, supply=count * daily * (weeks * 7 - rain) + barrel
        ),
        constants=numbers(days_in_a_week=7),
        moves=(
            Move(
                "days",
                "weeks * days_in_a_week",
                ("There are [days_in_a_week] days in a week, so the time is [=] days.", "[weeks] weeks are [=] days."),
            ),
            Move(
                "dry_days",
                "days - rain",
                (f"{p.name} waters on [=] days.", "Without the rainy days that leaves [=] days."),
            ),
            Move(
                "per_day",
                "count * daily",
                (f"On each of them the {plants} take [=] liters.", "One day of watering takes [=] liters."),
            ),
            Move("used", "per_day * dry_days", ("Altogether this is [=] liters.", f"So {p.name} uses [=] liters.")),
            Move("left", "supply - used", ("What is left is [=] liters.", "The rest of the supply is [=] liters.")),
        ),
        answer="left",
        conclusion=("[left] liters are left.", ""),
    )


TEMPLATES = (
    two_part_trip,
    commuting,
    filling_a_tank,
    recipe,
    cutting_rope,
    two_machines,
    training_laps,
    medicine,
    evening_program,
    fuel_costs,
    sewing,
    parcels,
    catching_up,
    downloading,
    juice_stand,
    watering,
)
