"""A file scored on a Ray cluster: a streaming Ray Data dataset, from the file's lines to the service's answers.

    lines, read here → chunks → a client of the service in each actor (map_batches) → outcomes, in the rows' order

The actors call a running service, as bulk, and its workers do the work: what the cluster has is many clients at once,
and what a lost node had under way, Ray gives to another one. The file is read and the outcomes are written on the node
of this process, each chunk once: how far they are written is kept beside the output, and a run that was stopped goes on
from there, after taking back what was written beyond.

The nodes must have stepreward, and reach the service.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from stepreward.bulk import Summary, line_of, read_lines, row_of, score_rows
from stepreward.client import AsyncClient
from stepreward.errors import ConfigurationError, DependencyError, StepRewardError
from stepreward.files import BadRow
from stepreward.ray_cluster import RayOptions, connected, reason, streamed
from stepreward.schema import ScoreRequest

# A service that is full says so again and again; a file of millions of rows has time.
_ATTEMPTS = 30
_REQUESTS_PER_CHUNK = 8


class ScoringFailed(DependencyError):
    """The service did not answer an actor, or the cluster is lost; what was written before stays valid."""

    code = "scoring_failed"


@dataclass(frozen=True)
class Job:
    """The rows of a file and what is asked about them. `request` is one whose items are replaced."""

    file: Path
    limit: int | None
    url: str
    api_key: str | None
    request: ScoreRequest
    question_key: str
    items_per_request: int
    concurrency: int
    attempts: int = _ATTEMPTS

    @property
    def rows_per_chunk(self) -> int:
        return self.items_per_request * self.concurrency * _REQUESTS_PER_CHUNK


@dataclass(frozen=True)
class Written:
    """How far a run is: rows of the file, and bytes of both outputs. `of` is a hash of the file and the job."""

    of: str
    rows: int = 0
    scored_bytes: int = 0
    bad_bytes: int = 0


class ChunkScorer:
    """In an actor: a client of the service, with its connections."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._runner = asyncio.Runner()
        self._client: AsyncClient | None = None

    def __call__(self, chunks: Mapping[str, Any]) -> dict[str, Any]:
        """One chunk: its lines, by their numbers, to both outputs' text, or what went wrong."""
        [numbers], [texts] = chunks["numbers"], chunks["texts"]
        try:
            scored, bad, summary = self._runner.run(self._score(zip(numbers.tolist(), texts, strict=True)))
            error = ""
        except StepRewardError as raised:  # of which Ray would only tell that there was one
            scored, bad, summary, error = "", "", Summary(), raised.message
        found = {"rows": len(numbers), "scored": scored, "bad": bad, "error": error}
        return {name: [value] for name, value in {**found, "summary": json.dumps(asdict(summary))}.items()}

    async def _score(self, lines: Iterable[tuple[int, bytes]]) -> tuple[str, str, Summary]:
        job, summary = self._job, Summary()
        scored: list[str] = []
        bad: list[str] = []
        self._client = self._client or AsyncClient(
            job.url, attempts=job.attempts, concurrency=job.concurrency, api_key=job.api_key
        )
        rows = (row_of(text, number, job.question_key) for number, text in lines)
        async for outcome in score_rows(self._client, rows, job.request, job.items_per_request, job.concurrency):
            summary.add(outcome)
            (bad if isinstance(outcome, BadRow) else scored).append(line_of(outcome))
        return "".join(scored), "".join(bad), summary


