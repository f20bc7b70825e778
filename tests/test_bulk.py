"""Scoring of files: the client, the bulk reader and `stepreward score`, against a service on a port of its own.

Most tests script that service; the last ones start the real application over the stand-ins of test_pipeline. Retries
are made without their pauses (`stamina.set_testing`), and as many as the code asks for.
"""

import asyncio
import gzip
import hashlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any

import pytest
import stamina
import uvicorn

from loadtests.scripted_worker import ScriptedWorker
from stepreward.api.app import create_app
from stepreward.bulk import Outcome, Row, Summary, read_rows, score_rows
from stepreward.cli import main
from stepreward.client import AsyncClient, ServiceUnavailable
from stepreward.errors import ConfigurationError, DependencyError, RequestError
from stepreward.files import BadRow
from stepreward.schema import (
    Aggregates,
    ErrorBody,
    Failure,
    Item,
    ItemResult,
    ScoreRequest,
    ScoreResponse,
    StepResult,
    TrajectoryOptions,
)
from test_pipeline import item, service
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

ATTEMPTS = 3


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=99, cap=True):
        yield


# a scripted service

Answer = tuple[int, bytes]
Body = dict[str, Any]


def _error(status: int, code: str, retryable: bool) -> Answer:
    said = ErrorBody(code=code, message=f"scripted {status}", retryable=retryable, request_id="r")
    return status, said.model_dump_json().encode()


HANG_UP: Answer = (0, b"")
NOT_READY = _error(503, "worker_unavailable", True)
INVALID = _error(502, "worker_answer_invalid", True)
REFUSED = _error(422, "invalid_request", False)
BUG = _error(500, "internal", False)
PROXY = (502, b"<html>Bad Gateway</html>")


def expected_score(question: str) -> float:
    """What the scripted service gives every step of this question."""
    return int.from_bytes(hashlib.sha256(question.encode()).digest()[:4], "big") / 2**32


@dataclass
class Script:
    """`answers` are by the number of the request, from 0; from request `gone_from` on it hangs up on everyone.

    What is not 200 has the header Retry-After, where one is set. A question with "refuse" in it makes its request 422,
    one with "fail" has no score, one with "slow" takes its time. From request `held_from` on all wait for `released`.
    """

    answers: dict[int, Answer] = field(default_factory=dict)
    gone_from: int | None = None
    retry_after: str | None = None
    held_from: int | None = None
    released: threading.Event = field(default_factory=threading.Event)
    requests: list[Body] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: Body) -> Answer:
        with self._lock:
            number = len(self.requests)
            self.requests.append(body)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self._say(body, number)
        finally:
            with self._lock:
                self._at_once -= 1

    def questions(self) -> list[list[str]]:
        return [[one["question"] for one in body["items"]] for body in self.requests]

    def _say(self, body: Body, number: int) -> Answer:
        if self.gone_from is not None and number >= self.gone_from:
            return HANG_UP
        if self.held_from is not None and number >= self.held_from:
            self.released.wait(120)
        questions = [one["question"] for one in body["items"]]
        if any("slow" in question for question in questions):
            time.sleep(0.05)
        if any("refuse" in question for question in questions):
            return REFUSED
        return self.answers.get(number) or (200, _scored(body).model_dump_json().encode())


def scored(body: Body) -> dict[str, Any]:
    """The answer to a request, as JSON."""
    return _scored(body).model_dump(mode="json")


def _scored(body: Body) -> ScoreResponse:
    return ScoreResponse(
        items=[_result(one) for one in body["items"]],
        method=body.get("method") or "retsp",
        model="scripted",
        prompt_version="v",
        corpus_snapshot="c",
        request_id="r",
    )


