"""A cross-encoder as a scorer: a model that reads query and candidate together, off the event loop.

The pairs of a request go through in passes of a few batches, one pass on the thread at a time: requests that come
together take turns, and one whose client has left ends with the pass under way.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np

from stepreward.errors import ConfigurationError, EncoderFailed
from stepreward.retrieval.encoder import EncoderDevice, torch_device
from stepreward.retrieval.rerank import Ranking

_BATCHES_PER_PASS = 4

Pair = tuple[str, str]


class CrossEncoderScorer:
    """One model on one thread. Used from one event loop at a time."""

    def __init__(self, model: Any, batch_size: int, name: str = "cross-encoder") -> None:
        """`model` is a sentence_transformers.CrossEncoder with one label."""
        self.name = name
        self._model = model
        self._batch_size = batch_size
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cross-encoder")

    @classmethod
    def load(cls, name: str, batch_size: int, *, device: EncoderDevice = "auto") -> "CrossEncoderScorer":
        """From a directory or a Hugging Face name. Seconds. Raises ConfigurationError."""
        from sentence_transformers import CrossEncoder  # noqa: PLC0415  (seconds to import)

        setting = "STEPREWARD_RETRIEVAL_CROSS_ENCODER"
        try:
            model = CrossEncoder(name, device=torch_device(device))
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{setting}: cannot load {name!r}: {str(error).splitlines()[0]}") from error
        if model.num_labels != 1:
            raise ConfigurationError(f"{setting}: {name!r} has {model.num_labels} labels, a reranker has one")
        architectures = model.config.architectures or [""]
        if len(model) == 1 and not architectures[0].endswith("ForSequenceClassification"):
            # It has been loaded with a head of random numbers.
            raise ConfigurationError(f"{setting}: {name!r} is no cross-encoder, it has no head that scores a pair")
        return cls(model, batch_size, name)

    async def scores(self, rankings: Sequence[Ranking]) -> list[list[float]]:
        """What the model predicts for each pair of query and candidate. Raises EncoderFailed."""
        pairs = [(ranking.query, text) for ranking in rankings for text in ranking.candidates]
        known: dict[Pair, float] = {}
        # By length, so that a request of many passes pads in each as little as if it were sorted as a whole.
        distinct = sorted(dict.fromkeys(pairs), key=lambda pair: len(pair[0]) + len(pair[1]))
        size = self._batch_size * _BATCHES_PER_PASS
        loop = asyncio.get_running_loop()
        for start in range(0, len(distinct), size):
            part = distinct[start : start + size]
            known |= zip(part, await loop.run_in_executor(self._thread, self._predict, part), strict=True)
        flat = iter([known[pair] for pair in pairs])
        return [list(islice(flat, len(ranking.candidates))) for ranking in rankings]

    def close(self) -> None:
        """Ends after the pass under way."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _predict(self, pairs: list[Pair]) -> list[float]:
        """On the thread."""
        try:
            predicted = self._model.predict(pairs, batch_size=self._batch_size, show_progress_bar=False)
        except RuntimeError as error:  # what torch raises, its OutOfMemoryError included
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise EncoderFailed(f"the cross-encoder failed: {reason[:200]}") from error
        if not np.isfinite(predicted).all():
            raise EncoderFailed("the cross-encoder failed: the model gave numbers that are not finite")
        return [float(score) for score in predicted]
