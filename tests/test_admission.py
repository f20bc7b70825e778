"""What the service takes on, what it refuses, and what becomes of work whose client or whose time is gone."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import httpx
import pytest

from loadtests.scripted_worker import Fault, ScriptedWorker
from serving import Served, serving
from stepreward.admission import Admission, estimated_tokens
from stepreward.errors import Overloaded, RequestTooLarge
from stepreward.metrics import Metrics
from stepreward.plan import Defaults, Plan, plan
from stepreward.schema import ScoreRequest, StreamLine
from stepreward.values import Solution
from test_api import ONE, assert_is_error, get, post, with_api
from test_pipeline import ADAPTIVE, NO_REFERENCES, SEARCH, item
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

BARE: dict[str, Any] = {"retrieval": NO_REFERENCES, "cache": False}


def planned(**request: Any) -> Plan:
    defaults = Defaults("retsp", 10, SEARCH, ADAPTIVE, (0.2, 0.8), trajectory_tokens=256)
    return plan(ScoreRequest.model_validate({"items": [item(0)], **request}), defaults)


def in_loop(use: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(use())


def until_true(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.005)
    pytest.fail("it never became true")


# the estimate


def test_the_estimate_grows_with_steps_trajectories_and_length() -> None:
    short, long = Solution("q" * 30, ("s" * 30,) * 2), Solution("q" * 30, ("s" * 30,) * 8)
    sizes = [
        estimated_tokens(planned(method="retsp"), short, [1]),
        estimated_tokens(planned(method="retsp"), short, [0, 1]),
        estimated_tokens(planned(method="retsp"), long, range(8)),
        estimated_tokens(planned(method="rprm", trajectories={"k": 2}), long, range(8)),
        estimated_tokens(planned(method="rprm", trajectories={"k": 20}), long, range(8)),
    ]
    assert all(smaller < larger for smaller, larger in pairwise(sizes))
    assert sizes[-1] >= 8 * 20 * 256
    assert estimated_tokens(planned(), short, []) == 0


# what is refused


@dataclass(frozen=True)
class Busy:
    """Workers whose every call takes a second."""

    waits: bool
    call_s: float = 1

    def has_waiting(self) -> bool:
        return self.waits


def admission(most: int, waits: bool = True) -> Admission:
    return Admission(most, 0.2, Busy(waits), Metrics())


def test_work_is_taken_on_up_to_the_bound_and_room_is_given_back() -> None:
    async def use() -> None:
        gate = admission(100)
        with gate.admit(60, "interactive", None), gate.admit(40, "bulk", None), pytest.raises(Overloaded):
            gate.admit(1, "interactive", None).__enter__()
        with gate.admit(100, "bulk", None) as ticket:
            ticket.done(30)
            with gate.admit(30, "interactive", None):
                pass

    in_loop(use)


def test_what_can_never_fit_is_told_so_and_what_asks_for_nothing_always_fits() -> None:
    async def use() -> None:
        gate = admission(100)
        with pytest.raises(RequestTooLarge, match="101 tokens"):
            gate.admit(101, "interactive", None).__enter__()
        with gate.admit(100, "interactive", None), gate.admit(0, "interactive", None):
            pass

    in_loop(use)


def rated(gate: Admission, tokens: int) -> None:
    """So much was worked off in the last two seconds, while others waited."""
    gate._rate.add(tokens, 2)


def test_a_request_that_cannot_be_ready_in_time_is_refused_with_the_time_to_come_again() -> None:
    async def use() -> None:
        gate, now_s = admission(10_000), asyncio.get_running_loop().time()
        rated(gate, 200)
        with gate.admit(1000, "interactive", None):
            with gate.admit(10, "interactive", now_s + 60):
                pass
            with pytest.raises(Overloaded, match="about") as refused:
                gate.admit(10, "interactive", now_s + 2).__enter__()
        assert 1 < refused.value.retry_after_s <= 60

    in_loop(use)


def test_interactive_work_does_not_wait_for_all_of_the_bulk_before_it() -> None:
    async def use() -> None:
        gate, now_s = admission(10_000), asyncio.get_running_loop().time()
        rated(gate, 200)
        with gate.admit(5000, "bulk", None):
            with gate.admit(10, "interactive", now_s + 2):
                pass
            with pytest.raises(Overloaded):
                gate.admit(10, "bulk", now_s + 2).__enter__()

    in_loop(use)


def test_where_nothing_waits_there_is_room_whatever_the_rate_was() -> None:
    async def use() -> None:
        gate, now_s = admission(10_000, waits=False), asyncio.get_running_loop().time()
        rated(gate, 2)
        with gate.admit(1000, "interactive", None), gate.admit(10, "interactive", now_s + 1):
            pass

    in_loop(use)


def test_a_request_whose_own_call_would_end_too_late_is_refused_too() -> None:
    async def use() -> None:
        gate, now_s = admission(10_000), asyncio.get_running_loop().time()
        rated(gate, 200)
        with gate.admit(50, "interactive", None):
            with gate.admit(10, "interactive", now_s + 2):
                pass
            with pytest.raises(Overloaded):
                gate.admit(10, "interactive", now_s + 1.2).__enter__()

    in_loop(use)


def test_a_full_service_answers_429_with_retry_after_and_asks_no_worker() -> None:
    worker = ScriptedWorker(latency_s=0.3)

    async def use(http: httpx.AsyncClient) -> list[httpx.Response]:
        bodies = [{"items": [item(number)], **BARE} for number in range(4)]
        return await asyncio.gather(*(http.post("/score", json=body) for body in bodies))

    answers = with_api(use, worker, queue_tokens=1500)
    refused = [answer for answer in answers if answer.status_code == 429]
    assert 0 < len(refused) < 4
    for answer in refused:
        body = assert_is_error(answer, 429, "overloaded")
        assert body["retryable"] is True
        assert int(answer.headers["Retry-After"]) >= 1
    assert len(worker.requests) == 4 - len(refused)


def test_a_request_of_more_than_all_room_is_422() -> None:
    assert_is_error(post({"items": [item(0)], **BARE}, queue_tokens=100), 422, "request_too_large")


def test_what_is_known_costs_no_room() -> None:
    async def use(http: httpx.AsyncClient) -> list[int]:
        first = await http.post("/score", json=ONE)
        busy = asyncio.create_task(http.post("/score", json={"items": [item(1)], **BARE}))
        await asyncio.sleep(0.1)
        again = await http.post("/score", json=ONE)
        await busy
        return [first.status_code, again.status_code]

    assert with_api(use, ScriptedWorker(latency_s=0.4), queue_tokens=1500) == [200, 200]


# deadlines


@pytest.mark.parametrize("deadline_ms", [0, 1])
@pytest.mark.parametrize("method", ["retsp", "rprm"])
def test_a_deadline_that_is_over_is_504_without_a_call_of_the_worker(deadline_ms, method) -> None:
    worker = ScriptedWorker(latency_s=5)
    answer = post({"items": [item(0)], "deadline_ms": deadline_ms, "method": method, **BARE}, worker)
    assert_is_error(answer, 504, "deadline_exceeded")
    if deadline_ms == 0:
        assert not worker.requests


def test_items_that_are_ready_in_time_are_answered_and_the_others_fail_by_their_deadline() -> None:
    class Slow(ScriptedWorker):
        """Answers its first call at once, the others never."""

        async def _send(self, answer: dict[str, Any], fault: Fault | None, request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and len(self.requests) > 1:
                await asyncio.sleep(60)
            return await super()._send(answer, fault, request)

    answer = post({"items": [item(0), item(1), item(2)], "deadline_ms": 1500, **BARE}, Slow())
    assert answer.status_code == 200
    items = answer.json()["items"]
    assert sorted(one["status"] for one in items) == ["failed", "failed", "ok"]
    for one in items:
        if one["status"] == "failed":
            assert (one["score"], one["failure"]["code"]) == (None, "deadline_exceeded")


def test_a_request_without_a_deadline_waits() -> None:
    assert post({"items": [item(0)], **BARE}, ScriptedWorker(latency_s=0.5)).status_code == 200


def test_a_caller_whose_deadline_passes_does_not_end_what_another_waits_for() -> None:
    worker = ScriptedWorker(latency_s=0.5)

    async def use(http: httpx.AsyncClient) -> list[int]:
        hasty = http.post("/score", json={**ONE, "deadline_ms": 200})
        patient = http.post("/score", json=ONE)
        return [answer.status_code for answer in await asyncio.gather(hasty, patient)]

    assert with_api(use, worker) == [504, 200]
    assert len(worker.requests) == 1


# clients that leave


def leave_after(served: Served, body: dict[str, Any], condition: Callable[[], bool]) -> None:
    """POST /score, and break the connection once `condition` is true."""
    content = json.dumps(body).encode()
    head = (
        f"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with served.connect() as sock:
        sock.sendall(head.encode() + content)
        until_true(condition)


@pytest.mark.parametrize("method", ["retsp", "rprm"])
def test_a_client_that_leaves_ends_its_calls_and_is_counted(method) -> None:
    worker = ScriptedWorker(latency_s=60)
    with serving(worker) as served:
        leave_after(served, {"items": [item(0)], "method": method}, lambda: worker.at_hand > 0)
        until_true(lambda: worker.at_hand == 0)
        until_true(lambda: 'route="/score",status="499"} 1.0' in served.metrics())


def test_a_client_that_leaves_does_not_end_what_another_waits_for() -> None:
    worker = ScriptedWorker(latency_s=1)
    with serving(worker) as served, ThreadPoolExecutor(1) as thread:
        staying = thread.submit(httpx.post, f"{served.url}/score", json=ONE, timeout=30)
        until_true(lambda: worker.at_hand > 0)
        leave_after(served, ONE, lambda: "stepreward_requests_in_flight 2.0" in served.metrics())
        assert staying.result().status_code == 200
    assert len(worker.requests) == 1


def test_received_requests_are_the_sum_of_all_that_were_answered_refused_failed_or_left() -> None:
    worker = ScriptedWorker(latency_s=0.2)
    with serving(worker) as served:
        httpx.post(f"{served.url}/score", json=ONE)
        httpx.post(f"{served.url}/score", json={"items": []})
        httpx.post(f"{served.url}/score", json={"items": [item(1)], "deadline_ms": 0})
        httpx.get(f"{served.url}/nowhere")
        worker.latency_s = 60
        leave_after(served, {"items": [item(2)]}, lambda: worker.at_hand > 0)
        until_true(lambda: 'status="499"} 1.0' in served.metrics())
        told = served.metrics()
    lines = [line.rpartition(" ") for line in told.splitlines() if not line.startswith("#")]
    received = sum(float(value) for name, _, value in lines if name == "stepreward_requests_received_total")
    ended = sum(float(value) for name, _, value in lines if name.startswith("stepreward_requests_total{"))
    assert received == ended + 1  # the one that asks for these numbers


# streams


def stream_of(answer: httpx.Response) -> list[StreamLine]:
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    return [StreamLine.model_validate_json(line) for line in answer.text.splitlines()]


def streamed(body: dict[str, Any], worker: ScriptedWorker | None = None) -> httpx.Response:
    async def use(http: httpx.AsyncClient) -> httpx.Response:
        return await http.post("/score", json=body, headers={"Accept": "application/x-ndjson"})

    return with_api(use, worker)


def test_a_stream_has_each_item_once_as_in_one_answer_and_ends_with_its_summary() -> None:
    body = {"items": [item(number, id=f"i{number}") for number in range(5)]}
    whole = post(body).json()
    *items, last = stream_of(streamed(body))
    assert {line.item.id: line.item.model_dump(mode="json") for line in items if line.item} == {
        one["id"]: one for one in whole["items"]
    }
    assert last.summary is not None
    assert (last.summary.ok, last.summary.failed, last.summary.method) == (5, 0, "retsp")
    assert last.summary.corpus_snapshot == whole["corpus_snapshot"]


def test_a_stream_says_which_items_failed() -> None:
    lines = stream_of(streamed({"items": [item(0), item(1)], **BARE}, ScriptedWorker({0: Fault.NO_CHOICES})))
    failed = [line.item for line in lines if line.item and line.item.status == "failed"]
    assert [one.failure.code for one in failed if one.failure] == ["worker_answer_invalid"]
    assert lines[-1].summary is not None
    assert (lines[-1].summary.ok, lines[-1].summary.failed) == (1, 1)


def test_what_is_wrong_before_the_first_item_is_an_error_and_no_stream() -> None:
    assert_is_error(streamed({"items": []}), 422, "invalid_request")
    assert_is_error(streamed({**ONE, "deadline_ms": 0}), 504, "deadline_exceeded")


def test_items_are_sent_as_they_end_and_signs_of_life_between(monkeypatch) -> None:
    monkeypatch.setattr("stepreward.api.score._HEARTBEAT_S", 0.1)
    worker = ScriptedWorker(latency_s=0.5)
    with (
        serving(worker) as served,
        httpx.stream(
            "POST",
            f"{served.url}/score",
            json={"items": [item(0)], **BARE},
            headers={"Accept": "application/x-ndjson"},
            timeout=30,
        ) as answer,
    ):
        first, *others = [json.loads(line) for line in answer.iter_lines()]
    assert set(first) == {"heartbeat_s"}
    assert [set(line) for line in others[-2:]] == [{"item"}, {"summary"}]


def test_a_stream_whose_client_leaves_ends_its_calls() -> None:
    worker = ScriptedWorker(latency_s=60)
    with serving(worker) as served:
        with httpx.stream(
            "POST",
            f"{served.url}/score",
            json={"items": [item(0)], **BARE},
            headers={"Accept": "application/x-ndjson"},
            timeout=30,
        ):
            until_true(lambda: worker.at_hand > 0)
        until_true(lambda: worker.at_hand == 0)
        until_true(lambda: "stepreward_requests_in_flight 0.0" in served.metrics())
        until_true(lambda: 'queue_tokens{priority="interactive"} 0.0' in served.metrics())


def test_a_worker_that_is_gone_is_503_at_once_and_not_ready_but_alive() -> None:
    worker = ScriptedWorker(always=Fault.REFUSED)

    async def use(http: httpx.AsyncClient) -> list[int]:
        await http.post("/score", json={"items": [item(0)], **BARE})
        paths = ["/readyz", "/livez"]
        refused = await http.post("/score", json={"items": [item(1)], **BARE})
        assert_is_error(refused, 503, "worker_unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
        return [(await http.get(path)).status_code for path in paths]

    assert with_api(use, worker) == [503, 200]
    assert get("/readyz").status_code == 200