def _result(one: Body) -> ItemResult:
    fails = "fail" in one["question"]
    score = None if fails else expected_score(one["question"])
    failure = Failure(code="worker_unavailable", message="scripted", retryable=True) if fails else None
    step = StepResult(score=score, stderr=None, k_used=1, k_valid=1, forced=0)
    return ItemResult(
        id=one.get("id", "?"),
        status="failed" if fails else "ok",
        score=score,
        aggregates=Aggregates(min=score, prod=score, mean=score, last=score),
        first_error=None if fails else -1,
        steps=[] if fails else [step] * len(one["steps"]),
        degraded=[],
        failure=failure,
    )


@dataclass
class Scripted:
    """A scripted service that is listening."""

    url: str
    script: Script


class _Server(ThreadingTCPServer):
    """Not http.server's own, which looks up the name of its address."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no error; standard error belongs to the command under test."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    script: Script

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        sent = self.rfile.read(length)
        if len(sent) < length:  # the client gave up while it was sending
            self.close_connection = True
            return
        status, content = self.script.answer(json.loads(sent)) if self.path == "/score" else (404, b"{}")
        if not status:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status != 200 and self.script.retry_after is not None:
            self.send_header("Retry-After", self.script.retry_after)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name in http.server)
        pass


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    script = Script()
    handler = type("Handler", (_Handler,), {"script": script})
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Scripted(f"http://127.0.0.1:{server.server_address[1]}", script)
        server.shutdown()
        thread.join()


def _closed_url() -> str:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}"


# files


def row(name: str, **changed: object) -> dict[str, object]:
    return {"id": name, "question": f"question {name}", "steps": ["one", "two"]} | changed


def write(path: Path, rows: Sequence[Mapping[str, object] | str]) -> Path:
    lines = [line if isinstance(line, str) else json.dumps(line) for line in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# the client


REQUEST = ScoreRequest(items=[Item(id="a", question="question a", steps=["one"])])


def ask(url: str, request: ScoreRequest = REQUEST, **how: Any) -> ScoreResponse:
    async def run() -> ScoreResponse:
        async with AsyncClient(url, **how) as client:
            return await client.score(request)

    return asyncio.run(run())


def test_the_client_sends_only_what_was_set(scripted: Scripted) -> None:
    asked = ScoreRequest(items=REQUEST.items, method="rprm", trajectories=TrajectoryOptions(k=2))
    answer = ask(scripted.url, asked)
    assert scripted.script.requests == [
        {
            "items": [{"id": "a", "question": "question a", "steps": ["one"]}],
            "method": "rprm",
            "trajectories": {"k": 2},
        }
    ]
    assert answer.items[0].score == expected_score("question a")


@pytest.mark.parametrize("fault", [NOT_READY, INVALID, PROXY, HANG_UP])
def test_what_may_succeed_later_is_tried_again(scripted: Scripted, fault) -> None:
    scripted.script.answers = {0: fault, 1: fault}
    assert ask(scripted.url).items[0].id == "a"
    assert len(scripted.script.requests) == 3


@pytest.mark.parametrize("fault", [NOT_READY, INVALID, PROXY, HANG_UP])
@pytest.mark.parametrize("attempts", [1, ATTEMPTS, 5])
def test_retries_are_bounded(scripted: Scripted, fault, attempts) -> None:
    scripted.script.answers = dict.fromkeys(range(99), fault)
    with pytest.raises(ServiceUnavailable):
        ask(scripted.url, attempts=attempts)
    assert len(scripted.script.requests) == attempts


def test_the_service_s_own_words_stand_in_the_error(scripted: Scripted) -> None:
    scripted.script.answers = dict.fromkeys(range(9), NOT_READY)
    with pytest.raises(ServiceUnavailable, match="worker_unavailable: scripted 503"):
        ask(scripted.url)


@pytest.mark.parametrize(("answer", "said"), [(REFUSED, "invalid_request: scripted 422"), (BUG, "internal")])
def test_a_refusal_is_not_tried_again(scripted: Scripted, answer, said) -> None:
    scripted.script.answers = {0: answer}
    with pytest.raises(RequestError, match=said):
        ask(scripted.url)
    assert len(scripted.script.requests) == 1


def test_a_service_out_of_reach_is_named() -> None:
    url = _closed_url()
    with pytest.raises(ServiceUnavailable, match=re.escape(url)) as caught:
        ask(url)
    assert isinstance(caught.value, DependencyError)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("content", [b"", b"<html>hello</html>", b'{"items": []}'], ids=["empty", "html", "other"])
def test_an_answer_that_is_no_score_is_an_error_of_the_tree(scripted: Scripted, content) -> None:
    scripted.script.answers = dict.fromkeys(range(9), (200, content))
    with pytest.raises(ServiceUnavailable):
        ask(scripted.url)


def test_an_address_that_is_no_url_is_an_error_of_the_tree() -> None:
    with pytest.raises(ConfigurationError):
        ask("127.0.0.1:8080")


# reading rows


def test_rows_are_read_in_order_with_their_lines(tmp_path) -> None:
    path = write(tmp_path / "a.jsonl", [row("a"), "", "  ", row("b"), row("c")])
    rows = list(read_rows(path, "question"))
    assert [(one.line, one.item.id) for one in rows if isinstance(one, Row)] == [(1, "a"), (4, "b"), (5, "c")]


def test_other_keys_of_a_row_are_passed_over_and_a_number_is_an_id(tmp_path) -> None:
    path = write(tmp_path / "a.jsonl", [row("a", id=17, label=-1, final_answer_correct=True)])
    [one] = read_rows(path, "question")
    assert one == Row(1, Item(id="17", question="question a", steps=["one", "two"]))


def test_a_gzipped_file_reads_as_the_plain_one(tmp_path) -> None:
    plain = write(tmp_path / "a.jsonl", [row("a"), row("b"), "{"])
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read_rows(packed, "question")) == list(read_rows(plain, "question"))


BAD_ROWS = {
    "{": "Invalid JSON",
    "[1]": "should be an object",
    "7": "should be an object",
    '{"question": "q"}': "steps",
    '{"steps": ["s"]}': "question",
    json.dumps(row("a", question="  ")): "question: Value error, must not be blank",
    json.dumps(row("a", question=["q"])): "question",
    json.dumps(row("a", steps=[])): "steps",
    json.dumps(row("a", steps="one")): "steps",
    json.dumps(row("a", steps=["one", None])): "steps.1",
    json.dumps(row("a", steps=["one", "\x07"])): "steps.1: Value error, character U+0007",
    json.dumps(row("a", id="")): "id",
    json.dumps(row("a", id="x" * 300)): "id",
    '{"question": "\\ud800", "steps": ["s"]}': "",
}


@pytest.mark.parametrize(("line", "reason"), BAD_ROWS.items())
def test_a_bad_row_is_named_with_its_line_and_reason(tmp_path, line, reason) -> None:
    before, bad, after = read_rows(write(tmp_path / "a.jsonl", [row("a"), line, row("b")]), "question")
    assert isinstance(before, Row)
    assert isinstance(after, Row)
    assert isinstance(bad, BadRow)
    assert bad.line == 2
    assert reason in bad.reason
    assert len(bad.reason) < 500


def test_bad_utf8_is_a_bad_row(tmp_path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"question": "\xff", "steps": ["s"]}\n' + json.dumps(row("b")).encode())
    bad, good = read_rows(path, "question")
    assert isinstance(bad, BadRow)
    assert isinstance(good, Row)


# scoring rows


def score_all(url: str, rows: Sequence[Row | BadRow], per_request: int = 4, concurrency: int = 4) -> list[Outcome]:
    async def run() -> list[Outcome]:
        async with AsyncClient(url) as client:
            return [outcome async for outcome in score_rows(client, iter(rows), REQUEST, per_request, concurrency)]

    return asyncio.run(run())


def rows_of(*names: str) -> list[Row]:
    return [Row(line, Item(id=name, question=name, steps=["one"])) for line, name in enumerate(names, start=1)]


def names_of(outcomes: Sequence[Outcome]) -> list[str]:
    return [f"bad {outcome.line}" if isinstance(outcome, BadRow) else outcome.id for outcome in outcomes]


def test_outcomes_come_in_the_order_of_the_rows_whichever_answer_comes_first(scripted: Scripted) -> None:
    names = [f"{'slow ' if number % 5 == 0 else ''}{number}" for number in range(23)]
    outcomes = score_all(scripted.url, rows_of(*names), per_request=2, concurrency=4)
    assert names_of(outcomes) == names
    assert [o.score for o in outcomes if isinstance(o, ItemResult)] == [expected_score(name) for name in names]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_than_allowed_are_under_way(scripted: Scripted, concurrency) -> None:
    score_all(scripted.url, rows_of(*[f"slow {n}" for n in range(8)]), per_request=1, concurrency=concurrency)
    assert scripted.script.most_at_once <= concurrency
    assert scripted.script.most_at_once > 1 or concurrency == 1


def test_rows_go_out_in_requests_of_the_size_asked_for(scripted: Scripted) -> None:
    score_all(scripted.url, rows_of(*"abcdefg"), per_request=3, concurrency=1)
    assert scripted.script.questions() == [["a", "b", "c"], ["d", "e", "f"], ["g"]]


def test_bad_rows_keep_their_places_and_are_not_sent(scripted: Scripted) -> None:
    a, b, c = rows_of("a", "b", "c")
    outcomes = score_all(scripted.url, [BadRow(7, "no"), a, BadRow(8, "no"), b, c, BadRow(9, "no")], per_request=2)
    assert names_of(outcomes) == ["bad 7", "a", "bad 8", "b", "c", "bad 9"]
    assert sorted(q for of_request in scripted.script.questions() for q in of_request) == ["a", "b", "c"]


def test_one_row_that_the_service_refuses_is_found_and_the_others_are_scored(scripted: Scripted) -> None:
    outcomes = score_all(scripted.url, rows_of("a", "b", "refuse", "d", "e", "f"), per_request=4, concurrency=1)
    assert names_of(outcomes) == ["a", "b", "bad 3", "d", "e", "f"]
    assert outcomes[2] == BadRow(3, "invalid_request: scripted 422")
    assert scripted.script.questions()[0] == ["a", "b", "refuse", "d"]


def test_a_row_without_an_id_is_called_by_its_line(scripted: Scripted) -> None:
    rows = [Row(12, Item(question="q", steps=["one"]))]
    assert names_of(score_all(scripted.url, rows)) == ["line-12"]


def test_a_row_that_failed_is_an_outcome_with_its_failure(scripted: Scripted) -> None:
    [outcome] = score_all(scripted.url, rows_of("fail"))
    assert isinstance(outcome, ItemResult)
    assert (outcome.status, outcome.failure.code) == ("failed", "worker_unavailable")


def test_what_was_scored_before_the_service_died_is_yielded_and_no_more_is_asked(scripted: Scripted) -> None:
    scripted.script.gone_from = 3
    yielded: list[Outcome] = []

    async def run() -> None:
        async with AsyncClient(scripted.url) as client:
            async for outcome in score_rows(client, iter(rows_of(*"abcdefghijkl")), REQUEST, 1, 1):
                yielded.append(outcome)  # noqa: PERF401  (what came before the error counts)

    with pytest.raises(ServiceUnavailable):
        asyncio.run(run())
    assert names_of(yielded) == ["a", "b", "c"]
    assert len(scripted.script.requests) == 3 + ATTEMPTS


def test_a_summary_counts_outcomes_and_steps() -> None:
    body = {"items": [row("a"), row("fail"), row("b")]}
    summary = Summary()
    for outcome in [*_scored(body).items, BadRow(1, "no")]:
        summary.add(outcome)
    assert (summary.ok, summary.failed, summary.bad, summary.steps) == (2, 1, 1, 4)
    assert summary.scores == [expected_score("question a"), expected_score("question b")]


# the command


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture
def score(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, scripted: Scripted
) -> Command:
    """`stepreward score …` as its entry point runs it, in an empty directory, with the scripted service's URL."""

    def run(*arguments: object, url: str | None = None) -> Ran:
        monkeypatch.chdir(tmp_path)
        given = ["stepreward", "score", "--url", url or scripted.url, *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", given)
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Ran(int(ended.value.code or 0), captured.out, captured.err)

    return run


def table(ran: Ran) -> list[str]:
    """The cells of the summary's only row: ok, failed, bad, step scores, …"""
    rows = [re.findall(r"[^\s│┃|]+", line) for line in ran.err.splitlines() if re.match(r"\s*[│|]", line)]
    return rows[-1]


def test_a_file_is_scored_in_order_and_the_exit_code_is_0(score: Command, tmp_path) -> None:
    names = [f"{'slow ' if number % 3 == 0 else ''}{number}" for number in range(30)]
    file = write(tmp_path / "in.jsonl", [row(name) for name in names])
    ran = score(file, "-o", "out.jsonl", "--items-per-request", 3)
    results = read(tmp_path / "out.jsonl")
    assert ran.code == 0
    assert [result["id"] for result in results] == names
    assert [result["score"] for result in results] == [expected_score(f"question {name}") for name in names]
    assert table(ran)[:4] == ["30", "0", "0", "60"]
    assert ran.out == ""
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl", "out.jsonl"}


def test_without_an_output_file_the_lines_go_to_standard_output(score: Command, tmp_path) -> None:
    ran = score(write(tmp_path / "in.jsonl", [row("a"), row("b")]))
    assert [json.loads(line)["id"] for line in ran.out.splitlines()] == ["a", "b"]
    assert ran.code == 0


def test_bad_rows_go_to_the_side_file_with_line_and_reason_and_the_exit_code_is_3(score: Command, tmp_path) -> None:
    file = write(tmp_path / "in.jsonl", [row("a"), "{", "", row("b", question=" "), row("refuse", steps=["x"])])
    ran = score(file, "-o", "out.jsonl")
    assert ran.code == 3
    assert [result["id"] for result in read(tmp_path / "out.jsonl")] == ["a"]
    bad = read(tmp_path / "in.jsonl.bad.jsonl")
    assert [row["line"] for row in bad] == [2, 4, 5]
    assert [set(row) for row in bad] == [{"line", "reason"}] * 3
    assert "JSON" in bad[0]["reason"]
    assert "blank" in bad[1]["reason"]
    assert "scripted 422" in bad[2]["reason"]
    assert table(ran)[:4] == ["1", "0", "3", "2"]
    assert "in.jsonl.bad.jsonl" in ran.err


def test_failed_items_stay_in_the_output_and_the_exit_code_is_3(score: Command, tmp_path) -> None:
    ran = score(write(tmp_path / "in.jsonl", [row("a"), row("fail"), row("b")]), "-o", "out.jsonl")
    assert ran.code == 3
    results = read(tmp_path / "out.jsonl")
    assert [(result["id"], result["status"]) for result in results] == [("a", "ok"), ("fail", "failed"), ("b", "ok")]
    assert results[1]["score"] is None
    assert table(ran)[:4] == ["2", "1", "0", "4"]


def test_the_mean_of_the_table_is_over_the_solutions_that_have_a_score(score: Command, tmp_path) -> None:
    ran = score(write(tmp_path / "in.jsonl", [row("a"), row("fail"), row("b")]), "-o", "out.jsonl")
    assert table(ran)[5] == f"{(expected_score('question a') + expected_score('question b')) / 2:.3f}"


def test_every_row_ends_in_the_output_or_in_the_side_file(score: Command, tmp_path) -> None:
    rows = [row(f"{'refuse' if n % 7 == 0 else 'fail' if n % 5 == 0 else 'slow' if n % 3 == 0 else ''} {n}", id=n)
            for n in range(1, 60)]  # fmt: skip
    rows[10:10] = ["{", row("blank", steps=[" "])]
    file = write(tmp_path / "in.jsonl", rows)
    score(file, "-o", "out.jsonl", "--items-per-request", 5, "--concurrency", 3)
    outputs, bad = read(tmp_path / "out.jsonl"), read(tmp_path / "in.jsonl.bad.jsonl")
    assert len(outputs) + len(bad) == len(rows)
    assert [int(result["id"]) for result in outputs] == [n for n in range(1, 60) if n % 7]
    assert [one["line"] for one in bad] == sorted(one["line"] for one in bad)


def test_a_gzipped_file_is_scored(score: Command, tmp_path) -> None:
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(json.dumps(row("a")).encode()))
    ran = score("in.jsonl.gz", "-o", "out.jsonl")
    assert ran.code == 0
    assert [result["id"] for result in read(tmp_path / "out.jsonl")] == ["a"]


