"""K policies: when they stop, and what they have sampled by then."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom

from stepreward.policies import Adaptive, Fixed

VOTE = st.none() | st.floats(0, 1)
ADAPTIVE = st.builds(
    lambda floor, more, right, wrong: Adaptive(floor, floor + more, right, wrong),
    st.integers(1, 6),
    st.integers(0, 12),
    st.floats(0.6, 1),
    st.floats(0.6, 1),
)


def rounds_of(policy, votes) -> list[int]:
    """The sizes of the rounds in which a policy takes these votes."""
    rounds: list[int] = []
    while more := policy.next_round(votes[: sum(rounds)]):
        rounds.append(more)
    return rounds


def test_fixed_takes_all_at_once() -> None:
    assert rounds_of(Fixed(7), [0.5] * 7) == [7]


@settings(max_examples=60, deadline=None)
@given(ADAPTIVE, st.lists(VOTE, min_size=18, max_size=18))
def test_adaptive_stays_between_its_floor_and_its_cap(policy, votes) -> None:
    assert policy.floor <= sum(rounds_of(policy, votes)) <= policy.cap


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.lists(st.floats(0, 1), min_size=12, max_size=12))
def test_where_nothing_short_of_certainty_suffices_the_decision_is_that_of_all(cap, votes) -> None:
    policy = Adaptive(1, cap, sure_right=1, sure_wrong=1)
    taken = votes[: sum(rounds_of(policy, votes))]
    all_of_them = votes[:cap]
    if abs(sum(all_of_them) / cap - 0.5) > 1e-6:
        likely = (sum(taken) + (cap - len(taken)) / 2) / cap
        assert (likely >= 0.5) == (sum(all_of_them) / cap >= 0.5)


@pytest.mark.parametrize("vote", [0.0, 1.0])
def test_a_decision_that_can_no_longer_change_is_not_sampled_on(vote) -> None:
    taken = sum(rounds_of(Adaptive(1, 9, sure_right=1, sure_wrong=1), [vote] * 9))
    assert taken == 5  # of nine: five settle it


def test_hard_votes_are_stopped_where_the_beta_binomial_says() -> None:
    policy = Adaptive(1, 10)
    for yes, no in product(range(8), repeat=2):
        count = yes + no
        if 0 < count < 10:
            needed = max(0, 5 - yes)
            p_right = betabinom.sf(needed - 1, 10 - count, policy.prior_yes + yes, policy.prior_no + no)
            stops = policy.next_round([1.0] * yes + [0.0] * no) == 0
            assert stops == (p_right >= policy.sure_right or 1 - p_right >= policy.sure_wrong)


def test_hedged_evidence_is_sampled_longer_than_firm_evidence() -> None:
    policy = Adaptive(1, 10)
    firm, hedged = (sum(rounds_of(policy, [p] * 10)) for p in (0.99, 0.6))
    assert firm == 1
    assert hedged > 3


def test_a_round_is_the_least_that_could_settle_the_decision() -> None:
    policy = Adaptive(1, 10)
    votes = [1.0, 0.0]
    more = policy.next_round(votes)
    assert more > 1
    assert policy.next_round(votes + [1.0] * more) == 0
    assert policy.next_round(votes + [1.0] * (more - 1)) > 0


def test_unread_verdicts_are_no_evidence_and_count_towards_the_cap() -> None:
    policy = Adaptive(1, 4)
    assert rounds_of(policy, [None] * 4) == [1, 1, 1, 1]
    assert rounds_of(policy, [None, 1.0, 1.0, 1.0]) == [1, 1]
