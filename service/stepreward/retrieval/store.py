"""The vector store: snapshots of a corpus in Qdrant, a server or the embedded engine alike.

A snapshot is three things under one id: the collection `stepreward_questions_<id>`, the collection
`stepreward_steps_<id>`, and a point of the collection `stepreward_snapshots` whose payload says how they were made
(encoder, PCA, counts). The alias `stepreward_active` points at the questions of the snapshot that answers; moving it
is atomic. A search names its snapshot, so no answer mixes two. "stepreward" is the prefix, a setting.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from qdrant_client import AsyncQdrantClient, models

from stepreward.errors import DimensionMismatch, RetrievalUnavailable
from stepreward.retrieval.breaker import BreakerRule
from stepreward.retrieval.encoder import Vectors
from stepreward.retrieval.layout import Layout
from stepreward.retrieval.pca import PCA, StoredPCA
from stepreward.retrieval.qdrant import Qdrant, Read, translated
from stepreward.single_flight import SingleFlight

_UPSERT_POINTS = 512
_PAGE_POINTS = 1000

T = TypeVar("T")
Kind = Literal["questions", "steps"]


class Manifest(BaseModel):
    """How a snapshot was made. `corpus_sha256` covers the rows in order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    corpus_sha256: str
    encoder: str
    pca: StoredPCA
    questions: int
    steps: int


@dataclass(frozen=True)
class Snapshot:
    """A snapshot ready to be searched."""

    manifest: Manifest
    pca: PCA

    @property
    def id(self) -> str:
        return self.manifest.id


@dataclass(frozen=True)
class Point:
    """A row of a collection: `id` is a UUID; the vector is the snapshot's, reduced and of length 1."""

    id: str
    vector: list[float]
    payload: Mapping[str, object]


@dataclass(frozen=True)
class Hit:
    """A found row; `similarity` is the cosine in the reduced space."""

    id: str
    similarity: float
    payload: Mapping[str, object]


@dataclass(frozen=True)
class StoreOptions:
    """The names of all collections and of the alias begin with `prefix`."""

    prefix: str = "stepreward"
    layout: Layout = field(default_factory=Layout)
    breaker: BreakerRule = field(default_factory=BreakerRule)


