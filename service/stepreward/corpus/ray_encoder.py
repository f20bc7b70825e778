"""Texts to vectors on a Ray cluster: a streaming Ray Data dataset that lasts as long as the ingest.

    encode → chunks ═ queue ═ read task → an encoder in each actor (map_batches) → iter_batches → encode's answer

A dataset for each batch would load the model each time. So there is one, whose only read task waits for chunks and
ends when it is told to; its rows are chunks of texts, by number. The queue and that task stand on the node of this
process: a node that is lost takes with it chunks that were given to it, which Ray gives to another one again.

The nodes must have stepreward and the model where the setting says; on nodes of different kinds, vectors differ by
rounding.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from stepreward.corpus.vectors import TEXTS_PER_BATCH, TextEncoder
from stepreward.errors import ConfigurationError, EncoderFailed, StepRewardError
from stepreward.ray_cluster import RayOptions, connected, reason, streamed, this_node
from stepreward.retrieval.encoder import Encoder, EncoderDevice, Vectors, embedded_encoder_path, encoder_name
from stepreward.settings import EMBEDDED

_BATCHES_PER_CHUNK = 16
# So that those who are done early have something to do while the others finish.
_CHUNKS_PER_WORKER = 4
_BEGIN = "begin"


@dataclass(frozen=True)
class Model:
    """What an actor loads. `name` is the setting, for the embedded model may lie elsewhere on another node."""

    name: str
    batch_size: int
    device: EncoderDevice

    @property
    def path(self) -> str:
        return embedded_encoder_path() if self.name == EMBEDDED else self.name


class ChunkEncoder:
    """In an actor: one model, loaded once."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._encoder: Encoder | None = None

    def __call__(self, rows: Mapping[str, Any]) -> dict[str, Any]:
        """One row each: a chunk's number and texts to its number and vectors, as bytes, or what went wrong."""
        [texts] = rows["texts"]
        try:
            vectors, error = self._vectors([str(text) for text in texts]).tobytes(), ""
        except StepRewardError as raised:  # of which Ray would only tell that there was one
            vectors, error = b"", raised.message
        return {"number": rows["number"], "vectors": np.array([vectors], dtype=object), "error": np.array([error])}

    def _vectors(self, texts: list[str]) -> Vectors:
        if self._encoder is None:
            self._encoder = Encoder.load(self._model.path, self._model.batch_size, device=self._model.device)
        return asyncio.run(self._encoder.encode(texts, remember=False))


class RayEncoding:
    """The dataset while it is under way. `encode` may be called by several at once, from any loop."""

    def __init__(self, chunks: Any, results: Iterable[Mapping[str, Any]], texts_per_chunk: int) -> None:
        """`chunks` is a queue of what the dataset reads, `results` its batches."""
        self._chunks = chunks
        self._texts_per_chunk = texts_per_chunk
        self._numbers = count()
        self._waiting: dict[int, Future[bytes]] = {}
        self._lock = threading.Lock()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._take, args=(results,), name="ray-results", daemon=True)
        self._thread.start()

    async def encode(self, texts: Sequence[str]) -> Vectors:
        """(n, dimensions) float32, rows of length 1, in the order of `texts`. Raises EncoderFailed."""
        # By length, as one machine does it: a batch pads its texts to the longest.
        order = sorted(range(len(texts)), key=lambda position: len(texts[position]))
        chunks = [order[start : start + self._texts_per_chunk] for start in range(0, len(order), self._texts_per_chunk)]
        answers = await asyncio.to_thread(self._ask, [[texts[position] for position in chunk] for chunk in chunks])
        found = await asyncio.gather(*map(asyncio.wrap_future, answers))
        rows = np.concatenate(
            [
                np.frombuffer(vectors, np.float32).reshape(len(chunk), -1)
                for vectors, chunk in zip(found, chunks, strict=True)
            ]
        )
        ordered = np.empty_like(rows)
        ordered[order] = rows
        return ordered

    def close(self) -> None:
        """Ends the dataset, and with it the actors, after what they are given."""
        if self._error is None:
            self._chunks.put(None)
        self._thread.join()

    def _ask(self, chunks: Sequence[Sequence[str]]) -> list[Future[bytes]]:
        answers: list[Future[bytes]] = []
        for texts in chunks:
            number, answer = next(self._numbers), Future[bytes]()
            with self._lock:
                if self._error:
                    raise self._error
                self._waiting[number] = answer
            self._chunks.put((number, texts))
            answers.append(answer)
        return answers

    def _take(self, results: Iterable[Mapping[str, Any]]) -> None:
        """In a thread of its own, until the dataset ends."""
        error: Exception = EncoderFailed("the dataset ended before its texts. This is a bug.")
        try:
            for rows in results:
                for number, vectors, said in zip(rows["number"].tolist(), rows["vectors"], rows["error"], strict=True):
                    with self._lock:
                        answer = self._waiting.pop(number)
                    if said:
                        answer.set_exception(EncoderFailed(str(said)))
                    else:
                        answer.set_result(vectors)
        except Exception as raised:  # noqa: BLE001  (raised by each call that waits)
            error = EncoderFailed(f"the Ray cluster failed: {reason(raised)}")
            error.__cause__ = raised
        with self._lock:
            self._error = error
            for answer in self._waiting.values():
                answer.set_exception(error)
            self._waiting.clear()