def test_standard_input_is_scored(score: Command, tmp_path, monkeypatch) -> None:
    lines = [json.dumps(row("a")), "{", json.dumps(row("b"))]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode())))
    ran = score("-", "-o", "out.jsonl")
    assert ran.code == 3
    assert [result["id"] for result in read(tmp_path / "out.jsonl")] == ["a", "b"]
    assert [one["line"] for one in read(tmp_path / "stdin.bad.jsonl")] == [2]


def test_a_pipe_with_a_name_loses_no_row(score: Command, tmp_path) -> None:
    reading, writing = os.pipe()
    os.write(writing, (json.dumps(row("a")) + "\n").encode())
    os.close(writing)
    try:
        ran = score(f"/dev/fd/{reading}", "-o", "out.jsonl")
    finally:
        os.close(reading)
    assert ran.code == 0
    assert [result["id"] for result in read(tmp_path / "out.jsonl")] == ["a"]


def test_the_question_may_stand_under_another_key(score: Command, scripted: Scripted, tmp_path) -> None:
    file = write(tmp_path / "in.jsonl", [{"id": "gsm8k-0", "problem": "how many?", "steps": ["one"], "label": -1}])
    assert score(file, "-o", "out.jsonl", "--question-key", "problem").code == 0
    assert scripted.script.questions() == [["how many?"]]


