"""Verdicts to a step's score and steps' scores to a solution's: what holds for all numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepreward.aggregation import aggregates, first_error, step_score
from stepreward.values import Verdict

PROBABILITY = st.floats(0, 1)
SCORES = st.lists(PROBABILITY, min_size=1, max_size=40)
MAYBE = st.lists(st.none() | PROBABILITY, max_size=40)
VERDICTS = st.lists(st.builds(Verdict, st.none() | PROBABILITY, st.booleans()), max_size=40)
ULPS = 1 + 4 * 2**-53


# aggregates


@given(SCORES)
def test_every_aggregate_stands_in_zero_to_one(scores):
    found = aggregates(scores)
    for value in (found.min, found.prod, found.mean, found.last, found.weighted):
        assert 0 <= value <= 1


@given(SCORES)
def test_the_weighted_mean_stands_between_the_least_and_the_greatest_score(scores):
    found = aggregates(scores)
    assert min(scores) <= found.weighted <= max(scores)


@given(SCORES)
def test_a_step_that_nobody_is_sure_about_changes_no_weighted_mean(scores):
    if any(abs(score - 0.5) > 1e-3 for score in scores):
        assert aggregates([*scores, 0.5]).weighted == pytest.approx(aggregates(scores).weighted, abs=1e-9)


def test_the_weights_are_what_is_left_of_a_bit_of_entropy():
    sure, unsure = 0.99, 0.6
    weights = [1 + p * math.log2(p) + (1 - p) * math.log2(1 - p) for p in (sure, unsure)]
    expected = (weights[0] * sure + weights[1] * unsure) / sum(weights)
    assert aggregates([sure, unsure]).weighted == pytest.approx(expected)
    assert aggregates([0.5, 0.5]).weighted == 0.5


@given(SCORES)
def test_the_product_is_at_most_the_minimum_and_the_minimum_at_most_the_mean(scores):
    found = aggregates(scores)
    assert found.prod <= found.min
    assert found.min <= found.mean * ULPS
    assert found.mean <= max(scores) * ULPS


@given(SCORES)
def test_aggregates_are_what_numpy_says(scores):
    found = aggregates(scores)
    assert (found.min, found.last) == (np.min(scores), scores[-1])
    assert found.mean == pytest.approx(np.mean(scores), abs=1e-12)
    assert found.prod == pytest.approx(np.prod(scores), abs=1e-12)


@given(PROBABILITY)
def test_of_one_step_every_aggregate_is_its_score(score):
    found = aggregates([score])
    assert (found.min, found.prod, found.mean, found.last) == (score,) * 4


@given(SCORES, SCORES)
def test_appending_steps_never_raises_the_minimum_or_the_product(scores, more):
    short, long = aggregates(scores), aggregates([*scores, *more])
    assert long.min <= short.min
    assert long.prod <= short.prod


@given(SCORES, st.data())
def test_repeating_a_step_anywhere_never_raises_the_minimum(scores, data):
    step = data.draw(st.sampled_from(scores))
    place = data.draw(st.integers(0, len(scores)))
    assert aggregates([*scores[:place], step, *scores[place:]]).min == aggregates(scores).min


@given(SCORES, st.data())
def test_an_unscored_step_anywhere_leaves_no_aggregate(scores, data):
    place = data.draw(st.integers(0, len(scores)))
    found = aggregates([*scores[:place], None, *scores[place:]])
    assert (found.min, found.prod, found.mean, found.last) == (None,) * 4


def test_no_steps_have_no_aggregate():
    found = aggregates([])
    assert (found.min, found.prod, found.mean, found.last) == (None,) * 4


def test_a_score_of_zero_is_a_score():
    found = aggregates([0.0, 1.0])
    assert (found.min, found.prod, found.mean, found.last) == (0, 0, 0.5, 1)


@given(MAYBE)
def test_no_aggregate_is_ever_nan(scores):
    found = aggregates(scores)
    assert not any(math.isnan(value) for value in (found.min, found.prod, found.mean, found.last) if value is not None)


# the first error


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], -1),
        ([0.9], -1),
        ([0.5], -1),
        ([math.nextafter(0.5, 0)], 0),
        ([0.0], 0),
        ([0.9, 0.8, 0.7], -1),
        ([0.9, 0.2, 0.1], 1),
        ([0.9, 0.8, 0.3], 2),
        ([None], None),
        ([None, 0.1], None),
        ([0.9, None, 0.1], None),
        ([0.9, None], None),
        ([0.1, None], 0),
        ([0.9, 0.1, None, 0.9], 1),
    ],
)
def test_the_first_error_is_the_first_step_below_one_half_unless_an_unscored_one_comes_before(scores, expected):
    assert first_error(scores) == expected


@given(SCORES)
def test_all_steps_before_the_first_error_are_right_and_it_is_wrong(scores):
    index = first_error(scores)
    before = scores if index == -1 else scores[:index]
    assert all(score >= 0.5 for score in before)
    assert index == -1 or scores[index] < 0.5


@given(MAYBE, MAYBE)
def test_steps_after_the_first_error_do_not_move_it(scores, more):
    index = first_error(scores)
    assert index == -1 or first_error([*scores, *more]) == index


# a step's score


@given(VERDICTS)
def test_a_step_score_stands_in_zero_to_one_or_is_none_where_nothing_was_read(verdicts):
    scored = step_score(verdicts)
    if scored.k_valid:
        assert 0 <= scored.score <= 1
    else:
        assert scored.score is None


@given(VERDICTS)
def test_a_step_score_is_the_mean_of_what_was_read(verdicts):
    read = [verdict.p_correct for verdict in verdicts if verdict.p_correct is not None]
    assert step_score(verdicts).score == (pytest.approx(np.mean(read), abs=1e-12) if read else None)


@given(VERDICTS)
def test_the_standard_error_is_the_sample_deviation_by_the_root_of_the_number_read(verdicts):
    read = [verdict.p_correct for verdict in verdicts if verdict.p_correct is not None]
    expected = pytest.approx(np.std(read, ddof=1) / np.sqrt(len(read)), abs=1e-12) if len(read) > 1 else None
    assert step_score(verdicts).stderr == expected


@given(VERDICTS)
def test_unread_verdicts_lower_k_valid_and_not_k_used(verdicts):
    scored = step_score(verdicts)
    unread = sum(verdict.p_correct is None for verdict in verdicts)
    assert (scored.k_used, scored.k_valid) == (len(verdicts), len(verdicts) - unread)


@given(VERDICTS)
def test_unread_verdicts_change_no_number(verdicts):
    read = [verdict for verdict in verdicts if verdict.p_correct is not None]
    with_unread, without = step_score(verdicts), step_score(read)
    assert (with_unread.score, with_unread.stderr) == (without.score, without.stderr)


@given(VERDICTS)
def test_forced_verdicts_are_counted_read_or_not(verdicts):
    assert step_score(verdicts).forced == sum(verdict.forced for verdict in verdicts)


@given(VERDICTS)
def test_no_number_of_a_step_is_ever_nan_or_infinite(verdicts):
    scored = step_score(verdicts)
    assert all(value is None or math.isfinite(value) for value in (scored.score, scored.stderr))


def test_one_read_verdict_has_a_score_and_no_standard_error():
    scored = step_score([Verdict(0.25), Verdict(None)])
    assert (scored.score, scored.stderr, scored.k_used, scored.k_valid) == (0.25, None, 2, 1)


def test_a_verdict_of_zero_was_read():
    scored = step_score([Verdict(0.0)])
    assert (scored.score, scored.k_valid) == (0.0, 1)


def test_a_step_without_verdicts_has_no_score():
    scored = step_score([])
    assert (scored.score, scored.stderr, scored.k_used, scored.k_valid) == (None, None, 0, 0)
