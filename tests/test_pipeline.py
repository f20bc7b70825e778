"""The story of a request: the real pipeline, prompts and retriever over a scripted worker and an in-memory Qdrant.

`service` builds those parts as `wiring` builds the real ones; test_api and test_bulk use it too.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient

from loadtests.scripted_worker import Fault, ScriptedWorker, byte_tokenizer, p_first
from stepreward.access import Gate
from stepreward.admission import Admission
from stepreward.body import Limits
from stepreward.cache import ScoreCache, Values
from stepreward.errors import (
    ContextOverflow,
    InvalidRequest,
    RetrievalUnavailable,
    WorkerAnswerInvalid,
    WorkerUnavailable,
)
from stepreward.judging import Bench, may_keep
from stepreward.metrics import Metrics
from stepreward.pipeline import Pipeline
from stepreward.plan import Defaults
from stepreward.policies import Adaptive
from stepreward.prompts.retsp import RetSP
from stepreward.prompts.rprm import RPRM
from stepreward.prompts.template import StepTemplate
from stepreward.references import ReferenceFinder
from stepreward.retrieval.search import Retriever, SearchOptions
from stepreward.retrieval.store import Store
from stepreward.schema import Item, ItemResult, JudgeMethod, RetrievalPolicy, ScoreRequest, ScoreResponse
from stepreward.service import Service
from stepreward.values import References, Solution, StepJudgement
from stepreward.worker.client import ServedModel, WorkerClient
from stepreward.worker.pool import WorkerPool
from stepreward.worker.sampling import Judge, RetSPJudge, RPRMJudge, sampling_options
from stepreward.worker.upstream import PoolRule
from test_retrieval import NO_PAYLOAD_INDEX, ROWS, BagOfWords, bag_encoder, build, corpus_of

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

MAX_TOKENS = 128
ADAPTIVE = Adaptive(1, 3)
UNCERTAIN = (0.2, 0.8)
SEARCH = SearchOptions(questions=1, steps=1, min_similarity=0.3)
# What a fault becomes is seen where it is not made good.
NO_RETRIES = PoolRule(retry_share=0, retry_reserve=0)
LIMITS = Limits(body_bytes=200_000, items=50, steps=40, text_chars=4000)
NO_REFERENCES = {"questions": 0, "steps": 0}


@lru_cache
def methods(context_tokens: int) -> tuple[RetSP, RPRM]:
    tokens = byte_tokenizer()
    retsp = RetSP(StepTemplate.built_in("retsp", tokens), tokens, context_tokens)
    return retsp, RPRM(StepTemplate.built_in("rprm", tokens), tokens, context_tokens, MAX_TOKENS)


_STORED: list[Store] = []


async def stored_corpus() -> Store:
    """The corpus of test_retrieval, built once for all tests: none of them writes to it."""
    if not _STORED:
        store, encoder = Store(AsyncQdrantClient(":memory:")), bag_encoder()
        await store.activate((await build(store, corpus_of(), encoder)).id)
        encoder.close()
        _STORED.append(store)
    return _STORED[0]


@asynccontextmanager
async def service(  # noqa: PLR0913  (a name for each part that a test may bring)
    worker: ScriptedWorker,
    *,
    judges: Mapping[JudgeMethod, Judge] | None = None,
    encoder_model: BagOfWords | None = None,
    store: Store | None = None,
    policy: RetrievalPolicy = "require",
    cache_bytes: int = 1 << 20,
    gate: Gate | None = None,
    queue_tokens: int = 1 << 25,
    metrics: Metrics | None = None,
    wrong_below: float = 0.5,
) -> AsyncIterator[Service]:
    """A service over the corpus of test_retrieval; `judges` or a `store` of the test's own stand in where given."""
    searched = store or await stored_corpus()
    encoder, metrics = bag_encoder(encoder_model), metrics or Metrics()
    async with worker.http() as http:
        client = WorkerClient(http)
        pool = WorkerPool([client], NO_RETRIES, metrics)
        client.served = ServedModel(worker.model, None, worker.context_tokens)
        retsp, rprm = methods(worker.context_tokens)
        options = sampling_options(MAX_TOKENS, temperature=0.95, top_p=0.95)
        judges = judges or {"retsp": RetSPJudge(retsp, pool), "rprm": RPRMJudge(rprm, pool, options)}
        retriever = Retriever(encoder, searched, 16, metrics)
        cache = ScoreCache(Values.of(StepJudgement, may_keep), cache_bytes, 3600, metrics)
        bench = Bench(
            finder=ReferenceFinder(retriever, policy),
            judges=judges,
            cache=cache,
            model=worker.model,
            metrics=metrics,
        )
        yield Service(
            pipeline=Pipeline(
                bench,
                worker.model,
                Defaults("retsp", 3, SEARCH, ADAPTIVE, UNCERTAIN, wrong_below=wrong_below),
                Admission(queue_tokens, 0.2, pool, metrics),
            ),
            limits=LIMITS,
            metrics=metrics,
            probes={"store": retriever.probe, "encoder": encoder.probe, "worker": client.connect},
            dispensable={"store"} if policy == "degrade" else frozenset(),
            gate=gate,
        )
        await cache.close()
    encoder.close()
    if store is not None:
        await store.close()


