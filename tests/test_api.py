"""The service as a client sees it: `create_app` over the stand-ins of test_pipeline, called without a network."""

import asyncio
import gzip
import inspect
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar

import httpx
import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient

from loadtests.scripted_worker import Fault, ScriptedWorker
from stepreward import errors
from stepreward.api.app import create_app
from stepreward.metrics import Metrics
from stepreward.retrieval.store import Store
from stepreward.schema import ErrorBody, Item, ScoreRequest, ScoreResponse
from stepreward.values import Prompt, References, Solution, TokenCount
from stepreward.worker.sampling import Terms, Verdicts
from test_pipeline import LIMITS, item, long_item, service
from test_retrieval import NO_PAYLOAD_INDEX, ROWS, BagOfWords

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

T = TypeVar("T")
ERROR_BYTES = 1024
ONE = {"items": [item(0)]}


def with_api(use: Callable[[httpx.AsyncClient], Awaitable[T]], worker: ScriptedWorker | None = None, **parts: Any) -> T:
    """A client of the application, whose `parts` stand in for those that `service` builds.

    An exception that a server would log is an answer here too.
    """

    async def run() -> T:
        async with service(worker or ScriptedWorker(), **parts) as built:
            transport = httpx.ASGITransport(create_app(built), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
                return await use(http)

    return asyncio.run(run())


def post(body: object, worker: ScriptedWorker | None = None, **parts: Any) -> httpx.Response:
    """One POST /score; bytes are sent as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    return with_api(lambda http: http.post("/score", content=content, headers=headers), worker, **parts)


def get(path: str, worker: ScriptedWorker | None = None, **parts: Any) -> httpx.Response:
    return with_api(lambda http: http.get(path), worker, **parts)


def assert_is_error(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The one form of every answer that is not 2xx."""
    assert answer.status_code == status, answer.text
    assert len(answer.content) <= ERROR_BYTES
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert list(body) == ["code", "message", "retryable", "request_id"]
    ErrorBody.model_validate(body)
    assert body["code"] == code
    assert body["message"]
    assert "Traceback" not in answer.text
    assert answer.headers["X-Request-ID"] == body["request_id"]
    return body


class Raises:
    """A judge with a bug, or with a fault that the test names."""

    version = revision = "raises-1"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def render(self, solution: Solution, references: References, indexes: Sequence[int]) -> list[Prompt]:
        return [Prompt((1,), 0, 0) for _ in indexes]

    async def judge(self, prompts: Sequence[Prompt], terms: Terms, spent: TokenCount) -> list[Verdicts]:
        raise self._error


# answers


def test_an_answer_has_the_shape_of_the_wire() -> None:
    request = {"items": [item(0, id="a")], "include": ["references", "trajectories", "usage"], "method": "rprm"}
    answer = post({**request, "retrieval": {"questions": 1, "steps": 1}})
    assert answer.status_code == 200
    body = answer.json()
    ScoreResponse.model_validate_json(answer.content)
    names = ["method", "model", "prompt_version", "calibrated", "wrong_below", "corpus_snapshot", "request_id", "items"]
    assert list(body) == names
    [result] = body["items"]
    assert {"id", "status", "score", "aggregates", "first_error", "steps", "degraded", "failure"} <= set(result)
    assert (result["id"], result["status"], result["failure"], result["degraded"]) == ("a", "ok", None, [])
    assert set(result["aggregates"]) == {"min", "prod", "mean", "last", "weighted"}
    assert result["score"] == result["aggregates"]["min"]
    assert set(result["usage"]) == {"prompt_tokens", "cached_tokens", "generated_tokens"}
    assert {"question_id", "step_id", "similarity", "source", "sha256"} <= set(result["references"][0])
    for step in result["steps"]:
        assert {"score", "stderr", "k_used", "k_valid", "failure"} <= set(step)
        assert 0 <= step["score"] <= 1
        assert [set(trajectory) for trajectory in step["trajectories"]] == [{"p_correct", "forced", "text"}] * 3


@pytest.mark.parametrize("method", ["retsp", "rprm"])
def test_the_same_request_twice_gives_the_same_body_but_for_its_id(method) -> None:
    async def twice(http: httpx.AsyncClient) -> list[dict[str, Any]]:
        body = {"items": [item(1), item(2)], "method": method, "seed": 4, "include": ["trajectories", "references"]}
        return [(await http.post("/score", json=body)).json() for _ in range(2)]

    first, second = with_api(twice)
    assert first.pop("request_id") != second.pop("request_id")
    assert [[result.pop("cached") for result in body["items"]] for body in (first, second)] == [[False] * 2, [True] * 2]
    assert first == second


def test_results_carry_their_own_ids_when_the_worker_shuffles() -> None:
    items = [item(number, id=f"row {number}") for number in range(8)]
    shuffled, plain = (
        post({"items": items}, ScriptedWorker(always=fault, model="")).json()["items"]
        for fault in (Fault.SHUFFLED, None)
    )
    assert shuffled == plain
    assert [result["id"] for result in shuffled] == [f"row {number}" for number in range(8)]


def test_requests_at_once_each_get_their_own_answer() -> None:
    async def many(http: httpx.AsyncClient) -> list[httpx.Response]:
        return await asyncio.gather(
            *(http.post("/score", json={"items": [item(number, id=str(number))]}) for number in range(12))
        )

    alone = post({"items": [item(number) for number in range(12)]}).json()["items"]
    answers = with_api(many, ScriptedWorker(latency_s=0.002))
    assert [answer.json()["items"][0] for answer in answers] == alone
    assert len({answer.headers["X-Request-ID"] for answer in answers}) == 12


def test_the_answer_carries_its_request_id_as_a_header() -> None:
    answer = post(ONE)
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"]


def test_a_failed_item_leaves_the_others_unharmed() -> None:
    answer = post({"items": [item(0, id="a"), long_item(), item(1, id="c")]}, ScriptedWorker(context_tokens=3000))
    assert answer.status_code == 200
    a, long, c = answer.json()["items"]
    assert [a["status"], long["status"], c["status"]] == ["ok", "failed", "ok"]
    assert (long["id"], long["score"], long["failure"]["code"]) == ("1", None, "context_overflow")


def test_an_item_without_a_readable_verdict_is_answered_with_its_steps() -> None:
    answer = post(ONE, ScriptedWorker({0: Fault.NAN_LOGPROB}))
    assert answer.status_code == 200
    [result] = answer.json()["items"]
    assert (result["score"], result["failure"]["code"]) == (None, "no_valid_verdict")
    assert [step["score"] is None for step in result["steps"]] == [True, False, False]


def test_references_that_do_not_fit_are_reported_as_degraded() -> None:
    sent = [len(prompt) for prompt in _prompts({**ONE, "retrieval": {"questions": 0, "steps": 0}})]
    answer = post(ONE, ScriptedWorker(context_tokens=max(sent) + 1))
    assert answer.json()["items"][0]["degraded"] == ["references_dropped"]


def _prompts(body: object) -> list[list[int]]:
    worker = ScriptedWorker()
    post(body, worker)
    return [prompt for call in worker.requests for prompt in call["prompt"]]


# bad input


def _one(**changed: object) -> dict[str, object]:
    return {"items": [item(0, **changed)]}


REFUSED_BODIES: dict[str, tuple[object, int, str, str]] = {
    "empty": (b"", 400, "malformed_body", "not JSON"),
    "not json": (b"{'items': []}", 400, "malformed_body", "not JSON"),
    "cut off": (json.dumps(ONE).encode()[:-5], 400, "malformed_body", "not JSON"),
    "bad utf-8": (b'{"items": [{"question": "\xff", "steps": ["a"]}]}', 400, "malformed_body", "not JSON"),
    "nan": (b'{"items": [], "seed": NaN}', 400, "malformed_body", "not JSON"),
    "lone surrogate": (b'{"items": [{"question": "\\ud800", "steps": ["a"]}]}', 400, "malformed_body", ""),
    "utf-16": (json.dumps(ONE).encode("utf-16"), 400, "malformed_body", "not JSON"),
    "deep": (b"[" * 50_000 + b"]" * 50_000, 400, "malformed_body", ""),
    "array": ([ONE], 422, "invalid_request", "body"),
    "null": (b"null", 422, "invalid_request", "body"),
    "number": (b"7", 422, "invalid_request", "body"),
    "no items": ({}, 422, "invalid_request", "items"),
    "empty items": ({"items": []}, 422, "invalid_request", "items"),
    "items of another type": ({"items": {"a": 1}}, 422, "invalid_request", "items"),
    "unknown field": ({**ONE, "temperature": 1}, 422, "invalid_request", "temperature"),
    "unknown field of an item": (_one(solution="a"), 422, "invalid_request", "items[0].solution"),
    "unknown field of retrieval": ({**ONE, "retrieval": {"reranker": "lexical"}}, 422, "invalid_request", "retr"),
    "unknown field: deadline": ({**ONE, "deadline": 3}, 422, "invalid_request", "deadline"),
    "unknown until": ({**ONE, "until": "last_error"}, 422, "invalid_request", "until"),
    "unknown policy": ({**ONE, "trajectories": {"policy": "eager"}}, 422, "invalid_request", "policy"),
    "adaptive retsp": ({**ONE, "trajectories": {"policy": "adaptive"}}, 422, "invalid_request", "trajectories.policy"),
    "blank question": (_one(question=" \n\t"), 422, "invalid_request", "items[0].question"),
    "empty question": (_one(question=""), 422, "invalid_request", "items[0].question"),
    "no steps": (_one(steps=[]), 422, "invalid_request", "items[0].steps"),
    "blank step": (_one(steps=["a", " "]), 422, "invalid_request", "items[0].steps[1]"),
    "step of another type": (_one(steps=["a", 2]), 422, "invalid_request", "items[0].steps[1]"),
    "steps as one text": (_one(steps="a"), 422, "invalid_request", "items[0].steps"),
    "control character": (_one(steps=["a\x00b"]), 422, "invalid_request", "U+0000 at position 1"),
    "bidirectional override": (_one(question="a\u202eb"), 422, "invalid_request", "U+202E at position 1"),
    "empty id": (_one(id=""), 422, "invalid_request", "items[0].id"),
    "long id": (_one(id="x" * 257), 422, "invalid_request", "items[0].id"),
    "number as id": (_one(id=7), 422, "invalid_request", "items[0].id"),
    "duplicate ids": ({"items": [item(0, id="a"), item(1, id="a")]}, 422, "invalid_request", "items[1].id"),
    "id like a position": ({"items": [item(0, id="1"), item(1)]}, 422, "invalid_request", "items[1].id"),
    "retsp with trajectories": ({**ONE, "trajectories": {"k": 2}}, 422, "invalid_request", "trajectories.k"),
    "no trajectories": ({**ONE, "method": "rprm", "trajectories": {"k": 0}}, 422, "invalid_request", "trajectories.k"),
    "many trajectories": ({**ONE, "trajectories": {"k": 65}}, 422, "invalid_request", "trajectories.k"),
    "k of another type": ({**ONE, "trajectories": {"k": "2"}}, 422, "invalid_request", "trajectories.k"),
    "k as a truth value": ({**ONE, "trajectories": {"k": True}}, 422, "invalid_request", "trajectories.k"),
    "negative seed": ({**ONE, "seed": -1}, 422, "invalid_request", "seed"),
    "huge seed": ({**ONE, "seed": 2**63}, 422, "invalid_request", "seed"),
    "enormous seed": ({**ONE, "seed": 10**400}, 400, "malformed_body", "infinity"),
    "similarity above one": ({**ONE, "retrieval": {"min_similarity": 1.1}}, 422, "invalid_request", "min_similarity"),
    "many references": ({**ONE, "retrieval": {"questions": 17}}, 422, "invalid_request", "retrieval.questions"),
    "unknown part": ({**ONE, "include": ["everything"]}, 422, "invalid_request", "include[0]"),
    "too many parts": ({**ONE, "include": ["usage"] * 4}, 422, "invalid_request", "include"),
    "too many items": ({"items": [item(0)] * (LIMITS.items + 1)}, 422, "invalid_request", "items: 51"),
    "too many steps": (_one(steps=["a"] * (LIMITS.steps + 1)), 422, "invalid_request", "items[0].steps: 41"),
    "long step": (_one(steps=["a", "b" * (LIMITS.text_chars + 1)]), 422, "invalid_request", "items[0].steps[1]: 4001"),
    "long question": (_one(question="b" * 4001), 422, "invalid_request", "items[0].question: 4001"),
    "long field name": ({**ONE, "x" * 5000: 1}, 422, "invalid_request", "xxx"),
    "wide field name": ({**ONE, "😀" * 5000: 1}, 422, "invalid_request", "😀"),
    "field name of quotes": ({**ONE, '"\\' * 500: 1}, 422, "invalid_request", '"\\'),
    "field name of controls": ({**ONE, "\x00\x1b[31m" * 500: 1}, 422, "invalid_request", "??[31m"),
    "too many bytes": (b" " * (LIMITS.body_bytes + 1), 413, "body_too_large", "200000"),
}


@pytest.mark.parametrize("case", REFUSED_BODIES)
def test_a_bad_body_is_refused_in_under_a_kilobyte_with_its_place(case) -> None:
    body, status, code, place = REFUSED_BODIES[case]
    worker = ScriptedWorker()
    said = assert_is_error(post(body, worker), status, code)
    assert place in said["message"]
    assert said["retryable"] is False
    assert worker.requests == []


def test_a_refusal_does_not_repeat_the_text_that_was_sent() -> None:
    body = _one(question="private question", steps=["private step", 5])
    assert "private" not in post(body).text


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Encoding": "gzip", "Content-Type": "application/json"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)
def test_a_compressed_or_other_body_is_415(headers) -> None:
    content = gzip.compress(json.dumps(ONE).encode())
    answer = with_api(lambda http: http.post("/score", content=content, headers=headers))
    assert_is_error(answer, 415, "unsupported_encoding")


def test_a_content_type_with_a_charset_is_taken() -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert with_api(lambda http: http.post("/score", content=json.dumps(ONE), headers=headers)).status_code == 200


def test_a_body_without_a_length_is_stopped_at_the_cap() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 10_000
            yield b" " * 10_000

    headers = {"Content-Type": "application/json"}
    answer = with_api(lambda http: http.post("/score", content=endless(), headers=headers))
    assert_is_error(answer, 413, "body_too_large")
    assert sent < 2 * LIMITS.body_bytes


# errors


@pytest.mark.parametrize("path", ["/", "/scores", "/score/1", "/%00", "/../etc/passwd", "/" + "x" * 3000])
def test_a_path_that_is_not_served_is_404(path) -> None:
    assert_is_error(get(path), 404, "not_found")


@pytest.mark.parametrize(("method", "path"), [("GET", "/score"), ("DELETE", "/score"), ("POST", "/metrics")])
def test_another_verb_is_405(method, path) -> None:
    answer = with_api(lambda http: http.request(method, path))
    assert_is_error(answer, 405, "method_not_allowed")
    assert "Allow" in answer.headers


def test_a_bug_is_500_without_its_trace() -> None:
    answer = post(ONE, judges={"retsp": Raises(RuntimeError("secret detail"))})
    assert answer.status_code == 500
    assert len(answer.content) <= ERROR_BYTES
    assert (answer.json()["code"], answer.json()["retryable"]) == ("internal", False)
    assert not re.search("secret|RuntimeError|Traceback|File", answer.text)


def test_a_bug_s_answer_has_the_form_and_the_header_of_every_error() -> None:
    assert_is_error(post(ONE, judges={"retsp": Raises(RuntimeError("secret"))}), 500, "internal")


def test_a_bug_is_counted_under_its_route() -> None:
    async def twice(http: httpx.AsyncClient) -> str:
        await http.post("/score", json=ONE)
        return (await http.get("/metrics")).text

    told = with_api(twice, judges={"retsp": Raises(RuntimeError("secret"))})
    assert 'stepreward_requests_total{route="/score",status="500"} 1.0' in told


def _tree(root: type[errors.StepRewardError]) -> Iterator[type[errors.StepRewardError]]:
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from _tree(child)


_ROWS = re.findall(r"── (\w+) +(.+)$", inspect.getdoc(errors) or "", re.MULTILINE)
# Name → status and code, from the tree drawn in the module's docstring.
DRAWN = {name: re.search(r" (\d{3}) (\w+)$", said) for name, said in _ROWS}
ANSWERED = [error for error in _tree(errors.StepRewardError) if DRAWN.get(error.__name__)]


def test_the_drawn_tree_has_every_error_of_its_module_and_says_where_another_stands() -> None:
    elsewhere = {name for name, said in _ROWS if said.endswith(".py)")}
    assert set(DRAWN) - elsewhere == {error.__name__ for error in _tree(errors.StepRewardError)}
    assert len(ANSWERED) >= 9


@pytest.mark.parametrize("error", ANSWERED, ids=lambda error: error.__name__)
def test_an_error_is_answered_with_the_status_and_code_that_are_drawn(error) -> None:
    status, code = int(DRAWN[error.__name__][1]), DRAWN[error.__name__][2]
    answer = post(ONE, judges={"retsp": Raises(error("what happened"))})
    said = assert_is_error(answer, status, code)
    assert "what happened" in said["message"]
    assert said["retryable"] is error.retryable
    assert ("Retry-After" in answer.headers) is (status == 503)


@pytest.mark.parametrize("method", ["retsp", "rprm"])
@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.STATUS_500, Fault.STATUS_429])
def test_a_worker_that_is_down_is_503_with_retry_after(method, fault) -> None:
    answer = post({"items": [item(0), item(1)], "method": method}, ScriptedWorker(always=fault))
    said = assert_is_error(answer, 503, "worker_unavailable")
    assert said["retryable"] is True
    assert int(answer.headers["Retry-After"]) > 0