class Store:
    """Raises RetrievalUnavailable whenever Qdrant does not answer or answers with an error."""

    def __init__(
        self,
        client: AsyncQdrantClient,
        timeout_s: float = 5,
        options: StoreOptions = StoreOptions(),
    ) -> None:
        """`timeout_s` bounds each read with its retries."""
        self._client = client
        self._qdrant = Qdrant(client, timeout_s, options.breaker)
        self._layout = options.layout
        self._registry = f"{options.prefix}_snapshots"
        self._questions = f"{options.prefix}_questions_"
        self._steps = f"{options.prefix}_steps_"
        self._alias = f"{options.prefix}_active"
        self._snapshots: dict[str, Snapshot] = {}
        self._looking: SingleFlight[Snapshot] = SingleFlight()

    async def close(self) -> None:
        await self._looking.close()
        await self._qdrant.close()

    async def active(self) -> Snapshot:
        """The snapshot that answers now. Raises RetrievalUnavailable also when there is none.

        Asked for by every request, and by all that ask at once with one call.
        """
        found = await self._looking.run([self._alias], self._find_active)
        return found[self._alias].value

    async def check(self, snapshot: Snapshot) -> None:
        """Raises DimensionMismatch where a collection's vectors are not as long as the snapshot says."""
        wanted = snapshot.manifest.pca.dimensions_out
        for name in (self._questions + snapshot.id, self._steps + snapshot.id):
            found = (await self._read(partial(self._client.get_collection, name))).config.params.vectors
            if not isinstance(found, models.VectorParams) or found.size != wanted:
                size = found.size if isinstance(found, models.VectorParams) else "no"
                raise DimensionMismatch(
                    f"STEPREWARD_PCA_DIMENSIONS: {name} holds vectors of {size} components, its corpus was made with "
                    f"{wanted}; ingest it again"
                )

    async def nearest_questions(self, snapshot: Snapshot, vectors: Vectors, limit: int) -> list[list[Hit]]:
        """For each row of `vectors`, at most `limit` questions, nearest first."""
        params = self._layout.search_params()
        requests = [_request(vector, limit, params) for vector in vectors]
        return await self._query(self._questions + snapshot.id, requests)

    async def nearest_steps(
        self, snapshot: Snapshot, vectors: Vectors, within: Sequence[Sequence[str]], limit: int
    ) -> list[list[Hit]]:
        """For each row of `vectors`, at most `limit` steps of the questions `within` names for it, nearest first."""
        params = self._layout.search_params()
        requests = [
            _request(
                vector,
                limit,
                params,
                models.Filter(
                    must=[models.FieldCondition(key="question_id", match=models.MatchAny(any=list(question_ids)))]
                ),
            )
            for vector, question_ids in zip(vectors, within, strict=True)
        ]
        return await self._query(self._steps + snapshot.id, requests)

    async def points_from(self, snapshot: Snapshot, kind: Kind, start_id: str, limit: int) -> list[Point]:
        """`limit` points with their vectors in the order of ids, from `start_id` (a UUID) on, after the last one from
        the first on; all where there are no more."""
        collection = (self._questions if kind == "questions" else self._steps) + snapshot.id
        found, _ = await self._read(
            lambda: self._client.scroll(collection, limit=limit, offset=start_id, with_vectors=True)
        )
        if len(found) < limit:
            first, _ = await self._read(lambda: self._client.scroll(collection, limit=limit, with_vectors=True))
            known = {record.id for record in found}
            found += [record for record in first if record.id not in known][: limit - len(found)]
        return [Point(str(record.id), _plain(record.vector), record.payload or {}) for record in found]

    async def scan(self, snapshot_id: str, kind: Kind, with_vectors: bool) -> AsyncIterator[list[Point]]:
        """All points in the order of ids, a page at a time; a point's vector is empty without `with_vectors`."""
        collection = (self._questions if kind == "questions" else self._steps) + snapshot_id
        offset: models.ExtendedPointId | None = None
        while True:
            page, offset = await self._read(
                partial(self._client.scroll, collection, limit=_PAGE_POINTS, offset=offset, with_vectors=with_vectors)
            )
            yield [
                Point(str(record.id), _plain(record.vector) if with_vectors else [], record.payload or {})
                for record in page
            ]
            if offset is None:
                return

    async def has(self, snapshot_id: str) -> bool:
        """Whether a complete snapshot of this id is stored."""
        if not await self._read(partial(self._client.collection_exists, self._registry)):
            return False
        found = partial(self._client.retrieve, self._registry, [_point_id(snapshot_id)], with_payload=False)
        return bool(await self._read(found))

    async def begin(self, snapshot_id: str, dimensions: int) -> None:
        """Make the snapshot's collections anew; what an interrupted ingest left under this id is dropped.

        Raises ConfigurationError where Qdrant refuses what the settings say of collections.
        """
        async with translated():
            if not await self._client.collection_exists(self._registry):
                await self._layout.create(self._client, self._registry, 1, graph=False)
            for name, graph in ((self._questions + snapshot_id, True), (self._steps + snapshot_id, False)):
                if await self._client.collection_exists(name):
                    await self._client.delete_collection(name)
                await self._layout.create(self._client, name, dimensions, graph=graph)
            await self._client.create_payload_index(
                self._steps + snapshot_id, "question_id", models.PayloadSchemaType.KEYWORD, wait=True
            )

    async def add_questions(self, snapshot_id: str, points: Sequence[Point]) -> None:
        await self._upsert(self._questions + snapshot_id, points)

    async def add_steps(self, snapshot_id: str, points: Sequence[Point]) -> None:
        await self._upsert(self._steps + snapshot_id, points)

    async def finish(self, manifest: Manifest) -> None:
        """Register a snapshot whose points are all stored."""
        payload = manifest.model_dump(mode="json")
        await self._upsert(self._registry, [Point(_point_id(manifest.id), [1.0], payload)])

    async def activate(self, snapshot_id: str) -> None:
        """Let this snapshot answer from the next request on."""
        async with translated():
            aliases = (await self._client.get_aliases()).aliases
            actions: list[models.CreateAliasOperation | models.RenameAliasOperation | models.DeleteAliasOperation] = [
                models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._alias))
                for alias in aliases
                if alias.alias_name == self._alias
            ]
            target = models.CreateAlias(collection_name=self._questions + snapshot_id, alias_name=self._alias)
            await self._client.update_collection_aliases([*actions, models.CreateAliasOperation(create_alias=target)])

    async def _find_active(self, _alias: Sequence[str]) -> list[Snapshot]:
        aliases = (await self._read(self._client.get_aliases)).aliases
        target = next((alias.collection_name for alias in aliases if alias.alias_name == self._alias), None)
        if target is None:
            raise RetrievalUnavailable("no corpus is active in the vector store; ingest one")
        return [await self._load(target.removeprefix(self._questions))]

    async def _load(self, snapshot_id: str) -> Snapshot:
        if snapshot_id not in self._snapshots:
            records = await self._read(lambda: self._client.retrieve(self._registry, [_point_id(snapshot_id)]))
            if not records:
                raise RetrievalUnavailable(f"the active corpus {snapshot_id} is not registered in the vector store")
            try:
                manifest = Manifest.model_validate(records[0].payload)
            except ValidationError as error:
                raise RetrievalUnavailable(f"the corpus {snapshot_id} was made by another version") from error
            self._snapshots = {snapshot_id: Snapshot(manifest, PCA.from_stored(manifest.pca))}
        return self._snapshots[snapshot_id]

    async def _query(self, collection: str, requests: Sequence[models.QueryRequest]) -> list[list[Hit]]:
        if not requests:
            return []
        answers = await self._read(partial(self._client.query_batch_points, collection, requests), "search")
        return [[Hit(str(point.id), point.score, point.payload or {}) for point in answer.points] for answer in answers]

    async def _read(self, request: Callable[[], Awaitable[T]], kind: Read = "lookup") -> T:
        return await self._qdrant.read(kind, request)

    async def _upsert(self, collection: str, points: Sequence[Point]) -> None:
        for start in range(0, len(points), _UPSERT_POINTS):
            structs = [
                models.PointStruct(id=point.id, vector=point.vector, payload=dict(point.payload))
                for point in points[start : start + _UPSERT_POINTS]
            ]
            async with translated():
                await self._client.upsert(collection, structs, wait=True)


def _request(
    vector: Vectors, limit: int, params: models.SearchParams, within: models.Filter | None = None
) -> models.QueryRequest:
    """With the array as it is, which the client takes though its model does not name it: the client makes a deep copy
    of each request, in 0.2 ms for a list of 128 numbers."""
    array: Any = vector
    return models.QueryRequest.model_construct(
        query=array, filter=within, params=params, limit=limit, with_payload=True
    )


def _plain(vector: object) -> list[float]:
    if not isinstance(vector, list):
        raise RetrievalUnavailable("the vector store gave a point without its vector")
    return vector


def _point_id(snapshot_id: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"stepreward:snapshot:{snapshot_id}"))
