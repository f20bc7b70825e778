"""From the start to the end of a gateway: settings refused, drained on SIGTERM, several processes, one replaced."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway_process import Gateway, gateway, start, wait_for
from loadtests.process import free_ports
from loadtests.scripted_worker import ScriptedWorker
from serving import read_all, serving
from stepreward.schema import ErrorBody
from test_pipeline import item
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

ONE = {"items": [item(0)], "method": "retsp", "retrieval": {"mode": "none"}, "cache": False}

# the start

TAKEN = "the port in use"
# What is wrong → what the one line on stderr begins with.
MUTANTS = {
    ("port", "80o"): "STEPREWARD_PORT: ",
    ("port", TAKEN): "STEPREWARD_PORT: port ",
    ("host", "no.such.host.invalid"): "STEPREWARD_HOST: ",
    ("model", "/no/such/model"): "STEPREWARD_MODEL: there is no directory",
    ("model", "embedded"): "STEPREWARD_MODEL: the embedded model is not in",
    ("encoder-model", "./no/such/encoder"): "STEPREWARD_ENCODER_MODEL: there is no directory",
    ("retsp-template", "/no/such/template"): "STEPREWARD_RETSP_TEMPLATE: ",
    ("calibration", "/no/such/calibration"): "STEPREWARD_CALIBRATION: ",
    ("qdrant-ca-file", "/no/such/certificates"): "STEPREWARD_QDRANT_CA_FILE: ",
    ("worker-url", "no address"): "STEPREWARD_WORKER_URL: ",
    ("retrieval-reranker", "cross-encoder"): "STEPREWARD_RETRIEVAL_CROSS_ENCODER: ",
    ("processes", "0"): "STEPREWARD_PROCESSES: ",
}


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[int, str]]:
    """Mutant → exit code and stderr. All are started at once; there is nobody to connect to."""
    folder = tmp_path_factory.mktemp("mutants")
    port, worker, store, taken = free_ports(4)

    def end(mutant: tuple[str, str]) -> tuple[int, str]:
        name, value = mutant
        sound = {
            "port": port,
            "model": folder,
            "data-dir": folder / "data",
            "worker-url": f"http://127.0.0.1:{worker}",
            "qdrant-url": f"https://127.0.0.1:{store}",
            "start-timeout-s": 5,
        }
        process = start(sound | {name: taken if value is TAKEN else value}, {}, subprocess.PIPE)
        said, _ = process.communicate(timeout=120)
        return process.returncode, said.decode()

    import socket

    with socket.socket() as occupied, ThreadPoolExecutor(4) as pool:
        occupied.bind(("127.0.0.1", taken))
        occupied.listen()
        return dict(zip(MUTANTS, pool.map(end, MUTANTS), strict=True))


@pytest.mark.parametrize("mutant", MUTANTS, ids=" ".join)
def test_a_wrong_setting_ends_the_start_by_its_name(endings, mutant) -> None:
    code, said = endings[mutant]
    assert code == 2, said
    [line] = said.splitlines()
    assert line.startswith(f"stepreward: {MUTANTS[mutant]}")


# the end


def test_a_gateway_that_stops_finishes_what_it_has_and_refuses_the_rest() -> None:
    worker = ScriptedWorker()
    with serving(worker, {"drain_timeout_s": 60}) as served, ThreadPoolExecutor(1) as pool:
        worker.freeze()
        kept, idle = httpx.Client(base_url=served.url, timeout=60), served.connect()
        under_way = pool.submit(kept.post, "/score", json=ONE)
        while "stepreward_requests_in_flight 1.0" not in served.metrics():
            time.sleep(0.01)
        served.server.should_exit = True
        while not served.app.state.stopping:
            time.sleep(0.01)
        refused = httpx.post(f"{served.url}/score", json=ONE)
        ready, alive = httpx.get(f"{served.url}/readyz"), httpx.get(f"{served.url}/livez")
        served.loop.call_soon_threadsafe(worker.thaw)
        answered = under_way.result()
        assert (refused.status_code, ready.status_code, alive.status_code) == (503, 503, 200)
        said = ErrorBody.model_validate_json(refused.content)
        assert (said.code, said.retryable) == ("stopping", True)
        assert refused.headers["Connection"] == "close"
        assert refused.headers["Retry-After"]
        assert answered.status_code == 200
        assert read_all(idle) == b""
        idle.close()
        kept.close()


def test_what_a_gateway_cannot_finish_in_its_time_is_503_and_may_be_asked_again() -> None:
    worker = ScriptedWorker()
    with ThreadPoolExecutor(1) as pool:
        with serving(worker, {"drain_timeout_s": 1}) as served:
            worker.latency_s = 60
            under_way = pool.submit(httpx.post, f"{served.url}/score", json=ONE, timeout=60)
            while "stepreward_requests_in_flight 1.0" not in served.metrics():
                time.sleep(0.01)
        answered = under_way.result()
    assert answered.status_code == 503
    assert ErrorBody.model_validate_json(answered.content).code == "stopping"


# several processes


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("pair"), processes=2) as running:
        yield running


def pids(running: Gateway) -> set[int]:
    """The processes that serve: the children that opened their port, without multiprocessing's own helper."""
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
    return {int(pid) for pid in children if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()}


