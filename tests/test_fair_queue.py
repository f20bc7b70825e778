"""Who is next."""

from hypothesis import given
from hypothesis import strategies as st

from stepreward.schema import Priority
from stepreward.worker.fair_queue import FairQueue

PRIORITIES = st.sampled_from(["interactive", "bulk"])


def served(queue: FairQueue[tuple[Priority, int]], count: int) -> list[tuple[Priority, int]]:
    taken = []
    for _ in range(count):
        head = queue.heads()[0]
        queue.take(head)
        taken.append(head)
    return taken


def filled(entries: list[tuple[Priority, int]], bulk_share: float = 0.2) -> FairQueue[tuple[Priority, int]]:
    queue: FairQueue[tuple[Priority, int]] = FairQueue(bulk_share, live=lambda entry: True)
    for priority, number in entries:
        queue.push((priority, number), 10, priority)
    return queue


@given(st.lists(PRIORITIES, max_size=60))
def test_everyone_gets_a_turn_and_each_class_in_the_order_in_which_it_came(priorities) -> None:
    entries = [(priority, number) for number, priority in enumerate(priorities)]
    taken = served(filled(entries), len(entries))
    for kind in ("interactive", "bulk"):
        assert [entry for entry in taken if entry[0] == kind] == [entry for entry in entries if entry[0] == kind]


@given(st.sampled_from([0.1, 0.2, 0.5]))
def test_while_both_wait_bulk_has_its_share_of_the_tokens(share) -> None:
    entries: list[tuple[Priority, int]] = [(p, n) for n in range(100) for p in ("bulk", "interactive")]
    taken = served(filled(entries, share), 100)
    assert abs(sum(priority == "bulk" for priority, _ in taken) - 100 * share) <= 1


def test_a_class_that_was_empty_has_saved_up_nothing() -> None:
    queue = filled([("interactive", number) for number in range(50)])
    served(queue, 40)
    for number in range(10):
        queue.push(("bulk", number), 10, "bulk")
    assert sum(priority == "bulk" for priority, _ in served(queue, 10)) <= 3


def test_those_who_left_are_passed_over_and_not_drained() -> None:
    gone = {("interactive", 0), ("interactive", 2)}
    queue: FairQueue[tuple[Priority, int]] = FairQueue(0.2, live=lambda entry: entry not in gone)
    for number in range(4):
        queue.push(("interactive", number), 10, "interactive")
    assert served(queue, 1) == [("interactive", 1)]
    assert queue.drain() == [("interactive", 3)]
    assert queue.heads() == []