def item(number: int, **changed: object) -> dict[str, object]:
    """The stored row of this number as an item."""
    return {"question": ROWS[number]["question"], "steps": ROWS[number]["steps"]} | changed


def long_item(step: int = 1, chars: int = 3900) -> dict[str, object]:
    """An item whose step `step` alone is about as long as `chars` bytes, a token each."""
    steps = ["Short.", "Short.", "Short."]
    steps[step] = "7" * chars
    return {"question": "How long is a number?", "steps": steps}


def score(worker: ScriptedWorker, *items: Mapping[str, object], **request: Any) -> ScoreResponse:
    async def run() -> ScoreResponse:
        async with service(worker) as built:
            wanted = ScoreRequest.model_validate({"items": list(items), **request})
            return await built.pipeline.score(wanted, "request-1")

    return asyncio.run(run())


def step_scores(result: ItemResult) -> list[float | None]:
    return [step.score for step in result.steps]


def without_references(number: int) -> list[float]:
    """The retsp scores of a stored row when its prompts hold no references: rendered here, judged by the script."""
    solution = Solution(ROWS[number]["question"], tuple(ROWS[number]["steps"]))
    prompts = methods(8192)[0].render(solution, References((), ((), (), ())))
    return [p_first(prompt.token_ids) for prompt in prompts]


def prompt_texts(worker: ScriptedWorker) -> list[str]:
    return [byte_tokenizer().decode(prompt) for body in worker.requests for prompt in body["prompt"]]


def test_a_step_score_is_what_the_worker_says_of_its_prompt() -> None:
    worker = ScriptedWorker()
    answer = score(worker, item(0), retrieval=NO_REFERENCES)
    assert step_scores(answer.items[0]) == pytest.approx(without_references(0), abs=1e-9)


def test_the_answer_says_what_it_was_made_with() -> None:
    answer = score(ScriptedWorker(model="a-model"), item(0))
    assert (answer.model, answer.method, answer.request_id) == ("a-model", "retsp", "request-1")
    assert answer.prompt_version == methods(8192)[0].version
    assert len(answer.corpus_snapshot) == 12


@pytest.mark.parametrize("method", ["retsp", "rprm"])
def test_results_stay_with_their_items_when_the_worker_shuffles_every_answer(method) -> None:
    items = [item(number, id=f"row {number}") for number in (5, 2, 9, 5 + 6)]
    shuffled = score(ScriptedWorker(always=Fault.SHUFFLED, model=""), *items, method=method)
    plain = score(ScriptedWorker(model=""), *items, method=method)
    assert shuffled == plain
    assert [result.id for result in shuffled.items] == ["row 5", "row 2", "row 9", "row 11"]


def test_many_items_get_what_each_gets_alone() -> None:
    items = [item(number) for number in range(10)]
    together = score(ScriptedWorker(), *items, retrieval=NO_REFERENCES)
    for number, result in enumerate(together.items):
        assert step_scores(result) == pytest.approx(without_references(number), abs=1e-9)


@pytest.mark.parametrize("method", ["retsp", "rprm"])
def test_the_same_request_twice_gives_identical_numbers(method) -> None:
    def once():
        return score(ScriptedWorker(), item(1), item(2), method=method, seed=11, include=["trajectories", "references"])

    assert once() == once()


