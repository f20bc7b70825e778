"""What the vector store knows of a snapshot beside its points: how it was made, and whether all of it is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from stepreward.errors import ConfigurationError
from stepreward.retrieval.pca import StoredPCA

# Bumped when manifests or stored points change their form: older snapshots are built again.
SCHEMA_VERSION = 2


class Manifest(BaseModel):
    """How a snapshot was made. `corpus_sha256` covers the solutions in order.

    Registered when the snapshot is begun, for the PCA that all its points share; `complete` and the counts come when
    its last point is stored. `sources`: questions by source, those of sources past the first thousand under "".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    schema_version: int
    corpus_sha256: str
    encoder: str
    pca: StoredPCA
    questions: int
    steps: int
    sources: dict[str, int]
    created_at: datetime
    complete: bool


@dataclass(frozen=True)
class Registered:
    """A snapshot that the store lists; `manifest` is None where another version of the service made it."""

    id: str
    manifest: Manifest | None


def resolve(prefix: str, ids: Sequence[str]) -> str:
    """The one id that begins with `prefix`. Raises ConfigurationError for none or several."""
    if prefix in ids:
        return prefix
    found = [identity for identity in ids if identity.startswith(prefix)]
    if not prefix or not found:
        raise ConfigurationError(f"no snapshot begins with {prefix!r}; `stepreward corpus list` shows all")
    if len(found) > 1:
        raise ConfigurationError(f"{prefix!r} begins more than one snapshot: {', '.join(sorted(found))}")
    return found[0]
