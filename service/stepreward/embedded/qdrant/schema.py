"""Bodies about collections, payload indexes and aliases, and their translation to and from the engine's types.

A collection has one unnamed dense vector. The engine's defaults are written out here and always passed to it, so that
GET /collections/{name} tells what is really in force.
"""

from typing import Annotated, Any, Literal, TypeVar

import qdrant_edge as edge
from pydantic import BeforeValidator, Field, model_validator

from stepreward.embedded.qdrant.refusals import Body

FLUSH_INTERVAL_S = 5
MAX_VECTOR_SIZE = 65_536

B = TypeVar("B", bound=Body)


class VectorParams(Body):
    size: int = Field(ge=1, le=MAX_VECTOR_SIZE)
    distance: Literal["Cosine", "Dot", "Euclid", "Manhattan"]
    on_disk: bool = False


class HnswConfig(Body):
    """`m` 0 builds no graph. `full_scan_threshold` is in KiB of vectors."""

    m: int = Field(16, ge=0, le=1024)
    ef_construct: int = Field(100, ge=4, le=65_536)
    full_scan_threshold: int = Field(10_000, ge=0, lt=2**53)

    def to_edge(self) -> edge.HnswIndexConfig:
        return edge.HnswIndexConfig(**self.model_dump())


class OptimizersConfig(Body):
    """`indexing_threshold` is in KiB of vectors without an index; 0 switches indexing off."""

    deleted_threshold: float = Field(0.2, ge=0, le=1)
    vacuum_min_vector_number: int = Field(1000, ge=100, lt=2**53)
    indexing_threshold: int = Field(10_000, ge=0, lt=2**53)

    def to_edge(self) -> edge.EdgeOptimizersConfig:
        return edge.EdgeOptimizersConfig(**self.model_dump())


class Int8Quantization(Body):
    type: Literal["int8"]
    quantile: float | None = Field(None, ge=0.5, le=1)
    always_ram: bool | None = None

    def to_edge(self) -> edge.ScalarQuantizationConfig:
        return edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile=self.quantile, always_ram=self.always_ram)


class Quantization(Body):
    scalar: Int8Quantization


class CollectionConfig(Body):
    """Body of PUT /collections/{name}, and what is kept of it. One shard, one copy: to ask for that is not refused."""

    vectors: VectorParams
    shard_number: Literal[1] = 1
    replication_factor: Literal[1] = 1
    on_disk_payload: bool = True
    hnsw_config: HnswConfig = HnswConfig()
    optimizers_config: OptimizersConfig = OptimizersConfig()
    quantization_config: Quantization | None = None

    def to_edge(self) -> edge.EdgeConfig:
        vectors, quantization = self.vectors, self.quantization_config
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(vectors.size, _DISTANCES[vectors.distance], on_disk=vectors.on_disk),
            on_disk_payload=self.on_disk_payload,
            hnsw_config=self.hnsw_config.to_edge(),
            optimizers=self.optimizers_config.to_edge(),
            quantization_config=quantization.scalar.to_edge() if quantization else None,
        )

    def patched(self, patch: "CollectionPatch") -> "CollectionConfig":
        return self.model_copy(
            update={
                "hnsw_config": _merge(self.hnsw_config, patch.hnsw_config),
                "optimizers_config": _merge(self.optimizers_config, patch.optimizers_config),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """The `config` of GET /collections/{name}."""
        return {
            "params": {
                "vectors": self.vectors.model_dump(),
                "shard_number": self.shard_number,
                "replication_factor": self.replication_factor,
                "write_consistency_factor": 1,
                "on_disk_payload": self.on_disk_payload,
            },
            "hnsw_config": self.hnsw_config.model_dump(),
            "optimizer_config": {
                **self.optimizers_config.model_dump(),
                "default_segment_number": 0,
                "flush_interval_sec": FLUSH_INTERVAL_S,
            },
            "quantization_config": self.quantization_config.model_dump() if self.quantization_config else None,
        }


class CollectionPatch(Body):
    """Body of PATCH /collections/{name}: fields that are not given keep their value."""

    hnsw_config: HnswConfig | None = None
    optimizers_config: OptimizersConfig | None = None


def _merge(current: B, patch: B | None) -> B:
    return current.model_copy(update=patch.model_dump(exclude_unset=True)) if patch else current


_DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Dot": edge.Distance.Dot,
    "Euclid": edge.Distance.Euclid,
    "Manhattan": edge.Distance.Manhattan,
}

# The kinds of index that serve the filters we accept.
_SCHEMAS = {
    "keyword": edge.PayloadSchemaType.Keyword,
    "integer": edge.PayloadSchemaType.Integer,
    "uuid": edge.PayloadSchemaType.Uuid,
}


def _bare_type(value: object) -> object:
    return value["type"] if isinstance(value, dict) and set(value) == {"type"} else value


class FieldIndex(Body):
    field_name: str = Field(min_length=1)
    field_schema: Annotated[Literal["keyword", "integer", "uuid"], BeforeValidator(_bare_type)]

    def to_edge(self) -> edge.UpdateOperation:
        return edge.UpdateOperation.create_field_index(self.field_name, _SCHEMAS[self.field_schema])


def payload_schema_to_json(info: "edge.ShardInfo") -> dict[str, Any]:
    # `ShardInfo` is named in the stubs of the engine, not in its module.
    names = {schema: name for name, schema in _SCHEMAS.items()}
    return {
        field: {"data_type": names[index.data_type], "points": index.points}
        for field, index in info.payload_schema.items()
    }


class CreateAlias(Body):
    collection_name: str
    alias_name: str = Field(min_length=1, max_length=255)


class DeleteAlias(Body):
    alias_name: str


class RenameAlias(Body):
    old_alias_name: str
    new_alias_name: str = Field(min_length=1, max_length=255)


class AliasAction(Body):
    create_alias: CreateAlias | None = None
    delete_alias: DeleteAlias | None = None
    rename_alias: RenameAlias | None = None

    @model_validator(mode="after")
    def _one_action(self) -> "AliasAction":
        if len(self.model_fields_set) != 1:
            raise ValueError("give one of `create_alias`, `delete_alias`, `rename_alias`")
        return self


class AliasActions(Body):
    actions: list[AliasAction]
