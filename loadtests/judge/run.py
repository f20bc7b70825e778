"""One run of the benchmark, from start to figures."""

import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from rich.console import Console

from loadtests.judge import alternatives
from loadtests.judge.alternatives import Block, Blocks, Served
from loadtests.judge.counting import Counter
from loadtests.judge.items import VotedSolution, voted_solutions
from loadtests.judge.one_pass import OnePass, Pass
from loadtests.judge.reference import SecondCopy
from loadtests.judge.rounds import Bench, Costs, measure
from loadtests.judge.running import prepare_model, running
from loadtests.judge.same_scores import Comparison, SameScores
from loadtests.judge.slots import Slots
from loadtests.judge.votes import Door
from loadtests.judge.ways import Raw, Reference, Sampling, Service, salted
from loadtests.process import free_port, free_ports
from stepreward.embedded.child import ChildFailed
from stepreward.prompts.retsp import RetSP
from stepreward.prompts.rprm import RPRM
from stepreward.prompts.template import StepTemplate
from stepreward.prompts.tokens import PromptTokenizer
from stepreward.settings import EMBEDDED, Settings
from stepreward.worker.client import WorkerClient

_TIMEOUT_S = 1800
# Of the first solution, whose trajectories the second copy reads twice to compare the scores.
_COMPARED_STEPS = 2


@dataclass(frozen=True)
class Options:
    """The flags. `votes` is None for the starter corpus."""

    steps: int
    solutions: int
    k: int
    max_tokens: int
    repeats: int
    model: str | None
    worker_url: str | None
    url: str | None
    votes: Path | None
    block_sizes: tuple[int, ...]
    data_dir: Path


@dataclass
class Measured:
    """What a run found; a table that it could not fill is empty."""

    voted: list[VotedSolution]
    costs: Costs = field(default_factory=dict)
    load_average: list[float] = field(default_factory=list)
    same_scores: SameScores | None = None
    passes: dict[str, list[Pass]] = field(default_factory=dict)
    served: list[Served] = field(default_factory=list)
    bare: list[list[float | None]] = field(default_factory=list)
    slots: list[Slots] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    refused_blocks: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Parts:
    """The model behind the worker, and how it is asked."""

    http: httpx.AsyncClient
    model: str
    tokenizer: PromptTokenizer
    rprm: RPRM
    retsp: RetSP
    raw: Raw
    sampling: Sampling


async def run(options: Options, console: Console) -> Measured:
    """Raises StepRewardError, httpx.HTTPError."""
    measured = Measured(voted_solutions(options.solutions * options.repeats, options.steps, options.votes))
    settings = _settings(options)
    if not options.worker_url:
        prepare_model(settings)
    await _with_service(options, settings, measured, console)
    if not options.worker_url:
        for block_tokens in {*options.block_sizes} - {block.block_tokens for block in measured.blocks}:
            try:
                async with running(console, worker=settings, block_tokens=block_tokens), _http(settings) as http:
                    measured.blocks.append(await _block(await _parts(http, settings, options), measured, console))
            except ChildFailed:
                measured.refused_blocks.append(block_tokens)
    measured.blocks.sort(key=lambda block: block.block_tokens)
    return measured


async def _with_service(options: Options, settings: Settings, measured: Measured, console: Console) -> None:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(_http(settings))
        door, serve = None, None
        if not options.url:
            door, door_port = Door(http), free_port()
            await stack.enter_async_context(door.open(door_port))
            serve = settings.model_copy(update={"worker_url": f"http://127.0.0.1:{door_port}"})
        worker = None if options.worker_url else settings
        await stack.enter_async_context(running(console, worker=worker, serve=serve))
        parts = await _parts(http, settings, options)
        url = options.url or f"http://{settings.host}:{settings.port}"
        service_http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=_TIMEOUT_S))
        second = None if options.worker_url else SecondCopy(settings.model_path)
        bench = Bench(
            counter=Counter(http),
            raw=parts.raw,
            service=Service(service_http, options.k),
            reference=Reference(parts.raw, second, parts.rprm.labels) if second else None,
            door=door,
        )
        await _measure_all(options, parts, bench, measured, second=second, console=console)


async def _measure_all(
    options: Options, parts: Parts, bench: Bench, measured: Measured, *, second: SecondCopy | None, console: Console
) -> None:
    voted = measured.voted
    warm_up = salted(voted[0].solution, 0)
    said = await bench.service.judge([warm_up], include=["trajectories"])
    await bench.raw.judge([salted(voted[0].solution, 99_999)])
    if second and bench.door:
        comparison = Comparison(parts.rprm, parts.tokenizer, second)
        prompts, steps = bench.raw.prompts(warm_up)[:_COMPARED_STEPS], said.items[0].steps[:_COMPARED_STEPS]
        measured.same_scores = comparison.of(prompts, steps, bench.door.prompts)
    measured.load_average.append(os.getloadavg()[0])
    batches = [voted[start : start + options.solutions] for start in range(0, len(voted), options.solutions)]
    measured.costs = await measure(bench, batches, options.k, console.print)
    measured.load_average.append(os.getloadavg()[0])
    if bench.door is None:
        return
    bench.door.give({})
    console.print("the alternatives")
    one_pass = OnePass(parts.http, parts.model, parts.rprm, parts.sampling)
    measured.passes = await alternatives.passes(one_pass, parts.raw, voted[:2])
    measured.served = await alternatives.served_retsp(bench.service, bench.door, voted)
    measured.bare = await alternatives.bare_retsp(bench.service, [one.solution for one in voted])
    measured.slots = await alternatives.slots(parts.http, parts.model, parts.tokenizer, parts.retsp.labels, voted)
    measured.blocks.append(await _block(parts, measured, console))


async def _block(parts: Parts, measured: Measured, console: Console) -> Block:
    """retsp's prefixes at the block size that the worker has."""
    block_tokens = await Counter(parts.http).block_tokens()
    console.print(f"prefixes in blocks of {block_tokens}")
    blocks = Blocks(measured.served, measured.voted[0].solution, parts.retsp.labels)
    return await blocks.of(block_tokens, parts.http, parts.model, parts.raw)


def _settings(options: Options) -> Settings:
    port, worker_port, qdrant_port = free_ports(3)
    given: dict[str, object] = {
        "data_dir": options.data_dir,
        "rprm_max_tokens": options.max_tokens,
        "trajectories": options.k,
        "model": options.model or EMBEDDED,
        "port": port,
        "worker_port": worker_port,
        "qdrant_port": qdrant_port,
    }
    return Settings.load(given | ({"worker_url": options.worker_url} if options.worker_url else {}))


def _http(settings: Settings) -> httpx.AsyncClient:
    """Of the worker; without a limit on connections, as nothing else keeps requests from it."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=256)
    return httpx.AsyncClient(base_url=settings.effective_worker_urls[0], timeout=_TIMEOUT_S, limits=limits)


async def _parts(http: httpx.AsyncClient, settings: Settings, options: Options) -> Parts:
    served = await WorkerClient(http).connect()
    tokenizer = PromptTokenizer.load(settings.model_path)
    sampling = Sampling(options.k, options.max_tokens, settings.rprm_temperature, settings.rprm_top_p)
    rprm = RPRM(StepTemplate.built_in("rprm", tokenizer), tokenizer, served.max_model_len, options.max_tokens)
    return Parts(
        http=http,
        model=served.id,
        tokenizer=tokenizer,
        rprm=rprm,
        retsp=RetSP(StepTemplate.built_in("retsp", tokenizer), tokenizer, served.max_model_len),
        raw=Raw(http, served.id, rprm, sampling),
        sampling=sampling,
    )