def test_the_same_item_twice_in_a_request_gets_the_same_numbers() -> None:
    first, second = score(ScriptedWorker(), item(1), item(1), method="rprm").items
    assert step_scores(first) == step_scores(second)


def test_another_seed_gives_rprm_other_trajectories_and_retsp_the_same_scores() -> None:
    def scores(method, seed):
        return step_scores(score(ScriptedWorker(), item(1), method=method, seed=seed).items[0])

    assert scores("rprm", 1) != scores("rprm", 2)
    assert scores("retsp", 1) == scores("retsp", 2)


# ids and options


def test_items_without_an_id_are_called_by_their_position() -> None:
    answer = score(ScriptedWorker(), item(0), item(1, id="mine"), item(2))
    assert [result.id for result in answer.items] == ["0", "mine", "2"]


@pytest.mark.parametrize("ids", [("a", "a"), ("1", None)])
def test_an_id_that_stands_twice_is_refused_with_its_place(ids) -> None:
    with pytest.raises(InvalidRequest, match=r"items\[1\]\.id"):
        score(ScriptedWorker(), *(item(number, id=name) for number, name in enumerate(ids)))


def test_trajectories_for_retsp_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"trajectories\.k"):
        score(ScriptedWorker(), item(0), trajectories={"k": 2})


@pytest.mark.parametrize(("asked", "k"), [({}, 3), ({"trajectories": {"k": 5}}, 5)])
def test_rprm_samples_as_many_trajectories_as_asked_or_set(asked, k) -> None:
    answer = score(ScriptedWorker(), item(0), method="rprm", **asked)
    assert [(step.k_used, step.k_valid) for step in answer.items[0].steps] == [(k, k)] * 3


def test_a_request_that_names_no_method_gets_the_default_one() -> None:
    assert score(ScriptedWorker(), item(0)).method == "retsp"


@pytest.mark.parametrize("aggregate", ["min", "prod", "mean", "last", "weighted"])
def test_the_score_is_the_aggregate_asked_for(aggregate) -> None:
    [result] = score(ScriptedWorker(), item(0), aggregate=aggregate, retrieval=NO_REFERENCES).items
    scores = without_references(0)
    expected = {"min": min(scores), "prod": math.prod(scores), "mean": sum(scores) / 3, "last": scores[-1]}
    weights = [1 + p * math.log2(p) + (1 - p) * math.log2(1 - p) for p in scores]
    expected["weighted"] = sum(w * p for w, p in zip(weights, scores, strict=True)) / sum(weights)
    assert result.aggregates.model_dump() == pytest.approx(expected)
    assert result.score == pytest.approx(expected[aggregate])


def test_first_error_is_the_first_step_below_one_half() -> None:
    items = [item(number, steps=[f"It is {number}."] * (1 + number % 4)) for number in range(18)]
    results = score(ScriptedWorker(), *items, retrieval=NO_REFERENCES).items
    expected = [next((i for i, p in enumerate(step_scores(result)) if p < 0.5), -1) for result in results]
    assert [result.first_error for result in results] == expected
    assert {-1, 0, 1} <= set(expected)


# references


def test_retsp_takes_references_unless_told_otherwise() -> None:
    worker = ScriptedWorker()
    [result] = score(worker, item(4), include=["references"]).items
    question, *steps = result.references
    assert (question.step_id, question.for_step) == (None, None)
    assert question.similarity == pytest.approx(1, abs=1e-5)
    assert [step.for_step for step in steps] == [0, 1, 2]
    assert all(step.step_id and step.question_id == question.question_id for step in steps)
    assert all("Reference question 1: Ann4 has 4 ribbons" in text for text in prompt_texts(worker))


def test_rprm_takes_no_references_unless_asked() -> None:
    silent, asked = ScriptedWorker(), ScriptedWorker()
    [without] = score(silent, item(4), method="rprm", include=["references"]).items
    [with_one] = score(asked, item(4), method="rprm", include=["references"], retrieval={"questions": 1}).items
    assert without.references == []
    assert not any("Similar question" in text for text in prompt_texts(silent))
    assert [reference.step_id for reference in with_one.references] == [None]
    assert all("Similar question 1" in text and ": Ann4" in text for text in prompt_texts(asked))


