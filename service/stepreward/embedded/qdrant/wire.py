"""Bodies about points, and their translation to and from the engine's types.

Not covered, and refused: named, sparse and multi vectors, queries by point id, prefetch and fusion, grouping, ordering,
shard keys, conditional updates, and every filter condition but match (value, any), has_id and nested filters.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

import qdrant_edge as edge
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, PlainValidator, Tag, model_validator

from stepreward.embedded.qdrant.refusals import BadRequest, Body

MAX_FLOAT32 = 3.4028234663852886e38
MAX_ROWS = 2**31
# The engine writes an update into its log without a limit on nesting and cannot read more than about 120 levels back:
# such an update would make the collection impossible to open.
MAX_PAYLOAD_DEPTH = 32
MAX_FILTER_DEPTH = 16


def _point_id(value: object) -> int | UUID:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64:
        return value
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass
    raise ValueError(f"{value!r:.60} is not a valid point ID: an unsigned integer or a UUID")


def _nearest(value: object) -> object:
    """A bare vector and {"nearest": vector} mean the same; every other kind of query is refused by its name."""
    if isinstance(value, dict):
        if set(value) != {"nearest"}:
            raise ValueError(f"unsupported query {sorted(value)}, only a dense vector or `nearest`")
        return value["nearest"]
    return value


def _shallow(payload: dict[str, Any]) -> dict[str, Any]:
    if _deeper_than(payload, MAX_PAYLOAD_DEPTH):
        raise ValueError(f"nested deeper than {MAX_PAYLOAD_DEPTH} levels")
    return payload


def _deeper_than(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    children = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(child, levels - 1) for child in children)


def _condition_kind(value: object) -> str | None:
    keys = set(value) if isinstance(value, dict) else set()
    if "key" in keys:
        return "field"
    if "has_id" in keys:
        return "has_id"
    return "filter" if keys & {"must", "must_not", "should"} else None


def _as_list(value: object) -> object:
    return [value] if isinstance(value, dict) else value


PointId = Annotated[int | UUID, PlainValidator(_point_id)]
# The engine would store NaN and infinity, and never find them again.
Component = Annotated[float, Field(ge=-MAX_FLOAT32, le=MAX_FLOAT32, allow_inf_nan=False)]
Vector = Annotated[list[Component], Field(min_length=1)]
Payload = Annotated[dict[str, Any], AfterValidator(_shallow)]
Integer = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Rows = Annotated[int, Field(ge=1, le=MAX_ROWS)]


class Match(Body):
    """No booleans: the engine takes True for the integer 1."""

    value: str | Integer | None = None
    any: list[str] | list[Integer] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "Match":
        if (self.value is None) == (self.any is None):
            raise ValueError("give `value` or `any`")
        return self

    def to_edge(self) -> edge.MatchValue | edge.MatchAny:
        return edge.MatchValue(self.value) if self.value is not None else edge.MatchAny(self.any or [])


class FieldCondition(Body):
    key: str
    match: Match

    def to_edge(self, _depth: int) -> edge.FieldCondition:
        return edge.FieldCondition(key=self.key, match=self.match.to_edge())


class HasId(Body):
    has_id: list[PointId]

    def to_edge(self, _depth: int) -> edge.HasIdCondition:
        return edge.HasIdCondition(set(self.has_id))


class Filter(Body):
    must: "Conditions | None" = None
    must_not: "Conditions | None" = None
    should: "Conditions | None" = None

    def to_edge(self, depth: int = 1) -> edge.Filter:
        """Raises BadRequest if filters are nested deeper than MAX_FILTER_DEPTH."""
        if depth > MAX_FILTER_DEPTH:
            raise BadRequest(f"Wrong input: filter nested deeper than {MAX_FILTER_DEPTH} levels")
        return edge.Filter(
            must=[each.to_edge(depth + 1) for each in self.must or []],
            must_not=[each.to_edge(depth + 1) for each in self.must_not or []],
            should=[each.to_edge(depth + 1) for each in self.should or []],
        )


Condition = Annotated[
    Annotated[FieldCondition, Tag("field")] | Annotated[HasId, Tag("has_id")] | Annotated[Filter, Tag("filter")],
    Discriminator(_condition_kind),
]
Conditions = Annotated[list[Condition], BeforeValidator(_as_list)]


class PayloadSelector(Body):
    include: list[str] | None = None
    exclude: list[str] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "PayloadSelector":
        if (self.include is None) == (self.exclude is None):
            raise ValueError("give `include` or `exclude`")
        return self


WithPayload = bool | list[str] | PayloadSelector


def payload_to_edge(wanted: WithPayload) -> bool | list[str] | edge.PayloadSelector:
    if not isinstance(wanted, PayloadSelector):
        return wanted
    if wanted.include is not None:
        return edge.PayloadSelector.Include(wanted.include)
    return edge.PayloadSelector.Exclude(wanted.exclude or [])


class QuantizationSearch(Body):
    ignore: bool = False
    rescore: bool | None = None
    oversampling: float | None = Field(None, ge=1, allow_inf_nan=False)


class SearchParams(Body):
    hnsw_ef: int | None = Field(None, ge=1, le=MAX_ROWS)
    exact: bool = False
    indexed_only: bool = False
    quantization: QuantizationSearch | None = None

    def to_edge(self) -> edge.SearchParams:
        quantized = self.quantization
        return edge.SearchParams(
            hnsw_ef=self.hnsw_ef,
            exact=self.exact,
            indexed_only=self.indexed_only,
            quantization=edge.QuantizationSearchParams(**quantized.model_dump()) if quantized else None,
        )


class Query(Body):
    """Body of /points/query. `query` is the vector itself by the time it is read."""

    query: Annotated[Vector, BeforeValidator(_nearest)]
    using: Literal[""] | None = None
    filter: Filter | None = None
    params: SearchParams | None = None
    score_threshold: float | None = Field(None, allow_inf_nan=False)
    limit: Rows = 10
    offset: int = Field(0, ge=0, le=MAX_ROWS)
    with_payload: WithPayload = False
    with_vector: bool = False

    def to_edge(self) -> edge.QueryRequest:
        return edge.QueryRequest(
            query=edge.Query.Nearest(self.query),
            filter=self.filter.to_edge() if self.filter else None,
            params=self.params.to_edge() if self.params else None,
            score_threshold=self.score_threshold,
            limit=self.limit,
            offset=self.offset,
            with_payload=payload_to_edge(self.with_payload),
            with_vector=self.with_vector,
        )


class QueryBatch(Body):
    searches: list[Query]


class Scroll(Body):
    offset: PointId | None = None
    limit: Rows = 10
    filter: Filter | None = None
    with_payload: WithPayload = True
    with_vector: bool = False

    def to_edge(self) -> edge.ScrollRequest:
        return edge.ScrollRequest(
            offset=self.offset,
            limit=self.limit,
            filter=self.filter.to_edge() if self.filter else None,
            with_payload=payload_to_edge(self.with_payload),
            with_vector=self.with_vector,
        )


class Count(Body):
    filter: Filter | None = None
    exact: bool = True

    def to_edge(self) -> edge.CountRequest:
        return edge.CountRequest(exact=self.exact, filter=self.filter.to_edge() if self.filter else None)


class Retrieve(Body):
    ids: list[PointId]
    with_payload: WithPayload = True
    with_vector: bool = False


class Point(Body):
    id: PointId
    vector: Vector
    payload: Payload | None = None


class Batch(Body):
    ids: list[PointId]
    vectors: list[Vector]
    payloads: list[Payload | None] | None = None

    @model_validator(mode="after")
    def _same_length(self) -> "Batch":
        lengths = {len(self.ids), len(self.vectors)} | ({len(self.payloads)} if self.payloads is not None else set())
        if len(lengths) > 1:
            raise ValueError(f"ids, vectors and payloads differ in length: {sorted(lengths)}")
        return self


class Upsert(Body):
    """The list form, {"points": […]}, or the batch form, {"batch": {…}}."""

    points: list[Point] | None = None
    batch: Batch | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Upsert":
        if (self.points is None) == (self.batch is None):
            raise ValueError("give `points` or `batch`")
        return self

    def to_edge(self, vector_size: int) -> list[edge.Point]:
        """Raises BadRequest if one vector has another size: the engine would keep the points before it."""
        if self.batch:
            payloads = self.batch.payloads or [None] * len(self.batch.ids)
            rows = list(zip(self.batch.ids, self.batch.vectors, payloads, strict=True))
        else:
            rows = [(point.id, point.vector, point.payload) for point in self.points or []]
        for _, vector, _ in rows:
            check_size(vector, vector_size)
        return [edge.Point(point_id, vector, payload) for point_id, vector, payload in rows]


class Delete(Body):
    points: list[PointId] | None = None
    filter: Filter | None = None

    @model_validator(mode="after")
    def _one_selector(self) -> "Delete":
        if (self.points is None) == (self.filter is None):
            raise ValueError("give `points` or `filter`")
        return self

    def to_edge(self) -> edge.UpdateOperation:
        if self.filter is not None:
            return edge.UpdateOperation.delete_points_by_filter(self.filter.to_edge())
        return edge.UpdateOperation.delete_points([*(self.points or [])])


def check_size(vector: list[float], size: int) -> None:
    if len(vector) != size:
        raise BadRequest(f"Wrong input: Vector dimension error: expected dim: {size}, got {len(vector)}")


def record_to_json(record: edge.Record | edge.ScoredPoint) -> dict[str, Any]:
    """UUIDs stay UUIDs: orjson writes them."""
    shown: dict[str, Any] = {"id": record.id}
    if isinstance(record, edge.ScoredPoint):
        shown |= {"version": record.version, "score": record.score}
    if record.payload is not None:
        shown["payload"] = record.payload
    if record.vector is not None:
        shown["vector"] = record.vector
    return shown
