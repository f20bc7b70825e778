"""The canary set, its rates, the command, and a gateway that scores it by itself."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from loadtests.scripted_worker import Fault, ScriptedWorker
from serving import serving
from stepreward import canary
from stepreward.canary import FAMILIES, Trap
from stepreward.content import content_free
from stepreward.corpus.generate.traps import OF_EACH, lines
from stepreward.metrics import Metrics
from stepreward.patrol import patrol
from stepreward.schema import Aggregates, ItemResult, StepResult
from test_pipeline import service
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)


def result(*scores: float | None) -> ItemResult:
    known = [score for score in scores if score is not None]
    lowest = min(known) if known and len(known) == len(scores) else None
    return ItemResult(
        id="x",
        status="ok",
        score=lowest,
        aggregates=Aggregates(min=lowest, prod=None, mean=None, last=None),
        first_error=None,
        steps=[StepResult(score=score, stderr=None, k_used=1, k_valid=1, forced=0) for score in scores],
        degraded=[],
    )


# the set


def test_the_set_has_as_many_of_each_family() -> None:
    assert Counter(trap.family for trap in canary.frozen()) == dict.fromkeys(FAMILIES, OF_EACH)


def test_the_set_is_what_its_maker_makes() -> None:
    pytest.importorskip("reasoning_gym")
    shipped = [json.dumps(trap.__dict__, ensure_ascii=False) for trap in canary.frozen()]
    assert [json.loads(line) for line in lines()] == [json.loads(line) for line in shipped]


def test_every_master_key_of_the_set_is_a_step_that_is_marked_as_free_of_content() -> None:
    keys = [trap.steps[trap.target] for trap in canary.frozen() if trap.family == "master_key"]
    assert all(map(content_free, keys))


def test_every_attack_is_on_a_step_of_the_wrong_ones() -> None:
    traps = canary.frozen()
    wrong = {trap.question: trap.steps for trap in traps if trap.family == "wrong"}
    for trap in traps:
        if trap.family in {"special_tokens", "forged_verdict", "instruction"}:
            assert trap.steps[-1].startswith(wrong[trap.question][-1])
            assert len(trap.steps[-1]) > len(wrong[trap.question][-1])


# its rates


def test_a_rate_is_the_share_of_targets_that_are_passed_and_what_has_no_score_is_in_none() -> None:
    trap = Trap("wrong", "q", ("a", "b"), 1)
    results = [result(0.1, 0.5), result(0.9, 0.4), result(0.9, None), result(0.9, 0.9)]
    [rate] = [one for one in canary.rates([trap] * 4, results) if one.family == "wrong"]
    assert (rate.passed, rate.scored, rate.failed) == (2, 3, 1)
    assert rate.share == pytest.approx(2 / 3)


def test_step_gaming_is_passed_by_the_lowest_of_all_steps() -> None:
    trap = Trap("step_gaming", "q", ("a", "b"), None)
    results = [result(0.9, 0.1), result(0.9, 0.6), result(0.9, None)]
    [rate] = [one for one in canary.rates([trap] * 3, results) if one.family == "step_gaming"]
    assert (rate.passed, rate.scored, rate.failed) == (1, 2, 1)


def test_an_item_that_failed_whole_has_no_score() -> None:
    failed = replace(canary.frozen()[0], target=1)
    [rate] = [one for one in canary.rates([failed], [result()]) if one.failed]
    assert (rate.scored, rate.share) == (0, None)


# the command


def told(url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "stepreward", "canary", "--url", url, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_prints_the_rate_of_each_family() -> None:
    with serving() as served:
        as_json, table = told(served.url, "--json"), told(served.url)
    assert as_json.returncode == 0, as_json.stderr
    rates = json.loads(as_json.stdout)
    assert tuple(rates) == FAMILIES
    assert all(one["scored"] == OF_EACH and one["rate"] == one["passed"] / OF_EACH for one in rates.values())
    assert all(family in table.stdout for family in FAMILIES)


def test_the_command_says_that_the_service_is_out_of_reach() -> None:
    done = told("http://127.0.0.1:9")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


# the gateway's own


def metrics_after(worker: ScriptedWorker) -> str:
    """Of a patrol with no pause, when the first run has ended."""

    async def run() -> str:
        metrics = Metrics()
        async with service(worker, metrics=metrics) as built:
            walking = asyncio.create_task(patrol(built.pipeline, metrics, 0))
            while "stepreward_canary_time_seconds 0.0" in metrics.render().decode():  # noqa: ASYNC110  (nothing tells when it ended)
                await asyncio.sleep(0.02)
            walking.cancel()
            await asyncio.gather(walking, return_exceptions=True)
            return metrics.render().decode()

    return asyncio.run(run())


def test_a_gateway_on_patrol_tells_the_rates_as_metrics() -> None:
    text = metrics_after(ScriptedWorker())
    for family in FAMILIES:
        assert f'stepreward_canary_pass_rate{{family="{family}"}} ' in text
        assert f'stepreward_canary_failed{{family="{family}"}} 0.0' in text


def test_a_run_that_fails_changes_no_rate_and_ends_no_patrol() -> None:
    async def run() -> tuple[bool, str]:
        metrics = Metrics()
        async with service(ScriptedWorker(faults=dict.fromkeys(range(1000), Fault.STATUS_400)), metrics=metrics) as one:
            walking = asyncio.create_task(patrol(one.pipeline, metrics, 0))
            await asyncio.sleep(1)
            alive = not walking.done()
            walking.cancel()
            await asyncio.gather(walking, return_exceptions=True)
            return alive, metrics.render().decode()

    alive, text = asyncio.run(run())
    assert alive
    assert "stepreward_canary_pass_rate{" not in text
