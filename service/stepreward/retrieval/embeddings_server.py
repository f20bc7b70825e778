"""An encoder behind a port: any server of OpenAI's `POST /v1/embeddings`, such as vLLM or Text Embeddings Inference.

With it a gateway needs neither torch nor a GPU. It stands in for a SentenceTransformer in `encoder.Encoder`, which
makes passes, keeps recent vectors and gives them unit length. It cuts a text where the model's context ends, as that
does.
"""

from collections.abc import Sequence

import httpx
import numpy as np
import numpy.typing as npt
import stamina
from pydantic import BaseModel, ConfigDict, ValidationError

from stepreward.errors import ConfigurationError, EncoderFailed


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    index: int
    embedding: list[float]


class _Embeddings(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    data: list[_Row]


class EmbeddingsServer:
    """Used from one thread at a time."""

    def __init__(self, http: httpx.Client, model: str) -> None:
        """`http` has the server's base URL and limits; `model` is the name to ask for. Nothing is sent yet."""
        self._http = http
        self._model = model
        self._dimensions = 0

    @classmethod
    def connect(cls, url: str, model: str, timeout_s: float, wait_s: float) -> "EmbeddingsServer":
        """Waits for one that is still starting. Raises EncoderFailed when `wait_s` has passed, ConfigurationError."""
        server = cls(httpx.Client(base_url=url, timeout=httpx.Timeout(timeout_s, connect=5)), model)
        try:
            for attempt in stamina.retry_context(on=EncoderFailed, attempts=None, timeout=wait_s, wait_max=1):
                with attempt:
                    server.measure()
        except BaseException:
            server.close()
            raise
        return server

    def measure(self) -> None:
        """Learn the length of its vectors. Raises EncoderFailed, ConfigurationError."""
        self._dimensions = self.encode(["ready?"], 1).shape[1]

    def get_embedding_dimension(self) -> int:
        return self._dimensions

    def encode(
        self, texts: Sequence[str], batch_size: int, *, convert_to_numpy: bool = True, show_progress_bar: bool = False
    ) -> npt.NDArray[np.float32]:
        """(n, dimensions), in order, `batch_size` texts a call. Raises EncoderFailed, ConfigurationError."""
        parts = [texts[start : start + batch_size] for start in range(0, len(texts), batch_size)]
        rows = [row for part in parts for row in self._call(part)]
        expected = self._dimensions or len(rows[0])
        if any(len(row) != expected for row in rows):
            raise EncoderFailed(f"the embeddings server gave vectors of another length than {expected}")
        return np.array(rows, dtype=np.float32)

    def close(self) -> None:
        self._http.close()

    def _call(self, texts: Sequence[str]) -> list[list[float]]:
        body = {"model": self._model, "input": list(texts), "encoding_format": "float", "truncate_prompt_tokens": -1}
        try:
            answer = self._http.post("/v1/embeddings", json=body)
        except httpx.HTTPError as error:
            raise EncoderFailed(f"the embeddings server did not answer: {type(error).__name__}") from error
        if answer.status_code == 404:
            raise ConfigurationError(
                f"STEPREWARD_ENCODER_URL: {self._http.base_url} has no embeddings of {self._model}; "
                "STEPREWARD_ENCODER_MODEL names the model as the server does"
            )
        if not answer.is_success:
            raise EncoderFailed(f"the embeddings server answered {answer.status_code}")
        try:
            rows = sorted(_Embeddings.model_validate_json(answer.content).data, key=lambda row: row.index)
        except ValidationError as error:
            raise EncoderFailed("the embeddings server's answer is not understood") from error
        if [row.index for row in rows] != list(range(len(texts))):
            raise EncoderFailed(f"the embeddings server gave {len(rows)} vectors for {len(texts)} texts")
        return [row.embedding for row in rows]