def test_a_wrong_question_key_makes_every_row_bad(score: Command, scripted: Scripted, tmp_path) -> None:
    ran = score(write(tmp_path / "in.jsonl", [row("a"), row("b")]), "--question-key", "problem", "--bad-rows", "bad")
    assert ran.code == 3
    assert [one["line"] for one in read(tmp_path / "bad")] == [1, 2]
    assert scripted.script.requests == []


def test_only_the_first_rows_are_scored_when_limited(score: Command, scripted: Scripted, tmp_path) -> None:
    file = write(tmp_path / "in.jsonl", [row(str(number)) for number in range(9)])
    ran = score(file, "-o", "out.jsonl", "--limit", 2)
    assert [result["id"] for result in read(tmp_path / "out.jsonl")] == ["0", "1"]
    assert len(scripted.script.requests) == 1
    assert ran.code == 0


def test_the_options_are_sent_with_every_request(score: Command, scripted: Scripted, tmp_path) -> None:
    file = write(tmp_path / "in.jsonl", [row("a"), row("b")])
    options = ["--method", "rprm", "--k", 3, "--seed", 9, "--aggregate", "prod", "--include", "usage", "--no-cache"]
    score(file, *options, "--items-per-request", 1)
    asked = {"method": "rprm", "trajectories": {"k": 3}, "seed": 9, "aggregate": "prod", "include": ["usage"]}
    asked["cache"] = False
    assert [asked.items() <= body.items() for body in scripted.script.requests] == [True, True]


