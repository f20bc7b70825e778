"""How the vectors of a snapshot are laid out, and how they are searched.

Questions are searched among all: they have a graph. Steps are searched only among those of a few questions, which the
payload index finds: a graph of them would cost memory and hours, and never be walked.

With int8 quantization what is looked at stays in memory, a byte a component, and the originals may lie on disk: twice
as many candidates as wanted are found by the small copies and ordered by the originals. Binary quantization is not
offered: it needs about 1,000 components, and a snapshot has about a hundred.
"""

from dataclasses import dataclass

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ApiException

from stepreward.errors import ConfigurationError
from stepreward.retrieval.qdrant import is_refusal, reason
from stepreward.schema import QuantizationKind

_OVERSAMPLING = 2.0


@dataclass(frozen=True)
class Layout:
    """`hnsw_ef` candidates are kept while the graph is walked. None leaves the number of shards or replicas to Qdrant.

    All but `hnsw_ef` are a snapshot's for as long as it exists.
    """

    quantization: QuantizationKind = "scalar"
    hnsw_m: int = 16
    hnsw_ef_construct: int = 128
    hnsw_ef: int = 128
    vectors_on_disk: bool = True
    shards: int | None = None
    replicas: int | None = None

    async def create(self, client: AsyncQdrantClient, name: str, dimensions: int, *, graph: bool) -> None:
        """A collection of vectors compared by cosine. Raises ConfigurationError where Qdrant refuses the settings."""
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        try:
            await client.create_collection(
                name,
                models.VectorParams(size=dimensions, distance=models.Distance.COSINE, on_disk=self.vectors_on_disk),
                hnsw_config=models.HnswConfigDiff(m=self.hnsw_m if graph else 0, ef_construct=self.hnsw_ef_construct),
                quantization_config=models.ScalarQuantization(scalar=scalar) if self.quantization == "scalar" else None,
                shard_number=self.shards,
                replication_factor=self.replicas,
                on_disk_payload=True,
            )
        except ApiException as error:
            if not is_refusal(error):
                raise
            raise ConfigurationError(
                f"STEPREWARD_QDRANT_*: the vector store refuses {name}: {reason(error)}"
            ) from error

    def search_params(self) -> models.SearchParams:
        """Quantized copies of a snapshot that was made with them are passed over where `quantization` is none now."""
        return models.SearchParams(
            hnsw_ef=self.hnsw_ef,
            quantization=models.QuantizationSearchParams(rescore=True, oversampling=_OVERSAMPLING)
            if self.quantization == "scalar"
            else models.QuantizationSearchParams(ignore=True),
        )
