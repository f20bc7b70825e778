"""Requests, sent and timed."""

import asyncio
import multiprocessing
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import aiohttp
import httpx

Body = dict[str, Any]
_LIVEZ_EVERY_S = 0.05


@dataclass(frozen=True)
class Answer:
    """`latency_s` counts from when the request was due. `status` is 0 where there was no answer."""

    due_s: float
    latency_s: float
    status: int

    @property
    def ok(self) -> bool:
        return self.status == 200


def item_request(number: int, steps: int = 1, **fields: Any) -> Body:
    """One item that no other request has, without references."""
    question = (
        f"A farmer has {number} crates with 12 apples each, and sells {number % 7 + 2}. How many crates are left?"
    )
    text = [f"After sale {step}, {number} - {step} crates are left, which is {number - step}." for step in range(steps)]
    return {"items": [{"question": question, "steps": text}], "retrieval": {"mode": "none"}, **fields}


@asynccontextmanager
async def session(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """No limit to connections: who sends must not wait for who was sent to."""
    limit = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0), timeout=limit) as http:
        yield http


async def post(http: aiohttp.ClientSession, body: Body, due_s: float, path: str = "/score") -> Answer:
    try:
        async with http.post(path, json=body) as answer:
            await answer.read()
            return Answer(due_s, time.perf_counter() - due_s, answer.status)
    except (aiohttp.ClientError, TimeoutError):
        return Answer(due_s, time.perf_counter() - due_s, 0)


async def arriving(
    http: aiohttp.ClientSession, per_s: float, seconds: float, body: Callable[[int], Body], seed: int
) -> list[Answer]:
    """Open loop, Poisson."""
    chance, number, sent = random.Random(seed), 0, []  # noqa: S311
    began_s = due_s = time.perf_counter()
    while due_s - began_s < seconds:
        await asyncio.sleep(max(0, due_s - time.perf_counter()))
        sent.append(asyncio.create_task(post(http, body(number), due_s)))
        number += 1
        due_s += chance.expovariate(per_s)
    return await asyncio.gather(*sent)


async def circling(http: aiohttp.ClientSession, clients: int, bodies: Iterable[Body]) -> list[Answer]:
    """Closed loop: so many clients, each with its next request when the last one is answered."""
    queue, answers = iter(bodies), []

    async def client() -> None:
        for body in queue:
            answer = await post(http, body, time.perf_counter())
            answers.append(answer)

    await asyncio.gather(*(client() for _ in range(clients)))
    return answers


@contextmanager
def watching_livez(url: str) -> Iterator[list[float]]:
    """How long each look at /livez took meanwhile, in seconds, once it has ended. By a process of its own: one that
    sends loads of requests meets its own delays."""
    taken: list[float] = []
    spawned = multiprocessing.get_context("spawn")
    here, there = spawned.Pipe()
    process = spawned.Process(target=_look, args=(url, there))
    process.start()
    here.recv()
    try:
        yield taken
    finally:
        here.send("end")
        taken += here.recv()
        process.join()


def _look(url: str, told: Connection) -> None:
    taken = []
    with httpx.Client(base_url=url, timeout=60) as http:
        http.get("/livez").raise_for_status()
        told.send("begun")
        while not told.poll(_LIVEZ_EVERY_S):
            started_s = time.perf_counter()
            http.get("/livez").raise_for_status()
            taken.append(time.perf_counter() - started_s)
    told.send(taken)
