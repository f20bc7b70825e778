"""The same with two real vLLM workers: `python -m loadtests.chaos.real`, into docs/bench/chaos_real.json.

The workers prefill in chunks, and so the request that kills is real, too: vLLM 0.32 on a CPU dies of one with a seed
and a temperature whose prompt takes more than one chunk. One worker is killed with kill -9 while both are asked, and
started again; then such a request comes, among short ones. With two workers none is left for the last of these.
"""

import asyncio
import json
import signal
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from loadtests.overload.load import Answer, Body, circling, post, session
from loadtests.process import free_ports
from loadtests.stack import Stack, stack
from stepreward.embedded.worker import worker_argv
from stepreward.settings import EMBEDDED, Settings

# All clients' short prompts fit into one: vLLM cuts the last of those that do not, and dies of that one as well.
_CHUNK_TOKENS = 2048
_FIELDS: Body = {"method": "rprm", "trajectories": {"k": 2}, "retrieval": {"mode": "none"}}
_CLIENTS = 6


def short(number: int) -> Body:
    steps = [f"The farm has {number} + 3 = {number + 3} hens."]
    return {
        "items": [{"question": f"A farm has {number} hens and buys 3. How many are there?", "steps": steps}],
        **_FIELDS,
    }


def long() -> Body:
    """Its prompt takes more than one chunk."""
    steps = [" ".join(f"{number} + {number} = {2 * number}." for number in range(200))]
    return {"items": [{"question": "What are the doubles of all numbers below 200?", "steps": steps}], **_FIELDS}


def worker(built: Stack, settings: Settings, port: int) -> str:
    """Stock vLLM as `serve` starts it, but for its chunks."""
    settings = settings.model_copy(update={"worker_port": port, "worker_kv_cache_gib": 1})
    argv = worker_argv(settings, "cpu")
    argv = tuple(part for part in argv if part != "--no-enable-chunked-prefill")
    place = argv.index("--max-num-batched-tokens") + 1
    argv = (*argv[:place], str(_CHUNK_TOKENS), *argv[place + 1 :], "--enable-chunked-prefill")
    return built.vllm(settings, argv)


async def run(built: Stack, settings: Settings, told: Console) -> dict[str, object]:
    ports = free_ports(2)
    urls = [await asyncio.to_thread(worker, built, settings, port) for port in ports]
    built.environment["STEPREWARD_MODEL"] = settings.model_path
    url = built.gateway(
        ",".join(urls),
        STEPREWARD_WORKER_MODEL=settings.model,
        STEPREWARD_RETRIEVAL_POLICY="degrade",
        STEPREWARD_QDRANT_URL="http://127.0.0.1:9",
        STEPREWARD_RPRM_MAX_TOKENS="32",
    )
    async with session(url) as http:
        await circling(http, _CLIENTS, [short(number) for number in range(10)])
        told.print("killing one …")
        load = asyncio.create_task(circling(http, _CLIENTS, [short(100 + number) for number in range(40)]))
        await asyncio.sleep(5)
        built.processes[urls[0]].send_signal(signal.SIGKILL)
        killed = await load
        told.print("starting another …")
        await asyncio.to_thread(worker, built, settings, ports[0])
        await asyncio.sleep(8)
        told.print("sending the request that kills …")
        load = asyncio.create_task(circling(http, _CLIENTS, [short(200 + number) for number in range(20)]))
        await asyncio.sleep(2)
        poison = [await post(http, long(), time.perf_counter()) for _ in range(2)]
        bystanders = await load
    dead = sum(built.processes[one].poll() is not None for one in urls)
    return {
        "killed": _statuses(killed),
        "longest_s": max(answer.latency_s for answer in killed),
        "poison": _statuses(poison),
        "bystanders": _statuses(bystanders),
        "workers_that_died_of_it": dead,
    }


def _statuses(answers: list[Answer]) -> dict[str, int]:
    return {str(status): count for status, count in Counter(answer.status for answer in answers).items()}


@click.command()
@click.option(
    "--data-dir", type=click.Path(path_type=Path), default=Path(".stepreward"), help="with the prepared model"
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/bench"), show_default=True)
def main(data_dir: Path, out: Path) -> None:
    """Three minutes, and 6 GiB of memory."""
    told = Console(stderr=True)
    settings = Settings(data_dir=data_dir.resolve(), model=EMBEDDED)
    with tempfile.TemporaryDirectory() as folder, stack(Path(folder)) as built:
        found = asyncio.run(run(built, settings, told))
    found["measured_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    (out / "chaos_real.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    told.print_json(data=found)


if __name__ == "__main__":
    main()
