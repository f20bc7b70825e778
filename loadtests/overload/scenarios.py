"""Each scenario: what is started, what is sent, and the figures that come of it."""

import asyncio
import gzip
import itertools
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from loadtests.figures import Figure, ratio
from loadtests.overload.load import Answer, Body, arriving, circling, item_request, post, session, watching_livez
from loadtests.process import cpu_s, memory_mib
from loadtests.stack import Stack

_OVERLOADS = (1, 2, 5, 10)
_DELAY_S, _SLOTS = 0.2, 8
_CAPACITY_PER_S = _SLOTS / _DELAY_S
_DEADLINE_S = 1.0

_JSON = {"Content-Type": "application/json"}

_numbers = itertools.count(1)


def _fresh(**fields: Any) -> Body:
    return item_request(next(_numbers), **fields)


def gateway_of(stack: Stack, worker: str, slots: int, **settings: str) -> str:
    """A gateway without a vector store that gives a worker so many calls at once."""
    return stack.gateway(
        worker,
        STEPREWARD_RETRIEVAL_POLICY="degrade",
        STEPREWARD_QDRANT_URL="http://127.0.0.1:9",
        STEPREWARD_WORKER_CONNECTIONS=str(slots),
        STEPREWARD_WORKER_INFLIGHT_TOKENS=str(2**40),
        **settings,
    )


@dataclass(frozen=True)
class Goodput:
    """Answers within the deadline per second, by how many times the capacity was asked for; and the same where
    nothing is refused. `livez_s` is the longest that /livez took."""

    per_s: dict[int, list[float]]
    unshed_per_s: dict[int, list[float]]
    livez_s: float


async def goodput(stack: Stack, rounds: int, seconds: float) -> Goodput:
    worker = stack.worker("--delay-s", str(_DELAY_S), "--slots", str(_SLOTS))
    shedding = gateway_of(stack, worker, _SLOTS)
    taking_all = gateway_of(stack, worker, _SLOTS, STEPREWARD_QUEUE_TOKENS=str(2**50))
    per_s: dict[int, list[float]] = {times: [] for times in _OVERLOADS}
    unshed: dict[int, list[float]] = {1: [], 2: []}
    with watching_livez(shedding) as livez:
        for turn in range(rounds):
            for times in _OVERLOADS:
                per_s[times].append(await _goodput(shedding, times, seconds, turn, deadline=True))
            for times, turns in unshed.items():
                turns.append(await _goodput(taking_all, times, seconds, turn, deadline=False))
    return Goodput(per_s, unshed, max(livez))


async def _goodput(url: str, times: int, seconds: float, seed: int, *, deadline: bool) -> float:
    fields = {"deadline_ms": round(_DEADLINE_S * 1000)} if deadline else {}
    async with session(url) as http:
        answers = await arriving(http, times * _CAPACITY_PER_S, seconds, lambda _: _fresh(**fields), seed)
    return sum(answer.ok and answer.latency_s <= _DEADLINE_S for answer in answers) / seconds


@dataclass(frozen=True)
class Alone:
    """Seconds of each request at the worker itself and through the gateway, in turns; scores of steps a second with
    64 clients, and of processor time of the gateway."""

    direct_s: list[list[float]]
    through_s: list[list[float]]
    steps_per_s: list[float]
    steps_per_cpu_s: list[float]

    def added(self, percent: float) -> Figure:
        return ratio(self.through_s, self.direct_s, percent)


async def alone(stack: Stack, rounds: int) -> Alone:
    """One core's worth of gateway over a worker that takes 0.2 s for everything."""
    worker = stack.worker("--delay-s", "0.2")
    url = gateway_of(stack, worker, 4096)
    pid = stack.processes[url].pid
    found = Alone([], [], [], [])
    async with session(worker) as to_worker, session(url) as to_gateway:
        for _ in range(rounds):
            bare = [_completion() for _ in range(60)]
            found.direct_s.append([one.latency_s for one in await _posted(to_worker, bare, "/v1/completions")])
            found.through_s.append([one.latency_s for one in await _posted(to_gateway, [_fresh() for _ in range(60)])])
            started_s, busy_s = time.perf_counter(), cpu_s(pid)
            answers = await circling(to_gateway, 64, [_fresh(steps=10) for _ in range(600)])
            steps = 10 * sum(answer.ok for answer in answers)
            found.steps_per_s.append(steps / (time.perf_counter() - started_s))
            found.steps_per_cpu_s.append(steps / (cpu_s(pid) - busy_s))
    return found


