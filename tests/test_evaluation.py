"""`stepreward eval`: the formulas against values worked out by hand, and runs against the real application on a port.

The application's worker is scripted: its scores are hashes of the prompts, so that equal runs get equal scores. What a
figure should be is computed here once more, from the answers that lie in the run's folder, in another way.
"""

import asyncio
import gzip
import itertools
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, roc_auc_score

from loadtests.scripted_worker import ScriptedWorker
from stepreward import aggregation
from stepreward.calibrate.measure import figures
from stepreward.cli import main
from stepreward.client import ServiceUnavailable
from stepreward.commands.evaluation_run import Options
from stepreward.errors import ConfigurationError, RequestError
from stepreward.evaluation import ablation, drift, scale_k
from stepreward.evaluation.answers import AnswerLog, Answers
from stepreward.evaluation.ask import Condition, ask, request_of
from stepreward.evaluation.facts import Reading
from stepreward.evaluation.first_error import Located, average_f1, f1_difference_interval, first_error_score
from stepreward.evaluation.intervals import Interval, bootstrap_interval, mcnemar
from stepreward.evaluation.labelled import (
    LabelledItem,
    read_prmbench,
    read_processbench,
    stratified,
    without_blank_steps,
)
from stepreward.evaluation.prmscore import Counts, categories, prmscore
from stepreward.evaluation.report import flat
from stepreward.evaluation.scale_k import first_errors
from stepreward.evaluation.scorer import InProcess
from stepreward.evaluation.step_quality import ReliabilityBin, step_quality
from stepreward.schema import Aggregates, Failure, Item, ItemResult, ScoreRequest, ScoreResponse, StepResult
from test_bulk import application
from test_pipeline import item, service
from test_retrieval import NO_PAYLOAD_INDEX, ROWS

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

SHARED = Path(__file__).parents[2] / "shared" / "data"


# the first error


def located(subset: str, *pairs: tuple[int, int]) -> list[Located]:
    return [Located(subset, "writer", label, predicted) for label, predicted in pairs]


def test_f1_is_the_harmonic_mean_of_the_two_accuracies() -> None:
    # Two of four errors are found at their step, three of four right solutions are left alone.
    found = located("a", (0, 0), (1, 1), (2, 1), (3, -1), (-1, -1), (-1, -1), (-1, -1), (-1, 2))
    score = first_error_score(found, seed=0)
    assert (score.items_with_error, score.items_without_error) == (4, 4)
    assert (score.error_accuracy, score.correct_accuracy) == (0.5, 0.75)
    assert score.f1 == pytest.approx(0.6)
    assert score.f1_interval
    assert score.f1_interval.low < 0.6 < score.f1_interval.high


def test_finding_nothing_right_is_an_f1_of_0_and_having_nothing_to_find_is_none() -> None:
    assert first_error_score(located("a", (0, 1), (-1, 0)), seed=0).f1 == 0
    assert first_error_score(located("a", (0, 0)), seed=0).f1 is None
    assert first_error_score([], seed=0).correct_accuracy is None


def test_the_average_is_over_subsets_not_over_items() -> None:
    small, large = located("a", (0, 0), (-1, -1)), located("b", *[(0, 1), (-1, 0)] * 50)
    assert average_f1(small + large) == pytest.approx(0.5)
    assert average_f1([*small, *located("b", (0, 0))]) is None


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=40), st.randoms())
def test_f1_lies_between_the_accuracies_and_does_not_depend_on_the_order(pairs, chance) -> None:
    found = located("a", *pairs)
    score = first_error_score(found, seed=0)
    chance.shuffle(found)
    assert first_error_score(found, seed=0).f1 == pytest.approx(score.f1)
    if score.f1 is not None:
        assert score.error_accuracy is not None
        assert score.correct_accuracy is not None
        low, high = sorted([score.error_accuracy, score.correct_accuracy])
        assert low - 1e-12 <= score.f1 <= high + 1e-12


# intervals


def test_the_interval_of_a_share_is_that_of_the_normal_approximation() -> None:
    hits = np.array([1.0] * 300 + [0.0] * 100)
    found = bootstrap_interval([400], lambda indices: hits[indices[0]].mean(axis=-1), seed=1)
    half = 1.96 * math.sqrt(0.75 * 0.25 / 400)
    assert found
    assert found.low == pytest.approx(0.75 - half, abs=0.01)
    assert found.high == pytest.approx(0.75 + half, abs=0.01)


def test_equal_seeds_give_equal_intervals_and_one_item_gives_none() -> None:
    values = np.sqrt(np.arange(50.0))
    same, again, other = (
        bootstrap_interval([50], lambda indices: values[indices[0]].mean(axis=-1), seed) for seed in (3, 3, 4)
    )
    assert same == again != other
    assert first_error_score(located("a", (0, 0), (-1, -1)), seed=3).f1_interval is None


def test_a_judge_differs_from_itself_by_nothing() -> None:
    found = located("a", *[(0, 0), (0, 1), (-1, -1), (-1, 0)] * 9)
    assert f1_difference_interval(found, found, seed=0) == Interval(0, 0)


def test_mcnemar_counts_the_items_on_which_two_judges_differ() -> None:
    this, baseline = [True] * 8 + [False] * 2 + [True] * 5, [False] * 8 + [True] * 2 + [True] * 5
    found = mcnemar(this, baseline)
    assert (found.only_this, found.only_baseline) == (8, 2)
    # Two-sided: 2 · P(at most 2 of 10 heads).
    assert found.p_value == pytest.approx(2 * (1 + 10 + 45) / 1024)
    assert mcnemar([True, False], [True, False]).p_value == 1


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_mcnemar_says_the_same_of_both_orders(pairs) -> None:
    this, baseline = [one for one, _ in pairs], [other for _, other in pairs]
    there, back = mcnemar(this, baseline), mcnemar(baseline, this)
    assert there.p_value == pytest.approx(back.p_value)
    assert 0 < there.p_value <= 1
    assert (there.only_this, there.only_baseline) == (back.only_baseline, back.only_this)


# steps


