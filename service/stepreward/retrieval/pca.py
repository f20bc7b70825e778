"""Dimension reduction of sentence vectors (RetrievalPRM §3), fitted on a corpus and stored with its snapshot."""

import base64
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from stepreward.errors import ConfigurationError, DimensionMismatch
from stepreward.retrieval.encoder import Vectors


class StoredPCA(BaseModel):
    """A projection as JSON: little-endian float32 in base64, no pickle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dimensions_in: int
    dimensions_out: int
    explained_variance: float
    mean: str
    components: str


@dataclass(frozen=True)
class PCA:
    """mean (n,), components (d, n); explained_variance is the kept share of the variance, in [0, 1]."""

    mean: Vectors
    components: Vectors
    explained_variance: float

    @classmethod
    def fit(cls, vectors: Vectors, dimensions: int) -> "PCA":
        """Raises ConfigurationError when there are fewer vectors, or shorter ones, than `dimensions`."""
        from sklearn import decomposition  # noqa: PLC0415  (a second to import; only ingest needs it)

        if dimensions > min(vectors.shape):
            raise ConfigurationError(
                f"STEPREWARD_PCA_DIMENSIONS: {dimensions} components need as many vectors of at least that length, "
                f"the corpus has {vectors.shape[0]} of {vectors.shape[1]}"
            )
        fitted = decomposition.PCA(dimensions, svd_solver="covariance_eigh").fit(vectors)
        return cls(
            fitted.mean_.astype(np.float32),
            fitted.components_.astype(np.float32),
            float(fitted.explained_variance_ratio_.sum()),
        )

    def project(self, vectors: Vectors) -> Vectors:
        """(n, length) to (n, d) float32, rows of length 1. Raises DimensionMismatch."""
        if vectors.shape[1] != self.mean.shape[0]:
            raise DimensionMismatch(
                f"STEPREWARD_ENCODER_MODEL: its vectors have {vectors.shape[1]} components, "
                f"the corpus was encoded with {self.mean.shape[0]}"
            )
        reduced = (vectors - self.mean) @ self.components.T
        # A text at the mean of the corpus has no direction: it stays a zero vector, similar to nothing.
        lengths = np.linalg.norm(reduced, axis=1, keepdims=True)
        unit: Vectors = np.divide(reduced, lengths, out=np.zeros_like(reduced), where=lengths > 0)
        return unit

    def stored(self) -> StoredPCA:
        return StoredPCA(
            dimensions_in=self.mean.shape[0],
            dimensions_out=self.components.shape[0],
            explained_variance=self.explained_variance,
            mean=_to_text(self.mean),
            components=_to_text(self.components),
        )

    @classmethod
    def from_stored(cls, stored: StoredPCA) -> "PCA":
        components = _from_text(stored.components).reshape(stored.dimensions_out, stored.dimensions_in)
        return cls(_from_text(stored.mean), components, stored.explained_variance)


def _to_text(array: Vectors) -> str:
    return base64.b64encode(array.astype("<f4").tobytes()).decode("ascii")


def _from_text(text: str) -> Vectors:
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)
