"""`stepreward calibrate`: fits to scores of known temperature, and a scripted service that gives the scores."""

import json
import random
from collections.abc import Callable, Sequence
from math import exp, log
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from stepreward.calibrate.fit import Fitted, fit, fit_scale, uncertain_band
from stepreward.calibrate.measure import brier, nll
from stepreward.calibrate.steps import LabelledStep, read_steps
from stepreward.calibration import Calibration
from stepreward.cli import cli
from stepreward.client import ServiceUnavailable
from stepreward.errors import ConfigurationError
from stepreward.reliability import bin_means, bins_of_equal_mass, bins_of_equal_width, ece, ece_width
from test_bulk import Scripted, expected_score, no_pauses, scripted, write  # noqa: F401  (fixtures)

# Imported fixtures are asked for by their names.
# ruff: noqa: F811


def sigmoid(logit: float) -> float:
    return 1 / (1 + exp(-logit))


def synthetic(count: int, temperature: float, bias: float = 0.0, groups: int = 200) -> list[LabelledStep]:
    """Steps whose scores are too sure by `temperature`: sigmoid(logit / temperature + bias) is what they should be."""
    dice = random.Random(7)
    steps = []
    for number in range(count):
        logit = dice.gauss(0.5, 2)
        label = dice.random() < sigmoid(logit)
        score = sigmoid((logit - bias) * temperature)
        steps.append(LabelledStep(score=score, label=label, id=f"s{number}", group=f"g{number % groups}"))
    return steps


# fitting


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found_again(temperature) -> None:
    fitted = fit(synthetic(2500, temperature), bias=False, confidence=0.95).calibration
    assert fitted.scale.a == pytest.approx(1 / temperature, rel=0.12)
    assert (fitted.method, fitted.scale.b, fitted.n) == ("temperature", 0.0, 2500)


def test_a_known_bias_is_found_again() -> None:
    fitted = fit(synthetic(2500, temperature=2, bias=1), bias=True, confidence=0.95).calibration
    assert fitted.scale.a == pytest.approx(0.5, rel=0.15)
    assert fitted.scale.b == pytest.approx(1, abs=0.2)
    assert fitted.method == "platt"


def test_with_a_bias_a_step_is_wrong_below_the_share_of_right_steps_and_without_one_below_one_half() -> None:
    steps = synthetic(500, temperature=2, bias=1)
    share = sum(step.label for step in steps) / len(steps)
    assert share > 0.6
    fitted = {bias: fit(steps, bias=bias, confidence=0.95).calibration for bias in (True, False)}
    assert {bias: one.wrong_below for bias, one in fitted.items()} == {True: pytest.approx(share), False: 0.5}


def test_calibration_makes_overconfident_scores_better_by_every_measure() -> None:
    fitted = fit(synthetic(2000, temperature=4), bias=False, confidence=0.95).calibration
    for name in ("ece", "ece_width", "nll", "brier"):
        before, after = getattr(fitted.before, name), getattr(fitted.after, name)
        assert before.low <= before.value <= before.high
        assert after.low <= after.value <= after.high
        assert after.value < before.value
    assert fitted.after.ece.value < 0.04 < fitted.before.ece.value


def test_the_figures_after_are_of_scales_fitted_without_the_step_s_own_question() -> None:
    steps = synthetic(400, temperature=3)
    fitted = fit(steps, bias=False, confidence=0.95)
    in_sample = [fitted.calibration.scale.apply(step.score or 0) for step in steps]
    assert not np.allclose(fitted.after, in_sample, atol=1e-6)
    assert np.allclose(fitted.after, in_sample, atol=0.1)
    assert len({round(logit_ratio(p, q), 6) for p, q in zip(fitted.before, fitted.after, strict=True)}) == 5


def logit_ratio(p: float, q: float) -> float:
    """The slope that makes q of p, which is drawn in a little before."""
    inner = 1e-6 + (1 - 2e-6) * p
    return (log(q) - log(1 - q)) / (log(inner) - log(1 - inner))


