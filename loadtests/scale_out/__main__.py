"""`python -m loadtests.scale_out PART`: a line for each run, and its part of docs/bench/scale_out.json."""

import asyncio
import json
import random
import statistics
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from loadtests.scale_out.cluster import Cluster, Counted, scripted
from loadtests.scale_out.load import CORPUS, Done, burst, bursts, closed_loop, halving_loop, until
from loadtests.scale_out.real import real_workers
from loadtests.stack import Stack, stack

_OUT = Path("docs/bench/scale_out.json")
_AT_ONCE = 16  # rollouts under way, for each worker
_WARM_S = 15
_SCRIPTED = {"STEPREWARD_RPRM_MAX_TOKENS": "64"}
_POLICIES = ("cache_aware", "round_robin")


@dataclass(frozen=True)
class Measured:
    """`hit_share` is of all prompt tokens; `busiest_share` is the busiest worker's part of them."""

    workers: int
    policy: str
    steps_per_s: float
    generated_per_s: float
    hit_share: float
    busiest_share: float
    gateway_cores: float
    failed: dict[str, int]


def measured(cluster: Cluster, policy: str, before: Counted, done: Done) -> Measured:
    """From then to now."""
    found = cluster.counted().since(before)
    return Measured(
        workers=len(cluster.workers),
        policy=policy,
        steps_per_s=round(found.steps / found.seconds, 2),
        generated_per_s=round(sum(found.generated.values()) / found.seconds, 1),
        hit_share=round(found.hit_share, 4),
        busiest_share=round(found.busiest_share, 3),
        gateway_cores=round(found.gateway_cpu_s / found.seconds, 3),
        failed={code: count for code, count in done.failed.items() if count},
    )


def rollouts(cluster: Cluster, questions: int, ends_s: float, done: Done) -> Coroutine[Any, Any, None]:
    """Bursts of so many questions a worker, one after the other."""
    workers = len(cluster.workers)
    bodies = until(ends_s, bursts(random.Random(), questions * workers, k=4))  # noqa: S311
    return closed_loop(cluster.gateway, bodies, _AT_ONCE * workers, done)


def halving(cluster: Cluster, questions: int, ends_s: float, done: Done) -> Coroutine[Any, Any, None]:
    """The best of eight by halves, so many questions a worker at once."""
    at_once = questions * len(cluster.workers)
    return halving_loop(cluster.gateway, random.Random(), ends_s, at_once, done)  # noqa: S311


_LOADS = {"rollouts": rollouts, "halving": halving}


async def steady(cluster: Cluster, policy: str, load_name: str, questions: int, seconds: float) -> Measured:
    """Measured from when the load is under way."""
    done = Done()
    load = asyncio.create_task(_LOADS[load_name](cluster, questions, time.monotonic() + _WARM_S + seconds, done))
    await asyncio.sleep(_WARM_S)
    before = await asyncio.to_thread(cluster.counted)
    await asyncio.sleep(seconds)
    found = await asyncio.to_thread(measured, cluster, policy, before, done)
    load.cancel()
    await asyncio.gather(load, return_exceptions=True)
    return found


async def once(
    cluster: Cluster, policy: str, questions: int, *, k: int, at_once: int, kill: float | None = None
) -> Measured:
    """One burst, from its beginning to its end; a worker dies when this share of the rollouts is done."""
    done, bodies = Done(), burst(random.Random(), questions * len(cluster.workers), k)  # noqa: S311

    def told() -> None:
        if kill is not None and done.rollouts == int(kill * len(bodies)):
            cluster.parts.kill(cluster.workers[0])

    before = await asyncio.to_thread(cluster.counted)
    await closed_loop(cluster.gateway, bodies, at_once, done, told)
    return await asyncio.to_thread(measured, cluster, policy, before, done)


@click.group()
def main() -> None:
    """What more workers bring. scripts/ops.sh router comes first."""


@main.command()
@click.option("--rounds", type=int, default=3, show_default=True)
@click.option("--seconds", type=float, default=40, show_default=True, help="of each run, when it is warm")
@click.option("--tokens-s", type=float, default=1500, show_default=True, help="that a worker generates")
def workers(rounds: int, seconds: float, tokens_s: float) -> None:
    """1, 2 and 4 scripted workers, in turn. More rounds at the same speed are added to those in the file.

    Efficiency is told of generated tokens: steps come six at a time.
    """
    runs = []
    with _parts() as parts:
        for number in range(rounds):
            for size in (1, 2, 4) if number % 2 else (4, 2, 1):
                cluster = Cluster(parts, scripted(parts, size, tokens_s, 32768), "cache_aware", **_SCRIPTED)
                runs.append(_told(asyncio.run(steady(cluster, "cache_aware", "rollouts", 8, seconds))))
                cluster.end()
    known = _known().get("workers", {})
    if known.get("tokens_s") == tokens_s:
        runs = [Measured(**run) for run in known["runs"]] + runs
    speeds = {size: [run.generated_per_s for run in runs if run.workers == size] for size in (1, 2, 4)}
    ratios = {
        str(size): [round(many / one / size, 3) for one, many in zip(speeds[1], speeds[size], strict=True)]
        for size in (2, 4)
    }
    efficiency = {size: {"median": statistics.median(found), "rounds": found} for size, found in ratios.items()}
    _write("workers", {"tokens_s": tokens_s, "efficiency": efficiency, "runs": _plain(runs)})