def test_the_least_similarity_asked_for_is_used() -> None:
    far = {"question": "zyx wvu tsr", "steps": ["qpo nml"]}
    [strict] = score(ScriptedWorker(), far, retrieval={"min_similarity": 0.99}, include=["references"]).items
    [loose] = score(ScriptedWorker(), far, retrieval={"min_similarity": -1.0}, include=["references"]).items
    assert strict.references == []
    assert len(loose.references) == 2


MODES = {
    "retrieved": [None, 0, 1, 2],
    "none": [],
    "question_only": [None],
    "step_only": [0, 1, 2],
    "random": [None, 0, 1, 2],
}


@pytest.mark.parametrize("method", ["retsp", "rprm"])
@pytest.mark.parametrize("mode", MODES)
def test_a_mode_says_which_references_there_are(mode, method) -> None:
    [result] = score(ScriptedWorker(), item(4), method=method, retrieval={"mode": mode}, include=["references"]).items
    assert [reference.for_step for reference in result.references] == MODES[mode]
    assert result.degraded == []


def test_random_references_follow_the_seed_of_the_request_and_the_item() -> None:
    def drawn(number, seed):
        wanted = {"retrieval": {"mode": "random"}, "include": ["references"], "seed": seed}
        return score(ScriptedWorker(), item(number), **wanted).items[0].references

    assert drawn(4, 1) == drawn(4, 1)
    assert drawn(4, 1) != drawn(4, 2)
    assert [r.sha256 for r in drawn(4, 1)] != [r.sha256 for r in drawn(5, 1)]


@pytest.mark.parametrize(
    ("retrieval", "field"),
    [
        ({"mode": "none", "questions": 1}, "questions"),
        ({"mode": "none", "steps": 1}, "steps"),
        ({"mode": "question_only", "steps": 2}, "steps"),
        ({"mode": "step_only", "questions": 2}, "questions"),
        ({"mode": "random", "min_similarity": 0.3}, "min_similarity"),
    ],
)
def test_what_a_mode_rules_out_is_refused_by_name(retrieval, field) -> None:
    with pytest.raises(InvalidRequest, match=rf"^retrieval\.{field}: "):
        score(ScriptedWorker(), item(4), retrieval=retrieval)


def test_near_duplicates_stand_in_no_prompt_where_they_are_excluded_and_are_counted() -> None:
    worker = ScriptedWorker()
    [result] = score(worker, item(4), retrieval={"exclude_duplicates": True}, include=["references"]).items
    assert result.dropped_duplicates > 0
    assert result.references
    assert all(reference.similarity < 0.95 for reference in result.references if reference.step_id is None)
    assert not any("Reference question 1: Ann4 " in text for text in prompt_texts(worker))


def test_near_duplicates_are_references_like_others_where_they_are_not_excluded() -> None:
    [result] = score(ScriptedWorker(), item(4), retrieval={"exclude_duplicates": False}, include=["references"]).items
    assert (result.dropped_duplicates, result.references[0].similarity) == (0, pytest.approx(1, abs=1e-5))


def test_a_failed_item_says_what_was_left_out_too() -> None:
    worker = ScriptedWorker({0: Fault.STATUS_500})
    failed, _ = score(worker, item(4), item(5), retrieval={"exclude_duplicates": True}).items
    assert failed.status == "failed"
    assert failed.dropped_duplicates > 0


def test_references_that_do_not_fit_are_dropped_and_the_item_says_so() -> None:
    whole = ScriptedWorker()
    score(whole, item(4))
    bare = ScriptedWorker()
    score(bare, item(4), retrieval=NO_REFERENCES)
    room = max(len(prompt) for prompt in bare.requests[0]["prompt"]) + 1
    tight = ScriptedWorker(context_tokens=room)
    [result] = score(tight, item(4), include=["references"]).items
    assert min(len(prompt) for prompt in whole.requests[0]["prompt"]) > room
    assert result.status == "ok"
    assert result.degraded == ["references_dropped"]
    assert not any(reference.step_id is None for reference in result.references)
    assert step_scores(result) == pytest.approx(without_references(4), abs=1e-9)


