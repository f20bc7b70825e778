"""Workers that are killed, frozen and faulty under load, and a request that kills them.

Three scripted workers behind the real gateway; 32 clients, each with its next request when the last one is answered.
"""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from statistics import quantiles

from loadtests.overload.load import Answer, Body, circling, item_request, post, session
from loadtests.overload.scenarios import gateway_of
from loadtests.stack import Stack

_CLIENTS = 32
_BEFORE_S, _AFTER_S = 4.0, 10.0


@dataclass(frozen=True)
class Fault:
    """`errors`: answers that were none, by status, and `requests` all of them. `recovery_s`: from the fault until the
    last answer that failed or took longer than `slow_s`, three times the slowest hundredth before the fault."""

    requests: int
    errors: dict[int, int]
    slow_s: float
    recovery_s: float
    longest_s: float


async def killed(stack: Stack) -> Fault:
    """kill -9, and another worker in its place three seconds later."""
    urls = _workers(stack)
    victim = stack.processes[urls[0]]

    async def break_() -> None:
        victim.send_signal(signal.SIGKILL)
        await asyncio.sleep(3)
        await asyncio.to_thread(stack.worker, "--delay-s", "0.05", port=int(urls[0].rpartition(":")[2]))

    return await _under_load(stack, urls, break_)


async def frozen(stack: Stack) -> Fault:
    """SIGSTOP, for five seconds; a worker is left after one second without progress."""
    urls = _workers(stack)
    victim = stack.processes[urls[0]]

    async def break_() -> None:
        victim.send_signal(signal.SIGSTOP)
        await asyncio.sleep(5)
        victim.send_signal(signal.SIGCONT)

    return await _under_load(stack, urls, break_, STEPREWARD_WORKER_STALL_S="1")


async def faulty(stack: Stack) -> Fault:
    """One of three answers 500, always."""
    urls = [*_workers(stack)[:2], stack.worker("--delay-s", "0.05", "--fault-share", "1")]

    async def break_() -> None:
        """It is from the start."""

    return await _under_load(stack, urls, break_)


def _workers(stack: Stack) -> list[str]:
    return [stack.worker("--delay-s", "0.05") for _ in range(3)]


async def _under_load(
    stack: Stack, workers: list[str], break_: Callable[[], Awaitable[None]], **settings: str
) -> Fault:
    url = gateway_of(stack, ",".join(workers), 64, **settings)
    until_s = time.perf_counter() + _BEFORE_S + _AFTER_S
    async with session(url) as http:
        load = asyncio.create_task(circling(http, _CLIENTS, _until(until_s)))
        await asyncio.sleep(_BEFORE_S)
        broken_s = time.perf_counter()
        await break_()
        answers = await load
    return _told(answers, broken_s)


def _until(ends_s: float) -> Iterator[Body]:
    number = int(time.time() * 1000) % 10**9 * 1000
    while time.perf_counter() < ends_s:
        number += 1
        yield item_request(number, steps=3)


def _told(answers: list[Answer], broken_s: float) -> Fault:
    before = [answer.latency_s for answer in answers if answer.due_s + answer.latency_s < broken_s]
    after = [answer for answer in answers if answer.due_s + answer.latency_s >= broken_s]
    slow_s = 3 * quantiles(before, n=100)[-1]
    late = [answer.due_s + answer.latency_s for answer in after if answer.latency_s > slow_s or not answer.ok]
    errors = Counter(answer.status for answer in answers if not answer.ok)
    longest_s = max(answer.latency_s for answer in after)
    return Fault(len(answers), dict(errors), slow_s, max(late, default=broken_s) - broken_s, longest_s)


@dataclass(frozen=True)
class Poison:
    """`statuses` of 200 bystanders and of the request that kills, sent three times."""

    deaths: int
    bystanders: dict[int, int]
    poison: dict[int, int]


async def poisoned(stack: Stack) -> Poison:
    """A request that kills each worker which takes it, among others that do not."""
    urls = [stack.worker("--delay-s", "0.05", "--dies-of", "KILLER") for _ in range(3)]
    url = gateway_of(stack, ",".join(urls), 64)
    async with session(url) as http:
        load = asyncio.create_task(circling(http, _CLIENTS, [item_request(number) for number in range(200)]))
        await asyncio.sleep(0.1)
        killer = item_request(1)
        killer["items"][0]["steps"] = ["The KILLER step."]
        said = [await post(http, killer, time.perf_counter()) for _ in range(3)]
        answers = await load
    deaths = sum(stack.processes[one].poll() is not None for one in urls)
    return Poison(deaths, dict(Counter(one.status for one in answers)), dict(Counter(one.status for one in said)))