def test_equal_steps_give_equal_files_whatever_their_order() -> None:
    steps = synthetic(200, temperature=2)
    one, other = (fit(rows, bias=False, confidence=0.95).calibration for rows in (steps, steps[::-1]))
    assert one.data_sha256 == other.data_sha256
    assert one.scale.a == pytest.approx(other.scale.a, rel=1e-6)
    assert fit(steps[1:], bias=False, confidence=0.95).calibration.data_sha256 != one.data_sha256


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80), st.booleans())
def test_no_other_scale_is_more_likely(rows, bias) -> None:
    p, labels = np.array([p for p, _ in rows]), np.array([label for _, label in rows])
    scale = fit_scale(p, labels, bias=bias)
    q = 1e-6 + (1 - 2e-6) * p
    logits = np.log(q / (1 - q))

    def loss(a: float, b: float) -> float:
        return float(np.mean(np.logaddexp(0, -np.where(labels, 1, -1) * (a * logits + b))))

    found = loss(scale.a, scale.b)
    for a in (0.001, 0.3, 3, 100):
        for b in (-1, 0, 1) if bias else (0,):
            assert found <= loss(a, b) + 1e-4


# measures


def test_measures_of_a_known_case() -> None:
    p, labels = np.array([0.8, 0.8, 0.8, 0.8, 0.2, 0.2]), np.array([True, True, True, False, False, True])
    assert ece(p, labels) == pytest.approx((4 * 0.05 + 2 * 0.3) / 6)
    assert ece_width(p, labels) == pytest.approx((4 * 0.05 + 2 * 0.3) / 6)
    assert brier(p, labels) == pytest.approx((3 * 0.04 + 0.64 + 0.04 + 0.64) / 6)
    assert nll(p, labels) == pytest.approx(-(3 * log(0.8) + log(0.2) + log(0.8) + log(0.2)) / 6)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.sampled_from([bins_of_equal_mass, bins_of_equal_width]))
def test_every_probability_stands_in_one_of_at_most_fifteen_bins_with_its_equals(values, bins_of) -> None:
    p = np.array(values)
    bins = bins_of(p)
    counts, predicted, _ = bin_means(p, p > 0.5, bins)
    assert counts.sum() == len(p)
    assert len(counts) <= 15
    assert (np.diff(predicted) > -1e-12).all()
    assert all(len(set(bins[p == value].tolist())) == 1 for value in values)


# the band


def band_of(rows: Sequence[tuple[float, bool, int]], confidence: float = 0.9):
    p = np.array([p for p, _, count in rows for _ in range(count)])
    labels = np.array([label for _, label, count in rows for _ in range(count)])
    return uncertain_band(p, labels, confidence)


def test_the_band_ends_where_decisions_begin_to_hold() -> None:
    band = band_of(
        [(0.05, False, 50), (0.3, False, 30), (0.3, True, 30), (0.7, True, 9), (0.7, False, 9), (0.9, True, 60)]
    )
    assert (band.low, band.high) == (pytest.approx(0.3), pytest.approx(0.7))
    assert (band.accuracy_below, band.accuracy_above) == (1.0, 1.0)
    assert band.share_inside == pytest.approx(78 / 188)
    assert band.reached


def test_a_side_that_holds_up_to_one_half_is_not_uncertain_at_all() -> None:
    band = band_of([(0.4, False, 50), (0.6, True, 50)])
    assert (band.low, band.high, band.share_inside) == (0.5, 0.5, 0)


def test_a_side_that_never_holds_is_uncertain_to_its_end() -> None:
    band = band_of([(0.1, True, 30), (0.1, False, 30), (0.9, True, 60)])
    assert (band.low, band.high, band.accuracy_below) == (0, 0.5, None)
    assert band.reached


def test_without_any_side_that_holds_the_band_is_everything_and_says_so() -> None:
    band = band_of([(p / 10, label, 30) for p in range(11) for label in (True, False)])
    assert (band.low, band.high, band.share_inside, band.reached) == (0, 1, 1, False)