def _completion() -> Body:
    return {"model": "scripted-7b", "prompt": [list(range(200))], "max_tokens": 1, "logprob_token_ids": [10, 12]}


async def _posted(http: aiohttp.ClientSession, bodies: Sequence[Body], path: str = "/score") -> list[Answer]:
    """One after the other."""
    return [await post(http, body, time.perf_counter(), path) for body in bodies]


@dataclass(frozen=True)
class Refusal:
    """Processor time of the gateway for a request taken on and for one refused, in milliseconds, in turns. Those
    taken on look for references, as by default."""

    accepted_ms: list[float]
    refused_ms: list[float]


async def refusal(stack: Stack, rounds: int) -> Refusal:
    worker, frozen = stack.worker("--delay-s", "0.05"), stack.worker()
    stack.store(_corpus())
    taking = stack.gateway(worker)
    full = stack.gateway(frozen, STEPREWARD_QUEUE_TOKENS="4000", STEPREWARD_WORKER_STALL_S="3600")
    found = Refusal([], [])
    async with session(taking) as to_taking, session(full) as to_full:
        stack.processes[frozen].send_signal(signal.SIGSTOP)
        held = asyncio.create_task(post(to_full, _looked_up(), time.perf_counter()))
        await asyncio.sleep(2)
        for _ in range(rounds):
            bodies = [_looked_up() for _ in range(100)]
            found.accepted_ms.append(await _cpu_ms(stack.processes[taking].pid, to_taking, bodies, 200))
            found.refused_ms.append(await _cpu_ms(stack.processes[full].pid, to_full, bodies, 429))
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)
        stack.processes[frozen].send_signal(signal.SIGCONT)
    return found


def _looked_up() -> Body:
    """An item of six steps that wants references."""
    return {**_fresh(steps=6), "retrieval": {}}


def _corpus() -> list[Body]:
    rows = [item_request(number, steps=6)["items"][0] for number in range(500)]
    return [{**row, "labels": [True] * 6, "source": "made"} for row in rows]


async def _cpu_ms(pid: int, http: aiohttp.ClientSession, bodies: Sequence[Body], status: int) -> float:
    busy_s = cpu_s(pid)
    answers = await circling(http, 8, bodies)
    wrong = [answer.status for answer in answers if answer.status != status]
    if wrong:
        raise RuntimeError(f"not {status}: {wrong}")
    return (cpu_s(pid) - busy_s) * 1000 / len(bodies)


@dataclass(frozen=True)
class Priorities:
    """Seconds of interactive requests alone and beside bulk ones, in turns; steps a second of the bulk, and of all
    that the workers can do."""

    solo_s: list[list[float]]
    beside_s: list[list[float]]
    bulk_per_s: list[float]
    capacity_per_s: float


async def priorities(stack: Stack, rounds: int, seconds: float) -> Priorities:
    delay_s, slots = 0.1, 10
    worker = stack.worker("--delay-s", str(delay_s), "--slots", str(slots))
    url = gateway_of(stack, worker, slots)
    found = Priorities([], [], [], slots / delay_s)
    async with session(url) as http:
        for turn in range(rounds):
            found.solo_s.append(await _interactive(http, seconds, turn))
            ended = asyncio.Event()
            bulk = asyncio.create_task(circling(http, 64, _until(ended)))
            await asyncio.sleep(1)
            began_s = time.perf_counter()
            found.beside_s.append(await _interactive(http, seconds, turn))
            took_s = time.perf_counter() - began_s
            ended.set()
            answered = [one for one in await bulk if began_s <= one.due_s + one.latency_s <= began_s + took_s]
            found.bulk_per_s.append(sum(answer.ok for answer in answered) / took_s)
    return found


