"""The vector store: snapshots of a corpus in Qdrant, a server or the embedded engine alike.

A snapshot is three things under one id: the collection `stepreward_questions_<id>`, the collection
`stepreward_steps_<id>`, and a point of the collection `stepreward_snapshots` whose payload is its manifest. The alias
`stepreward_active` points at the questions of the snapshot that answers; moving it is atomic. A search names its
snapshot, so no answer mixes two.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from json import JSONDecodeError
from typing import Literal, TypeVar, get_args

import httpx
import stamina
from pydantic import ValidationError
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException

from stepreward.errors import ConfigurationError, InternalError, RetrievalUnavailable
from stepreward.retrieval.encoder import Vectors
from stepreward.retrieval.manifest import Manifest, Registered
from stepreward.retrieval.pca import PCA

_REGISTRY = "stepreward_snapshots"
_QUESTIONS = "stepreward_questions_"
_STEPS = "stepreward_steps_"
_ACTIVE = "stepreward_active"
_UPSERT_POINTS = 512
_PAGE_POINTS = 1000
_PAGE_MANIFESTS = 16  # a manifest has the size of its PCA, some 200 kB

T = TypeVar("T")
Kind = Literal["questions", "steps"]


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


class Store:
    """Raises RetrievalUnavailable whenever Qdrant does not answer or answers with an error."""

    def __init__(self, client: AsyncQdrantClient, timeout_s: float = 5) -> None:
        """`timeout_s` bounds each read with its retries."""
        self._client = client
        self._timeout_s = timeout_s
        self._snapshots: dict[str, Snapshot] = {}

    @classmethod
    def connect(cls, url: str, api_key: str | None, timeout_s: int) -> "Store":
        """No request is sent yet."""
        client = AsyncQdrantClient(url=url, api_key=api_key, timeout=timeout_s, check_compatibility=False)
        return cls(client, timeout_s)

    async def close(self) -> None:
        await self._client.close()

    async def active(self) -> Snapshot:
        """The snapshot that answers now. Raises RetrievalUnavailable also when there is none."""
        identity = await self.active_id()
        if identity is None:
            raise RetrievalUnavailable("no corpus is active in the vector store; ingest one")
        return await self._load(identity)

    async def active_id(self) -> str | None:
        aliases = (await self._read(self._client.get_aliases)).aliases
        target = next((alias.collection_name for alias in aliases if alias.alias_name == _ACTIVE), None)
        return None if target is None else target.removeprefix(_QUESTIONS)

    async def nearest_questions(self, snapshot: Snapshot, vectors: Vectors, limit: int) -> list[list[Hit]]:
        """For each row of `vectors`, at most `limit` questions, nearest first."""
        requests = [models.QueryRequest(query=vector.tolist(), limit=limit, with_payload=True) for vector in vectors]
        return await self._query(_QUESTIONS + snapshot.id, requests)

    async def nearest_steps(
        self, snapshot: Snapshot, vectors: Vectors, within: Sequence[Sequence[str]], limit: int
    ) -> list[list[Hit]]:
        """For each row of `vectors`, at most `limit` steps of the questions `within` names for it, nearest first."""
        requests = [
            models.QueryRequest(
                query=vector.tolist(),
                filter=models.Filter(
                    must=[models.FieldCondition(key="question_id", match=models.MatchAny(any=list(question_ids)))]
                ),
                limit=limit,
                with_payload=True,
            )
            for vector, question_ids in zip(vectors, within, strict=True)
        ]
        return await self._query(_STEPS + snapshot.id, requests)

    async def points_from(self, snapshot: Snapshot, kind: Kind, start_id: str, limit: int) -> list[Point]:
        """`limit` points with their vectors in the order of ids, from `start_id` (a UUID) on, after the last one from
        the first on; all where there are no more."""
        collection = _collection(snapshot.id, kind)
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
        collection = _collection(snapshot_id, kind)
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

    async def points(self, snapshot_id: str, kind: Kind, ids: Sequence[str], with_payload: bool) -> list[Point]:
        """Those of the points that are stored, without their vectors."""
        found: list[Point] = []
        for start in range(0, len(ids), _PAGE_POINTS):
            page = ids[start : start + _PAGE_POINTS]
            records = await self._read(
                partial(self._client.retrieve, _collection(snapshot_id, kind), page, with_payload=with_payload)
            )
            found += [Point(str(record.id), [], record.payload or {}) for record in records]
        return found

    async def count(self, snapshot_id: str, kind: Kind, source: str | None = None) -> int:
        """All points, or those of one source."""
        of_source = None
        if source is not None:
            of_source = models.Filter(must=[models.FieldCondition(key="source", match=models.MatchValue(value=source))])
        collection = _collection(snapshot_id, kind)
        return (await self._read(lambda: self._client.count(collection, count_filter=of_source, exact=True))).count

    async def registered(self) -> list[Registered]:
        """All snapshots, complete or not."""
        if not await self._read(lambda: self._client.collection_exists(_REGISTRY)):
            return []
        found: list[Registered] = []
        offset: models.ExtendedPointId | None = None
        while True:
            page, offset = await self._read(
                partial(self._client.scroll, _REGISTRY, limit=_PAGE_MANIFESTS, offset=offset)
            )
            found += [_registered(record.payload or {}) for record in page]
            if offset is None:
                return found

    async def manifest(self, snapshot_id: str) -> Manifest | None:
        """None where there is none, or one of another version."""
        if not await self._read(lambda: self._client.collection_exists(_REGISTRY)):
            return None
        records = await self._read(lambda: self._client.retrieve(_REGISTRY, [_point_id(snapshot_id)]))
        return _registered(records[0].payload or {}).manifest if records else None

    async def begin(self, manifest: Manifest) -> None:
        """Make the snapshot's collections anew, and register it as not complete: from now on it can be resumed."""
        steps, questions = _collection(manifest.id, "steps"), _collection(manifest.id, "questions")
        async with _translated():
            if not await self._client.collection_exists(_REGISTRY):
                await self._client.create_collection(_REGISTRY, _vectors(1))
            for name, field in ((questions, "source"), (steps, "question_id")):
                if await self._client.collection_exists(name):
                    await self._client.delete_collection(name)
                await self._client.create_collection(name, _vectors(manifest.pca.dimensions_out))
                await self._client.create_payload_index(name, field, models.PayloadSchemaType.KEYWORD, wait=True)
        await self._register(manifest)

    async def begun(self, snapshot_id: str) -> Manifest | None:
        """The manifest of a snapshot that was begun and can be resumed."""
        manifest = await self.manifest(snapshot_id)
        if manifest is None or manifest.complete:
            return None
        # What is being dropped may have lost one of them.
        for kind in get_args(Kind):
            if not await self._read(partial(self._client.collection_exists, _collection(snapshot_id, kind))):
                return None
        return manifest

    async def add_questions(self, snapshot_id: str, points: Sequence[Point]) -> None:
        await self._upsert(_QUESTIONS + snapshot_id, points)

    async def add_steps(self, snapshot_id: str, points: Sequence[Point]) -> None:
        await self._upsert(_STEPS + snapshot_id, points)

    async def finish(self, manifest: Manifest) -> None:
        """Register a snapshot whose points are all stored. Raises ConfigurationError where another ingest of the same
        snapshot began it anew meanwhile: the points would be of two projections."""
        begun = await self.begun(manifest.id)
        if begun is None or begun.pca.sha256 != manifest.pca.sha256:
            raise ConfigurationError(f"snapshot {manifest.id} was changed while it was built: ingest it again")
        await self._register(manifest)

    async def drop(self, snapshot_id: str) -> None:
        """Remove a snapshot that does not answer. Raises ConfigurationError for the one that does."""
        if await self.active_id() == snapshot_id:
            raise ConfigurationError(f"snapshot {snapshot_id} is active: activate another one before it is dropped")
        manifest = await self.manifest(snapshot_id)
        if manifest and manifest.complete:
            # Interrupted from here on, it is a snapshot that is not complete: listed, and never activated.
            await self._register(manifest.model_copy(update={"complete": False}))
        async with _translated():
            for kind in get_args(Kind):
                await self._client.delete_collection(_collection(snapshot_id, kind))
            await self._client.delete(_REGISTRY, [_point_id(snapshot_id)], wait=True)

    async def activate(self, snapshot_id: str) -> None:
        """Let this snapshot answer from the next request on. Raises ConfigurationError for one that is not complete."""
        manifest = await self.manifest(snapshot_id)
        if manifest is None or not manifest.complete:
            raise ConfigurationError(f"snapshot {snapshot_id} is not complete: ingest its corpus again, which goes on")
        async with _translated():
            aliases = (await self._client.get_aliases()).aliases
            actions: list[models.CreateAliasOperation | models.RenameAliasOperation | models.DeleteAliasOperation] = [
                models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=_ACTIVE))
                for alias in aliases
                if alias.alias_name == _ACTIVE
            ]
            target = models.CreateAlias(collection_name=_QUESTIONS + snapshot_id, alias_name=_ACTIVE)
            await self._client.update_collection_aliases([*actions, models.CreateAliasOperation(create_alias=target)])

    async def _load(self, snapshot_id: str) -> Snapshot:
        if snapshot_id not in self._snapshots:
            records = await self._read(lambda: self._client.retrieve(_REGISTRY, [_point_id(snapshot_id)]))
            if not records:
                raise RetrievalUnavailable(f"the active corpus {snapshot_id} is not registered in the vector store")
            try:
                manifest = Manifest.model_validate(records[0].payload)
                pca = PCA.from_stored(manifest.pca)
            except ValidationError as error:
                raise RetrievalUnavailable(f"the corpus {snapshot_id} was made by another version") from error
            except ValueError as error:
                raise RetrievalUnavailable(f"the corpus {snapshot_id}: {error}") from error
            if not manifest.complete:
                raise RetrievalUnavailable(f"the active corpus {snapshot_id} is not complete")
            self._snapshots = {snapshot_id: Snapshot(manifest, pca)}
        return self._snapshots[snapshot_id]

    async def _register(self, manifest: Manifest) -> None:
        await self._upsert(_REGISTRY, [Point(_point_id(manifest.id), [1.0], manifest.model_dump(mode="json"))])

    async def _query(self, collection: str, requests: Sequence[models.QueryRequest]) -> list[list[Hit]]:
        if not requests:
            return []
        answers = await self._read(lambda: self._client.query_batch_points(collection, requests))
        return [[Hit(str(point.id), point.score, point.payload or {}) for point in answer.points] for answer in answers]

    async def _read(self, request: Callable[[], Awaitable[T]]) -> T:
        """Within the time limit, up to three tries of it where the connection fails: a read may be repeated."""
        async with _translated(), asyncio.timeout(self._timeout_s):
            async for attempt in stamina.retry_context(
                on=_connection_failed, attempts=3, timeout=None, wait_initial=0.05, wait_max=0.5, wait_jitter=0.1
            ):
                with attempt:
                    return await request()
        raise InternalError("a read of the vector store ended without an answer or an error. This is a bug.")

    async def _upsert(self, collection: str, points: Sequence[Point]) -> None:
        for start in range(0, len(points), _UPSERT_POINTS):
            structs = [
                models.PointStruct(id=point.id, vector=point.vector, payload=dict(point.payload))
                for point in points[start : start + _UPSERT_POINTS]
            ]
            async with _translated():
                await self._client.upsert(collection, structs, wait=True)


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (ApiException, QdrantException, JSONDecodeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RetrievalUnavailable(f"the vector store did not answer: {reason[:200]}") from error
    except TimeoutError as error:
        raise RetrievalUnavailable("the vector store did not answer within the time limit") from error


def _connection_failed(error: Exception) -> bool:
    """Not for an answer that is late: the time limit is spent on it already."""
    source = error.source if isinstance(error, ResponseHandlingException) else None
    return isinstance(source, httpx.NetworkError | httpx.RemoteProtocolError)


def _registered(payload: Mapping[str, object]) -> Registered:
    try:
        manifest = Manifest.model_validate(payload)
    except ValidationError:
        return Registered(str(payload.get("id", "")), None)
    return Registered(manifest.id, manifest)


def _collection(snapshot_id: str, kind: Kind) -> str:
    return (_QUESTIONS if kind == "questions" else _STEPS) + snapshot_id


def _plain(vector: object) -> list[float]:
    if not isinstance(vector, list):
        raise RetrievalUnavailable("the vector store gave a point without its vector")
    return vector


def _vectors(dimensions: int) -> models.VectorParams:
    return models.VectorParams(size=dimensions, distance=models.Distance.COSINE)


def _point_id(snapshot_id: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"stepreward:snapshot:{snapshot_id}"))