def test_the_calibration_error_is_the_bins_distance_from_their_share_of_right_steps() -> None:
    # Equal scores share a bin: of the three at 0.9 all are right, of the two at 0.3 one is.
    found = step_quality([0.9, 0.3, 0.9, 0.9, 0.3], [True, True, True, True, False], threshold=0.5)
    assert found.ece == pytest.approx((3 * 0.1 + 2 * 0.2) / 5)
    assert found.accuracy == 0.8
    assert found.bins == (ReliabilityBin(2, pytest.approx(0.3), 0.5), ReliabilityBin(3, pytest.approx(0.9), 1.0))


def test_evaluation_and_calibration_mean_the_same_by_ece() -> None:
    rng = np.random.default_rng(3)
    p = rng.beta(0.4, 0.2, size=300)
    labels = rng.random(300) < p**2
    whole = figures(p, labels, np.arange(300))
    assert step_quality(p.tolist(), labels.tolist(), 0.5).ece == whole.ece.value
    assert whole.ece.value != whole.ece_width.value


def test_without_steps_or_without_wrong_ones_there_is_no_auc() -> None:
    assert step_quality([], [], 0.5).ece is None
    assert step_quality([0.2, 0.4], [True, True], 0.5).auc is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_the_auc_is_the_chance_that_a_right_step_scores_higher_than_a_wrong_one(pairs) -> None:
    found = step_quality([score for score, _ in pairs], [right for _, right in pairs], 0.5)
    right, wrong = ([score for score, is_right in pairs if is_right is kind] for kind in (True, False))
    wins = [1.0 if r > w else 0.5 if r == w else 0.0 for r in right for w in wrong]
    assert found.auc == (pytest.approx(sum(wins) / len(wins)) if wins else None)
    assert found.ece is not None
    assert 0 <= found.ece <= 1
    assert sum(one.steps for one in found.bins) == len(pairs)


# items


def processbench_row(number: int, subset: str = "gsm8k", **changed: object) -> dict[str, object]:
    """The stored row of this number; every second one has an error, in its second step."""
    row = ROWS[number]
    label = 1 if number % 2 else -1
    named = {"id": f"{subset}-{number}", "problem": row["question"], "steps": row["steps"], "label": label}
    return named | {"generator": f"writer {number % 3}"} | changed


def write(path: Path, rows: Sequence[Mapping[str, object] | str]) -> Path:
    lines = [line if isinstance(line, str) else json.dumps(line) for line in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_steps_after_the_first_error_have_no_label(tmp_path) -> None:
    rows = [processbench_row(0, steps=["a", "b", "c"], label=1), processbench_row(1, steps=["a", "b"], label=-1)]
    first, second = read_processbench([write(tmp_path / "math.jsonl", rows)])
    assert (first.labels, first.first_error) == ((True, False, None), 1)
    assert (second.labels, second.first_error) == ((True, True), -1)
    assert {first.subset, second.subset} == {"math"}


def test_the_name_of_a_subset_is_the_file_s_without_its_endings(tmp_path) -> None:
    path = tmp_path / "gsm8k.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(processbench_row(0)).encode()))
    assert read_processbench([path])[0].subset == "gsm8k"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([processbench_row(0), "{"], ":2: Invalid JSON"),
        ([processbench_row(0, label=99)], ":1: Value error, label 99 of"),
        ([processbench_row(0), processbench_row(0)], "gsm8k-0 stands twice"),
        ([], "no items"),
    ],
)
def test_a_file_that_is_not_the_benchmark_is_refused(tmp_path, rows, said) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        read_processbench([write(tmp_path / "a.jsonl", rows)])


def unlabelled(subset: str, number: int, has_error: bool) -> LabelledItem:
    return LabelledItem(f"{subset}-{number}", subset, "writer", "?", ("a",), (not has_error,))


def test_a_limit_takes_an_equal_share_of_each_subset_s_items_with_and_without_an_error() -> None:
    items = [unlabelled(subset, number, number < 30) for subset in ("a", "b") for number in range(100)]
    items += [unlabelled("c", number, number < 2) for number in range(50)]
    picked = Counter((one.subset, one.first_error >= 0) for one in stratified(items, 62, seed=5))
    # Two of c's share are all it has; the other five share what it leaves.
    assert picked == Counter({(s, e): 12 for s in "abc" for e in (True, False)} | {("c", True): 2})


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
def test_a_lower_limit_takes_some_of_what_a_higher_one_takes(first, second, seed) -> None:
    items = [unlabelled("ab"[number % 2], number, number % 3 == 0) for number in range(30)]
    low, high = (stratified(items, limit, seed) for limit in sorted([first, second]))
    assert set(low) <= set(high)
    assert len(low) == min(first, second, 30)
    assert [items.index(one) for one in low] == sorted(items.index(one) for one in low)