def test_a_worker_that_answers_nonsense_is_502() -> None:
    assert_is_error(post(ONE, ScriptedWorker(always=Fault.NO_CHOICES)), 502, "worker_answer_invalid")


def test_a_step_that_does_not_fit_is_422_with_its_place() -> None:
    answer = post({"items": [long_item(step=1)]}, ScriptedWorker(context_tokens=3000))
    assert assert_is_error(answer, 422, "context_overflow")["message"].startswith("items[0].steps[1]: ")


def _gone() -> Store:
    """A Qdrant that refuses connections."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("scripted", request=request)

    transport = httpx.MockTransport(refuse)
    return Store(AsyncQdrantClient(url="http://qdrant:6333", check_compatibility=False, transport=transport))


@pytest.mark.parametrize("asked", [{}, {"method": "rprm", "retrieval": {"steps": 1}}])
def test_a_vector_store_that_is_down_is_503_with_retry_after(asked) -> None:
    answer = post({**ONE, **asked}, store=_gone())
    assert assert_is_error(answer, 503, "retrieval_unavailable")["retryable"] is True
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("asked", [{"method": "rprm"}, {"retrieval": {"mode": "none"}}])
def test_a_request_that_wants_no_references_does_without_the_vector_store(asked) -> None:
    answer = post({**ONE, **asked}, store=_gone())
    assert (answer.status_code, answer.json()["corpus_snapshot"]) == (200, None)
    assert answer.json()["items"][0]["degraded"] == []


def test_a_store_without_a_corpus_is_503() -> None:
    assert_is_error(post(ONE, store=Store(AsyncQdrantClient(":memory:"))), 503, "retrieval_unavailable")


def test_a_vector_store_that_is_down_degrades_every_item_where_the_policy_says_so() -> None:
    answer = post(ONE, store=_gone(), policy="degrade")
    assert (answer.status_code, answer.json()["corpus_snapshot"]) == (200, None)
    assert answer.json()["items"][0]["degraded"] == ["retrieval"]
    assert answer.json()["items"][0]["score"] is not None


# health


def test_livez_answers_while_every_part_is_down() -> None:
    answer = get("/livez", ScriptedWorker(always=Fault.REFUSED), store=_gone())
    assert (answer.status_code, answer.text) == (200, "ok")


def test_readyz_says_that_every_part_answered() -> None:
    answer = get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "parts": {"store": "ok", "encoder": "ok", "worker": "ok"}}


class BrokenModel(BagOfWords):
    """A sentence model whose device is lost."""

    def encode(self, texts: Sequence[str], **options: Any) -> np.ndarray:
        raise RuntimeError("CUDA error: device lost")


DOWN: dict[str, Callable[[], dict[str, Any]]] = {
    "worker": lambda: {"worker": ScriptedWorker(always=Fault.REFUSED)},
    "store": lambda: {"store": _gone()},
    "encoder": lambda: {"encoder_model": BrokenModel()},
}


@pytest.mark.parametrize("part", DOWN)
def test_readyz_names_the_part_that_does_not_answer(part) -> None:
    answer = get("/readyz", **DOWN[part]())
    assert answer.status_code == 503
    said = answer.json()
    assert said["ready"] is False
    assert {name for name, state in said["parts"].items() if state != "ok"} == {part}
    assert len(answer.content) <= ERROR_BYTES


def test_a_service_that_may_degrade_is_ready_without_its_store_and_says_what_is_wrong() -> None:
    answer = get("/readyz", store=_gone(), policy="degrade")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert answer.json()["parts"]["store"] != "ok"


# metrics


def test_metrics_have_the_duration_of_every_stage() -> None:
    async def scored(http: httpx.AsyncClient) -> str:
        await http.post("/score", json=ONE)
        return (await http.get("/metrics")).text

    told = with_api(scored)
    for stage in ("parse", "encode", "retrieve", "render", "judge", "aggregate"):
        assert f'stepreward_stage_duration_seconds_count{{stage="{stage}"}} 1.0' in told


def test_answers_are_counted_by_route_and_status() -> None:
    async def some(http: httpx.AsyncClient) -> str:
        for body in (ONE, ONE, {}):
            await http.post("/score", json=body)
        await http.get("/score")
        await http.get("/livez")
        return (await http.get("/metrics")).text

    told = with_api(some)
    for route, status, count in [("/score", 200, 2), ("/score", 422, 1), ("/score", 405, 1), ("/livez", 200, 1)]:
        assert f'stepreward_requests_total{{route="{route}",status="{status}"}} {count}.0' in told
    assert "stepreward_requests_in_flight 0.0" in told


def test_nothing_that_a_client_makes_up_becomes_a_label() -> None:
    async def some(http: httpx.AsyncClient) -> str:
        await http.get("/made-up-path")
        await http.request("MADEUPVERB", "/score?made-up-query")
        await http.post("/score", json={"items": [item(0, id="made-up-id")], "made-up-field": 1})
        await http.post("/score", json={"items": [item(0, id="made-up-id")]})
        return (await http.get("/metrics")).text

    told = with_api(some)
    assert "made" not in told.lower()
    assert 'route="unknown",status="404"' in told


def test_two_gateways_in_one_process_do_not_add_up() -> None:
    one, two = Metrics(), Metrics()
    one.steps.labels("retsp").inc(5)
    assert two.registry.get_sample_value("stepreward_steps_total", {"method": "retsp"}) is None


# OpenAPI


def _schema() -> dict[str, Any]:
    return get("/openapi.json").json()


def _body_schema() -> dict[str, Any]:
    operation = _schema()["paths"]["/score"]["post"]
    return operation["requestBody"]["content"]["application/json"]["schema"]


def test_openapi_has_the_request_with_every_field_and_no_reference_that_leads_nowhere() -> None:
    schema = _body_schema()
    assert set(schema["properties"]) == set(ScoreRequest.model_fields)
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]["items"]["items"]["properties"]) == set(Item.model_fields)
    assert "$ref" not in json.dumps(schema)


def test_openapi_references_resolve() -> None:
    document = _schema()
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        node = document
        for part in reference.split("/"):
            node = node[part]


def test_the_example_of_openapi_is_a_request_that_scores() -> None:
    examples = _body_schema()["examples"]
    assert examples
    for example in examples:
        ScoreRequest.model_validate(example)
        answer = post(example)
        assert answer.status_code == 200
        assert [result["status"] for result in answer.json()["items"]] == ["ok"] * len(example["items"])


def test_openapi_describes_the_answer_and_the_errors() -> None:
    document = _schema()
    responses = document["paths"]["/score"]["post"]["responses"]
    assert responses["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/ScoreResponse")
    assert {"400", "413", "415", "422", "502", "503"} <= set(responses)
    for status in ("400", "413", "415", "422", "502", "503"):
        assert responses[status]["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorBody")
    assert {"/score", "/livez", "/readyz", "/metrics"} <= set(document["paths"])


def test_the_rows_of_the_corpus_are_items_as_they_stand() -> None:
    rows = [{"question": row["question"], "steps": row["steps"]} for row in ROWS]
    results = post({"items": rows}).json()["items"]
    assert [len(result["steps"]) for result in results] == [3] * len(ROWS)
