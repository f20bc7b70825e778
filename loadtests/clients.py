"""What clients get: OpenRLHF's posts all at once, the same again, and what the SDK costs beside plain HTTP.

    python -m loadtests.clients          # docs/bench/clients.json; 4 minutes

A gateway without references before a scripted worker that takes a fixed time for each call, some calls at once.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import click
import httpx

from loadtests.stack import Stack, stack
from stepreward.client import AsyncClient, Item

_SLOTS = 16
_CLIENT_TIMEOUT_S = 180
_PER_REQUEST = 32


def gateway_of(built: Stack, delay_s: float) -> str:
    return built.gateway(
        built.worker("--delay-s", str(delay_s)),
        STEPREWARD_RETRIEVAL_POLICY="degrade",
        STEPREWARD_QDRANT_URL="http://127.0.0.1:9",
        STEPREWARD_RETRIEVAL_QUESTIONS="0",
        STEPREWARD_RETRIEVAL_STEPS="0",
        STEPREWARD_WORKER_CONNECTIONS=str(_SLOTS),
        STEPREWARD_WORKER_INFLIGHT_TOKENS=str(2**40),
    )


def _response(number: int) -> str:
    return (
        f"There are {number} crates of 12.\n\nSo {number} * 12 = {number * 12} apples.\n\nThe answer is {number * 12}."
    )


def _body(number: int) -> dict[str, list[str]]:
    prompt = f"<|im_start|>user\nHow many apples are in {number} crates?<|im_end|>\n<|im_start|>assistant\n"
    return {"query": [f"{prompt}{_response(number)}<|im_end|>"], "prompts": [prompt], "labels": [str(number * 12)]}


async def _posted(url: str, bodies: Sequence[dict[str, list[str]]]) -> tuple[float, list[Any]]:
    """As OpenRLHF does it, but without its retries: a connection for each post. Seconds, and the answers or None."""
    timeout = aiohttp.ClientTimeout(total=_CLIENT_TIMEOUT_S)

    async def one(body: dict[str, list[str]]) -> Any:
        try:
            async with aiohttp.ClientSession(timeout=timeout) as http, http.post(url, json=body) as answer:
                return await answer.json() if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError):
            return None

    began_s = time.perf_counter()
    answers = await asyncio.gather(*(one(body) for body in bodies))
    return time.perf_counter() - began_s, answers


async def storm(url: str, posts: int) -> dict[str, Any]:
    bodies = [_body(number) for number in range(1, posts + 1)]
    first_s, first = await _posted(f"{url}/get_reward", bodies)
    again = [await _posted(f"{url}/get_reward", bodies) for _ in range(3)]
    again_s = statistics.median(seconds for seconds, _ in again)
    return {
        "posts": posts,
        "answered": sum(answer is not None for answer in first),
        "fallbacks": sum(sum(answer["extra_logs"]["prm_fallback"]) for answer in first if answer),
        "seconds": round(first_s, 2),
        "again_seconds": round(again_s, 2),
        "times_faster": round(first_s / again_s, 1),
        "again_equal": all(answers == first for _, answers in again),
    }


async def overhead(url: str, rounds: int) -> dict[str, Any]:
    """The same items, known to the service beforehand, so that nothing but the client and the gateway takes time."""
    items = [Item(question=f"How many apples are in {n} crates?", response=_response(n)) for n in range(1, 513)]
    chunks = [items[begin : begin + _PER_REQUEST] for begin in range(0, len(items), _PER_REQUEST)]
    async with AsyncClient(url, items_per_request=_PER_REQUEST, concurrency=4) as client, httpx.AsyncClient() as http:

        async def plain() -> None:
            room = asyncio.Semaphore(4)

            async def one(chunk: Sequence[Item]) -> list[Any]:
                body = {"items": [{"question": item.question, "response": item.response} for item in chunk]}
                async with room:
                    answer = await http.post(f"{url}/score", json=body, timeout=_CLIENT_TIMEOUT_S)
                return list(answer.json()["items"])

            results = [result for some in await asyncio.gather(*map(one, chunks)) for result in some]
            assert len(results) == len(items)

        async def sdk() -> None:
            assert len(await client.score_items(items)) == len(items)

        await sdk()
        return await _compared(plain, sdk, rounds)


async def fresh_overhead(url: str, rounds: int) -> dict[str, Any]:
    """One item after another that the worker must judge, in both ways."""
    number = 1_000_000
    async with AsyncClient(url) as client, httpx.AsyncClient(timeout=_CLIENT_TIMEOUT_S) as http:

        def next_item() -> Item:
            nonlocal number
            number += 1
            return Item(question=f"How many apples are in {number} crates?", response=_response(number))

        async def plain() -> None:
            for _ in range(10):
                item = next_item()
                body = {"items": [{"question": item.question, "response": item.response}]}
                assert (await http.post(f"{url}/score", json=body)).json()["items"][0]["score"] is not None

        async def sdk() -> None:
            for _ in range(10):
                [result] = await client.score_items([next_item()])
                assert result.score is not None

        await sdk()
        return await _compared(plain, sdk, rounds)


async def _compared(
    plain: Callable[[], Awaitable[None]], sdk: Callable[[], Awaitable[None]], rounds: int
) -> dict[str, Any]:
    """In turns, so that what else the machine does falls on both."""
    taken: dict[str, list[float]] = {"plain": [], "sdk": []}
    for number in range(rounds):
        for name, run in (("plain", plain), ("sdk", sdk))[:: 1 if number % 2 else -1]:
            began_s = time.perf_counter()
            await run()
            taken[name].append(time.perf_counter() - began_s)
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    return {
        "plain_s": round(medians["plain"], 4),
        "sdk_s": round(medians["sdk"], 4),
        "overhead_percent": round(100 * (medians["sdk"] / medians["plain"] - 1), 1),
        "rounds": rounds,
    }


@click.command()
@click.option("--posts", type=click.IntRange(1), default=1024, show_default=True)
@click.option("--delay-s", type=float, default=2, show_default=True, help="of one call of the worker, in the storm")
@click.option("--rounds", type=click.IntRange(2), default=12, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/bench/clients.json"), show_default=True)
def main(posts: int, delay_s: float, rounds: int, out: Path) -> None:
    """Loads this machine alone, by 127.0.0.1."""
    with tempfile.TemporaryDirectory() as folder, stack(Path(folder)) as built:
        found: dict[str, Any] = {"worker": {"delay_s": delay_s, "calls_at_once": _SLOTS}}
        found["get_reward"] = asyncio.run(storm(gateway_of(built, delay_s), posts))
        click.echo(json.dumps(found))
        url = gateway_of(built, 0.1)
        found["sdk_known_items"] = asyncio.run(overhead(url, rounds))
        found["sdk_worker_of_100_ms"] = asyncio.run(fresh_overhead(url, rounds))
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    click.echo(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