def test_an_earlier_run_s_side_file_does_not_stay_when_no_row_is_bad(score: Command, tmp_path) -> None:
    file = write(tmp_path / "in.jsonl", [row("a"), "{"])
    assert score(file, "-o", "out.jsonl").code == 3
    write(file, [row("a"), row("b")])
    assert score(file, "-o", "out.jsonl").code == 0
    assert not (tmp_path / "in.jsonl.bad.jsonl").exists()


# exit codes


def one_line(ran: Ran) -> str:
    """What was said of an error: one line of ours (the progress bar aside), and no trace."""
    assert "Traceback" not in ran.err
    [said] = [line for line in ran.err.splitlines() if line.startswith("stepreward: ")]
    return said


def test_a_service_out_of_reach_is_exit_code_1_in_one_line(score: Command, tmp_path) -> None:
    url = _closed_url()
    ran = score(write(tmp_path / "in.jsonl", [row("a")]), "-o", "out.jsonl", url=url)
    assert ran.code == 1
    assert url in one_line(ran)


def test_a_passing_failure_of_the_service_is_not_noticed(score: Command, scripted: Scripted, tmp_path) -> None:
    scripted.script.answers = {0: NOT_READY, 2: HANG_UP}
    ran = score(write(tmp_path / "in.jsonl", [row("a"), row("b")]), "--items-per-request", 1, "--concurrency", 1)
    assert ran.code == 0
    assert [json.loads(line)["id"] for line in ran.out.splitlines()] == ["a", "b"]
    assert len(scripted.script.requests) == 4


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_service_that_dies_midway_loses_nothing_that_was_scored_before(
    score: Command, scripted: Scripted, tmp_path, concurrency
) -> None:
    scripted.script.gone_from = 6
    file = write(tmp_path / "in.jsonl", ["{", *(row(str(number)) for number in range(40))])
    options = ["--items-per-request", 2, "--concurrency", concurrency]
    ran = score(file, "-o", "out.jsonl", *options)
    assert ran.code == 1
    one_line(ran)
    answered = [question for of_request in scripted.script.questions()[:6] for question in of_request]
    in_order = [str(number) for number in range(40)]
    before = next(place for place, name in enumerate(in_order) if f"question {name}" not in answered)
    assert [result["id"] for result in read(tmp_path / "out.jsonl")] == in_order[:before]
    assert before == 11 or concurrency > 1
    assert [one["line"] for one in read(tmp_path / "in.jsonl.bad.jsonl")] == [1]
    assert len(scripted.script.requests) <= 6 + ATTEMPTS * concurrency


