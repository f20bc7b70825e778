"""Kills an ingest, and the vector engine under it, at random moments, and shows that nothing acknowledged is lost.

    make chaos-ingest            50 kills, then docs/bench/ingest_chaos.json

An ingest tells how many solutions are stored once the store has acknowledged all their points: those must be there
after each kill. An ingest that ended before it could be killed is verified, compared with the uninterrupted one,
dropped, and begun anew. Every fifth kill hits the engine instead of the ingest; every second one of either comes after
an acknowledgement. A bag of words stands where the sentence model does, so that a start takes no time: what is shown
is about the ingest and the store.
"""

import asyncio
import json
import multiprocessing
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

import click
import httpx

from loadtests import word_ingest
from stepreward.commands.ingest import STARTER
from stepreward.corpus.points import content_sha256, question_id, step_ids
from stepreward.corpus.survey import read_corpus, solutions_of
from stepreward.corpus.verify import Verification, Verified
from stepreward.files import open_lines
from stepreward.retrieval.qdrant import Address, connect
from stepreward.retrieval.store import Store
from stepreward.values import LabelledSolution

T = TypeVar("T")
OUTPUT = Path(__file__).parents[1] / "docs" / "bench" / "ingest_chaos.json"
# Forked from a process that has the libraries loaded: a start takes no time.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["loadtests.word_ingest"])
_START_S = 120
_END_S = 600


@dataclass
class Figures:
    """`lost`: points that had been acknowledged and were gone after a kill."""

    seed: int
    solutions: int
    uninterrupted_s: float = 0
    kills_of_the_ingest: int = 0
    kills_of_the_engine: int = 0
    kills_after_an_acknowledgement: int = 0
    acknowledged_points_checked: int = 0
    lost: int = 0
    completed_after_kills: int = 0
    faults: list[str] = field(default_factory=list)
    same_ids_as_uninterrupted: bool = True
    seconds: float = 0

    @property
    def kills(self) -> int:
        return self.kills_of_the_ingest + self.kills_of_the_engine

    @property
    def is_sound(self) -> bool:
        return not self.lost and not self.faults and self.same_ids_as_uninterrupted and self.completed_after_kills > 0


