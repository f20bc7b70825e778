"""A calibration file: what it does to a probability, and what may stand in it."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stepreward.calibration import BIASES, SLOPES, Band, Calibration, Scale
from stepreward.errors import ConfigurationError

FIGURE = {"value": 0.1, "low": 0.05, "high": 0.2}
FIGURES = dict.fromkeys(("ece", "ece_width", "nll", "brier"), FIGURE)
BAND = {
    "low": 0.2,
    "high": 0.9,
    "confidence": 0.95,
    "share_inside": 0.5,
    "accuracy_below": 0.96,
    "accuracy_above": 0.97,
}
GOOD = {
    "version": 1,
    "method": "temperature",
    "model": "m",
    "prompt_version": "retsp-1",
    "created_at": "2025-01-01T00:00:00Z",
    "data_sha256": "0" * 64,
    "n": 1000,
    "scale": {"a": 0.4, "b": 0.0},
    "band": BAND,
    "before": FIGURES,
    "after": FIGURES,
}

SCALES = st.builds(Scale, a=st.floats(*SLOPES), b=st.floats(*BIASES))
PROBABILITIES = st.floats(0, 1)


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@settings(deadline=None)
@given(SCALES, PROBABILITIES)
def test_a_probability_stays_one(scale, p) -> None:
    assert 0 <= scale.apply(0.0) <= scale.apply(p) <= scale.apply(1.0) <= 1


@pytest.mark.parametrize(("p", "neighbour"), [(0.0, 1e-7), (1.0, 1 - 1e-7)])
def test_a_score_that_was_rounded_to_certainty_is_as_little_sure_as_its_neighbours(p, neighbour) -> None:
    calibrated = Scale(a=0.1).apply(p)
    assert 0.1 < calibrated < 0.9
    assert calibrated == pytest.approx(Scale(a=0.1).apply(neighbour), abs=0.01)


@settings(deadline=None)
@given(SCALES, PROBABILITIES, PROBABILITIES)
def test_the_order_is_kept(scale, p, q) -> None:
    low, high = sorted([p, q])
    assert scale.apply(low) <= scale.apply(high)


@settings(deadline=None)
@given(st.floats(0.01, 2), st.floats(-3, 3), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_what_differed_differs_still(a, b, p, q) -> None:
    assume(abs(p - q) > 1e-6)
    scale = Scale(a=a, b=b)
    assert (scale.apply(p) < scale.apply(q)) == (p < q)


@settings(deadline=None)
@given(st.floats(*SLOPES))
def test_one_half_stays_one_half_without_a_bias(a) -> None:
    assert Scale(a=a).apply(0.5) == 0.5


@settings(deadline=None)
@given(st.floats(0.01, 0.99), st.floats(0.1, 10))
def test_a_temperature_divides_the_logit(p, temperature) -> None:
    assert math.isclose(
        Scale(a=1 / temperature).apply(p),
        1 / (1 + ((1 - p) / p) ** (1 / temperature)),
        rel_tol=1e-2,
    )


@settings(deadline=None)
@given(PROBABILITIES)
def test_a_slope_of_one_changes_nothing(p) -> None:
    assert math.isclose(Scale(a=1.0).apply(p), p, abs_tol=2e-6)


def test_a_step_without_a_score_has_none_afterwards(tmp_path) -> None:
    calibration = Calibration.load(write(tmp_path / "c.json", GOOD))
    assert calibration.apply(None) is None
    assert calibration.apply(0.9) == calibration.scale.apply(0.9)


@pytest.mark.parametrize(("p", "inside"), [(0.19, False), (0.2, True), (0.5, True), (0.9, True), (0.91, False)])
def test_the_ends_of_the_band_are_uncertain(p, inside) -> None:
    assert Band(**BAND).contains(p) is inside


def test_a_file_reads_as_it_was_written(tmp_path) -> None:
    calibration = Calibration.load(write(tmp_path / "c.json", GOOD))
    assert Calibration.load(write(tmp_path / "d.json", calibration.model_dump_json())) == calibration


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"version": 2}, "version"),
        ({"method": "isotonic"}, "method"),
        ({"scale": {"a": 0.0, "b": 0.0}}, "scale.a"),
        ({"scale": {"a": -1.0, "b": 0.0}}, "scale.a"),
        ({"scale": {"a": 1e9, "b": 0.0}}, "scale.a"),
        ({"scale": {"a": 1.0, "b": 0.5}}, "scale.b"),
        ({"scale": {"a": "1", "b": 0.0}}, "scale.a"),
        ({"scale": {"a": float("nan"), "b": 0.0}}, "scale.a"),
        ({"scale": {"a": 1.0, "b": float("inf")}, "method": "platt"}, "scale.b"),
        ({"band": BAND | {"low": 0.6}}, "band.low"),
        ({"band": BAND | {"high": 1.5}}, "band.high"),
        ({"n": 0}, "n"),
        ({"data_sha256": "?"}, "data_sha256"),
        ({"after": {}}, "after.ece"),
        ({"also": 1}, "also"),
    ],
)
def test_a_file_out_of_range_is_refused_and_the_place_named(tmp_path, changed, named) -> None:
    path = write(tmp_path / "c.json", GOOD | changed)
    with pytest.raises(ConfigurationError, match=named) as caught:
        Calibration.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "null"])
def test_a_file_that_is_no_calibration_is_refused(tmp_path, content) -> None:
    with pytest.raises(ConfigurationError, match=r"c\.json"):
        Calibration.load(write(tmp_path / "c.json", content))


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.json: No such file"):
        Calibration.load(tmp_path / "none.json")


def test_a_calibration_does_not_change(tmp_path) -> None:
    calibration = Calibration.load(write(tmp_path / "c.json", GOOD))
    with pytest.raises(ValidationError):
        calibration.scale.a = 2.0