@pytest.mark.parametrize(
    "arguments",
    [["missing.jsonl"], ["."], ["in.jsonl", "-o", "no/such/out.jsonl"], ["in.jsonl", "-o", "."]],
    ids=["missing", "a directory", "output nowhere", "output a directory"],
)
def test_a_file_that_cannot_be_used_is_exit_code_2_in_one_line(score: Command, tmp_path, arguments) -> None:
    write(tmp_path / "in.jsonl", [row("a")])
    ran = score(*arguments)
    assert ran.code == 2
    one_line(ran)


def test_a_side_file_that_cannot_be_written_is_exit_code_2(score: Command, tmp_path) -> None:
    ran = score(write(tmp_path / "in.jsonl", ["{"]), "--bad-rows", "no/such/bad.jsonl")
    assert ran.code == 2
    assert "no/such/bad.jsonl" in one_line(ran)


@pytest.mark.parametrize(
    "content", [b"plain text", gzip.compress(json.dumps(row("a")).encode())[:-9]], ids=["not gzip", "cut off"]
)
def test_a_damaged_gzip_file_is_exit_code_2_in_one_line(score: Command, tmp_path, content) -> None:
    (tmp_path / "in.jsonl.gz").write_bytes(content)
    ran = score("in.jsonl.gz", "-o", "out.jsonl")
    assert ran.code == 2
    assert "in.jsonl.gz" in one_line(ran)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--method", "cascade"],
        ["--k", "0"],
        ["--k", "65"],
        ["--limit", "0"],
        ["--seed", "-1"],
        ["--seed", str(2**63)],
        ["--include", "everything"],
        ["--concurrency", "0"],
        ["--no-such-option"],
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_exit_code_2_without_a_trace(score: Command, tmp_path, arguments) -> None:
    ran = score(write(tmp_path / "in.jsonl", [row("a")]), *arguments)
    assert ran.code == 2
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "127.0.0.1:8080", "ftp://127.0.0.1", "http://"])
def test_an_address_that_is_no_url_is_said_in_one_line(score: Command, tmp_path, url) -> None:
    ran = score(write(tmp_path / "in.jsonl", [row("a")]), url=url)
    assert ran.code in (1, 2)
    one_line(ran)