class Outputs:
    """Both files and what is known of them, so that a chunk is in them once or not at all."""

    def __init__(self, stack: ExitStack, scored: Path, bad: Path, of: str) -> None:
        """Takes back what was written beyond the last chunk. Raises OSError; ConfigurationError for another job's."""
        self._state = scored.with_name(scored.name + ".progress")
        self.written = self._found(scored, of)
        self._scored = stack.enter_context(_cut(scored, self.written.scored_bytes))
        self._bad_path, self._stack = bad, stack
        self._bad: BinaryIO | None = None
        if self.written.bad_bytes:
            self._bad = stack.enter_context(_cut(bad, self.written.bad_bytes))
        else:
            bad.unlink(missing_ok=True)

    def add(self, rows: int, scored: str, bad: str) -> None:
        """On disk when it returns."""
        if bad:
            self._bad = self._bad or self._stack.enter_context(_cut(self._bad_path, 0))
            _append(self._bad, bad)
        _append(self._scored, scored)
        self.written = replace(
            self.written,
            rows=self.written.rows + rows,
            scored_bytes=self._scored.tell(),
            bad_bytes=self._bad.tell() if self._bad else 0,
        )
        self._remember()

    def _found(self, scored: Path, of: str) -> Written:
        if not self._state.exists():
            return Written(of)
        found = Written(**json.loads(self._state.read_text(encoding="utf-8")))
        if found.of != of:
            raise ConfigurationError(f"{scored}: begun with another file or other options; remove {self._state} first")
        return found

    def _remember(self) -> None:
        new = self._state.with_name(self._state.name + ".new")
        with new.open("w", encoding="utf-8") as file:
            json.dump(asdict(self.written), file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._state)


def score_file(job: Job, options: RayOptions, outputs: Outputs, told: Callable[[int], None]) -> Summary:
    """Write the outcome of every row that has none yet; `told` how many, as they are written.

    Raises ConfigurationError: no Ray, no such cluster. Raises ScoringFailed; all that was written stays.
    """
    summary = Summary()
    with connected(options.address) as ray:
        for chunk in _chunks(ray, job, outputs.written.rows, options):
            if chunk["error"]:
                raise ScoringFailed(chunk["error"])
            outputs.add(chunk["rows"], chunk["scored"], chunk["bad"])
            summary.merge(Summary(**json.loads(chunk["summary"])))
            told(chunk["rows"])
    return summary


def identity(job: Job) -> str:
    """A hash of what a run depends on: the file's size and beginning, and what is asked. Raises OSError."""
    asked = [job.request.model_dump_json(exclude={"items"}), job.question_key, job.limit, job.file.stat().st_size]
    with job.file.open("rb") as content:
        return hashlib.sha256(json.dumps(asked).encode() + content.read(1 << 20)).hexdigest()[:16]


def _chunks(ray: Any, job: Job, done: int, options: RayOptions) -> Iterator[dict[str, Any]]:
    """The answers to all chunks from row `done` on, in their order."""
    nodes = sum(node["Alive"] for node in ray.nodes())
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    lines = streamed(ray, partial(_read, job, done))
    scored = lines.map_batches(
        ChunkScorer,
        fn_constructor_args=(job,),
        batch_size=1,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=options.workers or nodes),
    )
    try:
        for chunk in scored.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            yield from chunk.to_pylist()
    except Exception as error:
        raise ScoringFailed(f"the Ray cluster failed: {reason(error)}") from error


def _read(job: Job, done: int) -> Iterator[Any]:
    """In a task, which Ray may run again: chunks of lines and their numbers, from row `done` on."""
    import pyarrow as pa  # noqa: PLC0415  (an extra)

    lines = islice(read_lines(job.file), done, job.limit)
    while chunk := list(islice(lines, job.rows_per_chunk)):
        numbers, texts = zip(*chunk, strict=True)
        yield pa.table({"numbers": [numbers], "texts": pa.array([texts], pa.list_(pa.binary()))})


def _cut(path: Path, size: int) -> BinaryIO:
    """Opened to go on writing after its first `size` bytes. Raises ConfigurationError where it is shorter."""
    file = path.open("r+b" if size else "wb")
    if file.seek(0, os.SEEK_END) < size:
        file.close()
        raise ConfigurationError(f"{path}: is shorter than a run before has left it; remove its .progress file")
    file.truncate(size)
    file.seek(size)
    return file


def _append(file: BinaryIO, text: str) -> None:
    file.write(text.encode())
    file.flush()
    os.fsync(file.fileno())