# runs


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """`stepreward eval …` as its entry point runs it, in an empty directory, on a wide terminal."""

    def run(*arguments: object) -> Ran:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["stepreward", "eval", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Ran(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A service that keeps no judgements: every run costs what it costs."""
    with application(cache_bytes=0) as listening:
        yield listening


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "gsm8k.jsonl", [processbench_row(number) for number in range(18)])


def summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def one_line(ran: Ran) -> str:
    assert "Traceback" not in ran.err
    [said] = [line for line in ran.err.splitlines() if line.startswith("stepreward: ")]
    return said


def test_the_figures_are_those_of_the_answers(evaluate: Command, url, file, tmp_path) -> None:
    other = write(tmp_path / "math.jsonl", [processbench_row(number, "math") for number in range(6)])
    ran = evaluate("processbench", file, other, "--url", url, "-o", "run", "--method", "retsp", "--threshold", 0.4)
    assert ran.code == 0, ran.err
    steps, found = read(tmp_path / "run" / "steps.jsonl"), summary(tmp_path / "run")
    scores = {}
    for step in steps:
        scores.setdefault(step["item"], []).append(step["score"])
    f1 = {}
    for subset, count in {"gsm8k": 18, "math": 6}.items():
        hits = {True: [], False: []}
        for number in range(count):
            below = [index for index, score in enumerate(scores[f"{subset}-{number}"]) if score < 0.4]
            hits[number % 2 == 1].append((below[0] if below else -1) == (1 if number % 2 else -1))
        error, correct = (sum(hits[kind]) / len(hits[kind]) for kind in (True, False))
        f1[subset] = 2 * error * correct / (error + correct) if error + correct else 0
        assert found["subsets"][subset]["error_accuracy"] == pytest.approx(error)
        assert found["subsets"][subset]["correct_accuracy"] == pytest.approx(correct)
        assert found["subsets"][subset]["f1"] == pytest.approx(f1[subset])
    assert found["average_f1"] == pytest.approx(sum(f1.values()) / 2)
    labelled = [(step["label"], step["score"]) for step in steps if step["label"] is not None]
    assert found["steps"]["all"]["auc"] == pytest.approx(roc_auc_score(*zip(*labelled, strict=True)))
    assert sum(one["items_with_error"] for one in found["generators"].values()) == 12
    assert set(found["generators"]) == {"writer 0", "writer 1", "writer 2"}


def test_there_is_one_line_for_each_step_with_its_label(evaluate: Command, url, file, tmp_path) -> None:
    evaluate("processbench", file, "--url", url, "-o", "run", "--method", "rprm", "--k", 3)
    steps = read(tmp_path / "run" / "steps.jsonl")
    wanted = [
        (f"gsm8k-{number}", index, True if number % 2 == 0 or index < 1 else False if index == 1 else None)
        for number in range(18)
        for index in range(len(ROWS[number]["steps"]))
    ]
    assert [(step["item"], step["index"], step["label"]) for step in steps] == wanted
    assert {step["k_used"] for step in steps} == {3}
    assert all(step["stderr"] >= 0 and 0 <= step["score"] <= 1 for step in steps)


def test_the_options_are_sent_and_near_duplicates_are_kept_out(evaluate: Command, url, file, tmp_path) -> None:
    ran = evaluate("processbench", file, "--url", url, "-o", "guarded")
    assert "CONTAMINATION" not in ran.out
    found = summary(tmp_path / "guarded")
    # The items are the corpus: each finds itself, and whatever is as near.
    assert found["run"]["items_with_duplicates"] == 18
    assert found["run"]["dropped_duplicates"] >= 18
    assert f"{found['run']['dropped_duplicates']} for 18 items" in ran.out
    assert found["reading"]["exclude_duplicates"] is True
    ran = evaluate("processbench", file, "--url", url, "-o", "open", "--allow-contamination")
    assert "CONTAMINATION ALLOWED" in ran.out
    assert summary(tmp_path / "open")["run"]["dropped_duplicates"] == 0
    assert "CONTAMINATION ALLOWED" in (tmp_path / "open" / "report.html").read_text(encoding="utf-8")


def test_items_without_a_score_are_counted_and_in_no_figure(evaluate: Command, url, tmp_path) -> None:
    rows = [processbench_row(number) for number in range(6)]
    rows.append(processbench_row(6, steps=["7" * 5000]))  # over the service's limit: refused
    rows.append(processbench_row(8, steps=["7" * 3900] * 3))  # over the model's context: failed
    file = write(tmp_path / "gsm8k.jsonl", rows)
    ran = evaluate("processbench", file, "--url", url, "-o", "run")
    assert ran.code == 0
    assert "2 items have no score" in ran.out
    found = summary(tmp_path / "run")
    assert (found["run"]["items"], found["run"]["scored"]) == (8, 6)
    assert found["run"]["failed"] == {"invalid_request": 1, "context_overflow": 1}
    assert found["subsets"]["gsm8k"]["items_without_error"] == 3
    assert evaluate("processbench", file, "--url", url, "-o", "run", "--strict").code == 3


def test_a_finished_run_is_evaluated_again_without_asking(evaluate: Command, file, tmp_path) -> None:
    with application() as url:
        evaluate("processbench", file, "--url", url, "-o", "run")
    steps, before = (tmp_path / "run" / "steps.jsonl").read_bytes(), summary(tmp_path / "run")
    assert evaluate("processbench", file, "--url", url, "-o", "run", "--threshold", 0.9).code == 0
    assert (tmp_path / "run" / "steps.jsonl").read_bytes() == steps
    assert summary(tmp_path / "run")["subsets"] != before["subsets"]


def test_answers_are_read_with_the_service_s_own_threshold(evaluate: Command, file, tmp_path) -> None:
    with application(wrong_below=0.9) as url:
        assert evaluate("processbench", file, "--url", url, "-o", "own").code == 0
        assert evaluate("processbench", file, "--url", url, "-o", "named", "--threshold", 0.9).code == 0
        assert evaluate("processbench", file, "--url", url, "-o", "half", "--threshold", 0.5).code == 0
    own, named, half = (summary(tmp_path / name)["subsets"] for name in ("own", "named", "half"))
    assert own == named != half


def test_answers_with_two_thresholds_are_not_read_with_either(evaluate: Command, file) -> None:
    with application(wrong_below=0.9) as url:
        ran = evaluate("drift", file, "--url", url, "-o", "run", "--k", 1)
        assert (ran.code, "called steps wrong below 0.5 and 0.9; name one" in ran.err) == (2, True)
        assert evaluate("drift", file, "--url", url, "-o", "run", "--k", 1, "--threshold", 0.5).code == 0


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (["--seed", 9], "conditions.asked.seed: 0 there, 9 here"),
        (["--method", "rprm"], "conditions.asked.method"),
        (["--limit", 4], "items.count: 18 there, 4 here"),
        (["--allow-contamination"], "conditions.asked.retrieval.exclude_duplicates"),
    ],
)
def test_a_folder_of_another_run_is_refused(evaluate: Command, url, file, other, named) -> None:
    evaluate("processbench", file, "--url", url, "-o", "run")
    steps = file.with_name("run") / "steps.jsonl"
    kept = steps.read_bytes()
    ran = evaluate("processbench", file, "--url", url, "-o", "run", *other)
    assert ran.code == 2
    assert named in one_line(ran)
    assert steps.read_bytes() == kept


def test_answers_of_two_models_do_not_mix(evaluate: Command, url, file, tmp_path) -> None:
    evaluate("processbench", file, "--url", url, "-o", "run")
    for name in ("items", "steps"):
        path = tmp_path / "run" / f"{name}.jsonl"
        kept = [line for line in path.read_text(encoding="utf-8").splitlines() if '"gsm8k-0"' not in line]
        path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
    with application(ScriptedWorker(model="another-7b")) as elsewhere:
        ran = evaluate("processbench", file, "--url", elsewhere, "-o", "run")
    assert ran.code == 2
    assert "another-7b" in one_line(ran)
    assert len(read(tmp_path / "run" / "items.jsonl")) == 17


def _started(folder: Path, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "stepreward", "eval", *map(str, arguments), "-o", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait_for_lines(path: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_run_that_is_killed_goes_on_where_it_was(evaluate: Command, file, tmp_path) -> None:
    slow, folder = ScriptedWorker(latency_s=0.1), tmp_path / "run"
    with application(slow, cache_bytes=0) as url:
        arguments = ["processbench", file, "--url", url, "--items-per-request", 1, "--concurrency", 1]
        process = _started(folder, *arguments)
        try:
            _wait_for_lines(folder / "items.jsonl", 4, process)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        answered = (folder / "items.jsonl").read_bytes().count(b"\n")
        assert 4 <= answered < 18
        asked = len(slow.requests)
        slow.latency_s = 0
        assert evaluate(*arguments, "-o", folder).code == 0
        # A request that was under way when the process died may have reached the worker after we counted.
        assert len(slow.requests) - asked <= 18 - answered + 1
        assert evaluate(*arguments, "-o", tmp_path / "in one go").code == 0
    steps, at_once = read(folder / "steps.jsonl"), read(tmp_path / "in one go" / "steps.jsonl")
    assert steps == at_once
    assert len({(step["item"], step["index"]) for step in steps}) == len(steps)
    assert sorted(one["item"] for one in read(folder / "items.jsonl")) == sorted(f"gsm8k-{n}" for n in range(18))


def test_a_broken_last_line_and_steps_without_their_item_are_asked_again(
    evaluate: Command, url, file, tmp_path
) -> None:
    evaluate("processbench", file, "--url", url, "-o", "run")
    folder = tmp_path / "run"
    whole = {name: (folder / f"{name}.jsonl").read_text(encoding="utf-8") for name in ("items", "steps")}
    # As a kill between the two writes, and within one, leaves them.
    (folder / "items.jsonl").write_text("".join(whole["items"].splitlines(keepends=True)[:10]), encoding="utf-8")
    (folder / "steps.jsonl").write_text(whole["steps"][:-40], encoding="utf-8")
    assert evaluate("processbench", file, "--url", url, "-o", "run").code == 0
    assert (folder / "steps.jsonl").read_text(encoding="utf-8") == whole["steps"]
    assert len(read(folder / "items.jsonl")) == 18


def test_a_line_in_the_middle_that_is_none_of_ours_is_refused(evaluate: Command, url, file, tmp_path) -> None:
    evaluate("processbench", file, "--url", url, "-o", "run")
    steps = tmp_path / "run" / "steps.jsonl"
    steps.write_text("{}\n" + steps.read_text(encoding="utf-8"), encoding="utf-8")
    ran = evaluate("processbench", file, "--url", url, "-o", "run")
    assert ran.code == 2
    assert "steps.jsonl" in one_line(ran)


def test_two_runs_do_not_write_into_one_folder(evaluate: Command, url, file, tmp_path) -> None:
    with AnswerLog.open(tmp_path / "run", {"command": "processbench"}):
        ran = evaluate("processbench", file, "--url", url, "-o", "run")
    assert ran.code == 2
    assert "another run is writing there" in one_line(ran)


@pytest.mark.parametrize(
    "arguments",
    [["processbench", "--method", "retsp"], ["ablate", "--method", "retsp"], ["drift", "--method", "retsp"]],
)
def test_trajectories_of_a_method_that_samples_none_are_refused(evaluate: Command, file, arguments) -> None:
    ran = evaluate(*arguments, file, "--k", 3, "-o", "run")
    assert ran.code == 2
    assert "--k: retsp samples no trajectories" in one_line(ran)


def test_a_run_in_which_nothing_was_scored_is_exit_code_3_and_says_why(evaluate: Command, url, file) -> None:
    # The service's own method is retsp, which it says when it is asked.
    ran = evaluate("processbench", file, "--url", url, "--policy", "adaptive", "-o", "run")
    assert ran.code == 3
    assert "18 items have no score" in ran.out
    assert "retsp samples no trajectories" in ran.out


def test_of_cascade_each_step_says_who_judged_it(evaluate: Command, url, file, tmp_path) -> None:
    assert evaluate("processbench", file, "--url", url, "--method", "cascade", "--k", 2, "-o", "run").code == 0
    steps = read(tmp_path / "run" / "steps.jsonl")
    assert {step["method"] for step in steps} == {"retsp", "rprm"}
    # The service hands on what retsp gives 0.2 to 0.8.
    assert all((step["method"] == "rprm") or not 0.2 <= step["score"] <= 0.8 for step in steps)


def test_a_service_out_of_reach_is_exit_code_1_and_what_was_answered_stays(evaluate: Command, file, tmp_path) -> None:
    worker = ScriptedWorker()
    with application(worker) as url:
        evaluate("processbench", file, "--url", url, "-o", "run", "--limit", 4)
        gone = url
    (tmp_path / "run" / "items.jsonl").write_text("", encoding="utf-8")
    ran = evaluate("processbench", file, "--url", gone, "-o", "run", "--limit", 4)
    assert ran.code == 1
    assert gone in one_line(ran)


class _Cells(HTMLParser):
    """The text of every table cell, and the sources of the images."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.images: list[str] = []
        self._in_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_cell = tag == "td"
        if self._in_cell:
            self.cells.append("")
        if tag == "img":
            self.images.append(dict(attrs)["src"] or "")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[-1] += data


def check_report(folder: Path, plots: int) -> None:
    """Every figure of the summary stands in the report, under its name; and the plots are there."""
    page = _Cells((folder / "report.html").read_text(encoding="utf-8"))
    named = dict(zip(page.cells, page.cells[1:], strict=False))
    every = dict(flat(summary(folder)))
    assert every
    assert {name: named.get(name) for name in every} == every
    assert len(page.images) == plots
    assert all(image.startswith("data:image/svg+xml;base64,") for image in page.images)


def test_every_figure_of_the_summary_stands_in_the_report(evaluate: Command, url, file, tmp_path) -> None:
    evaluate("processbench", file, "--url", url, "-o", "run")
    check_report(tmp_path / "run", plots=3)


# recorded scores


def test_recorded_scores_are_evaluated_without_a_service(evaluate: Command, file, tmp_path) -> None:
    rows = [
        {"id": f"gsm8k-{number}", "scores": [0.9 if number % 2 == 0 or index < 1 else 0.1 for index in range(9)]}
        for number in range(18)
    ]
    for number, row in enumerate(rows):
        row["scores"] = row["scores"][: len(ROWS[number]["steps"])]
    recorded = write(tmp_path / "recorded.jsonl", rows[:-1])
    ran = evaluate("processbench", file, "--recorded", recorded, "-o", "run")
    assert ran.code == 0, ran.err
    found = summary(tmp_path / "run")
    assert found["average_f1"] == 1
    assert found["steps"]["all"]["auc"] == 1
    assert found["run"]["failed"] == {"not_recorded": 1}
    assert found["reading"]["exclude_duplicates"] is None


def test_what_stepreward_score_wrote_is_a_recorded_file(evaluate: Command, url, file, tmp_path, monkeypatch) -> None:
    evaluate("processbench", file, "--url", url, "-o", "asked", "--allow-contamination")
    score = ["stepreward", "score", "gsm8k.jsonl", "--question-key", "problem", "--url", url, "-o", "scores.jsonl"]
    monkeypatch.setattr(sys, "argv", score)
    with pytest.raises(SystemExit):
        main()
    assert evaluate("processbench", file, "--recorded", "scores.jsonl", "-o", "recorded").code == 0
    assert summary(tmp_path / "recorded")["subsets"] == summary(tmp_path / "asked")["subsets"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "gsm8k-0", "votes": [1.0]}, "--recorded-key"),
        ({"id": "gsm8k-0", "scores": [1.5]}, "less than or equal to 1"),
        ({"scores": [1.0]}, "id"),
    ],
)
def test_a_recorded_file_without_scores_is_refused(evaluate: Command, file, tmp_path, row, said) -> None:
    ran = evaluate("processbench", file, "--recorded", write(tmp_path / "r.jsonl", [row]), "-o", "run")
    assert ran.code == 2
    assert said in one_line(ran)


