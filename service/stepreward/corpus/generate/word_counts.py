"""Word problems about how many: collections, groups, packs, passengers, points, ages."""

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.model import Fault, Move, Problem


def three_collections(d: Draw) -> Problem:
    a, b, c = d.people(3)
    thing = d.thing()
    times, first, fewer = d.whole(2, 6), d.whole(12, 70), d.whole(3, 20)
    while times * first <= fewer:
        fewer -= 1
    return Problem(
        question=(
            f"{a.name} has [first] {thing}. {b.name} has [times] times as many {thing} as {a.name}, and {c.name} has [fewer] fewer than "
            f"{b.name}. How many {thing} do the three have together?",
            f"{b.name} owns [times] times as many {thing} as {a.name}, who owns [first]. {c.name} owns [fewer] fewer {thing} than {b.name}. "
            f"What is the total number of {thing}?",
        ),
        given=numbers(first=first, times=times, fewer=fewer),
        moves=(
            Move(
                "second",
                "times * first",
                (
                    f"{b.name} has [=] {thing}.",
                    f"[times] times as many as {a.name} is [=], so this is what {b.name} has.",
                ),
            ),
            Move(
                "third",
                "second - fewer",
                (f"{c.name} has [=] {thing}.", f"[fewer] fewer than {b.name} means that {c.name} has [=]."),
            ),
            Move(
                "total",
                "first + second + third",
                (f"Together they have [=] {thing}.", f"Adding up, the three own [=] {thing}."),
            ),
        ),
        answer="total",
        conclusion=(f"The three have [total] {thing} together.", ""),
    )


def reading_plan(d: Draw) -> Problem:
    p, kind = d.person(), d.pick("novel", "biography", "textbook", "detective story", "travel book")
    a, b, days = d.whole(14, 48), d.whole(2, 3), d.whole(3, 9)
    daily, more = d.whole(11, 35), d.whole(3, 15)
    pages = a + a * b + (a + more) + daily * days
    return Problem(
        question=(
            f"{p.name} is reading a {kind} of [pages] pages. On Monday {p.he} reads [a] pages, on Tuesday [b] times as many as on Monday and on "
            f"Wednesday [more] more than on Monday. The rest {p.he} wants to read in [days] days, the same number of pages every day. How many pages a day is that?",
            f"A {kind} has [pages] pages. {p.name} read [a] of them on the first day, [b] times that many on the second day and [more] pages more than on the "
            f"first day on the third. How many pages must {p.he} read on each of the next [days] days to finish it?",
        ),
        given=numbers(pages=pages, a=a, b=b, more=more, days=days),
        moves=(
            Move(
                "second_day",
                "b * a",
                (f"On the second day {p.name} reads [=] pages.", "The second day makes [=] pages."),
            ),
            Move(
                "third_day", "a + more", (f"On the third day {p.he} reads [=] pages.", "The third day makes [=] pages.")
            ),
            Move(
                "read",
                "a + second_day + third_day",
                ("In these three days that is [=] pages.", f"So far {p.name} has read [=] pages."),
            ),
            Move("left", "pages - read", ("There are [=] pages left.", f"{p.He} still has [=] pages to read.")),
            Move(
                "per_day",
                "left / days",
                (f"Each day {p.he} has to read [=] pages.", "Spread over [days] days, this is [=] pages a day."),
            ),
        ),
        answer="per_day",
        conclusion=(f"{p.name} has to read [per_day] pages a day.", ""),
    )


