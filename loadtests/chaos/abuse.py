"""What abuse costs: memory, and what others notice of it. Writes docs/bench/abuse.json.

    python -m loadtests.chaos.abuse [--rounds 40]

Each round is one request of every kind below, some at once, against one gateway with its settings as they come, but for
the time limit of a read, which is a second so that the slow ones end. Meanwhile /livez is asked by somebody else.
"""

import json
import os
import platform
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import click

from loadtests.overload.load import watching_livez
from loadtests.stack import stack

REPORT = Path(__file__).parents[2] / "docs" / "bench" / "abuse.json"
POST = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
MIB = 2**20
# Until the allocator has taken what it goes on working with.
WARM_ROUNDS = 20


def whole(body: bytes, more: bytes = b"") -> bytes:
    return POST + more + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body


KINDS: dict[str, bytes] = {
    "head that does not end": b"POST /score HT",
    "head of 2 MB": b"GET /livez HTTP/1.1\r\nX: " + b"a" * (2 * MIB),
    "body that does not end": POST + b"Content-Length: 5000\r\n\r\n{",
    "20,000 chunks of a byte": POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 20_000,
    "chunks without end": POST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b" " * 65_536 + b"\r\n") * 520,
    "gzip": whole(b"\x1f\x8b" + b"\0" * 4096, b"Content-Encoding: gzip\r\n"),
    "10^6 brackets": whole(b"[" * 1_000_000),
    "10^7 empty lists": whole(b'{"items":[' + b"[]," * 10_000_000 + b"1]}"),
    "0.3 MB of wrong types": whole(json.dumps({"items": [{"question": "q", "steps": [1] * 100_000}]}).encode()),
    "10,000 steps": whole(json.dumps({"items": [{"question": "q", "steps": ["s"] * 10_000}]}).encode()),
    "a step of 10^6 characters": whole(json.dumps({"items": [{"question": "q", "steps": ["s" * 1_000_000]}]}).encode()),
    "NaN": whole(b'{"items":[{"question":"q","steps":["s"]}],"seed":NaN}'),
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
}


def ask(port: int, content: bytes) -> str:
    """The status that is answered, or "closed"."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        with suppress(ConnectionError):
            sock.sendall(content)
        with suppress(ConnectionError):
            while received := sock.recv(65_536):
                said += received
    return said[9:12].decode() or "closed"


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def abuse(port: int, rounds: int) -> Counter[str]:
    answers: Counter[str] = Counter()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(rounds):
            for kind, said in zip(KINDS, pool.map(lambda content: ask(port, content), KINDS.values()), strict=True):
                answers[f"{kind}: {said}"] += 1
    return answers


def milliseconds(took_s: Sequence[float]) -> dict[str, float]:
    ordered = sorted(took_s)
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(1000 * ordered[min(int(len(ordered) * q), len(ordered) - 1)], 1) for name, q in at.items()}


@click.command()
@click.option("--rounds", type=int, default=40, show_default=True)
def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder, stack(Path(folder)) as built:
        worker = built.worker()
        settings = {"RETRIEVAL_POLICY": "degrade", "QDRANT_URL": "http://127.0.0.1:9", "READ_TIMEOUT_S": "1"}
        url = built.gateway(worker, **{f"STEPREWARD_{name}": value for name, value in settings.items()})
        port, pid = int(url.rpartition(":")[2]), built.processes[url].pid
        with watching_livez(url) as quiet_s:
            time.sleep(5)
        abuse(port, WARM_ROUNDS)
        before_mib = resident_mib(pid)
        with watching_livez(url) as under_s:
            answers = abuse(port, rounds)
        after_mib = resident_mib(pid)
    requests = rounds * len(KINDS)
    told = {
        "requests": requests,
        "answers": dict(answers),
        "resident_mib": [round(before_mib), round(after_mib)],
        "grown_mib_per_100_requests": round(100 * (after_mib - before_mib) / requests, 3),
        "livez_ms_at_rest": milliseconds(quiet_s),
        "livez_ms_under_abuse": milliseconds(under_s),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
    }
    REPORT.write_text(json.dumps(told, indent=2) + "\n")
    click.echo(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