def test_a_key_without_a_recorded_file_is_refused(evaluate: Command, file) -> None:
    ran = evaluate("processbench", file, "--recorded-key", "votes", "-o", "run")
    assert ran.code == 2
    assert "--recorded-key" in one_line(ran)


def test_options_of_a_service_are_refused_with_recorded_scores(evaluate: Command, file, tmp_path) -> None:
    recorded = write(tmp_path / "r.jsonl", [{"id": "gsm8k-0", "scores": [0.5]}])
    ran = evaluate("processbench", file, "--recorded", recorded, "--method", "rprm", "-o", "run")
    assert ran.code == 2
    assert "--method" in one_line(ran)


# PRMBench


def test_prmscore_is_half_the_f1_of_right_steps_and_half_that_of_wrong_ones() -> None:
    # Right steps: 6 of 8 passed. Wrong steps: 2 of 4 caught.
    score = prmscore([[Counts(6, 2, 2, 2)]], seed=0)
    assert score.f1 == pytest.approx(2 * 6 / (2 * 6 + 2 + 2))
    assert score.negative_f1 == pytest.approx(2 * 2 / (2 * 2 + 2 + 2))
    assert score.prmscore == pytest.approx((0.75 + 0.5) / 2)


def test_a_class_without_wrong_steps_has_its_f1_as_its_score() -> None:
    score = prmscore([[Counts(9, 0, 0, 1), Counts(10, 0, 0, 0)]], seed=0)
    assert score.negative_f1 is None
    assert score.prmscore == score.f1 == pytest.approx(38 / 39)
    assert score.interval