class Engine:
    """The embedded vector engine, as a process."""

    def __init__(self, work: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._work = work
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        module = "stepreward.embedded.qdrant.server"
        where = ["--data-dir", str(self._work / "vectors"), "--port", str(self._port)]
        with (self._work / "engine.log").open("ab") as log:
            self._process = subprocess.Popen([sys.executable, "-m", module, *where], stderr=log)  # noqa: S603  (our own)
        deadline_s = time.monotonic() + _START_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            try:
                if httpx.get(f"{self.url}/readyz", trust_env=False).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise SystemExit(f"the engine did not start: {self._work / 'engine.log'}")

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()


class Run:
    """One ingest as a process. `acknowledged`: so many solutions, the first ones of the corpus, are stored."""

    def __init__(self, corpus: Path, url: str, batch_s: float) -> None:
        self._told, telling = _PROCESSES.Pipe(duplex=False)
        self._process = _PROCESSES.Process(target=word_ingest.run, args=(corpus, url, batch_s, telling))
        self._process.start()
        telling.close()
        self.acknowledged = 0
        self.failure = ""
        self.storing = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with suppress(EOFError):
            while True:
                what, value = self._told.recv()
                if what == "failed":
                    self.failure = value
                elif what == "store":
                    self.acknowledged = value
                    self.storing.set()
        self.storing.set()

    def ended_within(self, seconds: float) -> bool:
        self._process.join(seconds)
        return self._process.exitcode is not None

    def kill(self) -> None:
        self._process.kill()
        self.wait()

    def wait(self) -> bool:
        """Whether it went well, when all that it told is read."""
        self._process.join(_END_S)
        self._reader.join(_END_S)
        return self._process.exitcode == 0


class Chaos:
    def __init__(self, work: Path, solutions: int, seed: int, batch_s: float, *, engine_every: int = 5) -> None:
        self._engine_every = engine_every
        self._engine = Engine(work)
        self._chance = random.Random(seed)  # noqa: S311  (repeatable, not secret)
        self._batch_s = batch_s
        self._corpus = work / "corpus.jsonl"
        with open_lines(STARTER) as lines:
            self._corpus.write_bytes(b"".join(islice(lines, solutions)))
        self._solutions = list(solutions_of(read_corpus([self._corpus])))
        self._acknowledged = 0
        self.figures = Figures(seed, len(self._solutions))

    def run(self, kills: int) -> Figures:
        started_s = time.monotonic()
        self._engine.start()
        try:
            whole_s = self._uninterrupted()
            wanted = self._ids()
            self._drop()
            while self.figures.kills < kills:
                self._round(whole_s, wanted)
            self._complete(self._ingest(), wanted)  # what the last kill interrupted
        finally:
            self._engine.kill()
        self.figures.seconds = round(time.monotonic() - started_s, 1)
        return self.figures

    def _ingest(self) -> Run:
        return Run(self._corpus, self._engine.url, self._batch_s)

    def _uninterrupted(self) -> float:
        started_s = time.monotonic()
        run = self._ingest()
        if not run.wait():
            raise SystemExit(f"the ingest failed: {run.failure}")
        self.figures.uninterrupted_s = round(time.monotonic() - started_s, 1)
        return self.figures.uninterrupted_s

    def _round(self, whole_s: float, wanted: set[str]) -> None:
        """One ingest, killed at a random moment if it has not ended by then."""
        run = self._ingest()
        if self.figures.kills % 2:
            run.storing.wait(_END_S)
            delay_s = self._chance.uniform(0, whole_s / 4)
        else:
            delay_s = self._chance.uniform(0, whole_s)
        if run.ended_within(delay_s):
            self._complete(run, wanted)
        elif self.figures.kills % self._engine_every == self._engine_every - 1:
            self._engine.kill()
            run.wait()
            self._engine.start()
            self.figures.kills_of_the_engine += 1
            self._check(run)
        else:
            run.kill()
            self.figures.kills_of_the_ingest += 1
            self._check(run)

    def _check(self, run: Run) -> None:
        """That everything is there which this run, or one before it, was told is stored."""
        self.figures.kills_after_an_acknowledgement += run.acknowledged > 0
        self._acknowledged = max(self._acknowledged, run.acknowledged)
        if not self._acknowledged:
            return
        expected = {identity for solution in self._solutions[: self._acknowledged] for identity in _ids_of(solution)}
        self.figures.acknowledged_points_checked += len(expected)
        self.figures.lost += len(expected - self._ids())

    def _complete(self, run: Run, wanted: set[str]) -> None:
        if not run.wait():
            self.figures.faults.append(f"an ingest that was not killed failed: {run.failure}")
            return
        self.figures.completed_after_kills += 1
        self.figures.same_ids_as_uninterrupted &= self._ids() == wanted
        self.figures.faults += self._verified().first
        self._drop()

    # what the store says

    def _asked(self, ask: Callable[[Store, str], Awaitable[T]]) -> T:
        """The answer about the only snapshot that there is."""

        async def run() -> T:
            store = Store(connect(Address(self._engine.url), 60), 60)
            try:
                [snapshot] = await store.registered()
                return await ask(store, snapshot.id)
            finally:
                await store.close()

        return asyncio.run(run())

    def _ids(self) -> set[str]:
        async def scan(store: Store, identity: str) -> set[str]:
            return {
                point.id
                for kind in ("questions", "steps")
                async for page in store.scan(identity, kind, with_vectors=False)
                for point in page
            }

        return self._asked(scan)

    def _verified(self) -> Verified:
        async def verify(store: Store, identity: str) -> Verified:
            manifest = await store.manifest(identity)
            assert manifest
            return await Verification(store, manifest, sample=200, seed=0).run(word_ingest.word_encoder())

        return self._asked(verify)

    def _drop(self) -> None:
        self._asked(lambda store, identity: store.drop(identity))
        self._acknowledged = 0


def _ids_of(solution: LabelledSolution) -> list[str]:
    of_question = question_id(content_sha256(solution))
    return [of_question, *step_ids(solution, of_question)]


@click.command()
@click.option("--kills", default=50, show_default=True)
@click.option("--solutions", default=600, show_default=True, help="of the starter corpus")
@click.option("--seed", default=14, show_default=True)
@click.option("--batch-s", default=0.05, show_default=True, help="seconds that the encoder takes for a batch")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), default=OUTPUT, show_default=True)
def main(kills: int, solutions: int, seed: int, batch_s: float, output: Path) -> None:
    with tempfile.TemporaryDirectory() as work:
        figures = Chaos(Path(work), solutions, seed, batch_s).run(kills)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(asdict(figures), indent=2) + "\n", encoding="utf-8")
    click.echo(output.read_text(encoding="utf-8"))
    if not figures.is_sound:
        sys.exit(1)


if __name__ == "__main__":
    main()
