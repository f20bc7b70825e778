"""The SDK: large batches, retries, refusals, and the same client without await; beside a scripted service and ours."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
import stamina

import test_bulk
from loadtests.scripted_worker import Fault, ScriptedWorker
from stepreward.client import AsyncClient, Client, Item, ItemResult, Refused, ScoreRequest, ServiceUnavailable
from stepreward.client.exchange import pause_s, raise_for_refusal
from stepreward.errors import ConfigurationError, InvalidRequest
from test_bulk import HANG_UP, NOT_READY, Scripted, application, expected_score
from test_pipeline import item, long_item
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

scripted = test_bulk.scripted


@pytest.fixture
def no_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=99, cap=True):
        yield


def items(*names: str) -> list[Item]:
    return [Item(id=name, question=f"question {name}", steps=["one", "two"]) for name in names]


def numbered(count: int) -> list[Item]:
    return items(*(str(number) for number in range(count)))


HEADER = {"method": "retsp", "model": "m", "prompt_version": "v", "corpus_snapshot": None, "request_id": "r"}
SUMMARY = HEADER | {"ok": 3, "failed": 0}


def _line(**of: Any) -> bytes:
    return json.dumps(of).encode() + b"\n"


def score_items(url: str, wanted: list[Item], how: dict[str, Any] | None = None, **options: Any) -> list[ItemResult]:
    async def run() -> list[ItemResult]:
        async with AsyncClient(url, **(how or {})) as client:
            return await client.score_items(wanted, **options)

    return asyncio.run(run())


# large batches


def test_a_large_batch_goes_out_in_parts_and_comes_back_in_order(scripted: Scripted):
    results = score_items(scripted.url, numbered(45), {"items_per_request": 10})
    assert sorted(len(body["items"]) for body in scripted.script.requests) == [5, 10, 10, 10, 10]
    assert [result.id for result in results] == [str(number) for number in range(45)]
    assert [result.score for result in results] == [expected_score(f"question {number}") for number in range(45)]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_than_allowed_are_under_way(scripted: Scripted, concurrency):
    wanted = items(*(f"slow {number}" for number in range(12)))
    score_items(scripted.url, wanted, {"items_per_request": 1, "concurrency": concurrency})
    assert scripted.script.most_at_once == concurrency


def test_no_items_are_no_request(scripted: Scripted):
    assert score_items(scripted.url, []) == []
    assert scripted.script.requests == []


def test_the_same_id_may_stand_on_several_items(scripted: Scripted):
    results = score_items(scripted.url, [*items("a", "a"), Item(question="question b", steps=["one"])])
    assert [result.id for result in results] == ["a", "a", "2"]


def test_options_are_sent_with_every_part(scripted: Scripted):
    options = {"method": "rprm", "trajectories": {"k": 2}, "include": ["usage"]}
    score_items(scripted.url, numbered(4), {"items_per_request": 2}, **options)
    assert [{name: body[name] for name in options} for body in scripted.script.requests] == [options] * 2


@pytest.mark.parametrize("options", [{"methode": "rprm"}, {"method": "rpm"}, {"trajectories": {"k": 0}}])
def test_options_that_are_none_are_refused_before_anything_is_sent(scripted: Scripted, options):
    with pytest.raises(InvalidRequest, match=next(iter(options))):
        score_items(scripted.url, numbered(2), **options)
    assert scripted.script.requests == []


# what fails


@pytest.mark.usefixtures("no_pauses")
def test_only_the_part_that_failed_is_sent_again(scripted: Scripted):
    scripted.script.answers = {0: NOT_READY, 1: HANG_UP}
    results = score_items(scripted.url, numbered(9), {"items_per_request": 3, "concurrency": 1})
    assert [result.id for result in results] == [str(number) for number in range(9)]
    assert len(scripted.script.requests) == 5


@pytest.mark.usefixtures("no_pauses")
def test_an_item_that_failed_for_now_is_asked_for_again_alone(scripted: Scripted):
    wanted = items("a", "fail b", "c")
    results = score_items(scripted.url, wanted)
    assert [len(body["items"]) for body in scripted.script.requests] == [3, 1, 1]
    assert [result.status for result in results] == ["ok", "failed", "ok"]
    assert results[1].failure is not None
    assert (results[1].id, results[1].score, results[1].failure.retryable) == ("fail b", None, True)


@pytest.mark.usefixtures("no_pauses")
def test_a_service_that_stays_away_is_an_error(scripted: Scripted):
    scripted.script.gone_from = 0
    with pytest.raises(ServiceUnavailable):
        score_items(scripted.url, numbered(2), {"attempts": 2})
    assert len(scripted.script.requests) == 2


def test_an_item_that_is_refused_leaves_the_others_unharmed():
    wanted = [*numbered(9), Item.model_validate(long_item())]
    with application(ScriptedWorker(context_tokens=3000)) as url:
        results = score_items(url, [*wanted, *numbered(2)], {"items_per_request": 4})
    assert [result.status for result in results] == ["ok"] * 9 + ["failed"] + ["ok"] * 2
    assert results[9].failure is not None
    assert (results[9].id, results[9].failure.code) == ("9", "context_overflow")


def test_options_that_the_service_refuses_are_an_error():
    with application() as url, pytest.raises(Refused, match="has no reranker") as caught:
        score_items(url, numbered(3), retrieval={"rerank": True})
    assert caught.value.said.code == "invalid_request"


def test_what_is_refused_is_not_tried_again(scripted: Scripted):
    with pytest.raises(Refused):
        score_items(scripted.url, items("refuse"), {"attempts": 5})
    assert len(scripted.script.requests) == 1


def _refusal(headers: dict[str, str]) -> ServiceUnavailable:
    said = {"code": "overloaded", "message": "later", "retryable": True, "request_id": "r"}
    answer = httpx.Response(429, json=said, headers=headers, request=httpx.Request("POST", "http://service/score"))
    with pytest.raises(ServiceUnavailable) as caught:
        raise_for_refusal(answer)
    return caught.value


@pytest.mark.parametrize(
    ("headers", "least_s", "most_s"),
    [
        ({"Retry-After": "7"}, 7, 7),
        ({"Retry-After": "0"}, 0, 0),
        ({"Retry-After": "86400"}, 60, 60),
        ({"Retry-After": format_datetime(datetime.now(UTC) + timedelta(days=2))}, 60, 60),
        ({"Retry-After": format_datetime(datetime.now(UTC) - timedelta(days=2))}, 0, 0),
    ],
)
def test_the_service_says_when_to_come_again(headers, least_s, most_s):
    assert least_s <= pause_s(_refusal(headers)) <= most_s


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon"}, {"Retry-After": "-1"}])
def test_without_its_word_the_pauses_grow_by_themselves(headers):
    assert pause_s(_refusal(headers)) is True


def test_the_pause_that_was_asked_for_is_made(scripted: Scripted):
    scripted.script.answers, scripted.script.retry_after = {0: NOT_READY}, "1"
    began_s = time.monotonic()
    score_items(scripted.url, numbered(1))
    assert time.monotonic() - began_s >= 1


# deadlines and streams


@dataclass
class SlowForOneStep(ScriptedWorker):
    """Takes its time for a solution of one step."""

    one_step_s: float = 0

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and len(json.loads(request.content)["prompt"]) == 1:
            await asyncio.sleep(self.one_step_s)
        return await super()._answer(request)


def test_what_is_not_ready_in_time_is_failed_and_the_rest_is_there():
    slow = SlowForOneStep(one_step_s=30)
    single = Item(question="2 + 3?", steps=["2 + 3 = 5."])
    with application(slow) as url:
        wanted = [Item.model_validate(item(0)), single, Item.model_validate(item(1))]
        results = score_items(url, wanted, {"items_per_request": 1}, deadline_s=6)
    assert [result.status for result in results] == ["ok", "failed", "ok"]
    assert results[1].failure is not None
    assert (results[1].failure.code, results[1].score) == ("deadline_exceeded", None)


def test_the_time_that_is_left_is_sent_with_each_request(scripted: Scripted):
    score_items(scripted.url, numbered(4), {"items_per_request": 2, "concurrency": 1}, deadline_s=1000)
    first, second = (body["deadline_ms"] for body in scripted.script.requests)
    assert 900_000 < second <= first <= 1_000_000


def stream(url: str, wanted: list[Item], how: dict[str, Any] | None = None, **options: Any) -> list[Any]:
    async def run() -> list[Any]:
        async with AsyncClient(url, **(how or {})) as client:
            return [told async for told in client.as_they_end(wanted, **options)]

    return asyncio.run(run())


def test_results_come_as_they_end_and_are_those_of_a_batch():
    wanted = [Item.model_validate(item(number)) for number in range(8)]
    with application() as url:
        told = stream(url, wanted, {"items_per_request": 3})
        assert [result.score for _, result in sorted(told, key=lambda one: one[0])] == [
            result.score for result in score_items(url, wanted)
        ]


def test_a_result_comes_before_the_slow_ones_of_its_request():
    slow = SlowForOneStep(one_step_s=2)
    with application(slow) as url, Client(url) as client:
        wanted = [Item(question="2 + 3?", steps=["2 + 3 = 5."]), Item.model_validate(item(0))]
        assert [number for number, _ in client.as_they_end(wanted)] == [1, 0]


def test_an_item_that_is_refused_is_told_in_a_stream_too():
    wanted = [Item.model_validate(item(0)), Item.model_validate(long_item()), Item.model_validate(item(1))]
    with application(ScriptedWorker(context_tokens=3000)) as url:
        told = dict(stream(url, wanted))
    assert {number: result.status for number, result in told.items()} == {0: "ok", 1: "failed", 2: "ok"}


@pytest.mark.usefixtures("no_pauses")
def test_a_stream_that_breaks_off_goes_on_with_what_is_missing(scripted: Scripted):
    wanted = numbered(3)
    whole = [_line(item=one) for one in test_bulk.scored({"items": [one.model_dump() for one in wanted]})["items"]]
    summary = _line(summary=SUMMARY)
    scripted.script.answers = {0: (200, whole[0]), 1: (200, whole[2] + whole[1] + summary)}
    assert [number for number, _ in stream(scripted.url, wanted)] == [0, 2, 1]
    assert [[one["id"] for one in body["items"]] for body in scripted.script.requests] == [["0", "1", "2"], ["1", "2"]]


@pytest.mark.usefixtures("no_pauses")
def test_a_stream_that_never_ends_well_is_an_error(scripted: Scripted):
    scripted.script.answers = dict.fromkeys(range(9), (200, _line(heartbeat_s=1.0)))
    with Client(scripted.url) as client, pytest.raises(ServiceUnavailable, match="broke off"):
        list(client.as_they_end(numbered(2)))
    assert len(scripted.script.requests) == 3


def test_a_stream_may_be_left_before_its_end(scripted: Scripted):
    with application() as url, Client(url) as client:
        left = client.as_they_end([Item.model_validate(item(number)) for number in range(4)])
        next(left)
        left.close()
        assert client.ready().ready


# without await


def test_the_client_without_await_gives_the_same_results(scripted: Scripted):
    with Client(scripted.url, items_per_request=2) as client:
        assert client.score_items(numbered(5)) == score_items(scripted.url, numbered(5))
        assert client.score(ScoreRequest(items=numbered(1))).items[0].score == expected_score("question 0")


def test_threads_share_a_client(scripted: Scripted):
    with Client(scripted.url, concurrency=4) as client, ThreadPoolExecutor(8) as threads:
        scores = threads.map(lambda name: client.score_items(items(name))[0].score, map(str, range(20)))
        assert list(scores) == [expected_score(f"question {number}") for number in range(20)]


def test_a_client_without_await_leaves_no_thread_behind(scripted: Scripted):
    before = threading.active_count()
    with Client(scripted.url) as client:
        client.score_items(numbered(1))
    assert threading.active_count() <= before + 1  # the scripted service may still end a connection's thread


def test_a_client_that_nobody_closed_does_not_keep_a_process_from_ending(scripted: Scripted):
    program = "import sys; from stepreward.client import Client; one = Client(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, scripted.url], check=True, timeout=60)


@pytest.mark.usefixtures("no_pauses")
def test_errors_come_through_unchanged(scripted: Scripted):
    scripted.script.gone_from = 0
    with Client(scripted.url) as client, pytest.raises(ServiceUnavailable):
        client.score_items(numbered(1))
    with pytest.raises(ConfigurationError):
        Client("nowhere")


# beside the real application


def test_a_client_uses_one_connection_again():
    with application() as url, Client(url, concurrency=1) as client:
        first, second = (client.score_items([Item.model_validate(item(0))]) for _ in range(2))
        assert (first[0].cached, second[0].cached) == (False, True)
        assert first[0].score == second[0].score


def test_a_response_is_scored_with_its_spans():
    with application() as url, Client(url) as client:
        [result] = client.score_items([Item(question="2 + 3?", response="2 + 3 = 5.\n\nThe answer is 5.")])
    assert result.spans == [(0, 12), (12, 28)]


def test_ready_says_what_the_service_lacks():
    with application() as url, Client(url) as client:
        assert client.ready().ready
    with application(ScriptedWorker(always=Fault.REFUSED)) as url, Client(url) as client:
        assert client.ready().parts["worker"] != "ok"
    with Client("http://127.0.0.1:9", attempts=1) as client, pytest.raises(ServiceUnavailable):
        client.ready()


def test_importing_it_imports_no_part_of_the_service():
    program = "import sys, stepreward.client; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"fastapi", "torch", "qdrant_client", "numpy", "transformers", "uvicorn", "prometheus_client", "re2"}
    assert not heavy & set(ran.stdout.split())