def bus_line(d: Draw) -> Problem:
    vehicle = d.pick("A bus", "A tram", "A ferry", "A train", "A shuttle")
    start = d.whole(18, 60)
    off1, on1 = d.whole(3, 12), d.whole(2, 20)
    off2, on2 = d.whole(4, 14), d.whole(2, 18)
    part = d.pick(2, 3, 4)
    while (start - off1 + on1 - off2 + on2) % part:
        on2 += 1
    stops = d.some(
        3,
        "the market",
        "the town hall",
        "the hospital",
        "the harbor",
        "the stadium",
        "the old bridge",
        "the museum",
        "the park",
    )
    return Problem(
        question=(
            f"{vehicle} starts with [start] passengers. At {stops[0]}, [off1] get off and [on1] get on. At {stops[1]}, [off2] get off and [on2] get "
            f"on. At {stops[2]}, one in every [part] passengers gets off. How many passengers remain?",
            f"There are [start] people on board when {vehicle[0].lower() + vehicle[1:]} leaves. [off1] leave and [on1] enter at {stops[0]}, [off2] leave and [on2] "
            f"enter at {stops[1]}, and 1/[part] of everybody on board leaves at {stops[2]}. How many people are on board after that?",
        ),
        given=numbers(start=start, off1=off1, on1=on1, off2=off2, on2=on2, part=part),
        moves=(
            Move(
                "after_first",
                "start - off1 + on1",
                (
                    f"After {stops[0]} there are [=] passengers on board.",
                    f"Leaving {stops[0]}, there are [=] people on board.",
                ),
            ),
            Move(
                "after_second",
                "after_first - off2 + on2",
                (f"After {stops[1]} there are [=] passengers.", f"The second stop, {stops[1]}, changes this to [=]."),
            ),
            Move(
                "leaving",
                "after_second / part",
                (f"At {stops[2]}, [=] people get off.", "One in [part] of them is [=]."),
            ),
            Move(
                "remaining", "after_second - leaving", ("So [=] passengers stay on board.", "This leaves [=] people.")
            ),
        ),
        answer="remaining",
        conclusion=("[remaining] passengers remain.", ""),
    )


