"""What is asked of the worker for a request, and what is not: known and shared steps, K, first error, cascade."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient

from loadtests.scripted_worker import Fault, ScriptedWorker
from stepreward.aggregation import P_WRONG_BELOW
from stepreward.errors import InvalidRequest, WorkerUnavailable
from stepreward.metrics import Metrics
from stepreward.plan import Defaults, plan
from stepreward.policies import Adaptive, Fixed
from stepreward.retrieval.store import Store
from stepreward.schema import ItemResult, ScoreRequest, ScoreResponse
from test_pipeline import ADAPTIVE, NO_REFERENCES, SEARCH, UNCERTAIN, item, score, service, step_scores
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

LONG = {"question": "How far?", "steps": [f"It is {number} miles." for number in range(12)]}


def asked(*items: Any, **request: Any) -> ScoreRequest:
    return ScoreRequest.model_validate({"items": list(items), **request})


def scored(worker: ScriptedWorker, requests: Sequence[ScoreRequest], together: bool = False) -> list[ScoreResponse]:
    """The answers of one service, one request after the other or all at once."""

    async def run() -> list[ScoreResponse]:
        async with service(worker) as built:
            calls = [built.pipeline.score(request, "r") for request in requests]
            return list(await asyncio.gather(*calls)) if together else [await call for call in calls]

    return asyncio.run(run())


def prompts_sent(worker: ScriptedWorker) -> list[tuple[int, ...]]:
    return [tuple(prompt) for body in worker.requests for prompt in body["prompt"]]


def without_cost(result: ItemResult) -> dict[str, Any]:
    return result.model_dump(exclude={"cached", "usage"})


# known and shared steps


@pytest.mark.parametrize("method", ["retsp", "rprm", "cascade"])
def test_the_same_request_again_asks_the_worker_nothing_and_gets_the_same_answer(method) -> None:
    worker = ScriptedWorker()
    request = asked(item(1), item(2), method=method, include=["references", "usage", "trajectories"])

    async def run() -> tuple[ScoreResponse, int, ScoreResponse]:
        async with service(worker) as built:
            first = await built.pipeline.score(request, "r")
            calls = len(worker.requests)
            return first, calls, await built.pipeline.score(request, "r")

    first, calls, again = asyncio.run(run())
    assert len(worker.requests) == calls > 0
    assert [result.cached for result in first.items] == [False, False]
    assert [result.cached for result in again.items] == [True, True]
    assert [without_cost(result) for result in again.items] == [without_cost(result) for result in first.items]
    assert [result.usage.prompt_tokens for result in again.items] == [0, 0]


@pytest.mark.parametrize("method", ["retsp", "rprm"])
def test_equal_requests_at_once_are_computed_once(method) -> None:
    alone, crowded = ScriptedWorker(latency_s=0.02), ScriptedWorker(latency_s=0.02)
    request = asked(item(3), method=method)
    [one] = scored(alone, [request])
    many = scored(crowded, [request] * 20, together=True)
    assert sorted(prompts_sent(crowded)) == sorted(prompts_sent(alone))
    assert {str(step_scores(answer.items[0])) for answer in many} == {str(step_scores(one.items[0]))}


def test_candidates_that_share_their_first_steps_pay_for_them_once() -> None:
    worker = ScriptedWorker()
    shared = LONG["steps"][:5]
    candidates = [LONG | {"steps": [*shared, f"So it is {number}."]} for number in range(4)]
    [answer] = scored(worker, [asked(*candidates, retrieval=NO_REFERENCES)])
    assert len(prompts_sent(worker)) == len(set(prompts_sent(worker))) == 5 + 4
    assert len({tuple(step_scores(result)[:5]) for result in answer.items}) == 1


def test_steps_added_to_a_known_solution_are_all_that_is_asked() -> None:
    worker = ScriptedWorker()
    prefix = LONG | {"steps": LONG["steps"][:9]}
    first, second = scored(worker, [asked(prefix, retrieval=NO_REFERENCES), asked(LONG, retrieval=NO_REFERENCES)])
    assert len(prompts_sent(worker)) == 12
    assert step_scores(second.items[0])[:9] == step_scores(first.items[0])


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 9},
        {"trajectories": {"k": 2}},
        {"trajectories": {"policy": "adaptive"}},
        {"retrieval": {"questions": 1}},
        {"retrieval": {"questions": 1, "min_similarity": 0.1}},
    ],
)
def test_what_a_score_depends_on_is_not_mixed_up(change) -> None:
    worker = ScriptedWorker()
    base = asked(item(1), method="rprm")
    first, other = scored(worker, [base, asked(item(1), method="rprm", **change)])
    assert [result.cached for answer in (first, other) for result in answer.items] == [False, False]
    [alone] = scored(ScriptedWorker(), [asked(item(1), method="rprm", **change)])
    assert without_cost(other.items[0]) == without_cost(alone.items[0])


def test_the_seed_of_a_request_is_nothing_to_retsp() -> None:
    _, again = scored(ScriptedWorker(), [asked(item(1), seed=1), asked(item(1), seed=2)])
    assert again.items[0].cached


def test_a_step_that_could_not_be_read_is_asked_again() -> None:
    worker = ScriptedWorker({0: Fault.NAN_LOGPROB})
    first, again = scored(worker, [asked(item(0), retrieval=NO_REFERENCES)] * 2)
    assert [result.status for answer in (first, again) for result in answer.items] == ["failed", "ok"]
    assert [len(body["prompt"]) for body in worker.requests] == [3, 1]


def test_what_was_scored_without_its_references_is_not_given_to_later_requests() -> None:
    async def run() -> list[ScoreResponse]:
        store = Store(AsyncQdrantClient(":memory:"))
        async with service(worker, store=store, policy="degrade") as built:
            return [await built.pipeline.score(asked(item(0)), "r") for _ in range(2)]

    worker = ScriptedWorker()
    answers = asyncio.run(run())
    assert [(answer.items[0].degraded, answer.items[0].cached) for answer in answers] == [(["retrieval"], False)] * 2
    assert len(worker.requests) == 2


def test_a_failure_is_not_kept() -> None:
    worker = ScriptedWorker({0: Fault.STATUS_500})

    async def run() -> ScoreResponse:
        async with service(worker) as built:
            with pytest.raises(WorkerUnavailable):
                await built.pipeline.score(asked(item(0)), "r")
            return await built.pipeline.score(asked(item(0)), "r")

    assert asyncio.run(run()).items[0].status == "ok"


def test_an_item_that_cannot_be_rendered_does_not_harm_one_that_shares_its_steps() -> None:
    worker = ScriptedWorker(context_tokens=3000)
    long = LONG | {"steps": [*LONG["steps"][:2], "7" * 3900]}
    failed, fine = score(worker, long, LONG | {"steps": LONG["steps"][:2]}, retrieval=NO_REFERENCES).items
    assert (failed.failure.code, fine.status) == ("context_overflow", "ok")


# without the cache


@pytest.mark.parametrize(
    "request_", [{"method": "retsp"}, {"method": "rprm"}, {"method": "cascade"}, {"until": "first_error"}]
)
def test_without_the_cache_every_step_is_asked_anew_and_nothing_of_it_is_kept(request_) -> None:
    worker = ScriptedWorker()
    kept, anew = asked(item(1), **request_), asked(item(1), cache=False, **request_)

    async def run() -> tuple[list[ScoreResponse], list[list[tuple[int, ...]]]]:
        answers, sent = [], []
        async with service(worker) as built:
            for request in (anew, kept, anew, kept):
                before = len(prompts_sent(worker))
                answers.append(await built.pipeline.score(request, "r"))
                sent.append(sorted(prompts_sent(worker)[before:]))
        return answers, sent

    answers, sent = asyncio.run(run())
    assert sent[0] == sent[1] == sent[2] != []
    assert sent[3] == []
    assert [answer.items[0].cached for answer in answers] == [False, False, False, True]
    assert all(without_cost(answer.items[0]) == without_cost(answers[0].items[0]) for answer in answers)


def test_what_interactive_work_joins_is_no_bulk_work_any_more() -> None:
    worker, metrics = ScriptedWorker(latency_s=0.02), Metrics()
    of_bulk = asked(item(3), method="rprm", trajectories={"policy": "adaptive", "k": 10}, priority="bulk")
    same = of_bulk.model_copy(update={"priority": "interactive"})

    async def run() -> list[ScoreResponse]:
        async with service(worker, metrics=metrics) as built:
            first = asyncio.create_task(built.pipeline.score(of_bulk, "r"))
            while not worker.at_hand:  # noqa: ASYNC110  (of a scripted worker, which tells nobody)
                await asyncio.sleep(0.001)
            return [await built.pipeline.score(same, "r"), await first]

    answers = asyncio.run(run())
    assert step_scores(answers[0].items[0]) == step_scores(answers[1].items[0])
    calls = metrics.registry.get_sample_value("stepreward_queue_seconds_count", {"priority": "interactive"})
    assert calls
    assert len(worker.requests) == len(set(map(str, worker.requests)))


@pytest.mark.parametrize("together", [False, True])
def test_without_the_cache_equal_items_share_nothing(together) -> None:
    alone, crowded = ScriptedWorker(), ScriptedWorker(latency_s=0.02)
    scored(alone, [asked(item(3))])
    same = asked(item(3, id="a"), item(3, id="b"), cache=False)
    scored(crowded, [same, same], together=together)
    assert sorted(prompts_sent(crowded)) == sorted(prompts_sent(alone) * 4)


def test_a_request_without_the_cache_is_not_joined_by_one_with_it() -> None:
    worker = ScriptedWorker(latency_s=0.02)
    requests = [asked(item(3), cache=False), *[asked(item(3))] * 3, asked(item(3), cache=False)]
    answers = scored(worker, requests, together=True)
    assert len(prompts_sent(worker)) == 3 * len(set(prompts_sent(worker)))
    assert {answer.items[0].cached for answer in answers[:1] + answers[-1:]} == {False}


def test_a_judgement_made_without_the_cache_counts_as_computed() -> None:
    async def run() -> float:
        async with service(ScriptedWorker()) as built:
            await built.pipeline.score(asked(item(3), cache=False), "r")
            return built.metrics.registry.get_sample_value("stepreward_cache_steps_total", {"origin": "computed"}) or 0

    assert asyncio.run(run()) == len(item(3)["steps"])


# adaptive


def test_adaptive_samples_no_more_than_fixed_and_decides_as_its_own_votes_say() -> None:
    request = {"method": "rprm", "retrieval": NO_REFERENCES, "include": ["trajectories", "usage"]}
    adaptive = score(ScriptedWorker(), LONG, trajectories={"k": 10, "policy": "adaptive"}, **request).items[0]
    fixed = score(ScriptedWorker(), LONG, trajectories={"k": 10}, **request).items[0]
    assert all(1 <= step.k_used <= 10 for step in adaptive.steps)
    assert sum(step.k_used for step in adaptive.steps) < 100
    assert adaptive.usage.generated_tokens < fixed.usage.generated_tokens
    for step in adaptive.steps:
        votes = [trajectory.p_correct for trajectory in step.trajectories]
        assert step.score == pytest.approx(sum(votes) / len(votes))
        assert Adaptive(1, 10).next_round(votes) == 0


def test_adaptive_samples_at_least_as_many_as_asked() -> None:
    [result] = score(
        ScriptedWorker(), LONG, method="rprm", trajectories={"policy": "adaptive", "k": 8, "min_k": 4}
    ).items
    assert min(step.k_used for step in result.steps) >= 4


def test_the_rounds_of_a_step_draw_different_trajectories() -> None:
    [result] = score(
        ScriptedWorker(), LONG, method="rprm", trajectories={"policy": "adaptive", "k": 10}, include=["trajectories"]
    ).items
    longest = max(result.steps, key=lambda step: step.k_used)
    assert longest.k_used > 2
    assert len({trajectory.text for trajectory in longest.trajectories}) == longest.k_used


@pytest.mark.parametrize(
    ("trajectories", "field"),
    [({"min_k": 2}, "min_k"), ({"policy": "adaptive", "k": 3, "min_k": 4}, "min_k")],
)
def test_a_policy_that_makes_no_sense_is_refused_by_name(trajectories, field) -> None:
    with pytest.raises(InvalidRequest, match=rf"^trajectories\.{field}: "):
        score(ScriptedWorker(), item(0), method="rprm", trajectories=trajectories)


def test_the_service_s_own_numbers_are_used_where_the_request_says_none() -> None:
    defaults = Defaults("rprm", 6, SEARCH, Adaptive(2, 6, 0.9, 0.8))
    assert plan(asked(item(0)), defaults).policy == Fixed(6)
    chosen = plan(asked(item(0), trajectories={"policy": "adaptive", "k": 4}), defaults).policy
    assert chosen == Adaptive(2, 4, 0.9, 0.8)


# until the first error


@pytest.mark.parametrize("method", ["retsp", "rprm", "cascade"])
def test_until_the_first_error_the_steps_before_it_are_scored_as_ever_and_the_later_ones_skipped(method) -> None:
    request = {"method": method, "retrieval": NO_REFERENCES}
    [whole] = score(ScriptedWorker(), LONG, **request).items
    [stopped] = score(ScriptedWorker(), LONG, until="first_error", **request).items
    end = whole.first_error + 1
    assert 0 < end < len(LONG["steps"])
    assert stopped.first_error == whole.first_error
    assert step_scores(stopped)[:end] == step_scores(whole)[:end]
    assert [step.skipped for step in stopped.steps] == [False] * end + [True] * (12 - end)
    assert {step.score for step in stopped.steps[end:]} == {None}
    assert (stopped.status, stopped.failure, stopped.score) == ("ok", None, None)
    assert set(stopped.aggregates.model_dump().values()) == {None}


def test_until_the_first_error_a_right_solution_has_all_its_scores() -> None:
    right = LONG | {"steps": [step for step in LONG["steps"] if _alone(step) >= P_WRONG_BELOW][:1]}
    [result] = score(ScriptedWorker(), right, until="first_error", retrieval=NO_REFERENCES).items
    assert (result.first_error, result.score) == (-1, step_scores(result)[0])


def _alone(step: str) -> float:
    [result] = score(ScriptedWorker(), LONG | {"steps": [step]}, retrieval=NO_REFERENCES).items
    return result.score


@pytest.mark.parametrize("until", ["all", "first_error"])
def test_where_a_calibration_calls_steps_wrong_below_another_score_it_holds_for_retsp_alone(until) -> None:
    [plain] = score(ScriptedWorker(), LONG, retrieval=NO_REFERENCES).items
    limit = step_scores(plain)[plain.first_error]

    async def run() -> list[ScoreResponse]:
        async with service(ScriptedWorker(), wrong_below=limit) as built:
            wanted = [
                asked(LONG, method=one, until=until, retrieval=NO_REFERENCES) for one in ("retsp", "rprm", "cascade")
            ]
            return [await built.pipeline.score(request, "r") for request in wanted]

    said = asyncio.run(run())
    assert [answer.wrong_below for answer in said] == [limit, 0.5, 0.5]
    below = [place for place, score in enumerate(step_scores(plain)) if score < limit]
    assert below and said[0].items[0].first_error == below[0] > plain.first_error
    for answer in said[1:]:
        [result] = answer.items
        wrong = [place for place, one in enumerate(step_scores(result)) if one is not None and one < P_WRONG_BELOW]
        assert result.first_error == wrong[0]


def test_until_the_first_error_only_some_steps_ahead_are_asked() -> None:
    worker = ScriptedWorker(latency_s=0.01)
    [result] = score(worker, LONG, until="first_error", retrieval=NO_REFERENCES).items
    assert result.first_error + 1 <= len(prompts_sent(worker)) <= result.first_error + 1 + 2


def test_a_step_that_cannot_be_read_ends_an_item_too_and_is_its_failure() -> None:
    [result] = score(ScriptedWorker({0: Fault.NAN_LOGPROB}), LONG, until="first_error", retrieval=NO_REFERENCES).items
    assert (result.status, result.failure.code, result.first_error) == ("failed", "no_valid_verdict", None)
    assert [step.skipped for step in result.steps] == [False] + [True] * 11


# cascade


def test_cascade_asks_rprm_of_the_uncertain_steps_alone() -> None:
    low, high = UNCERTAIN
    [first] = score(ScriptedWorker(), LONG, retrieval=NO_REFERENCES).items
    [second] = score(ScriptedWorker(), LONG, method="rprm").items
    [both] = score(ScriptedWorker(), LONG, method="cascade", retrieval=NO_REFERENCES).items
    uncertain = [low <= p <= high for p in step_scores(first)]
    assert {True, False} == set(uncertain)
    assert [step.method for step in both.steps] == ["rprm" if unsure else "retsp" for unsure in uncertain]
    assert step_scores(both) == [
        late if unsure else early
        for early, late, unsure in zip(step_scores(first), step_scores(second), uncertain, strict=True)
    ]


def test_cascade_gives_rprm_references_only_where_they_are_asked_for() -> None:
    for retrieval in ({}, {"mode": "retrieved", "min_similarity": -1.0}):
        [both] = score(ScriptedWorker(), LONG, method="cascade", retrieval=retrieval).items
        [alone] = score(ScriptedWorker(), LONG, method="rprm", retrieval=retrieval).items
        handed_on = [index for index, step in enumerate(both.steps) if step.method == "rprm"]
        assert handed_on
        assert [step_scores(both)[index] for index in handed_on] == [step_scores(alone)[index] for index in handed_on]


def test_cascade_without_a_calibration_is_refused_by_the_name_of_its_setting() -> None:
    with pytest.raises(InvalidRequest, match="STEPREWARD_CALIBRATION"):
        plan(asked(item(0), method="cascade"), Defaults("retsp", 3, SEARCH, ADAPTIVE))
