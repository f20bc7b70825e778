"""Routes in the forms of others: what each client sends and expects, and what it gets when there is no score."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from loadtests.scripted_worker import Fault, ScriptedWorker
from stepreward.access import Gate
from stepreward.api.app import create_app
from stepreward.api.compat import nemo_gym, openrlhf, rerank, slime
from stepreward.service import CompatRule
from stepreward.tenants import Tenant
from test_access import SCORE, write
from test_api import assert_is_error
from test_pipeline import LIMITS, service
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

T = TypeVar("T")
QUESTION = "How many clips did Natalia sell?"
STEPS = ["In May she sold 48 / 2 = 24 clips.", "In all she sold 48 + 24 = 72 clips.", "The answer is 72."]
RESPONSE = "\n\n".join(STEPS)
OTHER = "She sold 48.\n\nThe answer is 48."
PROMPT = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
QUERY = f"{PROMPT}{RESPONSE}<|im_end|>\n"
ONE_QUERY = {"query": [QUERY], "prompts": [PROMPT], "labels": ["72"]}
NAMES = {"prm_min", "prm_mean", "prm_last", "prm_steps", "prm_first_error", "prm_fallback"}
ROW = {
    "responses_create_params": {"input": [{"role": "user", "content": QUESTION}], "temperature": 1.0},
    "ground_truth": "72",
    "response": {
        "id": "r",
        "output": [
            {"type": "reasoning", "summary": []},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": RESPONSE}]},
        ],
    },
}
# A request in each form that gets one reward, and where that stands in the answer.
FORMS: dict[str, tuple[dict[str, Any], Callable[[Any], float], Callable[[Any], float]]] = {
    "/get_reward": (ONE_QUERY, lambda said: said["rewards"][0], lambda said: said["extra_logs"]["prm_fallback"][0]),
    "/compat/slime": (
        {"prompt": PROMPT, "response": RESPONSE, "label": "72"},
        lambda said: said["score"],
        lambda said: said["prm_fallback"],
    ),
    "/verify": (ROW, lambda said: said["reward"], lambda said: said["prm_fallback"]),
    "/rerank": (
        {"query": QUESTION, "documents": [RESPONSE]},
        lambda said: said["results"][0]["relevance_score"],
        lambda said: said["results"][0]["prm_fallback"],
    ),
}


def with_compat(
    use: Callable[[httpx.AsyncClient], Awaitable[T]],
    worker: ScriptedWorker | None = None,
    rule: CompatRule | None = None,
    **parts: Any,
) -> T:
    async def run() -> T:
        async with service(worker or ScriptedWorker(), **parts) as built:
            transport = httpx.ASGITransport(create_app(replace(built, compat=rule or CompatRule())))
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
                return await use(http)

    return asyncio.run(run())


def post(path: str, body: object, worker: ScriptedWorker | None = None, **parts: Any) -> httpx.Response:
    return with_compat(lambda http: http.post(path, json=body), worker, **parts)


def said(path: str, body: object, worker: ScriptedWorker | None = None, **parts: Any) -> Any:
    answer = post(path, body, worker, **parts)
    assert answer.status_code == 200, answer.text
    return answer.json()


def native(*responses: str, **request: object) -> list[dict[str, Any]]:
    items = [{"question": QUESTION, "response": response} for response in responses]
    return said("/score", {"items": items, **request})["items"]


# what holds for all forms


@pytest.mark.parametrize("path", FORMS)
def test_the_reward_is_the_score_of_the_solution_without_its_prompt_and_special_tokens(path):
    body, reward, fallback = FORMS[path]
    answer = said(path, body)
    assert reward(answer) == native(RESPONSE)[0]["score"]
    assert fallback(answer) == 0


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    ("chosen", "request_"),
    [
        ("method=rprm&k=2", {"method": "rprm", "trajectories": {"k": 2}}),
        ("aggregate=mean", {"aggregate": "mean"}),
        ("splitter=sentence&seed=3", {"splitter": {"kind": "sentence"}, "seed": 3}),
        ("splitter=regex&pattern=she", {"splitter": {"kind": "regex", "pattern": "she"}}),
        ("run=first&priority=bulk", {}),
    ],
)
def test_the_address_chooses_how_it_is_judged(path, chosen, request_):
    body, reward, _ = FORMS[path]
    if path == "/rerank" and "rprm" in chosen:
        request_ = {**request_, "trajectories": {"k": 2, "policy": "adaptive"}}
    assert reward(said(f"{path}?{chosen}", body)) == native(RESPONSE, **request_)[0]["score"]


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    ("chosen", "place"),
    [
        ("methods=rprm", "methods"),
        ("method=orm", "method"),
        ("k=0", "k"),
        ("method=retsp&k=3", "trajectories.k"),
        ("splitter=regex", "splitter.pattern"),
        ("pattern=a", "splitter.kind"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused_and_is_no_reward(path, chosen, place):
    worker = ScriptedWorker()
    body = assert_is_error(post(f"{path}?{chosen}", FORMS[path][0], worker), 422, "invalid_request")
    assert place in body["message"]
    assert worker.requests == []


@pytest.mark.parametrize("path", FORMS)
def test_the_same_request_again_asks_the_worker_nothing(path):
    worker = ScriptedWorker()

    async def twice(http: httpx.AsyncClient) -> list[bytes]:
        answers = [await http.post(path, json=FORMS[path][0]) for _ in range(2)]
        return [FORMS[path][1](answer.json()) for answer in answers]

    first, second = with_compat(twice, worker)
    assert first == second
    assert len(worker.requests) == 1


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_solution_that_cannot_be_scored_gets_the_fallback_value_and_says_so(path, value):
    body, reward, fallback = FORMS[path]
    answer = said(path, body, ScriptedWorker(context_tokens=300), rule=CompatRule(fallback_score=value))
    assert (reward(answer), fallback(answer)) == (value, 1)


@pytest.mark.parametrize("path", FORMS)
def test_a_solution_that_cannot_be_scored_is_503_where_that_is_set(path):
    answer = post(path, FORMS[path][0], ScriptedWorker(context_tokens=300), rule=CompatRule("503"))
    assert "context_overflow" in assert_is_error(answer, 503, "reward_unavailable")["message"]


@pytest.mark.parametrize("path", FORMS)
def test_a_worker_that_fails_for_a_moment_costs_time_and_no_reward(path):
    body, reward, fallback = FORMS[path]
    worker = ScriptedWorker(dict.fromkeys(range(2), Fault.STATUS_500))
    answer = said(path, body, worker)
    assert (reward(answer), fallback(answer)) == (native(RESPONSE)[0]["score"], 0)


PATIENCE = {"/get_reward": openrlhf, "/compat/slime": slime, "/verify": nemo_gym, "/rerank": rerank}


@pytest.mark.parametrize(("path", "limit_s"), [("/get_reward", 180), ("/compat/slime", 120), ("/verify", 60)])
def test_a_client_is_answered_before_it_stops_waiting(path, limit_s):
    assert limit_s - 11 < PATIENCE[path].PATIENCE_S < limit_s


@pytest.mark.parametrize("path", FORMS)
def test_a_worker_that_does_not_come_back_is_waited_for_no_longer_than_the_client_waits(path, monkeypatch):
    monkeypatch.setattr(PATIENCE[path], "PATIENCE_S", 0.5)
    body, reward, fallback = FORMS[path]
    answer = said(path, body, ScriptedWorker(latency_s=60), rule=CompatRule(fallback_score=0.25))
    assert (reward(answer), fallback(answer)) == (0.25, 1)


def test_fallbacks_are_counted_by_their_reason():
    async def metrics(http: httpx.AsyncClient) -> str:
        await http.post("/get_reward", json=ONE_QUERY)
        return (await http.get("/metrics")).text

    told = with_compat(metrics, ScriptedWorker(context_tokens=300))
    assert 'stepreward_compat_fallbacks_total{code="context_overflow"} 1.0' in told


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"query": 7, "documents": [], "prompt": 1, "response": NaN}'])
def test_a_body_of_another_form_is_refused(path, body):
    headers = {"Content-Type": "application/json"}
    answer = with_compat(lambda http: http.post(path, content=body, headers=headers))
    assert answer.status_code in {400, 422}
    assert_is_error(answer, answer.status_code, answer.json()["code"])


# OpenRLHF


def test_openrlhf_gets_three_keys_of_which_all_values_are_lists_of_numbers():
    answer = said("/get_reward", {"query": [QUERY] * 3, "prompts": [PROMPT] * 3, "labels": ["72"] * 3})
    assert set(answer) == {"rewards", "scores", "extra_logs"}
    assert set(answer["extra_logs"]) == NAMES
    lists = [answer["rewards"], answer["scores"], *answer["extra_logs"].values()]
    assert all(len(values) == 3 and all(isinstance(value, int | float) for value in values) for values in lists)
    assert answer["extra_logs"]["prm_steps"] == [3] * 3


def test_openrlhf_with_more_servers_than_samples_sends_empty_lists():
    answer = said("/get_reward", {"query": [], "prompts": [], "labels": []})
    assert answer == {"rewards": [], "scores": [], "extra_logs": {}}


def test_the_oldest_openrlhf_sends_no_prompts():
    assert said("/get_reward", {"query": [QUERY]})["rewards"] == [native(RESPONSE)[0]["score"]]


def test_one_bad_sample_leaves_the_others_of_its_batch_unharmed():
    queries = [QUERY, f"{PROMPT}<|im_end|>", f"{PROMPT}a\x00b", "elsewhere", f"{PROMPT}{OTHER}"]
    answer = said("/get_reward", {"query": queries, "prompts": [PROMPT] * 5})
    assert answer["extra_logs"]["prm_fallback"] == [0, 1, 1, 1, 0]
    first, last = native(RESPONSE, OTHER)
    assert answer["rewards"] == [first["score"], 0, 0, 0, last["score"]]
    assert answer["extra_logs"]["prm_steps"] == [3, 0, 0, 0, 2]


def test_a_prompt_may_be_messages():
    body = {"query": [QUERY], "prompts": [[{"role": "user", "content": QUESTION}]]}
    assert said("/get_reward", body)["rewards"] == [native(RESPONSE)[0]["score"]]


def test_prompts_of_another_number_are_refused():
    answer = post("/get_reward", {"query": [QUERY], "prompts": [PROMPT] * 2})
    assert "prompts: 2 for 1" in assert_is_error(answer, 422, "invalid_request")["message"]


def test_more_samples_than_items_allowed_are_refused():
    answer = post("/get_reward", {"query": [QUERY] * (LIMITS.items + 1)})
    assert "51 samples" in assert_is_error(answer, 422, "invalid_request")["message"]


# slime


def test_slime_without_a_reward_key_gets_the_number_alone():
    body = FORMS["/compat/slime"][0]
    assert said("/compat/slime?bare=1", body) == said("/compat/slime", body)["score"]
    assert set(said("/compat/slime?bare=0", body)) == {"score"} | NAMES
    assert_is_error(post("/compat/slime?bare=yes", body), 422, "invalid_request")


def test_slime_may_send_messages():
    body = {"prompt": [{"role": "user", "content": QUESTION}], "response": RESPONSE}
    assert said("/compat/slime", body)["score"] == native(RESPONSE)[0]["score"]


# NeMo Gym


def test_a_session_begins_with_nothing():
    assert said("/seed_session", {key: value for key, value in ROW.items() if key != "response"}) == {}


def test_verify_echoes_the_whole_row():
    answer = said("/verify", ROW)
    assert {key: answer[key] for key in ROW} == ROW
    assert set(answer) == set(ROW) | NAMES | {"reward"}


def test_verify_takes_an_input_that_is_a_text():
    row = {**ROW, "responses_create_params": {"input": QUESTION}}
    assert said("/verify", row)["reward"] == native(RESPONSE)[0]["score"]


@pytest.mark.parametrize(
    ("response", "code"), [({"output": []}, "invalid_request"), ({}, "invalid_request"), (None, "invalid_request")]
)
def test_a_rollout_without_a_solution_is_told_by_its_failure(response, code):
    answer = said("/verify", {**ROW, "response": response})
    assert (answer["reward"], answer["prm_fallback"], answer["_ng_failure_class"]) == (0, 1, code)


# rerankers


def test_documents_come_back_best_first_with_their_places():
    documents = [OTHER, {"text": RESPONSE}, "\x00", "She sold 72."]
    answer = said("/v1/rerank", {"query": QUESTION, "documents": documents, "model": "any"})
    scores = [one["score"] for one in native(OTHER, RESPONSE, "She sold 72.")]
    expected = sorted(zip(scores, [0, 1, 3], strict=True), key=lambda one: -one[0])
    assert [one["index"] for one in answer["results"]] == [index for _, index in expected] + [2]
    assert [one["relevance_score"] for one in answer["results"]] == [score for score, _ in expected] + [0]
    assert answer["results"][-1]["prm_fallback"] == 1


def test_only_the_best_are_answered_with_their_text_where_asked_for():
    body = {"query": QUESTION, "documents": [OTHER, RESPONSE], "top_n": 1, "return_documents": True}
    [best] = said("/rerank", body)["results"]
    assert best["document"]["text"] == [OTHER, RESPONSE][best["index"]]
    assert "document" not in said("/rerank", {**body, "return_documents": False})["results"][0]


def test_no_documents_are_no_results():
    assert said("/rerank", {"query": QUESTION, "documents": []})["results"] == []


def test_a_reranker_whose_service_samples_by_default_stops_early():
    rule = CompatRule(default_method="rprm")
    fixed, adaptive = ScriptedWorker(), ScriptedWorker()
    body = {"query": QUESTION, "documents": [RESPONSE]}
    said("/rerank?method=rprm&policy=fixed", body, fixed, rule=rule)
    said("/rerank?method=rprm", body, adaptive, rule=rule)
    assert sum(one.get("n", 0) for one in adaptive.requests) < sum(one.get("n", 0) for one in fixed.requests)


@pytest.mark.parametrize("path", FORMS)
def test_what_a_tenant_asks_in_any_form_is_kept_apart_by_its_salt(path: str, tmp_path: Path) -> None:
    worker, gate = ScriptedWorker(), Gate(write(tmp_path / "keys.json"))
    headers = {"Authorization": f"Bearer {SCORE}"}
    answer = with_compat(lambda http: http.post(path, json=FORMS[path][0], headers=headers), worker, gate=gate)
    assert answer.status_code == 200
    assert {request["cache_salt"] for request in worker.requests} == {Tenant("trainer").salt}
