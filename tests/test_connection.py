"""What a connection may cost, over real sockets: large and slow heads, slow bodies, floods, silence, and no HTTP."""

import gzip
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from serving import Served, read_all, serving
from stepreward.schema import ErrorBody
from stepreward.settings import Settings
from test_pipeline import item
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

READ_S = 0.6
ONE = json.dumps({"items": [item(0)]}).encode()
POST = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(settings={"read_timeout_s": READ_S, "keep_alive_s": 1}) as running:
        yield running


def said_to(served: Served, *pieces: bytes, pause_s: float = 0) -> bytes:
    """All that is answered until the connection is closed; a piece that is refused midway ends the sending."""
    with served.connect() as sock:
        for piece in pieces:
            try:
                sock.sendall(piece)
            except ConnectionError:
                break
            time.sleep(pause_s)
        return read_all(sock)


def assert_refused(said: bytes, status: int, code: str) -> None:
    """One answer with the one error body, and the connection's end told."""
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), said[:300]
    assert b"connection: close" in head.lower()
    error = ErrorBody.model_validate_json(body)
    assert error.code == code
    assert len(body) <= 1024


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


# time


def test_by_default_nothing_is_waited_for_longer_than_ten_seconds() -> None:
    settings = Settings()
    assert settings.read_timeout_s <= 9
    assert settings.keep_alive_s <= 10


def test_a_silent_connection_is_closed_without_a_word(served: Served) -> None:
    assert said_to(served) == b""


def test_a_head_that_is_not_finished_is_408(served: Served) -> None:
    assert_refused(said_to(served, b"POST /score HT"), 408, "request_too_slow")


def test_a_head_that_drips_is_408(served: Served) -> None:
    drips = [b"GET /livez HTTP/1.1\r\n", *(b"X-%d: 1\r\n" % number for number in range(60))]
    assert_refused(said_to(served, *drips, pause_s=0.05), 408, "request_too_slow")


def test_line_ends_that_drip_after_an_answer_keep_no_connection_open(served: Served) -> None:
    said = said_to(served, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", *[b"\r\n"] * 60, pause_s=0.05)
    assert said.startswith(b"HTTP/1.1 200 ")


def test_a_body_that_is_not_finished_is_408(served: Served) -> None:
    said = said_to(served, POST + b"Content-Length: 5000\r\n\r\n" + ONE[:100])
    assert_refused(said, 408, "request_too_slow")


def test_a_body_that_drips_is_408(served: Served) -> None:
    head = POST + b"Content-Length: %d\r\n\r\n" % len(ONE)
    assert_refused(said_to(served, head, *[b" "] * 60, pause_s=0.05), 408, "request_too_slow")


def test_a_large_body_has_as_much_longer_as_it_needs_at_a_modest_speed(served: Served) -> None:
    """Twice the time limit, at 100 KiB/s."""
    padding = [b" " * 10_240] * 12
    head = POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % (len(ONE) + 12 * 10_240)
    said = said_to(served, head, *padding, ONE, pause_s=0.1)
    assert said.startswith(b"HTTP/1.1 200 "), said[:300]


def test_a_request_that_takes_long_to_answer_is_not_too_slow() -> None:
    from loadtests.scripted_worker import ScriptedWorker

    with serving(ScriptedWorker(latency_s=3 * READ_S), {"read_timeout_s": READ_S}) as slow:
        answer = httpx.post(f"{slow.url}/score", content=ONE, headers={"Content-Type": "application/json"}, timeout=60)
    assert answer.status_code == 200


@pytest.mark.parametrize(("pause_s", "cut_off"), [(3.0, True), (0.0, False)])
def test_an_answer_that_nobody_takes_is_cut_off_and_one_that_is_taken_is_not(pause_s: float, cut_off: bool) -> None:
    """Two hundred large answers, more than the sockets' buffers hold."""
    get = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n"
    with serving(settings={"write_timeout_s": 0.5}) as running, running.connect() as sock:
        sock.sendall((get + b"\r\n") * 200 + get + b"Connection: close\r\n\r\n")
        time.sleep(pause_s)
        said = read_all(sock)
    assert (said.count(b"HTTP/1.1 200 OK") < 201) is cut_off


# size


@pytest.mark.parametrize(
    "head",
    [
        b"GET /livez HTTP/1.1\r\nX: " + b"a" * 2_000_000,
        b"GET /livez HTTP/1.1\r\n" + b"X: a\r\n" * 300_000 + b"\r\n",
        b"GET /" + b"a" * 2_000_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
    ],
    ids=["one header", "many headers", "the path", "little too much"],
)
def test_a_head_of_two_megabytes_is_431(served: Served, head: bytes) -> None:
    assert_refused(said_to(served, head), 431, "head_too_large")


def test_a_head_below_the_cap_is_taken_in_every_request_of_a_connection(served: Served) -> None:
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 30_000 + b"\r\n\r\n"
    assert said_to(served, request, request, request).count(b"HTTP/1.1 200 ") == 3


def test_a_flood_of_tiny_chunks_is_400(served: Served) -> None:
    flood = [chunk(b"a") * 1000] * 200
    assert_refused(said_to(served, POST + b"Transfer-Encoding: chunked\r\n\r\n", *flood), 400, "malformed_body")


def test_a_flood_of_large_chunks_is_413_and_is_not_read_to_its_end(served: Served) -> None:
    """It is told at the cap; what comes after is dropped for half the time limit, and then the connection is closed."""
    stopped = threading.Event()

    def flood() -> Iterator[bytes]:
        while not stopped.is_set():
            yield chunk(b"a" * 50_000)
            time.sleep(0.01)

    with served.connect() as sock:
        sock.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        begun_s = time.monotonic()
        try:
            for piece in flood():
                sock.sendall(piece)
                assert time.monotonic() - begun_s < 10
        except ConnectionError:
            pass
    assert 'requests_total{route="/score",status="413"}' in served.metrics()


def test_a_gzip_bomb_is_415_unread(served: Served) -> None:
    bomb = gzip.compress(b" " * 20_000_000)
    head = POST + b"Content-Encoding: gzip\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    said = said_to(served, head + bomb)
    assert b" 415 " in said.partition(b"\r\n")[0]


def test_a_million_brackets_are_400(served: Served) -> None:
    """Within the cap of a real service; this one's is lower, so that many fit twice."""
    body = b"[" * 190_000
    said = said_to(served, POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert b" 400 " in said.partition(b"\r\n")[0]


# form


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"HELLO\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n: empty\r\n\r\n",
        b"POST /score HTTP/1.1\r\nContent-Length: minus one\r\n\r\n",
    ],
    ids=["TLS", "a word", "two lengths", "a header without a name", "no number"],
)
def test_what_is_not_http_is_400_in_the_one_form(served: Served, nonsense: bytes) -> None:
    assert_refused(said_to(served, nonsense), 400, "malformed_head")