def test_a_few_right_decisions_prove_nothing() -> None:
    assert band_of([(0.99, True, 9), (0.5, False, 50)]).high == 1
    assert band_of([(0.99, True, 10), (0.5, False, 50)]).high == 0.5


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=200),
    st.sampled_from([0.6, 0.8, 0.95]),
)
def test_outside_the_band_decisions_hold(rows, confidence) -> None:
    band = band_of([(p, label, 1) for p, label in rows], confidence)
    outside = [(p, label) for p, label in rows if not band.contains(p)]
    for side in ([label for p, label in outside if p > 0.5], [not label for p, label in outside if p < 0.5]):
        assert not side or sum(side) / len(side) >= confidence


# data that cannot be calibrated on


def refused(steps: Sequence[LabelledStep]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        fit(steps, bias=False, confidence=0.95)
    return caught.value.message


def changed(steps: Sequence[LabelledStep], **fields: object) -> list[LabelledStep]:
    return [step.model_copy(update=fields) for step in steps]


STEPS = synthetic(300, temperature=2)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([], "0 labelled steps"),
        (STEPS[:49], "49 labelled steps"),
        (changed(STEPS, score=None), "0 labelled steps"),
        (changed(STEPS, label=True), "0 of the 300 steps are labelled wrong"),
        (changed(STEPS, label=False), "0 of the 300 steps are labelled right"),
        (changed(STEPS, group="g"), "steps of 1 questions"),
        ([*STEPS, STEPS[0].model_copy(update={"label": not STEPS[0].label})], "the step s0 is labelled both"),
        ([*STEPS, *changed(STEPS[:1], id="new", model="another")], "scored by None with None and by another"),
        ([step.model_copy(update={"label": (step.score or 0) < 0.5}) for step in STEPS], "do not rise"),
    ],
)
def test_data_that_nothing_can_be_fitted_to_is_refused_with_its_reason(steps, said) -> None:
    assert said in refused(steps)


def test_a_step_that_stands_twice_counts_once() -> None:
    twice: Fitted = fit([*STEPS, *STEPS[:100]], bias=False, confidence=0.95)
    assert twice.calibration.n == len(STEPS)


@pytest.mark.parametrize(
    "line", ["{", '{"score": 2, "label": true}', '{"score": 0.5}', '{"score": 0.5, "label": 1}', "[]"]
)
def test_a_line_that_cannot_be_used_is_named(tmp_path, line) -> None:
    path = write(tmp_path / "steps.jsonl", ['{"score": 0.5, "label": true}', line])
    with pytest.raises(ConfigurationError, match=r"steps\.jsonl:2: "):
        list(read_steps(path))


# the command


def calibrate(*arguments: object) -> str:
    """What it says on stderr. An error of ours is raised as itself."""
    ran = CliRunner().invoke(cli, ["calibrate", *map(str, arguments)])
    if ran.exception:
        raise ran.exception
    return ran.stderr


def solutions(count: int, steps: int = 2) -> list[dict[str, object]]:
    """Labelled so that the scripted service's scores mean something."""
    dice = random.Random(3)
    return [
        {
            "question": f"question {number}",
            "steps": [f"step {step}" for step in range(steps)],
            "labels": [dice.random() < expected_score(f"question {number}"), None][:steps],
            "source": "test",
        }
        for number in range(count)
    ]


def test_recorded_steps_become_a_file_that_loads_and_a_picture(tmp_path) -> None:
    recorded, output = tmp_path / "steps.jsonl", tmp_path / "calibration.json"
    write(recorded, [step.model_dump_json() for step in synthetic(500, temperature=2)])
    said = calibrate("--recorded", recorded, "-o", output, "--bias", "--confidence", "0.9")
    calibration = Calibration.load(output)
    assert (calibration.method, calibration.n, calibration.band.confidence) == ("platt", 500, 0.9)
    assert "before" in said
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_labelled_solutions_are_scored_without_their_duplicates_and_fitted(scripted: Scripted, tmp_path) -> None:
    data, output = write(tmp_path / "data.jsonl", [*solutions(80), "{"]), tmp_path / "c.json"
    said = calibrate("--data", data, "--url", scripted.url, "-o", output)
    assert f"{data}:81: left out: Invalid JSON" in said
    calibration = Calibration.load(output)
    assert (calibration.n, calibration.model, calibration.prompt_version) == (80, "scripted", "v")
    for body in scripted.script.requests:
        assert (body["method"], body["retrieval"]) == ("retsp", {"exclude_duplicates": True})