def served_by_both(running: Gateway, count: int) -> None:
    """Requests on connections of their own, so that the kernel deals them out."""
    for _ in range(count):
        assert httpx.post(f"{running.url}/score", json=ONE, timeout=60).status_code == 200


def test_several_processes_share_one_port_and_tell_one_sum(pair: Gateway) -> None:
    served_by_both(pair, 20)
    told = httpx.get(f"{pair.url}/metrics").text
    assert 'stepreward_requests_total{route="/score",status="200"} 20.0' in told
    assert len(pids(pair)) == 2


def test_a_process_that_dies_is_replaced_while_the_other_serves(pair: Gateway) -> None:
    wait_for(lambda: pair.output.read_text().count("Application startup complete") == 2, pair.process, pair.output)
    victim, other = sorted(pids(pair))
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: victim not in pids(pair) and len(pids(pair)) == 2, pair.process, pair.output)
    assert other in pids(pair)
    served_by_both(pair, 5)
    wait_for(lambda: pair.output.read_text().count("Application startup complete") == 3, pair.process, pair.output)


def test_processes_are_replaced_one_after_the_other_under_load_and_no_request_fails(pair: Gateway) -> None:
    before, over = pids(pair), threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        with httpx.Client(timeout=60) as http:
            while not over.is_set():
                statuses.append(http.post(f"{pair.url}/score", json=ONE).status_code)

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            pair.process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(pids(pair)) == 2 and not pids(pair) & before, pair.process, pair.output)
        finally:
            over.set()
        for one in asking:
            one.result()
    assert len(statuses) > 20
    assert set(statuses) == {200}


def test_the_end_of_all_is_exit_code_0_and_leaves_no_process(pair: Gateway) -> None:
    served = pids(pair)
    assert pair.stop() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in served)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{pair.url}/livez")


# one process


def test_sigterm_during_a_call_lets_it_end_and_the_exit_code_is_0(tmp_path: Path) -> None:
    with gateway(tmp_path, ScriptedWorker(latency_s=1)) as running, ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(httpx.post, f"{running.url}/score", json=ONE, timeout=60)
        wait_for(lambda: _in_flight(running) == 1, running.process, running.output)
        assert running.stop() == 0
        answered = under_way.result()
        assert answered.status_code == 200
        assert json.loads(answered.content)["items"][0]["status"] == "ok"


def _in_flight(running: Gateway) -> float:
    told = httpx.get(f"{running.url}/metrics").text
    return float(
        next(line for line in told.splitlines() if line.startswith("stepreward_requests_in_flight ")).split()[1]
    )