def test_a_broken_chunk_is_400_and_the_request_is_given_up(served: Served) -> None:
    said = said_to(served, POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(ONE[:50]) + b"zz\r\n")
    assert_refused(said, 400, "malformed_head")
    told = served.metrics()
    assert "stepreward_requests_in_flight 0.0" in told
    assert 'stepreward_requests_total{route="/score",status="500"}' not in told


def test_a_refused_connection_harms_no_other(served: Served) -> None:
    with served.connect() as sound:
        said_to(served, b"nonsense\r\n\r\n")
        sound.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert read_all(sound).startswith(b"HTTP/1.1 200 ")


def test_refusals_are_counted_by_their_status(served: Served) -> None:
    def counted() -> float:
        lines = served.metrics().splitlines()
        start = 'stepreward_requests_total{route="unknown",status="431"} '
        return sum(float(line.removeprefix(start)) for line in lines if line.startswith(start))

    before = counted()
    said_to(served, b"GET /livez HTTP/1.1\r\nX: " + b"a" * 100_000)
    assert counted() == before + 1


# all at once

ATTACKS: list[Callable[[Served], bytes]] = [
    lambda served: said_to(served, b"GET /livez HTTP/1.1\r\n", *[b"X: 1\r\n"] * 9, pause_s=0.1),
    lambda served: said_to(served, b"GET /livez HTTP/1.1\r\nX: " + b"a" * 2_000_000),
    lambda served: said_to(served, POST + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk(b"a") * 1000] * 50),
    lambda served: said_to(served, POST + b"Content-Length: 9\r\n\r\n12"),
    lambda served: said_to(served, POST + b"Connection: close\r\nContent-Length: 190000\r\n\r\n" + b"[" * 190_000),
    lambda served: said_to(
        served, POST + b'Connection: close\r\nContent-Length: 190000\r\n\r\n{"items":[' + b"[]," * 63_330
    ),
]


def test_livez_answers_at_once_under_all_of_it(served: Served) -> None:
    over = threading.Event()

    def attack(way: Callable[[Served], bytes]) -> None:
        while not over.is_set():
            way(served)

    threads = [threading.Thread(target=attack, args=[way]) for way in ATTACKS]
    for thread in threads:
        thread.start()
    took_s = []
    try:
        with httpx.Client() as http:
            for _ in range(60):
                begun_s = time.perf_counter()
                assert http.get(f"{served.url}/livez").text == "ok"
                took_s.append(time.perf_counter() - begun_s)
                time.sleep(0.02)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert statistics.median(took_s) < 0.1