@main.command()
@click.option("--load", "load_name", type=click.Choice(list(_LOADS)), default="halving", show_default=True)
@click.option("--rounds", type=int, default=2, show_default=True)
@click.option("--seconds", type=float, default=30, show_default=True)
@click.option("--blocks", type=int, default=32768, show_default=True, help="of 16 tokens, in a worker's prefix cache")
@click.option("--questions", type=int, default=16, show_default=True, help="of a burst or at once, for each worker")
@click.option("--tokens-s", type=float, default=1500, show_default=True, help="generated; ten times as many are read")
def routing(*, load_name: str, rounds: int, seconds: float, blocks: int, questions: int, tokens_s: float) -> None:
    """Both policies in turn, before four scripted workers."""
    runs: dict[str, list[Measured]] = {policy: [] for policy in _POLICIES}
    with _parts() as parts:
        for number in range(rounds):
            for policy in _POLICIES if number % 2 else _POLICIES[::-1]:
                cluster = Cluster(parts, scripted(parts, 4, tokens_s, blocks), policy, **_SCRIPTED)
                runs[policy].append(_told(asyncio.run(steady(cluster, policy, load_name, questions, seconds))))
                cluster.end()
    times = {
        figure: round(_median(runs["cache_aware"], figure) / _median(runs["round_robin"], figure), 3)
        for figure in ("hit_share", "steps_per_s")
    }
    known = _known().get("routing", {})
    found = {"questions": 4 * questions, "times": times, "runs": _plain([*runs["cache_aware"], *runs["round_robin"]])}
    _write("routing", known | {f"{load_name}, {blocks} blocks": found})


def _median(runs: Sequence[Measured], figure: str) -> float:
    return statistics.median(getattr(run, figure) for run in runs)


@main.command()
@click.option("--questions", type=int, default=3, show_default=True, help="for each worker")
def kill(questions: int) -> None:
    """One of four scripted workers dies when 40% of a burst is done."""
    with _parts() as parts:
        cluster = Cluster(parts, scripted(parts, 4, 1000, 32768), "cache_aware", **_SCRIPTED)
        _write(
            "kill",
            asdict(_told(asyncio.run(once(cluster, "cache_aware", questions, k=4, at_once=4 * _AT_ONCE, kill=0.4)))),
        )


@main.command()
@click.option(
    "--data-dir", type=click.Path(path_type=Path), default=Path(".stepreward"), help="with the prepared model"
)
@click.option("--questions", type=int, default=2, show_default=True, help="for each worker")
def real(data_dir: Path, questions: int) -> None:
    """Two real vLLM workers on this CPU: both policies, then one of them is killed under load."""
    found: dict[str, object] = {}
    with _parts() as parts:
        urls, settings = real_workers(parts, data_dir.resolve(), 2)
        for policy in _POLICIES:
            cluster = Cluster(parts, urls, policy, **settings)
            found[policy] = asdict(_told(asyncio.run(once(cluster, policy, questions, k=2, at_once=4))))
            cluster.end(workers=False)
        cluster = Cluster(parts, urls, "cache_aware", **settings)
        found["killed"] = asdict(_told(asyncio.run(once(cluster, "cache_aware", questions, k=2, at_once=4, kill=0.4))))
    _write("real", found)


@contextmanager
def _parts() -> Iterator[Stack]:
    """With a store, and an encoder that is scripted."""
    with TemporaryDirectory() as folder, stack(Path(folder)) as parts:
        names = {"ENCODER_URL": parts.worker(), "ENCODER_MODEL": "bag-of-words", "PCA_DIMENSIONS": "0"}
        parts.environment |= {f"STEPREWARD_{name}": value for name, value in names.items()}
        parts.store(CORPUS)
        yield parts


def _told(run: Measured) -> Measured:
    print(json.dumps(asdict(run)), flush=True)  # noqa: T201
    return run


def _plain(runs: Sequence[Measured]) -> list[dict[str, Any]]:
    return [asdict(run) for run in runs]


def _known() -> dict[str, Any]:
    return json.loads(_OUT.read_text()) if _OUT.exists() else {}


def _write(part: str, found: object) -> None:
    _OUT.write_text(json.dumps(_known() | {part: found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
