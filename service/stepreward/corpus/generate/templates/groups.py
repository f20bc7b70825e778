"""Word problems: collections, people and animals counted together."""

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.model import Fault, Problem, compute


def three_collections(d: Draw) -> Problem:
    a, b, c = d.people(3)
    thing = d.thing()
    times, first, fewer = d.whole(2, 6), d.whole(12, 70), d.whole(3, 20)
    while times * first <= fewer:
        fewer -= 1
    return Problem(
        question=(
            f"{a.name} has [first_collection] {thing}. {b.name} has [times] times as many {thing} as {a.name}, "
            f"and {c.name} has [fewer] fewer than {b.name}. How many {thing} do the three have together?",
            f"{b.name} owns [times] times as many {thing} as {a.name}, who owns [first_collection]. {c.name} owns "
            f"[fewer] fewer {thing} than {b.name}. What is the total number of {thing}?",
        ),
        given=numbers(first_collection=first, times=times, fewer=fewer),
        moves=(
            compute(
                "second_collection = times * first_collection",
                f"{b.name} has [=] {thing}.",
                f"[times] times as many as {a.name} is [=], so this is what {b.name} has.",
            ),
            compute(
                "third_collection = second_collection - fewer",
                f"{c.name} has [=] {thing}.",
                f"[fewer] fewer than {b.name} means that {c.name} has [=].",
            ),
            compute(
                "total = first_collection + second_collection + third_collection",
                f"Together they have [=] {thing}.",
                f"Adding up, the three own [=] {thing}.",
            ),
        ),
        answer="total",
        conclusion=(f"The three have [total] {thing} together.", ""),
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
            f"{p.name} had [at_first] {thing}. {p.He} gave 1/[part] of them to {friend.name} and then bought "
            f"[bought] more. {p.He} kept [kept] for {p.him}self and divided the others equally among [children] "
            f"cousins. How many {thing} did each cousin get?",
            f"{p.name} owns [at_first] {thing} and gives 1/[part] of them away to {friend.name}. Having got "
            f"[bought] new ones, {p.he} puts [kept] aside and shares the rest fairly between [children] children. "
            "How many does one child receive?",
        ),
        given=numbers(at_first=first, part=part, bought=bought, kept=kept, children=children),
        moves=(
            compute("given = at_first / part", f"{friend.name} gets [=] {thing}.", f"{p.name} gives away [=]."),
            compute("left_over = at_first - given", f"{p.name} has [=] left.", f"That leaves {p.him} [=]."),
            compute(
                "with_new = left_over + bought", f"With the new ones {p.he} has [=] {thing}.", f"Then {p.he} has [=]."
            ),
            compute("to_share = with_new - kept", "Of these, [=] are shared.", f"[=] {thing} are to be divided."),
            compute("each = to_share / children", "Every child gets [=].", "For each one this is [=]."),
        ),
        answer="each",
        conclusion=(f"Each gets [each] {thing}.", ""),
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
            f"{vehicle} starts with [start] passengers. At {stops[0]}, [off_at_first] get off and [on_at_first] "
            f"get on. At {stops[1]}, [off_at_second] get off and [on_at_second] get on. At {stops[2]}, one in "
            "every [part] passengers gets off. How many passengers remain?",
            f"There are [start] people on board when {vehicle[0].lower() + vehicle[1:]} leaves. [off_at_first] "
            f"leave and [on_at_first] enter at {stops[0]}, [off_at_second] leave and [on_at_second] enter at "
            f"{stops[1]}, and 1/[part] of everybody on board leaves at {stops[2]}. How many people are on board "
            "after that?",
        ),
        given=numbers(start=start, off_at_first=off1, on_at_first=on1, off_at_second=off2, on_at_second=on2, part=part),
        moves=(
            compute(
                "after_first = start - off_at_first + on_at_first",
                f"After {stops[0]} there are [=] passengers on board.",
                f"Leaving {stops[0]}, there are [=] people on board.",
            ),
            compute(
                "after_second = after_first - off_at_second + on_at_second",
                f"After {stops[1]} there are [=] passengers.",
                f"The second stop, {stops[1]}, changes this to [=].",
            ),
            compute(
                "leaving = after_second / part", f"At {stops[2]}, [=] people get off.", "One in [part] of them is [=]."
            ),
            compute(
                "remaining = after_second - leaving", "So [=] passengers stay on board.", "This leaves [=] people."
            ),
        ),
        answer="remaining",
        conclusion=("[remaining] passengers remain.", ""),
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
            f"In {p.name}'s barn there are [first_animals] {four}, [second_animals] {two} and [third_animals] "
            f"{eight}. How many legs do all the animals have?",
            f"{p.name} counts [second_animals] {two}, [first_animals] {four} and, under the roof of the barn, "
            f"[third_animals] {eight}. How many animal legs are there in all?",
        ),
        given=numbers(first_animals=a, second_animals=b, third_animals=c),
        constants=numbers(legs_of_one_first=4, legs_of_one_second=2, legs_of_one_third=8),
        moves=(
            compute(
                "legs_of_the_first = first_animals * legs_of_one_first",
                f"The {four} have [=] legs.",
                f"[first_animals] {four} make [=] legs.",
            ),
            compute(
                "legs_of_the_second = second_animals * legs_of_one_second",
                f"The {two} have [=] legs.",
                f"[second_animals] {two} make [=] legs.",
            ),
            compute(
                "legs_of_the_third = third_animals * legs_of_one_third",
                f"Having eight legs each, the {eight} have [=] legs.",
                f"[third_animals] {eight} make [=] legs.",
            ),
            compute(
                "legs = legs_of_the_first + legs_of_the_second + legs_of_the_third",
                "In all there are [=] legs.",
                "The sum is [=] legs.",
            ),
        ),
        answer="legs",
        conclusion=("The animals have [legs] legs.", ""),
    )


