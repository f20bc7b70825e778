"""What the service tells of itself: whose numbers, how many series, and what several processes say together."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from loadtests.scripted_worker import Fault, ScriptedWorker
from stepreward import caller
from stepreward.errors import InvalidRequest
from stepreward.metrics import Metrics
from stepreward.quality import Runs
from stepreward.values import Verdict
from test_api import assert_is_error, with_api
from test_pipeline import item
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(told: Samples, name: str, **labels: str) -> float | None:
    return told.get((f"stepreward_{name}", tuple(sorted(labels.items()))))


def told_after(*requests: dict[str, Any], worker: ScriptedWorker | None = None, **headers: str) -> Samples:
    """The metrics after these bodies of POST /score."""

    async def use(http: httpx.AsyncClient) -> str:
        for body in requests:
            await http.post("/score", json=body, headers=headers)
        return (await http.get("/metrics")).text

    return samples(with_api(use, worker))


# runs


def test_scores_are_told_by_the_run_that_the_header_names() -> None:
    told = told_after({"items": [item(0), item(1)]}, **{caller.RUN_HEADER: "grpo-7"})
    assert value(told, "solution_score_count", run="grpo-7") == 2
    steps = value(told, "step_score_count", run="grpo-7")
    assert steps == value(told, "verdict_p_correct_count", run="grpo-7") == value(told, "steps_total", method="retsp")
    assert value(told, "solution_score_count", run="none") is None


def test_a_client_that_can_only_be_told_an_address_names_its_run_there() -> None:
    async def use(http: httpx.AsyncClient) -> str:
        await http.post("/score?run=ppo-1", json={"items": [item(0)]})
        return (await http.get("/metrics")).text

    assert value(samples(with_api(use)), "solution_score_count", run="ppo-1") == 1


@pytest.mark.parametrize("name", ["", "two words", "a" * 65, "-x", "ü"])
def test_a_name_of_a_run_that_could_be_anything_is_refused(name: str) -> None:
    async def use(http: httpx.AsyncClient) -> httpx.Response:
        return await http.post("/score", json={"items": [item(0)]}, params={"run": name})

    body = assert_is_error(with_api(use), 422, "invalid_request")
    assert body["message"].startswith(caller.RUN_HEADER)
    with pytest.raises(InvalidRequest):
        caller.checked_run(name)


def test_the_runs_over_the_cap_share_one_label() -> None:
    runs = Runs(2, 3600, pytest.fail, lambda: 0.0)
    assert [runs.label(run) for run in ("a", "b", "c", "a", None)] == ["a", "b", "other", "a", "none"]


def test_a_run_that_is_idle_gives_its_place_to_the_next() -> None:
    now_s, forgotten = [0.0], []
    runs = Runs(2, 10, forgotten.append, lambda: now_s[0])
    runs.label("a"), runs.label("b")
    now_s[0] = 9
    runs.label("a")
    now_s[0] = 10
    assert runs.label("c") == "c"
    assert runs.label("d") == "other"
    assert forgotten == ["b"]


def test_a_forgotten_run_leaves_no_series() -> None:
    now_s = [0.0]
    metrics = Metrics(1, clock=lambda: now_s[0])
    for run in ("old", "new"):
        token = caller.current.set(caller.Caller("1", run))
        metrics.count_verdicts("retsp", [[Verdict(0.5)]], 1)
        caller.current.reset(token)
        now_s[0] += 3600
    told = samples(metrics.render().decode())
    assert value(told, "verdict_p_correct_count", run="new") == 1
    assert value(told, "verdict_p_correct_count", run="old") is None


# series


def test_ten_thousand_ids_runs_and_paths_make_no_series() -> None:
    """Runs up to the cap have theirs; all that comes after changes nothing."""
    sizes: list[int] = []

    async def use(http: httpx.AsyncClient) -> None:
        for first in (0, 40, 120):
            for number in range(first, 2 * first or 40):
                body = {"items": [item(number % 3, id=f"id-{number}-{each}") for each in range(50)]}
                answer = await http.post("/score", json=body, params={"run": f"run-{number}"})
                assert answer.status_code == 200
                await http.get(f"/path-{number}")
            sizes.append(len(samples((await http.get("/metrics")).text)))

    with_api(use)
    assert sizes[1] == sizes[2]


# what judges say


def test_a_steps_verdicts_are_counted_by_number_and_by_how_they_vary() -> None:
    metrics = Metrics()
    metrics.count_verdicts("rprm", [[Verdict(0.9), Verdict(0.1), Verdict(None)], [Verdict(0.5)]], 4)
    told = samples(metrics.render().decode())
    assert value(told, "step_k_used_sum") == 4
    assert value(told, "step_k_valid_sum") == 3
    assert value(told, "trajectories_saved_total") == 4
    assert value(told, "step_variance_count") == 1
    assert value(told, "step_variance_sum") == pytest.approx(0.32)
    assert value(told, "verdicts_total", kind="unread") == 1


def test_solutions_are_counted_by_their_first_wrong_step() -> None:
    bodies = [{"items": [item(number)]} for number in range(6)]
    answers: list[int | None] = []

    async def use(http: httpx.AsyncClient) -> str:
        for body in bodies:
            answers.extend(one["first_error"] for one in (await http.post("/score", json=body)).json()["items"])
        return (await http.get("/metrics")).text

    told = samples(with_api(use))
    found = [first for first in answers if first is not None and first >= 0]
    assert found
    assert value(told, "solutions_total", first_error="found") == len(found)
    assert value(told, "first_error_step_sum") == sum(first + 1 for first in found)


def test_an_answer_that_could_not_be_read_is_no_score() -> None:
    told = told_after({"items": [item(0)]}, worker=ScriptedWorker(always=None, faults={0: Fault.NO_TOP_LOGPROBS}))
    steps = len(item(0)["steps"])
    assert value(told, "step_score_count", run="none") == steps - 1
    assert value(told, "solution_score_count", run="none") is None
    assert value(told, "verdicts_total", kind="unread") == 1


def test_what_runs_is_told_as_labels() -> None:
    metrics = Metrics()
    metrics.tell_model(model="m", encoder="e", retsp="r1", rprm="r2", calibrated=True)
    told = samples(metrics.render().decode())
    labels = {"model": "m", "encoder": "e", "retsp": "r1", "rprm": "r2", "calibrated": "true"}
    assert value(told, "model_info", **labels) == 1
    assert any(name == "stepreward_build_info" for name, _ in told)


def test_a_request_is_timed_under_its_route() -> None:
    told = told_after({"items": [item(0)]}, {"items": []})
    assert value(told, "request_duration_seconds_count", route="/score") == 2


# several processes

_PROCESS = """
import sys
from stepreward.caller import Caller, current
from stepreward.metrics import Metrics
from stepreward.values import Verdict

metrics = Metrics(2)
current.set(Caller("1", "run-" + sys.argv[1]))
metrics.in_flight.inc()
metrics.cache_bytes.set(10)
metrics.store_breaker.set(int(sys.argv[1]))
metrics.count_verdicts("retsp", [[Verdict(0.5)]], 1)
with metrics.stage("judge"):
    pass
if sys.argv[2] == "tell":
    sys.stdout.write(metrics.render().decode())
"""


def test_processes_that_share_a_directory_tell_the_numbers_of_all(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for number, tells in (("1", "waits"), ("2", "tell")):
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", _PROCESS, number, tells],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    told = samples(ended.stdout)
    assert value(told, "verdicts_total", kind="read") == 2
    assert value(told, "stage_duration_seconds_count", stage="judge") == 2
    assert [value(told, "verdict_p_correct_count", run=f"run-{number}") for number in (1, 2)] == [1, 1]
    assert value(told, "requests_in_flight") == 2
    assert value(told, "cache_bytes") == 20
    assert value(told, "store_breaker_state") == 2
    assert not any("pid" in dict(labels) for _, labels in told)