def vegetable_garden(d: Draw) -> Problem:
    p, plant = d.person(), d.pick("tomato", "pepper", "bean", "cucumber", "eggplant", "squash", "melon")
    rows, percent, yielded, size = d.whole(4, 15), d.pick(10, 20, 25, 40), d.whole(3, 12), d.pick(4, 5, 6, 8, 10)
    per_row = d.whole(1, 4) * 20 // d.pick(1, 2)
    while (rows * per_row * (100 - percent)) % 100 or (rows * per_row * (100 - percent) // 100 * yielded) % size:
        rows, yielded = rows + 1, yielded + d.whole(0, 1)
    return Problem(
        question=(
            f"{p.name} plants [rows] rows of {plant} seeds with [per_row] seeds in a row. [percent]% of the seeds do not grow. Every {plant} plant bears "
            f"[yielded] fruits, which {p.he} puts into bags of [size]. How many bags does {p.he} fill?",
            f"In a garden there are [rows] rows with [per_row] {plant} seeds each, of which [percent]% fail. Each plant that grows gives [yielded] fruits. "
            f"How many bags of [size] fruits can {p.name} fill?",
        ),
        given=numbers(rows=rows, per_row=per_row, percent=percent, yielded=yielded, size=size),
        moves=(
            Move("seeds", "rows * per_row", (f"{p.name} plants [=] seeds.", "There are [=] seeds in the ground.")),
            Move(
                "failed",
                "seeds * percent / 100",
                ("Of these, [=] do not grow.", "The number of seeds that fail is [=]."),
            ),
            Move("plants", "seeds - failed", ("So there are [=] plants.", f"That leaves [=] {plant} plants.")),
            Move("fruits", "plants * yielded", ("They bear [=] fruits.", "All plants together give [=] fruits.")),
            Move(
                "bags",
                "fruits / size",
                ("This fills [=] bags.", f"With [size] fruits to a bag, {p.he} needs [=] bags."),
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
            f"{p.name} orders {good} for [classes] classes of [children] children. Each child needs [each]. There are already [stock] in the cupboard, and "
            f"they are sold in packs of [size]. How many packs must {p.he} buy?",
            f"Each of [children] children in each of [classes] classes gets [each] {good}. The school has [stock] of them. {p.name} buys what is missing in packs of "
            "[size]. How many packs is that?",
        ),
        given=numbers(classes=classes, children=children, each=each, stock=stock, size=size),
        moves=(
            Move("all_children", "classes * children", ("There are [=] children.", "The number of children is [=].")),
            Move(
                "needed", "all_children * each", (f"They need [=] {good}.", f"For all of them, [=] {good} are needed.")
            ),
            Move(
                "missing", "needed - stock", ("Since [stock] are there, [=] are missing.", f"{p.name} has to buy [=].")
            ),
            Move("packs", "missing / size", ("That is [=] packs.", "In packs of [size] this makes [=] packs.")),
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
            f"Each of {p.name}'s [hens] hens lays [eggs] eggs a week. In [weeks] weeks, [broken] eggs broke. {p.He} sells the others by the dozen. How many "
            f"dozens does {p.he} have to sell?",
            f"{p.name} keeps [hens] hens, and every hen lays [eggs] eggs per week. Of the eggs of [weeks] weeks, [broken] were broken. How many cartons of one dozen can "
            f"{p.he} fill with the rest?",
        ),
        given=numbers(hens=hens, eggs=eggs, weeks=weeks, broken=broken),
        constants=numbers(eggs_in_a_dozen=12),
        moves=(
            Move("per_week", "hens * eggs", ("The hens lay [=] eggs a week.", "In one week there are [=] eggs.")),
            Move(
                "laid",
                "per_week * weeks",
                ("In [weeks] weeks that is [=] eggs.", "Over [weeks] weeks the hens lay [=] eggs."),
            ),
            Move("whole", "laid - broken", ("Without the broken ones, [=] are left.", f"{p.name} still has [=] eggs.")),
            Move(
                "dozens",
                "whole / eggs_in_a_dozen",
                (
                    "There are [eggs_in_a_dozen] eggs in a dozen, so this is [=] dozens.",
                    "A dozen is [eggs_in_a_dozen], which gives [=] dozens.",
                ),
            ),
        ),
        answer="dozens",
        conclusion=("That makes [dozens] dozens.", ""),
    )


def library_shelves(d: Draw) -> Problem:
    town = d.town()
    shelves, books, lent = d.whole(8, 40), d.whole(18, 45), d.whole(40, 120)
    back, donated = d.whole(10, 38), d.whole(12, 90)
    return Problem(
        question=(
            f"The library of {town} has [shelves] shelves with [books] books each. In a week, [lent] books are lent, [back] of these come back, and a reader donates "
            "[donated] books. How many books are in the library at the end of the week?",
            f"On Monday morning each of the [shelves] shelves in the {town} library holds [books] books. Until Saturday [lent] books are borrowed and [back] of them are "
            "returned, while [donated] new books arrive. How many books are there on Saturday?",
        ),
        given=numbers(shelves=shelves, books=books, lent=lent, back=back, donated=donated),
        moves=(
            Move(
                "at_first",
                "shelves * books",
                ("At first the library holds [=] books.", "All the shelves together hold [=] books."),
            ),
            Move(
                "out",
                "lent - back",
                ("The number of books still out is [=].", "Of the borrowed books, [=] do not return."),
            ),
            Move(
                "without_them",
                "at_first - out",
                ("Without them there are [=] books.", "So [=] of the old books are in place."),
            ),
            Move(
                "at_the_end",
                "without_them + donated",
                ("With the new books there are [=].", "The new books bring this to [=]."),
            ),
        ),
        answer="at_the_end",
        conclusion=("The library has [at_the_end] books.", ""),
    )


def give_and_share(d: Draw) -> Problem:
    p, friend = d.people(2)
    thing, part, children = d.thing(), d.pick(2, 3, 4, 5, 6), d.whole(3, 9)
    first, bought = part * d.whole(6, 30), d.whole(5, 60)
    kept = d.whole(2, 12)
    while (first - first // part + bought - kept) % children:
        bought += 1
    return Problem(
        question=(
            f"{p.name} had [first] {thing}. {p.He} gave 1/[part] of them to {friend.name} and then bought [bought] more. {p.He} kept [kept] for {p.him}self and divided "
            f"the others equally among [children] cousins. How many {thing} did each cousin get?",
            f"{p.name} owns [first] {thing} and gives 1/[part] of them away to {friend.name}. Having got [bought] new ones, {p.he} puts [kept] aside and shares "
            "the rest fairly between [children] children. How many does one child receive?",
        ),
        given=numbers(first=first, part=part, bought=bought, kept=kept, children=children),
        moves=(
            Move("given", "first / part", (f"{friend.name} gets [=] {thing}.", f"{p.name} gives away [=].")),
            Move("left", "first - given", (f"{p.name} has [=] left.", f"That leaves {p.him} [=].")),
            Move("with_new", "left + bought", (f"With the new ones {p.he} has [=] {thing}.", f"Then {p.he} has [=].")),
            Move("to_share", "with_new - kept", ("Of these, [=] are shared.", f"[=] {thing} are to be divided.")),
            Move("each", "to_share / children", ("Every child gets [=].", "For each one this is [=].")),
        ),
        answer="each",
        conclusion=(f"Each gets [each] {thing}.", ""),
    )


def school_trip(d: Draw) -> Problem:
    aim = d.pick("the aquarium", "a castle", "the planetarium", "a farm", "the harbor", "a chocolate factory")
    classes, pupils, teachers, sick = d.whole(3, 8), d.whole(17, 29), d.whole(4, 12), d.whole(2, 9)
    seats = d.pick(20, 24, 30, 35, 40)
    while (classes * pupils + teachers - sick) % seats:
        teachers, sick = teachers + d.whole(0, 1), max(sick - 1, 1)
    return Problem(
        question=(
            f"[classes] classes of [pupils] pupils go to {aim} with [teachers] adults. On that day [sick] pupils are ill and stay at home. Small buses with [seats] "
            "seats are hired, and every seat is taken. How many buses are there?",
            f"A school plans a trip to {aim} for [classes] classes with [pupils] pupils each and [teachers] adults. [sick] pupils fall ill. How many buses of [seats] seats "
            "do the others fill exactly?",
        ),
        given=numbers(classes=classes, pupils=pupils, teachers=teachers, sick=sick, seats=seats),
        moves=(
            Move(
                "all_pupils",
                "classes * pupils",
                ("There are [=] pupils in these classes.", "The classes have [=] pupils."),
            ),
            Move(
                "pupils_going",
                "all_pupils - sick",
                ("Without those who are ill, [=] pupils go.", "[=] pupils take part."),
            ),
            Move(
                "people",
                "pupils_going + teachers",
                ("With the adults there are [=] people.", "Together with the adults, [=] people travel."),
            ),
            Move(
                "buses", "people / seats", ("They need [=] buses.", "With [seats] seats to a bus, that is [=] buses.")
            ),
        ),
        answer="buses",
        conclusion=("There are [buses] buses.", ""),
    )


def legs_on_a_farm(d: Draw) -> Problem:
    p = d.person()
    four, two, eight = (
        d.pick("goats", "cows", "sheep", "horses", "dogs"),
        d.pick("hens", "ducks", "geese", "turkeys"),
        d.pick("spiders", "scorpions"),
    )
    a, b, c = d.whole(4, 40), d.whole(5, 60), d.whole(2, 15)
    return Problem(
        question=(
            f"In {p.name}'s barn there are [a] {four}, [b] {two} and [c] {eight}. How many legs do all the animals have?",
            f"{p.name} counts [b] {two}, [a] {four} and, under the roof of the barn, [c] {eight}. How many animal legs are there in all?",
        ),
        given=numbers(a=a, b=b, c=c),
        constants=numbers(legs_of_four=4, legs_of_two=2, legs_of_eight=8),
        moves=(
            Move("legs_of_the_first", "a * legs_of_four", (f"The {four} have [=] legs.", f"[a] {four} make [=] legs.")),
            Move("legs_of_the_second", "b * legs_of_two", (f"The {two} have [=] legs.", f"[b] {two} make [=] legs.")),
            Move(
                "legs_of_the_third",
                "c * legs_of_eight",
                (f"Having eight legs each, the {eight} have [=] legs.", f"[c] {eight} make [=] legs."),
            ),
            Move(
                "legs",
                "legs_of_the_first + legs_of_the_second + legs_of_the_third",
                ("In all there are [=] legs.", "The sum is [=] legs."),
            ),
        ),
        answer="legs",
        conclusion=("The animals have [legs] legs.", ""),
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
            f"{p.name} harvests [each] {fruit} from each of {p.his} [trees] trees. [percent]% of the {fruit} are spoiled. The others are packed in crates of [crate], "
            f"and [market] crates are given to neighbors. How many crates can {p.he} take to the market?",
            f"An orchard has [trees] trees with [each] {fruit} on each. After sorting out [percent]% as spoiled, {p.name} packs the rest into crates that hold [crate]. "
            f"[market] crates go to neighbors. How many crates are left?",
        ),
        given=numbers(trees=trees, each=each, percent=percent, crate=crate, market=market),
        moves=(
            Move("harvest", "trees * each", (f"The harvest is [=] {fruit}.", f"All trees together bear [=] {fruit}.")),
            Move(
                "spoiled",
                "harvest * percent / 100",
                ("The number of spoiled ones is [=].", "[percent]% of them is [=]."),
            ),
            Move("good", "harvest - spoiled", (f"So [=] {fruit} are good.", "This leaves [=] good ones.")),
            Move("crates", "good / crate", ("They fill [=] crates.", "In crates of [crate] that is [=] crates.")),
            Move(
                "left",
                "crates - market",
                ("For the market, [=] crates are left.", "After the gift to the neighbors there are [=] crates."),
            ),
        ),
        answer="left",
        conclusion=("[left] crates are left.", ""),
    )


def league_table(d: Draw) -> Problem:
    team = d.pick("Rovers", "Falcons", "Comets", "Wolves", "Mariners", "Lions", "Hornets")
    wins, draws, losses, bonus, behind = d.whole(5, 24), d.whole(2, 12), d.whole(2, 12), d.whole(1, 6), d.whole(2, 20)
    return Problem(
        question=(
            f"In a league a win gives 3 points and a draw 1 point; a defeat gives none. The {team} have [wins] wins, [draws] draws and [losses] defeats and got [bonus] bonus "
            "points for fairness. The leader has [behind] points more. How many points does the leader have?",
            f"The {team} won [wins] matches (3 points each), drew [draws] (1 point each) and lost [losses] (no points). With [bonus] bonus points they are [behind] points behind the "
            "first team. How many points has the first team?",
        ),
        given=numbers(wins=wins, draws=draws, losses=losses, bonus=bonus, behind=behind),
        constants=numbers(points_for_a_win=3),
        moves=(
            Move(
                "from_wins",
                "wins * points_for_a_win",
                ("The wins give [=] points.", f"For winning, the {team} get [=] points."),
            ),
            Move(
                "points",
                "from_wins + draws + bonus",
                (
                    f"With draws and bonus points the {team} have [=] points.",
                    "Adding the draws and the bonus makes [=] points.",
                ),
            ),
            Move(
                "leader",
                "points + behind",
                ("The leader has [=] points.", "So the team in first place has [=] points."),
            ),
        ),
        answer="leader",
        conclusion=("The leader has [leader] points.", ""),
    )


def ages_in_a_family(d: Draw) -> Problem:
    a, b, c = d.people(3)
    age, times, years, older = d.whole(4, 14), d.whole(2, 4), d.whole(2, 12), d.whole(2, 9)
    return Problem(
        question=(
            f"{a.name} is [age] years old. {b.name} is [times] times as old as {a.name}, and {c.name} is [older] years older than {b.name}. How old will the three be "
            "together in [years] years?",
            f"{b.name}'s age is [times] times {a.name}'s age, which is [age]. {c.name} was born [older] years before {b.name}. What will be the sum of their three ages "
            "[years] years from now?",
        ),
        given=numbers(age=age, times=times, older=older, years=years),
        moves=(
            Move("second_age", "times * age", (f"{b.name} is [=] years old.", f"The age of {b.name} is [=].")),
            Move("third_age", "second_age + older", (f"{c.name} is [=] years old.", f"The age of {c.name} is [=].")),
            Move(
                "sum_now",
                "age + second_age + third_age",
                ("Today the sum of the ages is [=].", "Now they are [=] years old together."),
            ),
            Move(
                "growth",
                "3 * years",
                (
                    "In [years] years the three of them age by [=] years in total.",
                    "Each one gets [years] years older, which adds [=].",
                ),
                (
                    Fault(
                        "dropped_case",
                        "Only one of the three people is made older; all three age.",
                        formula="years",
                        wording="In [years] years the sum grows by [growth].",
                    ),
                ),
            ),
            Move(
                "sum_then", "sum_now + growth", ("So the sum will be [=].", "Then they will be [=] years old together.")
            ),
        ),
        answer="sum_then",
        conclusion=("The sum of the ages will be [sum_then].", ""),
    )


def survey(d: Draw) -> Problem:
    people = d.whole(4, 24) * 60
    subject, options = d.pick(
        ("their favorite season", ("spring", "summer", "autumn", "winter")),
        ("the pet they would like", ("a dog", "a cat", "a rabbit", "a parrot")),
        ("how they get to work", ("by bus", "by car", "by bicycle", "on foot")),
        ("their favorite dish", ("pizza", "curry", "soup", "salad")),
    )
    part, percent, times = d.pick(3, 4, 5, 6), d.pick(10, 15, 20, 25, 30), d.pick(2, 3)
    a, b, c, e = options
    first, second = people // part, people * percent // 100
    rest = people - first - second
    while rest % (times + 1):
        people += 60
        first, second = people // part, people * percent // 100
        rest = people - first - second
    return Problem(
        question=(
            f"[people] people were asked about {subject}. 1/[part] of them answered {a}, [percent]% answered {b}, and of the others [times] times as many answered "
            f"{c} as {e}. How many answered {e}?",
            f"In a survey on {subject}, 1/[part] of the [people] people said {a} and [percent]% of all said {b}. Everybody else said {c} or {e}; {c} got [times] times as many "
            f"answers as {e}. How many people said {e}?",
        ),
        given=numbers(people=people, part=part, percent=percent, times=times),
        moves=(
            Move("first", "people / part", (f"[=] people answered {a}.", f'The answer "{a}" was given [=] times.')),
            Move(
                "second",
                "people * percent / 100",
                (f"[=] people answered {b}.", f"[percent]% of all people is [=]; they answered {b}."),
            ),
            Move(
                "rest", "people - first - second", ("There are [=] people left.", "The remaining group has [=] people.")
            ),
            Move(
                "shares",
                "times + 1",
                (
                    f"These split into [=] equal shares, one of them for {e}.",
                    f"For each person with {e} there are [times] with {c}, which makes groups of [=].",
                ),
            ),
            Move("asked", "rest / shares", (f"So [=] people answered {e}.", "One share is [=] people.")),
        ),
        answer="asked",
        conclusion=(f"[asked] people answered {e}.", ""),
    )


def folding_cranes(d: Draw) -> Problem:
    a, b = d.people(2)
    made = d.pick("paper cranes", "paper stars", "bracelets", "paper lanterns", "origami frogs", "bows")
    x, y, h = d.whole(6, 20), d.whole(4, 15), d.whole(2, 6)
    more, third = d.whole(1, 4), d.whole(10, 60)
    goal = x * h + y * (h + more) + third + d.whole(5, 80)
    return Problem(
        question=(
            f"{a.name} makes [x] {made} an hour and {b.name} makes [y] an hour. {a.name} works for [h] hours and {b.name} for [more] hours longer. A neighbor brings [third] more. How "
            f"many {made} are missing until they have [goal]?",
            f"For a festival [goal] {made} are needed. {a.name} makes [x] per hour for [h] hours; {b.name}, who makes [y] per hour, works [more] hours longer than {a.name}. "
            f"[third] come from a neighbor. How many are still to be made?",
        ),
        given=numbers(x=x, y=y, h=h, more=more, third=third, goal=goal),
        moves=(
            Move("made_by_first", "x * h", (f"{a.name} makes [=] {made}.", f"From {a.name} come [=].")),
            Move(
                "hours_of_second",
                "h + more",
                (f"{b.name} works for [=] hours.", f"The working time of {b.name} is [=] hours."),
            ),
            Move(
                "made_by_second",
                "y * hours_of_second",
                (f"In this time {b.name} makes [=].", f"{b.name} makes [=] {made}."),
            ),
            Move(
                "made",
                "made_by_first + made_by_second + third",
                (f"Altogether there are [=] {made}.", "With those of the neighbor that is [=]."),
            ),
            Move("missing", "goal - made", ("So [=] are missing.", f"They still need [=] {made}.")),
        ),
        answer="missing",
        conclusion=(f"[missing] {made} are missing.", ""),
    )


def theater_rows(d: Draw) -> Problem:
    hall = d.pick("theater", "lecture hall", "cinema", "concert hall", "gym")
    front, seats, balcony, boxes = d.whole(6, 20), d.whole(12, 30), d.whole(20, 120), d.whole(2, 10)
    per_box, empty = d.whole(4, 9), d.whole(8, 60)
    while front * seats + balcony + boxes * per_box <= empty + 20:
        front += 1
    return Problem(
        question=(
            f"A {hall} has [front] rows of [seats] seats, a balcony with [balcony] seats and [boxes] boxes for [per_box] people each. One evening [empty] seats stay empty. How many "
            "people are in the audience?",
            f"How many people sit in a {hall} with [front] rows of [seats] seats, [boxes] boxes of [per_box] seats and [balcony] seats on the balcony when all but [empty] seats are taken?",
        ),
        given=numbers(front=front, seats=seats, balcony=balcony, boxes=boxes, per_box=per_box, empty=empty),
        moves=(
            Move("in_rows", "front * seats", ("The rows have [=] seats.", "In the rows there are [=] seats.")),
            Move("in_boxes", "boxes * per_box", ("The boxes have [=] seats.", "In the boxes there are [=] seats.")),
            Move(
                "all_seats",
                "in_rows + balcony + in_boxes",
                (f"The {hall} has [=] seats in all.", "Adding rows, balcony and boxes gives [=] seats."),
            ),
            Move(
                "audience",
                "all_seats - empty",
                ("The audience has [=] people.", "Since [empty] are empty, [=] seats are taken."),
            ),
        ),
        answer="audience",
        conclusion=("There are [audience] people in the audience.", ""),
    )


TEMPLATES = (
    three_collections,
    reading_plan,
    bus_line,
    vegetable_garden,
    supplies_in_packs,
    egg_farm,
    library_shelves,
    give_and_share,
    school_trip,
    legs_on_a_farm,
    orchard,
    league_table,
    ages_in_a_family,
    survey,
    folding_cranes,
    theater_rows,
)