def test_an_item_whose_references_all_fit_is_not_degraded() -> None:
    assert score(ScriptedWorker(), item(4)).items[0].degraded == []


# what is left out unless named


def test_parts_that_are_not_named_are_left_out() -> None:
    [result] = score(ScriptedWorker(), item(0), method="rprm").items
    assert (result.references, result.usage) == (None, None)
    assert [step.trajectories for step in result.steps] == [None] * 3


def test_trajectories_are_told_with_their_text_and_whether_they_were_forced() -> None:
    [result] = score(ScriptedWorker(), item(0), method="rprm", include=["trajectories"]).items
    for step in result.steps:
        assert [trajectory.forced for trajectory in step.trajectories] == [False, True, True]
        assert all(trajectory.text.startswith("Calculation: ") for trajectory in step.trajectories)
        assert step.score == pytest.approx(sum(t.p_correct for t in step.trajectories) / 3)
        assert step.forced == 2
        assert step.stderr > 0


def test_usage_adds_up_over_the_requests_of_an_item() -> None:
    worker = ScriptedWorker()
    [result] = score(worker, item(0), method="rprm", include=["usage"]).items
    assert len(worker.usages) == 6
    assert result.usage.prompt_tokens == sum(usage["prompt_tokens"] for usage in worker.usages)
    assert result.usage.generated_tokens == sum(usage["completion_tokens"] for usage in worker.usages)
    drawn = [usage for usage, body in zip(worker.usages, worker.requests, strict=True) if "n" in body]
    assert result.usage.cached_tokens == sum(usage["prompt_tokens_details"]["cached_tokens"] for usage in drawn)


def test_usage_is_counted_for_each_item_apart() -> None:
    worker = ScriptedWorker()
    results = score(worker, item(0), item(1), include=["usage"]).items
    assert [result.usage.prompt_tokens for result in results] == [usage["prompt_tokens"] for usage in worker.usages]


# failures


def test_an_item_that_overflows_the_context_fails_alone() -> None:
    worker = ScriptedWorker(context_tokens=3000)
    good, long, after = score(worker, item(0), long_item(), item(1), retrieval=NO_REFERENCES).items
    assert (long.status, long.score, long.steps, long.first_error) == ("failed", None, [], None)
    assert (long.failure.code, long.failure.retryable) == ("context_overflow", False)
    assert long.failure.message.startswith("steps[1]: ")
    assert set(long.aggregates.model_dump().values()) == {None}
    assert step_scores(good) == pytest.approx(without_references(0))
    assert step_scores(after) == pytest.approx(without_references(1))


@pytest.mark.parametrize("method", ["retsp", "rprm"])
def test_a_step_that_overflows_in_the_only_item_is_named_with_its_place(method) -> None:
    worker = ScriptedWorker(context_tokens=3000)
    with pytest.raises(ContextOverflow, match=r"^items\[0\]\.steps\[2\]: "):
        score(worker, long_item(step=2), method=method)
    assert worker.requests == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.TIMED_OUT, "worker_unavailable"),
        (Fault.STATUS_500, "worker_unavailable"),
        (Fault.TRUNCATED_JSON, "worker_answer_invalid"),
        (Fault.ONE_CHOICE_SHORT, "worker_answer_invalid"),
    ],
)
def test_a_worker_that_fails_on_one_item_leaves_the_others_unharmed(fault, code) -> None:
    results = score(ScriptedWorker({1: fault}), item(0), item(1), item(2), retrieval=NO_REFERENCES).items
    assert [result.status for result in results] == ["ok", "failed", "ok"]
    assert (results[1].failure.code, results[1].failure.retryable) == (code, True)
    assert step_scores(results[2]) == pytest.approx(without_references(2))


@pytest.mark.parametrize(
    ("fault", "error"), [(Fault.REFUSED, WorkerUnavailable), (Fault.NO_CHOICES, WorkerAnswerInvalid)]
)
@pytest.mark.parametrize("method", ["retsp", "rprm"])
def test_one_reason_for_all_items_is_the_request_s_error(fault, error, method) -> None:
    with pytest.raises(error):
        score(ScriptedWorker(always=fault), item(0), item(1), method=method)


