"""What counting costs: the same requests through a gateway that counts and one that does not, turn by turn.

    PYTHONPATH=tests python -m loadtests.metrics_cost

The worker is scripted and answers at once, and nothing goes over a network: what is left is the gateway's own work, so
that the share is an upper bound of what a real one loses. Prints the median ratio of the pairs, and its interval.
"""

import asyncio
import gc
import time
from contextlib import AsyncExitStack, nullcontext
from typing import Any

import click
import httpx
import numpy as np
from scipy.stats import bootstrap

from loadtests.scripted_worker import ScriptedWorker
from stepreward.api.app import create_app
from stepreward.metrics import Metrics
from test_pipeline import item, service


class Silence:
    """Stands for every instrument, and does nothing."""

    def labels(self, *_: Any) -> "Silence":
        return self

    def track_inprogress(self) -> nullcontext[None]:
        return nullcontext()

    def __getitem__(self, _: str) -> "Silence":
        return self

    def __getattr__(self, _: str) -> Any:
        return lambda *_, **__: None


def silent() -> Metrics:
    metrics = Metrics()
    for name in vars(metrics):
        if name not in ("registry", "_shared", "tracing"):
            setattr(metrics, name, Silence())
    return metrics


@click.command()
@click.option("--pairs", type=click.IntRange(10), default=60, show_default=True)
@click.option("--requests", type=click.IntRange(1), default=40, show_default=True, help="requests in each turn")
def main(pairs: int, requests: int) -> None:
    ratios = asyncio.run(measured(pairs, requests))
    found = bootstrap((ratios,), np.median, method="percentile").confidence_interval
    print(  # noqa: T201
        f"throughput with metrics / without: {np.median(ratios):.4f} "
        f"(95% interval {found.low:.4f} to {found.high:.4f}, {pairs} pairs of {requests} requests)"
    )


async def measured(pairs: int, requests: int) -> np.ndarray:
    """Seconds without over seconds with, a pair; who goes first changes."""
    async with AsyncExitStack() as stack:
        clients = [await client(stack, metrics) for metrics in (Metrics(), silent())]
        for one in clients:
            await turn(one, requests, 0)
        # As a gateway does after its start: a collection that looks at all that was loaded would fall into one turn.
        gc.collect()
        gc.freeze()
        ratios = []
        for number in range(1, pairs + 1):
            order = [0, 1] if number % 2 else [1, 0]
            took_s = {which: await turn(clients[which], requests, number) for which in order}
            ratios.append(took_s[1] / took_s[0])
    return np.array(ratios)


async def client(stack: AsyncExitStack, metrics: Metrics) -> httpx.AsyncClient:
    built = await stack.enter_async_context(service(ScriptedWorker(), metrics=metrics))
    transport = httpx.ASGITransport(create_app(built))
    return await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://api"))


async def turn(http: httpx.AsyncClient, requests: int, number: int) -> float:
    """CPU seconds of these requests, each of solutions that nobody asked for before."""
    began_s = time.process_time()
    for each in range(requests):
        body = {"items": [item(0), item(1), item(2)], "seed": number * requests + each, "cache": False}
        (await http.post("/score", json=body, headers={"X-Stepreward-Run": "bench"})).raise_for_status()
    return time.process_time() - began_s


if __name__ == "__main__":
    main()