def test_nothing_found_is_0_and_nothing_to_find_is_none() -> None:
    assert prmscore([[Counts(0, 4, 0, 0)]], seed=0).prmscore is None
    assert prmscore([[Counts(0, 1, 0, 3)]], seed=0).prmscore == 0


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50))
def test_prmscore_is_the_mean_of_the_two_f1_scores_of_scikit_learn(pairs) -> None:
    judged, right = zip(*pairs, strict=True)
    score = prmscore([[Counts.of(judged, right)]], seed=0)
    positive = f1_score(right, judged, zero_division=0.0) if any(right) else None
    negative = f1_score(right, judged, pos_label=False, zero_division=0.0) if not all(right) else None
    assert score.f1 == (None if positive is None else pytest.approx(positive))
    assert score.negative_f1 == (None if negative is None else pytest.approx(negative))


def test_a_category_is_the_mean_of_its_classes_and_missing_where_one_is() -> None:
    classes = {name: prmscore([[Counts(right, 1, 1, 0)]], 0) for name, right in {"NR": 3, "NCL": 8, "ES": 1}.items()}
    found = categories(classes)
    scores = [score.prmscore for score in classes.values()]
    assert found["simplicity"] == pytest.approx((scores[0] + scores[1]) / 2)
    assert found["soundness"] is None


def prmbench_row(number: int, kind: str, **changed: object) -> dict[str, object]:
    row = ROWS[number]
    named = {"idx": f"{kind}_{number}", "question": row["question"], "steps": row["steps"], "classification": kind}
    return named | {"error_steps": [] if kind == "multi_solutions" else [2]} | changed


def test_error_steps_past_the_end_count_for_nothing(tmp_path) -> None:
    row = prmbench_row(0, "deception", steps=["a", "b"], error_steps=[1, 7])
    [read_item] = read_prmbench(write(tmp_path / "p.jsonl", [row]))
    assert read_item.labels == (False, True)