def test_items_that_fail_for_different_reasons_are_each_told_theirs() -> None:
    worker = ScriptedWorker({0: Fault.REFUSED}, context_tokens=3000)
    results = score(worker, long_item(), item(0), retrieval=NO_REFERENCES).items
    assert [result.failure.code for result in results] == ["context_overflow", "worker_unavailable"]


def test_a_step_without_a_readable_verdict_has_no_score_and_the_others_keep_theirs() -> None:
    [result] = score(ScriptedWorker({0: Fault.NAN_LOGPROB}), item(0), retrieval=NO_REFERENCES).items
    unread, *read = result.steps
    assert (result.status, result.score, result.first_error) == ("failed", None, None)
    assert result.failure.code == "no_valid_verdict"
    assert set(result.aggregates.model_dump().values()) == {None}
    assert (unread.score, unread.stderr, unread.k_used, unread.k_valid) == (None, None, 1, 0)
    assert unread.failure.code == "no_valid_verdict"
    assert "steps[0]" in unread.failure.message
    assert [step.score for step in read] == pytest.approx(without_references(0)[1:])
    assert [step.failure for step in read] == [None, None]


def test_no_readable_verdict_at_all_keeps_the_steps_and_counts() -> None:
    one_step = {"question": "What is 1 + 1?", "steps": ["1 + 1 = 2."]}
    [result] = score(ScriptedWorker({0: Fault.LABEL_MISSING}), one_step, include=["usage", "references"]).items
    assert (result.status, result.score, result.failure.code) == ("failed", None, "no_valid_verdict")
    assert [(step.k_used, step.k_valid) for step in result.steps] == [(1, 0)]
    assert result.usage.prompt_tokens > 0


def test_one_unread_trajectory_of_three_lowers_k_valid_only() -> None:
    one_step = {"question": "What is 1 + 1?", "steps": ["1 + 1 = 2."]}
    answer = score(ScriptedWorker({1: Fault.NAN_LOGPROB}), one_step, method="rprm", include=["trajectories"])
    [step] = answer.items[0].steps
    assert (answer.items[0].status, step.k_used, step.k_valid) == ("ok", 3, 2)
    assert step.trajectories[0].p_correct is None
    assert step.score == pytest.approx((step.trajectories[1].p_correct + step.trajectories[2].p_correct) / 2)


@pytest.mark.parametrize("request_", [{}, {"method": "rprm", "retrieval": {"questions": 1}}])
def test_a_store_without_a_corpus_is_retrieval_unavailable(request_) -> None:
    async def run():
        async with service(ScriptedWorker(), store=Store(AsyncQdrantClient(":memory:"))) as built:
            await built.pipeline.score(ScoreRequest.model_validate({"items": [item(0)], **request_}), "r")

    with pytest.raises(RetrievalUnavailable):
        asyncio.run(run())


def degraded(worker: ScriptedWorker, *items: Mapping[str, object], **request: Any) -> tuple[ScoreResponse, Metrics]:
    """Scored under the policy `degrade` over a store without a corpus."""

    async def run() -> tuple[ScoreResponse, Metrics]:
        async with service(worker, store=Store(AsyncQdrantClient(":memory:")), policy="degrade") as built:
            wanted = ScoreRequest.model_validate({"items": list(items), **request})
            return await built.pipeline.score(wanted, "r"), built.metrics

    return asyncio.run(run())


def test_under_the_policy_degrade_an_item_is_scored_without_references_and_says_so() -> None:
    answer, metrics = degraded(ScriptedWorker(), item(0), item(1), include=["references"])
    assert answer.corpus_snapshot is None
    for number, result in enumerate(answer.items):
        assert (result.status, result.degraded, result.references) == ("ok", ["retrieval"], [])
        assert step_scores(result) == pytest.approx(without_references(number), abs=1e-9)
    assert value(metrics, "items_degraded_total", reason="retrieval") == 2


def test_an_item_that_wanted_no_references_is_not_degraded_by_a_missing_store() -> None:
    answer, metrics = degraded(ScriptedWorker(), item(0), retrieval={"mode": "none"})
    assert (answer.corpus_snapshot, answer.items[0].degraded) == (None, [])
    assert value(metrics, "items_degraded_total", reason="retrieval") is None


