"""What more workers bring, behind the real vllm-router: 1, 2, 4 of them, two ways to route, and one killed under load.

    scripts/ops.sh router && python -m loadtests.scale_out [--out docs/bench/scale_out.json]

The workers are scripted: each computes so many tokens a second, and none for what its prefix cache has, so that they
take no CPU and what is measured is gateway and router. The load is best-of-N: rollouts of the same questions, one a
request, as many at a time as keep all workers busy. Every run has questions of its own.
"""

import asyncio
import json
import random
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import httpx

from loadtests.process import free_port
from loadtests.stack import Stack, stack

_ROUTER = Path(".tools/router/bin/vllm-router")
_ROLLOUTS = 8
_CORPUS = [
    {
        "question": f"A shop sells {n} boxes of {n + 4} pens. How many pens is that?",
        "steps": [f"{n} * {n + 4} = {n * (n + 4)}."],
        "labels": [True],
        "source": "shop",
    }
    for n in range(9)
]
_COUNTED = re.compile(r"^vllm:(prefix_cache_hits|prefix_cache_queries)_total\{[^\n]*\} ([0-9.e+]+)", re.MULTILINE)


@dataclass(frozen=True)
class Measured:
    """`hit_share` is of all prompt tokens; `busiest_share` is what the busiest worker had of them."""

    method: str
    workers: int
    policy: str
    steps_per_s: float
    hit_share: float
    busiest_share: float
    failed: int
    killed: bool = False


@dataclass(frozen=True)
class Plan:
    """One run. `kill`: a worker dies when this share of the rollouts is done."""

    method: str
    workers: int
    policy: str
    questions: int
    speed_tokens_s: float
    blocks: int
    kill: float | None = None

    @property
    def at_once(self) -> int:
        return 8 * self.workers


class Cluster:
    """Workers, a router before them, and a gateway before that."""

    def __init__(self, parts: Stack, plan: Plan) -> None:
        speed = str(plan.speed_tokens_s)
        options = ["--prefill-tokens-s", speed, "--decode-tokens-s", speed, "--blocks", str(plan.blocks)]
        self.parts = parts
        self.workers = [parts.worker(*options) for _ in range(plan.workers)]
        port = free_port()
        argv = [str(_ROUTER.absolute()), "--host", "127.0.0.1", "--port", str(port), "--policy", plan.policy]
        argv += ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port()), "--retry-max-retries", "2"]
        argv += ["--max-concurrent-requests", "4096", "--worker-urls", *self.workers]
        self.router = parts.start("router", argv, f"http://127.0.0.1:{port}", "/readiness")
        self.gateway = parts.gateway(
            self.router, STEPREWARD_WORKER_INFLIGHT_TOKENS="100000000", STEPREWARD_RPRM_MAX_TOKENS="64"
        )

    def end(self) -> None:
        """What the next run does not need."""
        for url in (self.gateway, self.router, *self.workers):
            self.parts.kill(url)

    def counted(self) -> list[dict[str, float]]:
        """Tokens asked for and found, of each worker that answers."""
        found = []
        for url in self.workers:
            try:
                text = httpx.get(f"{url}/metrics", timeout=20).text
            except httpx.TransportError:
                continue
            found.append({name: float(value) for name, value in _COUNTED.findall(text)})
        return found


async def rollouts(cluster: Cluster, plan: Plan) -> tuple[float, int, int]:
    """Seconds, steps and failures of all rollouts."""
    rng, done, steps, failed = random.Random(), 0, 0, 0  # noqa: S311
    bodies = [body for _ in range(plan.questions) for body in _rollouts_of_a_question(rng, plan.method)]
    rng.shuffle(bodies)  # a burst comes in no order
    room, began_s = asyncio.Semaphore(plan.at_once), time.perf_counter()

    async def one(http: httpx.AsyncClient, body: dict[str, object]) -> None:
        nonlocal done, steps, failed
        async with room:
            answer = await http.post("/score", json=body)
        done += 1
        scored = answer.status_code == 200 and answer.json()["items"][0]["status"] == "ok"
        steps += len(answer.json()["items"][0]["steps"]) if scored else 0
        failed += not scored
        if plan.kill is not None and done == int(plan.kill * len(bodies)):
            cluster.parts.kill(cluster.workers[0])

    limits = httpx.Limits(max_connections=plan.at_once)
    async with (
        httpx.AsyncClient(base_url=cluster.gateway, timeout=600, limits=limits) as http,
        asyncio.TaskGroup() as group,
    ):
        for body in bodies:
            group.create_task(one(http, body))
    return time.perf_counter() - began_s, steps, failed