async def _interactive(http: aiohttp.ClientSession, seconds: float, seed: int) -> list[float]:
    answers = await arriving(http, 20, seconds, lambda _: _fresh(), seed)
    if not all(answer.ok for answer in answers):
        raise RuntimeError(f"interactive requests failed: {Counter(answer.status for answer in answers)}")
    return [answer.latency_s for answer in answers]


def _until(ended: asyncio.Event) -> Iterator[Body]:
    while not ended.is_set():
        yield _fresh(priority="bulk")


@dataclass(frozen=True)
class Storm:
    """Calls of workers for each request, where 30% of the answers are 500; and for each of many equal requests that
    clients send again at once when they fail."""

    attempts_per_request: float
    attempts_per_equal_request: float
    livez_s: float


async def storm(stack: Stack) -> Storm:
    workers = ",".join(stack.worker("--delay-s", "0.02", "--fault-share", "0.3") for _ in range(2))
    # Left alone for bad answers, a worker would not be asked: here they are to be asked.
    url = gateway_of(stack, workers, 64, STEPREWARD_WORKER_FAULTS="1000000")
    with watching_livez(url) as livez:
        async with session(url) as http:
            before = await _attempts(http)
            sent = await circling(http, 64, [_fresh() for _ in range(3000)])
            between = await _attempts(http)
            equal = _fresh()
            again = await asyncio.gather(*(_persistent(http, equal) for _ in range(2000)))
            after = await _attempts(http)
    return Storm((between - before) / len(sent), (after - between) / sum(again), max(livez))


async def _persistent(http: aiohttp.ClientSession, body: Body) -> int:
    """As a trainer does: tries five times, at once. How often it asked."""
    for asked in range(1, 6):
        if (await post(http, body, time.perf_counter())).ok:
            return asked
    return 5


async def _attempts(http: aiohttp.ClientSession) -> float:
    async with http.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("stepreward_worker_attempts_total{"))


@dataclass(frozen=True)
class Abuse:
    """Growth of the gateway's memory for each hundred requests that are refused, after the first two hundred."""

    mib_per_100: float
    livez_s: float


async def abuse(stack: Stack) -> Abuse:
    url = gateway_of(stack, stack.worker("--delay-s", "0.01"), 64)
    pid = stack.processes[url].pid
    with watching_livez(url) as livez:
        await _abused(url, 200)
        before_mib = memory_mib(pid)
        await _abused(url, 400)
        after_mib = memory_mib(pid)
    return Abuse((after_mib - before_mib) / 4, max(livez))


async def _abused(url: str, count: int) -> None:
    """Too large, not JSON, nested, wrong by type, compressed, and never ended: in turns, eight at once."""
    kinds = [
        (b'{"items": "' + b"x" * (40 << 20) + b'"}', {}),
        (b'{"items": [' * 20_000, {}),
        (b"[" * 1_000_000, {}),
        (b'{"items": [{"question": "q", "steps": [' + b"1," * 300_000 + b"1]}]}", {}),
        (gzip.compress(b" " * (10 << 20)), {"Content-Encoding": "gzip"}),
        (b'{"items": [{"question": "q", "steps": ["\xff"]}]}', {}),
    ]
    gate = asyncio.Semaphore(8)

    async def one(http: aiohttp.ClientSession, number: int) -> None:
        content, headers = kinds[number % len(kinds)]
        async with gate:
            try:
                async with http.post(
                    "/score", data=content, headers={"Content-Type": "application/json", **headers}
                ) as got:
                    if got.status < 400:
                        raise RuntimeError(f"abuse {number % len(kinds)} was answered {got.status}")
            except aiohttp.ClientError:
                pass  # refused before all of it was sent

    async with session(url) as http:
        await asyncio.gather(*(one(http, number) for number in range(count)))