def league_table(d: Draw) -> Problem:
    team = d.pick("Rovers", "Falcons", "Comets", "Wolves", "Mariners", "Lions", "Hornets")
    wins, draws, losses, bonus, behind = d.whole(5, 24), d.whole(2, 12), d.whole(2, 12), d.whole(2, 6), d.whole(2, 20)
    return Problem(
        question=(
            f"In a league a win gives 3 points and a draw 1 point; a defeat gives none. The {team} have [wins] "
            "wins, [draws] draws and [losses] defeats and got [bonus] bonus points for fairness. The leader has "
            "[behind] points more. How many points does the leader have?",
            f"The {team} won [wins] matches (3 points each), drew [draws] (1 point each) and lost [losses] (no "
            "points). With [bonus] bonus points they are [behind] points behind the first team. How many points "
            "has the first team?",
        ),
        given=numbers(wins=wins, draws=draws, losses=losses, bonus=bonus, behind=behind),
        constants=numbers(points_for_a_win=3),
        moves=(
            compute(
                "from_wins = wins * points_for_a_win",
                "The wins give [=] points.",
                f"For winning, the {team} get [=] points.",
            ),
            compute(
                "points = from_wins + draws + bonus",
                f"With draws and bonus points the {team} have [=] points.",
                "Adding the draws and the bonus makes [=] points.",
            ),
            compute(
                "leader = points + behind", "The leader has [=] points.", "So the team in first place has [=] points."
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
            f"{a.name} is [age] years old. {b.name} is [times] times as old as {a.name}, and {c.name} is [older] "
            f"years older than {b.name}. How old will the three be together in [years] years?",
            f"{b.name}'s age is [times] times {a.name}'s age, which is [age]. {c.name} was born [older] years "
            f"before {b.name}. What will be the sum of their three ages [years] years from now?",
        ),
        given=numbers(age=age, times=times, older=older, years=years),
        moves=(
            compute("second_age = times * age", f"{b.name} is [=] years old.", f"The age of {b.name} is [=]."),
            compute("third_age = second_age + older", f"{c.name} is [=] years old.", f"The age of {c.name} is [=]."),
            compute(
                "sum_now = age + second_age + third_age",
                "Today the sum of the ages is [=].",
                "Now they are [=] years old together.",
            ),
            compute(
                "growth = 3 * years",
                "In [years] years the three of them age by [=] years in total.",
                "Each one gets [years] years older, which adds [=].",
                faults=(
                    Fault(
                        "dropped_case",
                        "Only one of the three people is made older; all three age.",
                        formula="years",
                        wording="In [years] years the sum grows by [growth].",
                    ),
                ),
            ),
            compute(
                "sum_then = sum_now + growth", "So the sum will be [=].", "Then they will be [=] years old together."
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
            f"[people] people were asked about {subject}. 1/[part] of them answered {a}, [percent]% answered {b}, "
            f"and of the others [times] times as many answered {c} as {e}. How many answered {e}?",
            f"In a survey on {subject}, 1/[part] of the [people] people said {a} and [percent]% of all said {b}. "
            f"Everybody else said {c} or {e}; {c} got [times] times as many answers as {e}. How many people said {e}?",
        ),
        given=numbers(people=people, part=part, percent=percent, times=times),
        moves=(
            compute(
                "first_group = people / part", f"[=] people answered {a}.", f'The answer "{a}" was given [=] times.'
            ),
            compute(
                "second_group = people * percent / 100",
                f"[=] people answered {b}.",
                f"[percent]% of all people is [=]; they answered {b}.",
            ),
            compute(
                "remaining_group = people - first_group - second_group",
                "There are [=] people left.",
                "The remaining group has [=] people.",
            ),
            compute(
                "shares = times + 1",
                f"These split into [=] equal shares, one of them for {e}.",
                f"For each person with {e} there are [times] with {c}, which makes groups of [=].",
            ),
            compute(
                "last_group = remaining_group / shares", f"So [=] people answered {e}.", "One share is [=] people."
            ),
        ),
        answer="last_group",
        conclusion=(f"[last_group] people answered {e}.", ""),
    )


TEMPLATES = (
    three_collections,
    give_and_share,
    bus_line,
    legs_on_a_farm,
    league_table,
    ages_in_a_family,
    survey,
)