def test_a_run_that_was_broken_off_goes_on_where_it_was(scripted: Scripted, tmp_path) -> None:
    data, output = write(tmp_path / "data.jsonl", solutions(80)), tmp_path / "c.json"
    run: Callable[[], str] = lambda: calibrate("--data", data, "--url", scripted.url, "-o", output)  # noqa: E731
    scripted.script.gone_from = 10
    with pytest.raises(ServiceUnavailable):
        run()
    record = output.with_suffix(".steps.jsonl")
    done = record.read_text().splitlines()
    assert 0 < len(done) < 80
    record.write_text("\n".join(done) + '\n{"score": 0.', encoding="utf-8")  # as a kill leaves it
    scripted.script.gone_from = None
    scripted.script.requests.clear()
    run()
    assert Calibration.load(output).n == 80
    # A request of the run that was broken off may come in late: what was done is not asked for again.
    asked = {one["question"] for body in scripted.script.requests for one in body["items"]}
    assert asked == {f"question {number}" for number in range(len(done), 80)}
    scripted.script.requests.clear()
    run()
    assert scripted.script.requests == []


def test_a_label_that_was_mended_counts_as_it_is_now(scripted: Scripted, tmp_path) -> None:
    rows, output = solutions(80), tmp_path / "c.json"
    calibrate("--data", write(tmp_path / "d.jsonl", rows), "--url", scripted.url, "-o", output)
    before = Calibration.load(output)
    rows[3]["labels"] = [not rows[3]["labels"][0], None]  # type: ignore[index]
    calibrate("--data", write(tmp_path / "d.jsonl", rows), "--url", scripted.url, "-o", output)
    assert Calibration.load(output).data_sha256 != before.data_sha256


def test_what_got_no_score_is_left_out_and_told(scripted: Scripted, tmp_path) -> None:
    rows = solutions(80)
    lost = [{**rows[0], "question": "fail"}, {**rows[0], "question": "refuse"}]
    said = calibrate(
        "--data", write(tmp_path / "d.jsonl", rows + lost), "--url", scripted.url, "-o", tmp_path / "c.json"
    )
    assert "2 of 82 labelled steps got no score" in said
    assert Calibration.load(tmp_path / "c.json").n == 80


def test_scores_of_another_model_are_not_mixed(scripted: Scripted, tmp_path) -> None:
    output = tmp_path / "c.json"
    write(output.with_suffix(".steps.jsonl"), ['{"score": 0.5, "label": true, "id": "x", "model": "other"}'])
    with pytest.raises(ConfigurationError, match="was scored by other"):
        calibrate("--data", write(tmp_path / "d.jsonl", solutions(80)), "--url", scripted.url, "-o", output)


def test_contradictory_labels_are_told_before_anything_is_scored(scripted: Scripted, tmp_path) -> None:
    rows = solutions(80)
    rows.append({**rows[5], "labels": [not rows[5]["labels"][0], None]})  # type: ignore[index]
    with pytest.raises(ConfigurationError, match="contradictory labels: step 0 of a solution of 'question 5'"):
        calibrate("--data", write(tmp_path / "d.jsonl", rows), "--url", scripted.url, "-o", tmp_path / "c.json")
    assert scripted.script.requests == []


@pytest.mark.parametrize("given_both", [True, False])
def test_either_data_or_a_recording_is_named(tmp_path, given_both) -> None:
    file = write(tmp_path / "f.jsonl", [json.dumps({"score": 0.5, "label": True})])
    arguments: list[str | Path] = ["--data", file, "--recorded", file] if given_both else []
    with pytest.raises(ConfigurationError, match="either --data or --recorded"):
        calibrate(*arguments)


def test_a_folder_that_is_not_there_is_named(tmp_path) -> None:
    recorded = write(tmp_path / "steps.jsonl", [step.model_dump_json() for step in STEPS])
    with pytest.raises(ConfigurationError, match="no/such"):
        calibrate("--recorded", recorded, "-o", tmp_path / "no/such/c.json")