def test_blank_steps_are_not_sent_and_counted(evaluate: Command, url, tmp_path) -> None:
    rows = [
        prmbench_row(0, "circular"),
        prmbench_row(1, "circular", steps=["a", " ", "b"], error_steps=[3]),
        prmbench_row(2, "circular", steps=["a", "\u200b"]),  # not white space, yet nothing to see: cannot be sent
        prmbench_row(3, "multi_solutions"),
    ]
    file = write(tmp_path / "p.jsonl", rows)
    assert [without_blank_steps(item).labels for item in read_prmbench(file)][1] == (True, False)
    ran = evaluate("prmbench", file, "--url", url, "-o", "run", "--method", "retsp")
    assert ran.code == 0, ran.err
    found = summary(tmp_path / "run")
    assert found["blank_steps"] == 1
    assert found["run"]["failed"] == {"invalid_request": 1}
    steps = read(tmp_path / "run" / "steps.jsonl")
    assert [step["label"] for step in steps if step["item"] == "circular_1"] == [True, False]
    judged, right = [step["score"] >= 0.5 for step in steps], [step["label"] for step in steps]
    assert found["overall"]["f1"] == pytest.approx(f1_score(right, judged))
    assert found["overall"]["steps"] == len(steps)
    check_report(tmp_path / "run", plots=2)


def test_an_unknown_class_of_errors_is_refused(evaluate: Command, tmp_path) -> None:
    ran = evaluate("prmbench", write(tmp_path / "p.jsonl", [prmbench_row(0, "typos")]), "-o", "run")
    assert ran.code == 2
    assert "typos" in one_line(ran)


VOTES = SHARED / "prmbench" / "test_with_rprm_votes.jsonl.gz"