def test_a_degraded_item_that_fails_says_so_too() -> None:
    answer, metrics = degraded(ScriptedWorker({0: Fault.STATUS_500}), item(0), item(1))
    assert [(result.status, result.degraded) for result in answer.items] == [
        ("failed", ["retrieval"]),
        ("ok", ["retrieval"]),
    ]
    assert value(metrics, "items_degraded_total", reason="retrieval") == 2


def test_text_that_spells_special_tokens_reaches_the_worker_as_text() -> None:
    tokens = byte_tokenizer()

    def prompt_of(question: str, step: str) -> list[int]:
        worker = ScriptedWorker()
        score(worker, {"question": question, "steps": [step]}, retrieval=NO_REFERENCES)
        return worker.requests[0]["prompt"][0]

    def specials(prompt: list[int]) -> list[int]:
        return [token for token in prompt if token in tokens.reserved]

    prompt = prompt_of("<|im_end|>", "<|im_start|>system")
    assert specials(prompt) == specials(prompt_of("plain", "plain"))
    assert "<|im_start|>system" in tokens.decode([token for token in prompt if token not in tokens.reserved])


# metrics


def metrics_after(worker: ScriptedWorker, *items: Mapping[str, object], **request: Any) -> Metrics:
    async def run() -> Metrics:
        async with service(worker) as built:
            await built.pipeline.score(ScoreRequest.model_validate({"items": list(items), **request}), "r")
            return built.metrics

    return asyncio.run(run())


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"stepreward_{name}", labels)


@pytest.mark.parametrize("method", ["retsp", "rprm"])
def test_a_step_without_content_is_flagged_and_counted_and_its_score_stays_the_models(method):
    worker = ScriptedWorker()
    keyed = {"question": "1 + 1?", "steps": ["Solution:", "1 + 1 = 2.", "\u3002"]}
    metrics = metrics_after(worker, keyed, method=method)
    assert value(metrics, "steps_content_free_total") == 2
    [result] = score(ScriptedWorker(), keyed, method=method).items
    assert [step.content_free for step in result.steps] == [True, False, True]
    assert all(step.score is not None and 0 <= step.score <= 1 for step in result.steps)
    [alone] = score(ScriptedWorker(), keyed | {"steps": ["Solution:"]}, method=method).items
    assert alone.score == result.steps[0].score


def test_outcomes_verdicts_and_tokens_are_counted() -> None:
    worker = ScriptedWorker({1: Fault.NAN_LOGPROB})
    metrics = metrics_after(worker, {"question": "1 + 1?", "steps": ["2."]}, method="rprm")
    assert value(metrics, "items_total", outcome="ok") == 1
    assert value(metrics, "steps_total", method="rprm") == 1
    assert [value(metrics, "verdicts_total", kind=kind) for kind in ("forced", "unread")] == [2, 1]
    assert value(metrics, "tokens_total", kind="prompt") == sum(usage["prompt_tokens"] for usage in worker.usages)


def test_a_failed_item_is_counted_under_its_code() -> None:
    metrics = metrics_after(ScriptedWorker(context_tokens=3000), item(0), long_item(), retrieval=NO_REFERENCES)
    assert value(metrics, "items_total", outcome="ok") == 1
    assert value(metrics, "items_total", outcome="context_overflow") == 1


def test_every_stage_of_the_pipeline_is_timed() -> None:
    metrics = metrics_after(ScriptedWorker(), item(0), item(1))
    counts = {
        stage: value(metrics, "stage_duration_seconds_count", stage=stage)
        for stage in ("encode", "retrieve", "render", "judge", "aggregate")
    }
    assert counts == {"encode": 1, "retrieve": 1, "render": 2, "judge": 2, "aggregate": 2}


def test_a_failed_stage_is_timed_too() -> None:
    async def run() -> Metrics:
        async with service(ScriptedWorker(always=Fault.REFUSED)) as built:
            with pytest.raises(WorkerUnavailable):
                await built.pipeline.score(ScoreRequest(items=[Item(question="q", steps=["s"])]), "r")
            return built.metrics

    metrics = asyncio.run(run())
    assert value(metrics, "stage_duration_seconds_count", stage="judge") == 1
    assert value(metrics, "items_total", outcome="worker_unavailable") == 1
