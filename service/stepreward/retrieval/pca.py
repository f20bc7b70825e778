"""Dimension reduction of sentence vectors (RetrievalPRM §3), fitted on a corpus and stored with its snapshot."""

import base64
import hashlib
import json
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from stepreward.errors import ConfigurationError, DimensionMismatch
from stepreward.retrieval.encoder import Vectors

# The shares of the components are summed in float32's neighbourhood: all of them may come to a little less than 1.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Reduction:
    """How far vectors are shortened; one of the two is None.

    `dimensions`: to so many components, 0 for not at all. `variance`: to the fewest components that keep this share of
    the variance, in (0, 1].
    """

    dimensions: int | None
    variance: float | None = None

    @property
    def is_off(self) -> bool:
        return self.dimensions == 0


class StoredPCA(BaseModel):
    """A projection as JSON: little-endian float32 in base64, no pickle. Both texts are empty where nothing is reduced.

    `sha256` covers what projects, so that a projection which was damaged or changed is found out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dimensions_in: int
    dimensions_out: int
    explained_variance: float
    mean: str
    components: str
    sha256: str

    def content_sha256(self) -> str:
        content = [self.dimensions_in, self.dimensions_out, self.mean, self.components]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@dataclass(frozen=True)
class PCA:
    """mean (n,), components (d, n) or None for vectors as they are; explained_variance is the kept share, in [0, 1]."""

    mean: Vectors
    components: Vectors | None
    explained_variance: float

    @classmethod
    def fit(cls, vectors: Vectors, reduction: Reduction) -> "PCA":
        """Raises ConfigurationError when there are fewer vectors, or shorter ones, than dimensions are wanted."""
        if reduction.is_off:
            return cls.off(vectors.shape[1])
        from sklearn import decomposition  # noqa: PLC0415  (a second to import; only ingest needs it)

        if not np.ptp(vectors, axis=0).any():
            raise ConfigurationError("the corpus has no two texts that differ for the encoder: no PCA can be fitted")
        if reduction.dimensions and reduction.dimensions > min(vectors.shape):
            raise ConfigurationError(
                f"STEPREWARD_PCA_DIMENSIONS: {reduction.dimensions} components need as many vectors of at least that "
                f"length, the corpus has {vectors.shape[0]} of {vectors.shape[1]}"
            )
        fitted = decomposition.PCA(reduction.dimensions, svd_solver="covariance_eigh").fit(vectors)
        kept = np.cumsum(fitted.explained_variance_ratio_, dtype=np.float64)
        count = len(kept)
        if reduction.variance is not None:
            count = min(int(np.searchsorted(kept, reduction.variance - _ROUNDING)) + 1, count)
        return cls(
            fitted.mean_.astype(np.float32), fitted.components_[:count].astype(np.float32), float(kept[count - 1])
        )

    @classmethod
    def off(cls, dimensions: int) -> "PCA":
        return cls(np.zeros(dimensions, dtype=np.float32), None, 1.0)

    def project(self, vectors: Vectors) -> Vectors:
        """(n, length) to (n, d) float32, rows of length 1. Raises DimensionMismatch."""
        if vectors.shape[1] != self.mean.shape[0]:
            raise DimensionMismatch(
                f"STEPREWARD_ENCODER_MODEL: its vectors have {vectors.shape[1]} components, "
                f"the corpus was encoded with {self.mean.shape[0]}"
            )
        reduced = vectors if self.components is None else (vectors - self.mean) @ self.components.T
        # A text at the mean of the corpus has no direction: it stays a zero vector, similar to nothing.
        lengths = np.linalg.norm(reduced, axis=1, keepdims=True)
        unit: Vectors = np.divide(reduced, lengths, out=np.zeros_like(reduced), where=lengths > 0)
        return unit

    def stored(self) -> StoredPCA:
        unsigned = StoredPCA(
            dimensions_in=self.mean.shape[0],
            dimensions_out=len(self.mean if self.components is None else self.components),
            explained_variance=self.explained_variance,
            mean="" if self.components is None else _to_text(self.mean),
            components="" if self.components is None else _to_text(self.components),
            sha256="",
        )
        return unsigned.model_copy(update={"sha256": unsigned.content_sha256()})

    @classmethod
    def from_stored(cls, stored: StoredPCA) -> "PCA":
        """Raises ValueError where it is not what was stored."""
        if stored.content_sha256() != stored.sha256:
            raise ValueError("the PCA is damaged: its content does not have its sha256")
        if not stored.components:
            return cls.off(stored.dimensions_in)
        components = _from_text(stored.components).reshape(stored.dimensions_out, stored.dimensions_in)
        return cls(_from_text(stored.mean), components, stored.explained_variance)


def _to_text(array: Vectors) -> str:
    return base64.b64encode(array.astype("<f4").tobytes()).decode("ascii")


def _from_text(text: str) -> Vectors:
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)