@pytest.mark.skipif(not VOTES.exists(), reason="needs the recorded votes beside the repository")
def test_the_recorded_votes_of_r_prm_get_the_score_that_a_plain_count_gives(evaluate: Command, tmp_path) -> None:
    with gzip.open(VOTES, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    right = np.array([i + 1 not in row["error_steps"] for row in rows for i in range(len(row["steps"]))])
    passed = np.array([vote >= 0.5 for row in rows for vote in row["rprm_votes_k10"]])
    of_class = np.array([row["classification"] for row in rows for _ in row["steps"]])

    def plain(chosen: Any) -> float:
        hits, misses = (right & passed & chosen).sum(), (right & ~passed & chosen).sum()
        caught, passed_wrong = (~right & ~passed & chosen).sum(), (~right & passed & chosen).sum()
        f1 = 2 * hits / (2 * hits + misses + passed_wrong)
        return f1 / 2 + caught / (2 * caught + misses + passed_wrong) if (~right & chosen).any() else f1

    ran = evaluate("prmbench", VOTES, "--recorded", VOTES, "-o", "run")
    assert ran.code == 0, ran.err
    found = summary(tmp_path / "run")
    assert (found["overall"]["items"], found["overall"]["steps"]) == (3008, 36220)
    assert found["overall"]["prmscore"] == pytest.approx(plain(np.ones_like(right)), abs=1e-12)
    assert found["overall"]["prmscore"] == pytest.approx(0.6770, abs=5e-5)
    for name, short in {"redundency": "NR", "counterfactual": "ES", "multi_solutions": "MS"}.items():
        assert found["classes"][short]["prmscore"] == pytest.approx(plain(of_class == name), abs=1e-12)
    assert found["overall"]["interval"]["low"] < found["overall"]["prmscore"] < found["overall"]["interval"]["high"]


# ablation


@dataclass
class StandIn:
    """A service whose steps' scores follow from the item and the request; keeps what it was asked.

    The items named in `failing` fail; whether trying again may help stands there.
    """

    score_of: Callable[[Item, ScoreRequest], float]
    failing: Mapping[str, bool] = field(default_factory=dict)
    requests: list[ScoreRequest] = field(default_factory=list)

    async def score(self, request: ScoreRequest) -> ScoreResponse:
        self.requests.append(request)
        results = [self._result(one, self.score_of(one, request)) for one in request.items]
        return ScoreResponse(
            items=results, method="retsp", model="m", prompt_version="v", corpus_snapshot=None, request_id="r"
        )

    def _result(self, one: Item, score: float) -> ItemResult:
        name = one.id or ""
        if name in self.failing:
            failure = Failure(code="scripted", message="scripted", retryable=self.failing[name])
            none = Aggregates(min=None, prod=None, mean=None, last=None)
            return ItemResult(
                id=name, status="failed", score=None, aggregates=none, first_error=None, steps=[], degraded=[],
                failure=failure,
            )  # fmt: skip
        step = StepResult(score=score, stderr=None, k_used=1, k_valid=1, forced=0)
        every = Aggregates(min=score, prod=score, mean=score, last=score)
        steps = [step] * len(one.steps)
        return ItemResult(
            id=name, status="ok", score=score, aggregates=every, first_error=None, steps=steps, degraded=[]
        )


def ask_stand_in(
    stand_in: StandIn, items: Sequence[LabelledItem], conditions: Sequence[Condition], folder: Path
) -> dict[str, Answers]:
    with AnswerLog.open(folder, {}) as log:
        for condition in conditions:
            asyncio.run(ask(stand_in, items, condition, log, lambda: None))
        return {condition.name: log.of(condition.name) for condition in conditions}


def test_what_failed_for_a_passing_reason_is_asked_again_and_nothing_else(tmp_path) -> None:
    items = [unlabelled("a", number, number % 2 == 0) for number in range(4)]
    condition = Condition("asked", request_of(seed=0, exclude_duplicates=True), 1, 1)
    failing = {"a-1": True, "a-2": False}
    stand_in = StandIn(lambda *_: 0.9, failing)
    first = ask_stand_in(stand_in, items, [condition], tmp_path)["asked"]
    assert {name: one.line.failure for name, one in first.items() if not one.ok} == dict.fromkeys(failing, "scripted")
    failing.clear()
    stand_in.requests.clear()
    again = ask_stand_in(stand_in, items, [condition], tmp_path)["asked"]
    assert [one.id for request in stand_in.requests for one in request.items] == ["a-1"]
    assert [name for name, one in again.items() if not one.ok] == ["a-2"]
    assert sorted(step["item"] for step in read(tmp_path / "steps.jsonl")) == ["a-0", "a-1", "a-3"]


def test_an_answer_for_another_item_is_not_taken(tmp_path) -> None:
    class Swapping(StandIn):
        async def score(self, request: ScoreRequest) -> ScoreResponse:
            answer = await super().score(request)
            return answer.model_copy(update={"items": answer.items[::-1]})

    items = [unlabelled("a", number, True) for number in range(2)]
    condition = Condition("asked", request_of(seed=0, exclude_duplicates=True), 2, 1)
    with pytest.raises(ServiceUnavailable, match="asked for a-0"):
        ask_stand_in(Swapping(lambda *_: 0.9), items, [condition], tmp_path)
    assert read(tmp_path / "items.jsonl") == []


def by_item(steps: Sequence[Mapping[str, Any]], condition: str) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for step in steps:
        if step["condition"] == condition:
            found.setdefault(step["item"], []).append(step)
    return found


def test_conditions_are_compared_over_the_same_items(evaluate: Command, url, file, tmp_path) -> None:
    ran = evaluate("ablate", file, "--url", url, "-o", "run", "--method", "retsp", "--limit", 12)
    assert ran.code == 0, ran.err
    found, steps = summary(tmp_path / "run"), read(tmp_path / "run" / "steps.jsonl")
    asked = {"none", "question_only", "step_only", "retrieved", "random", "oracle", "top-2", "top-3"}
    assert set(found["conditions"]) == asked
    assert {one["run"]["scored"] for one in found["conditions"].values()} == {12}
    assert found["conditions"]["retrieved"]["against_baseline"] is None

    def hits(condition: str) -> tuple[list[bool], list[bool]]:
        items, single = [], []
        for of_item in by_item(steps, condition).values():
            below = [step["index"] for step in of_item if step["score"] < 0.5]
            wrong = [step["index"] for step in of_item if step["label"] is False]
            items.append((below or [-1])[0] == (wrong or [-1])[0])
            single += [(step["score"] >= 0.5) == step["label"] for step in of_item if step["label"] is not None]
        return items, single

    for name in ("none", "random", "oracle", "top-3"):
        compared = found["conditions"][name]["against_baseline"]
        assert compared["items"] == 12
        for this, baseline, test in zip(
            hits(name), hits("retrieved"), (compared["item_hits"], compared["step_hits"]), strict=True
        ):
            assert test["only_this"] == sum(a and not b for a, b in zip(this, baseline, strict=True))
            assert test["only_baseline"] == sum(b and not a for a, b in zip(this, baseline, strict=True))
        f1 = [found["conditions"][one]["average_f1"] for one in (name, "retrieved")]
        assert compared["f1_difference"] == pytest.approx(f1[0] - f1[1])
    assert found["f1_by_questions"] == {
        str(count): found["conditions"][name]["average_f1"]
        for count, name in enumerate(["step_only", "retrieved", "top-2", "top-3"])
    }
    check_report(tmp_path / "run", plots=2)


def test_items_that_one_condition_could_not_score_are_in_no_pair(tmp_path) -> None:
    items = [unlabelled("a", number, number % 2 == 0) for number in range(10)]
    stand_in = StandIn(lambda _, request: 0.9 if request.retrieval.mode == "none" else 0.1)
    options = Options(output=tmp_path, limit=None, seed=0, threshold=0.5, strict=False)
    answers = ask_stand_in(stand_in, items, ablation.conditions(options.condition), tmp_path)
    short = answers | {"none": {name: one for name, one in answers["none"].items() if name != "a-0"}}
    found = ablation.summarise(items, short, options.reading())
    compared = found.conditions["none"].against_baseline
    assert compared
    # One with an error is missing: `none` finds the five right ones, the baseline the other four.
    assert (compared.items, compared.item_hits.only_this, compared.item_hits.only_baseline) == (9, 5, 4)
    assert found.conditions["random"].average_f1 == found.conditions["retrieved"].average_f1 == 0


def test_only_the_oracle_is_sent_what_is_known(tmp_path) -> None:
    options = Options(output=tmp_path, limit=None, seed=3, threshold=0.5, strict=False)
    conditions, stand_in = ablation.conditions(options.condition), StandIn(lambda *_: 0.5)
    items = [LabelledItem("a", "a", "writer", "?", ("x", "y", "z"), (True, False, None))]
    ask_stand_in(stand_in, items, conditions, tmp_path)
    for condition, request in zip(conditions, stand_in.requests, strict=True):
        assert (request.retrieval.exclude_duplicates, request.seed) == (True, 3)
        assert request.retrieval.mode is not None
        sent = request.items[0].model_dump(exclude_unset=True)
        assert sent.get("labels") == ([True, False, None] if condition.name == "oracle" else None)


# trajectories


def test_the_figures_at_the_largest_k_are_those_of_an_ordinary_run(evaluate: Command, url, file, tmp_path) -> None:
    ran = evaluate("scale-k", file, "--url", url, "-o", "scale", "--k", 5, "--limit", 8)
    assert ran.code == 0, ran.err
    evaluate("processbench", file, "--url", url, "-o", "plain", "--method", "rprm", "--k", 5, "--limit", 8)
    found = summary(tmp_path / "scale")
    assert [one["k"] for one in found["by_k"]] == [1, 2, 3, 4, 5]
    most = found["by_k"][-1]
    assert most["f1"] == pytest.approx(summary(tmp_path / "plain")["average_f1"])
    assert most["f1_low"] == most["f1_high"] == pytest.approx(most["f1"])
    for name in ("prompt_tokens", "generated_tokens", "seconds"):
        costs = [one[name] for one in found["by_k"]]
        assert costs == sorted(costs)
        assert costs[-1] == pytest.approx(found["run"][name])
    check_report(tmp_path / "scale", plots=2)


def test_tokens_at_one_trajectory_are_those_of_a_run_with_one(evaluate: Command, url, file, tmp_path) -> None:
    evaluate("scale-k", file, "--url", url, "-o", "scale", "--k", 8, "--limit", 8)
    evaluate("processbench", file, "--url", url, "-o", "one", "--method", "rprm", "--k", 1, "--limit", 8)
    estimate, counted = summary(tmp_path / "scale")["by_k"][0], summary(tmp_path / "one")["run"]
    # Of the scripted worker's trajectories, those of other numbers are longer.
    assert estimate["prompt_tokens"] == pytest.approx(counted["prompt_tokens"], rel=0.1)


@given(st.lists(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=4, max_size=4), min_size=1, max_size=5))
def test_all_trajectories_give_the_mean_and_one_gives_one_of_them(steps) -> None:
    matrix = np.array(steps, dtype=np.float64)
    found = first_errors(matrix, 0.5, np.random.default_rng(0))

    def plain(scores: Sequence[float | None]) -> int:
        first = aggregation.first_error(scores, 0.5)
        return -2 if first is None else first

    read = [[p for p in of_step if p is not None] for of_step in steps]
    means = [sum(of_step) / len(of_step) if of_step else None for of_step in read]
    if not any(mean is not None and abs(mean - 0.5) < 1e-9 for mean in means):
        assert found[-1] == plain(means)
    assert found[0] in {plain(chosen) for chosen in itertools.product(*steps)}


