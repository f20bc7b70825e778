"""Word problems: pages to read, things to make, seats to fill."""

from stepreward.corpus.generate.draw import Draw, numbers
from stepreward.corpus.generate.model import Problem, compute


def reading_plan(d: Draw) -> Problem:
    p, kind = d.person(), d.pick("novel", "biography", "textbook", "detective story", "travel book")
    a, b, days = d.whole(14, 48), d.whole(2, 3), d.whole(3, 9)
    daily, more = d.whole(11, 35), d.whole(3, 15)
    pages = a + a * b + (a + more) + daily * days
    return Problem(
        question=(
            f"{p.name} is reading a {kind} of [pages] pages. On Monday {p.he} reads [pages_on_first_day] pages, "
            "on Tuesday [times] times as many as on Monday and on Wednesday [more_pages] more than on Monday. "
            f"The rest {p.he} wants to read in [days] days, the same number of pages every day. How many pages a "
            "day is that?",
            f"A {kind} has [pages] pages. {p.name} read [pages_on_first_day] of them on the first day, [times] "
            "times that many on the second day and [more_pages] pages more than on the first day on the third. "
            f"How many pages must {p.he} read on each of the next [days] days to finish it?",
        ),
        given=numbers(pages=pages, pages_on_first_day=a, times=b, more_pages=more, days=days),
        moves=(
            compute(
                "pages_on_second_day = times * pages_on_first_day",
                f"On the second day {p.name} reads [=] pages.",
                "The second day makes [=] pages.",
            ),
            compute(
                "pages_on_third_day = pages_on_first_day + more_pages",
                f"On the third day {p.he} reads [=] pages.",
                "The third day makes [=] pages.",
            ),
            compute(
                "read = pages_on_first_day + pages_on_second_day + pages_on_third_day",
                "In these three days that is [=] pages.",
                f"So far {p.name} has read [=] pages.",
            ),
            compute("left = pages - read", "There are [=] pages left.", f"{p.He} still has [=] pages to read."),
            compute(
                "per_day = left / days",
                f"Each day {p.he} has to read [=] pages.",
                "Spread over [days] days, this is [=] pages a day.",
            ),
        ),
        answer="per_day",
        conclusion=(f"{p.name} has to read [per_day] pages a day.", ""),
    )


def library_shelves(d: Draw) -> Problem:
    town = d.town()
    shelves, books, lent = d.whole(8, 40), d.whole(18, 45), d.whole(40, 120)
    back, donated = d.whole(10, 38), d.whole(12, 90)
    return Problem(
        question=(
            f"The library of {town} has [shelves] shelves with [books] books each. In a week, [lent] books are "
            "lent, [back] of these come back, and a reader donates [donated] books. How many books are in the "
            "library at the end of the week?",
            f"On Monday morning each of the [shelves] shelves in the {town} library holds [books] books. Until "
            "Saturday [lent] books are borrowed and [back] of them are returned, while [donated] new books "
            "arrive. How many books are there on Saturday?",
        ),
        given=numbers(shelves=shelves, books=books, lent=lent, back=back, donated=donated),
        moves=(
            compute(
                "at_first = shelves * books",
                "At first the library holds [=] books.",
                "All the shelves together hold [=] books.",
            ),
            compute(
                "out = lent - back",
                "The number of books still out is [=].",
                "Of the borrowed books, [=] do not return.",
            ),
            compute(
                "without_them = at_first - out",
                "Without them there are [=] books.",
                "So [=] of the old books are in place.",
            ),
            compute(
                "at_the_end = without_them + donated",
                "With the new books there are [=].",
                "The new books bring this to [=].",
            ),
        ),
        answer="at_the_end",
        conclusion=("The library has [at_the_end] books.", ""),
    )


def folding_cranes(d: Draw) -> Problem:
    a, b = d.people(2)
    made = d.pick("paper cranes", "paper stars", "bracelets", "paper lanterns", "origami frogs", "bows")
    x, y, h = d.whole(6, 20), d.whole(4, 15), d.whole(2, 6)
    more, third = d.whole(2, 5), d.whole(10, 60)
    goal = x * h + y * (h + more) + third + d.whole(5, 80)
    return Problem(
        question=(
            f"{a.name} makes [first_rate] {made} an hour and {b.name} makes [second_rate] an hour. {a.name} works "
            f"for [first_hours] hours and {b.name} for [more_hours] hours longer. A neighbor brings "
            f"[brought_by_neighbor] more. How many {made} are missing until they have [goal]?",
            f"For a festival [goal] {made} are needed. {a.name} makes [first_rate] per hour for [first_hours] "
            f"hours; {b.name}, who makes [second_rate] per hour, works [more_hours] hours longer than {a.name}. "
            "[brought_by_neighbor] come from a neighbor. How many are still to be made?",
        ),
        given=numbers(
            first_rate=x, second_rate=y, first_hours=h, more_hours=more, brought_by_neighbor=third, goal=goal
        ),
        moves=(
            compute(
                "made_by_first = first_rate * first_hours", f"{a.name} makes [=] {made}.", f"From {a.name} come [=]."
            ),
            compute(
                "second_hours = first_hours + more_hours",
                f"{b.name} works for [=] hours.",
                f"The working time of {b.name} is [=] hours.",
            ),
            compute(
                "made_by_second = second_rate * second_hours",
                f"In this time {b.name} makes [=].",
                f"{b.name} makes [=] {made}.",
            ),
            compute(
                "made = made_by_first + made_by_second + brought_by_neighbor",
                f"Altogether there are [=] {made}.",
                "With those of the neighbor that is [=].",
            ),
            compute("missing = goal - made", "So [=] are missing.", f"They still need [=] {made}."),
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
            f"A {hall} has [front] rows of [seats] seats, a balcony with [balcony] seats and [boxes] boxes for "
            "[per_box] people each. One evening [empty] seats stay empty. How many people are in the audience?",
            f"How many people sit in a {hall} with [front] rows of [seats] seats, [boxes] boxes of [per_box] "
            "seats and [balcony] seats on the balcony when all but [empty] seats are taken?",
        ),
        given=numbers(front=front, seats=seats, balcony=balcony, boxes=boxes, per_box=per_box, empty=empty),
        moves=(
            compute("in_rows = front * seats", "The rows have [=] seats.", "In the rows there are [=] seats."),
            compute("in_boxes = boxes * per_box", "The boxes have [=] seats.", "In the boxes there are [=] seats."),
            compute(
                "all_seats = in_rows + balcony + in_boxes",
                f"The {hall} has [=] seats in all.",
                "Adding rows, balcony and boxes gives [=] seats.",
            ),
            compute(
                "audience = all_seats - empty",
                "The audience has [=] people.",
                "Since [empty] are empty, [=] seats are taken.",
            ),
        ),
        answer="audience",
        conclusion=("There are [audience] people in the audience.", ""),
    )


TEMPLATES = (
    reading_plan,
    library_shelves,
    folding_cranes,
    theater_rows,
)