@asynccontextmanager
async def ray_encoder(model: Model, options: RayOptions) -> AsyncIterator[TextEncoder]:
    """While it lasts, the cluster has an encoder in each of its actors.

    Raises ConfigurationError: no Ray, no such cluster, a cluster that cannot load the model.
    """
    with connected(options.address) as ray:
        device, workers = _workers(ray, model.device, options.workers)
        per_chunk = model.batch_size * _BATCHES_PER_CHUNK
        queue, results = _dataset(ray, Model(model.name, model.batch_size, device), workers)
        encoding = RayEncoding(queue, results, per_chunk)
        try:
            try:
                dimensions = (await encoding.encode(["ready?"])).shape[1]
            except EncoderFailed as error:
                raise ConfigurationError(
                    f"{error} (every node needs stepreward and STEPREWARD_ENCODER_MODEL)"
                ) from error
            at_once = max(TEXTS_PER_BATCH, per_chunk * workers * _CHUNKS_PER_WORKER)
            yield TextEncoder(encoder_name(model.path), dimensions, encoding.encode, at_once)
        finally:
            await asyncio.to_thread(encoding.close)


def _workers(ray: Any, device: EncoderDevice, wanted: int | None) -> tuple[EncoderDevice, int]:
    """Where the actors compute, and how many there are."""
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    if device == "cuda" and not gpus:
        raise ConfigurationError("STEPREWARD_ENCODER_DEVICE: is 'cuda', but the Ray cluster has no GPU")
    on_gpu = device != "cpu" and gpus > 0
    there = gpus if on_gpu else int(resources.get("CPU", 0))
    if not there or (wanted or 0) > there:
        raise ConfigurationError(f"--ray-workers: the cluster has {there} {'GPUs' if on_gpu else 'CPUs'} for them")
    return "cuda" if on_gpu else "cpu", wanted or there


def _dataset(ray: Any, model: Model, workers: int) -> tuple[Any, Iterable[Mapping[str, Any]]]:
    """The queue that it reads, and its batches, one chunk each."""
    from ray.util.queue import Queue  # noqa: PLC0415

    queue = Queue(actor_options={"num_cpus": 0, "label_selector": this_node(ray)})
    queue.put(_BEGIN)
    dataset = streamed(ray, partial(_read, queue)).map_batches(
        ChunkEncoder,
        fn_constructor_args=(model,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_gpus=1 if model.device == "cuda" else 0,
        num_cpus=0 if model.device == "cuda" else 1,
    )
    return queue, dataset.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0)


def _read(queue: Any) -> Iterator[Any]:
    """In a task: chunks from the queue, until None."""
    import pyarrow as pa  # noqa: PLC0415  (an extra)

    if queue.get() != _BEGIN:
        raise RuntimeError("the task that reads the texts was started again, and has lost some")
    while (chunk := queue.get()) is not None:
        number, texts = chunk
        yield pa.table({"number": [number], "texts": [list(texts)]})