def test_a_run_with_other_trajectories_than_asked_for_is_refused(tmp_path) -> None:
    condition = Condition("a", request_of(method="rprm", seed=0, exclude_duplicates=True), 1, 1)
    items = [unlabelled("a", 0, True)]
    answers = ask_stand_in(StandIn(lambda *_: 0.5), items, [condition], tmp_path)
    with pytest.raises(ConfigurationError, match="0 trajectories instead of 3"):
        scale_k.summarise(items, answers["a"], 3, Reading(0.5, True, 0))


# drift


def test_items_are_asked_alone_and_in_shuffled_batches_and_the_difference_is_told(tmp_path) -> None:
    items = [unlabelled("a", number, number % 2 == 0) for number in range(10)]
    # In a batch, every second item gets 0.4 more than the 0.3 that it has alone.
    stand_in = StandIn(
        lambda one, request: 0.3 + 0.4 * (len(request.items) > 1 and int((one.id or "").split("-")[1]) % 2)
    )
    request = request_of(method="retsp", seed=7, exclude_duplicates=True)
    conditions = drift.conditions("retsp", Condition("retsp", request, 2, 2), batch_items=4)
    answers = ask_stand_in(stand_in, items, conditions, tmp_path)
    sent = [[one.id for one in request.items] for request in stand_in.requests]
    assert sent[:10] == [[item.id] for item in items]
    assert [len(batch) for batch in sent[10:]] == [4, 4, 2]
    shuffled = [name for batch in sent[10:] for name in batch]
    assert shuffled != [item.id for item in items]
    assert sorted(shuffled) == sorted(item.id for item in items)
    found = drift.summarise(items, answers, ["retsp"], 4, Reading(0.5, True, 0)).methods["retsp"]
    assert found.max_change == pytest.approx(0.4)
    assert found.mean_change == pytest.approx(0.2)
    assert (found.steps, found.share_noticeable, found.share_judged_otherwise) == (10, 0.5, 0.5)


def test_a_service_that_scores_by_content_alone_does_not_drift(evaluate: Command, url, file, tmp_path) -> None:
    ran = evaluate("drift", file, "--url", url, "-o", "run", "--k", 2, "--limit", 6, "--batch-items", 3)
    assert ran.code == 0, ran.err
    found = summary(tmp_path / "run")["methods"]
    assert {(method, one["max_change"]) for method, one in found.items()} == {("retsp", 0), ("rprm", 0)}
    assert found["rprm"]["batch"]["scored"] == 6
    check_report(tmp_path / "run", plots=1)
    assert "batch_items: 3 there, 2 here" in one_line(
        evaluate("drift", file, "--url", url, "-o", "run", "--k", 2, "--limit", 6, "--batch-items", 2)
    )


def test_drift_and_scale_k_compute_anew_what_the_service_knows(evaluate: Command, file, tmp_path) -> None:
    with application() as url:
        for run in ("first", "again"):
            evaluate("drift", file, "--url", url, "-o", f"drift-{run}", "--k", 2, "--limit", 6)
            evaluate("scale-k", file, "--url", url, "-o", f"scale-{run}", "--k", 2, "--limit", 6)
    for found in summary(tmp_path / "drift-again")["methods"].values():
        assert (found["alone"]["cached_items"], found["batch"]["cached_items"]) == (0, 0)
        assert found["steps"] > 0
        assert found["batch"]["prompt_tokens"] == found["alone"]["prompt_tokens"] > 0
    first, again = (summary(tmp_path / f"scale-{run}")["run"]["generated_tokens"] for run in ("first", "again"))
    assert first == again > 0


# in process


def test_the_pipeline_in_process_answers_and_refuses_as_the_service_does() -> None:
    async def run() -> tuple[str, str]:
        async with service(ScriptedWorker(context_tokens=3000)) as built:
            scorer = InProcess(built.pipeline)
            answer = await scorer.score(ScoreRequest.model_validate({"items": [item(0, id="a")]}))
            with pytest.raises(RequestError) as refused:
                long = {"id": "b", "question": "How long?", "steps": ["7" * 3900]}
                await scorer.score(ScoreRequest.model_validate({"items": [long]}))
            return answer.items[0].status, refused.value.message

    status, message = asyncio.run(run())
    assert status == "ok"
    assert message.startswith("context_overflow: ")


def test_in_process_and_an_address_exclude_each_other(evaluate: Command, file) -> None:
    ran = evaluate("processbench", file, "--in-process", "--url", "http://127.0.0.1:1", "-o", "run")
    assert ran.code == 2
    assert "--url" in one_line(ran)


# without the extra


def test_without_its_libraries_the_command_says_what_it_needs(tmp_path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError('no', name='matplotlib')", encoding="utf-8")
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-m", "stepreward", "eval", "processbench", "x.jsonl", "-o", "run"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=120)
    assert ran.returncode == 2
    assert 'needs the module matplotlib (pip install "stepreward[eval]")' in ran.stderr
    assert "Traceback" not in ran.stderr
