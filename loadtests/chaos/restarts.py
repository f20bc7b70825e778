"""Rolling restarts under load: not one request may fail. Writes docs/bench/restarts.json.

    python -m loadtests.chaos.restarts [--restarts 8] [--requests 30000]

A gateway of two processes, a scripted worker, and clients that keep their connections, as trainers do. SIGHUP replaces
one process after the other, each by one that is warm; it is sent again when the replacing is done. Requests are small
and mostly known to the cache: what is tested is the connections.
"""

import asyncio
import json
import os
import platform
import signal
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

import click
import httpx

from loadtests.stack import Stack, stack

REPORT = Path(__file__).parents[2] / "docs" / "bench" / "restarts.json"
CLIENTS = 6
DISTINCT = 500
LIVE_EVERY_S = 0.25


@dataclass
class Seen:
    """Answers by status or by what broke, and how long /livez took."""

    answers: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0
    live_s: list[float] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return self.answers.total()

    @property
    def failed(self) -> int:
        return self.requests - self.answers["200"]


def children(pid: int) -> set[int]:
    """The processes that serve, without multiprocessing's own helper."""
    found = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return {child for child in found if "resource_tracker" not in _command(child)}


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


async def ask(http: httpx.AsyncClient, seen: Seen, over: asyncio.Event, first: int) -> None:
    number = first
    while not over.is_set():
        number += CLIENTS
        item = {"question": f"What is {number % DISTINCT} + 1?", "steps": [f"It is {number % DISTINCT + 1}."]}
        begun_s = time.perf_counter()
        try:
            answer = await http.post("/score", json={"items": [item], "retrieval": {"mode": "none"}})
            seen.answers[str(answer.status_code)] += 1
        except httpx.HTTPError as error:
            seen.answers[type(error).__name__] += 1
        seen.slowest_s = max(seen.slowest_s, time.perf_counter() - begun_s)


async def watch_live(url: str, seen: Seen, over: asyncio.Event) -> None:
    """On connections of their own, as a kubelet does."""
    while not over.is_set():
        begun_s = time.perf_counter()
        async with httpx.AsyncClient(timeout=10) as http:
            (await http.get(f"{url}/livez")).raise_for_status()
        seen.live_s.append(time.perf_counter() - begun_s)
        await asyncio.sleep(LIVE_EVERY_S)


async def restart(gateway: "Popen[bytes]", times: int, seen: Seen, requests: int) -> list[float]:
    """How long each took, in seconds. Ends when there were as many requests, too."""
    took_s = []
    for _ in range(times):
        before, begun_s = children(gateway.pid), time.monotonic()
        gateway.send_signal(signal.SIGHUP)
        while len(now := children(gateway.pid)) != len(before) or now & before:
            if gateway.poll() is not None:
                raise RuntimeError("the gateway ended")
            await asyncio.sleep(0.1)
        took_s.append(time.monotonic() - begun_s)
        click.echo(f"replaced in {took_s[-1]:.1f} s; {seen.requests} requests, {seen.failed} failed", err=True)
    while seen.requests < requests:  # noqa: ASYNC110  (nothing tells a number of requests)
        await asyncio.sleep(0.2)
    return took_s


async def run(gateway: "Popen[bytes]", url: str, times: int, requests: int) -> tuple[Seen, list[float], float]:
    seen, over, begun_s = Seen(), asyncio.Event(), time.monotonic()
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:
        asking = [asyncio.create_task(ask(http, seen, over, first)) for first in range(CLIENTS)]
        watching = asyncio.create_task(watch_live(url, seen, over))
        try:
            took_s = await restart(gateway, times, seen, requests)
        finally:
            over.set()
            await asyncio.gather(*asking, watching)
    return seen, took_s, time.monotonic() - begun_s


def report(seen: Seen, took_s: list[float], seconds: float) -> dict[str, object]:
    live_s = sorted(seen.live_s)
    return {
        "restarts": len(took_s),
        "processes": 2,
        "requests": seen.requests,
        "failed": seen.failed,
        "answers": dict(seen.answers),
        "requests_per_s": round(seen.requests / seconds, 1),
        "slowest_request_s": round(seen.slowest_s, 3),
        "restart_s": [round(one, 1) for one in took_s],
        "livez_p50_ms": round(1000 * live_s[len(live_s) // 2], 1),
        "livez_p99_ms": round(1000 * live_s[int(len(live_s) * 0.99)], 1),
        "livez_max_ms": round(1000 * live_s[-1], 1),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
    }


@click.command()
@click.option("--restarts", type=int, default=8, show_default=True)
@click.option("--requests", type=int, default=30_000, show_default=True, help="at least as many are made")
def main(restarts: int, requests: int) -> None:
    with tempfile.TemporaryDirectory() as folder, stack(Path(folder)) as built:
        gateway, url = start(built)
        seen, took_s, seconds = asyncio.run(run(gateway, url, restarts, requests))
    told = report(seen, took_s, seconds)
    REPORT.write_text(json.dumps(told, indent=2) + "\n")
    click.echo(json.dumps(told, indent=2))
    if seen.failed:
        raise SystemExit(1)


def start(built: Stack) -> "tuple[Popen[bytes], str]":
    worker = built.worker()
    nobody = "http://127.0.0.1:9"
    settings = {"RETRIEVAL_POLICY": "degrade", "QDRANT_URL": nobody, "PROCESSES": "2"}
    url = built.gateway(worker, **{f"STEPREWARD_{name}": value for name, value in settings.items()})
    return built.processes[url], url


if __name__ == "__main__":
    main()