def test_an_empty_file_is_scored_with_nothing_to_say(score: Command, tmp_path) -> None:
    ran = score(write(tmp_path / "in.jsonl", []), "-o", "out.jsonl")
    assert ran.code == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""


# the real application on a port


@contextmanager
def application(worker: ScriptedWorker | None = None, **parts: Any) -> Iterator[str]:
    """The real application over the stand-ins, in a thread, on a port of its own; test_evaluation uses it too."""
    started, ended, ports = threading.Event(), threading.Event(), list[int]()

    async def serve() -> None:
        async with service(worker or ScriptedWorker(), **parts) as built:
            config = uvicorn.Config(create_app(built), port=0, lifespan="off", log_level="critical", ws="none")
            server = uvicorn.Server(config)
            task = asyncio.create_task(server.serve())
            while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
                await asyncio.sleep(0.01)
            ports.append(server.servers[0].sockets[0].getsockname()[1])
            started.set()
            await asyncio.to_thread(ended.wait)
            server.should_exit = True
            await task

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert started.wait(20)
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        ended.set()
        thread.join()


def _command(url: str, *arguments: object, **how: Any) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "stepreward"
    command = [program, "score", *map(str, arguments), "--url", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **how)


def test_the_installed_command_scores_a_file_with_the_real_application(tmp_path) -> None:
    rows = [item(number, id=f"row {number}") for number in range(9)]
    file = write(tmp_path / "in.jsonl", [*rows, item(0, id="long", steps=["7" * 5000])])
    with application() as url:
        alone = ask(url, ScoreRequest.model_validate({"items": rows}))
        ran = _command(url, file, "-o", tmp_path / "out.jsonl", cwd=tmp_path)
    assert ran.returncode == 3, ran.stderr
    known = [result.model_copy(update={"cached": True}) for result in alone.items]
    assert [ItemResult.model_validate(result) for result in read(tmp_path / "out.jsonl")] == known
    [bad] = read(tmp_path / "in.jsonl.bad.jsonl")
    assert bad["line"] == 10
    assert "items[0].steps[0]: 5000 characters" in bad["reason"]


def test_the_installed_command_reads_standard_input_and_writes_standard_output(tmp_path) -> None:
    with application() as url:
        ran = _command(url, "-", "--method", "rprm", input=json.dumps(item(1, id="a")) + "\n", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    [result] = [json.loads(line) for line in ran.stdout.splitlines()]
    assert (result["id"], result["status"]) == ("a", "ok")


def test_the_installed_command_says_in_one_line_that_no_service_is_there(tmp_path) -> None:
    ran = _command(_closed_url(), write(tmp_path / "in.jsonl", [row("a")]), cwd=tmp_path)
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""