def _rollouts_of_a_question(rng: random.Random, method: str) -> list[dict[str, object]]:
    boxes, pencils = rng.randint(10**5, 10**6), rng.randint(10**5, 10**6)
    story = " ".join(f"On day {day} {rng.randint(10, 99)} customers came." for day in range(12))
    question = f"A shop sells {boxes} boxes of {pencils} pencils. {story} How many pencils is that?"
    bodies: list[dict[str, object]] = []
    for _ in range(_ROLLOUTS):
        product = f"So {boxes} * {pencils} ({rng.random()})."
        steps = [f"There are {boxes} boxes.", product, f"{boxes * pencils} pencils."]
        bodies.append({"items": [{"question": question, "steps": steps}], "method": method, "trajectories": {"k": 4}})
    return bodies


def measure(parts: Stack, plan: Plan) -> Measured:
    cluster = Cluster(parts, plan)
    before = cluster.counted()
    took_s, steps, failed = asyncio.run(rollouts(cluster, plan))
    after = cluster.counted()
    cluster.end()
    if plan.kill is not None:
        before = before[1:]
    asked = [b["prefix_cache_queries"] - a["prefix_cache_queries"] for a, b in zip(before, after, strict=True)]
    hits = [b["prefix_cache_hits"] - a["prefix_cache_hits"] for a, b in zip(before, after, strict=True)]
    return Measured(
        method=plan.method,
        workers=plan.workers,
        policy=plan.policy,
        steps_per_s=steps / took_s,
        hit_share=sum(hits) / sum(asked),
        busiest_share=max(asked) / sum(asked),
        failed=failed,
        killed=plan.kill is not None,
    )


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/bench/scale_out.json"), show_default=True)
@click.option("--questions", type=int, default=16, show_default=True, help="for each worker, eight rollouts each")
@click.option("--speed-tokens-s", type=float, default=20_000, show_default=True, help="of a worker")
@click.option("--blocks", type=int, default=2048, show_default=True, help="of 16 tokens, in a worker's prefix cache")
@click.option("--kill-only", is_flag=True, help="only the run in which a worker is killed")
@click.option("--workers", "sizes", type=int, multiple=True, default=(1, 2, 4), show_default=True)
def main(
    *, out: Path, questions: int, speed_tokens_s: float, blocks: int, sizes: Sequence[int], kill_only: bool
) -> None:
    """Print a line for each run, and write them all."""
    runs = [("rprm", workers, policy, None) for workers in sizes for policy in ("cache_aware", "round_robin")]
    runs = [*(runs if not kill_only else []), ("rprm", max(sizes), "cache_aware", 0.4)]
    found = []
    with TemporaryDirectory() as folder, stack(Path(folder)) as parts:
        names = {"ENCODER_URL": parts.worker(), "ENCODER_MODEL": "bag-of-words", "PCA_DIMENSIONS": "0"}
        parts.environment |= {f"STEPREWARD_{name}": value for name, value in names.items()}
        parts.store(_CORPUS)
        for method, workers, policy, kill in runs:
            plan = Plan(method, workers, policy, questions * workers, speed_tokens_s, blocks, kill)
            found.append(measure(parts, plan))
            print(json.dumps(asdict(found[-1])), flush=True)  # noqa: T201
    out.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")


if __name__ == "__main__":
    main()
