"""The snapshots of a corpus in Qdrant, a server or the embedded engine alike: built, listed, activated, dropped.

A snapshot is three things under one id: the collection `stepreward_questions_<id>`, the collection
`stepreward_steps_<id>`, and a point of the collection `stepreward_snapshots` whose payload is its manifest. The alias
`stepreward_active` points at the questions of the snapshot that answers; moving it is atomic. "stepreward" is the
prefix, a setting.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeVar, cast, get_args

from pydantic import ValidationError
from qdrant_client import AsyncQdrantClient, models

from stepreward.errors import ConfigurationError, RetrievalUnavailable
from stepreward.retrieval.breaker import BreakerRule
from stepreward.retrieval.layout import Layout
from stepreward.retrieval.manifest import Manifest, Registered
from stepreward.retrieval.qdrant import Qdrant, Read, translated

_UPSERT_POINTS = 512
_PAGE_POINTS = 1000
_PAGE_MANIFESTS = 16  # a manifest has the size of its PCA, some 200 kB

T = TypeVar("T")
Kind = Literal["questions", "steps"]


@dataclass(frozen=True)
class Point:
    """A row of a collection: `id` is a UUID; the vector is the snapshot's, reduced and of length 1."""

    id: str
    vector: list[float]
    payload: Mapping[str, object]


@dataclass(frozen=True)
class StoreOptions:
    """The names of all collections and of the alias begin with `prefix`."""

    prefix: str = "stepreward"
    layout: Layout = field(default_factory=Layout)
    breaker: BreakerRule = field(default_factory=BreakerRule)


DEFAULT_OPTIONS = StoreOptions()


class Snapshots:
    """Raises RetrievalUnavailable whenever Qdrant does not answer or answers with an error."""

    def __init__(
        self,
        client: AsyncQdrantClient,
        timeout_s: float = 5,
        options: StoreOptions = DEFAULT_OPTIONS,
    ) -> None:
        """`timeout_s` bounds each read with its retries."""
        self._client = client
        self._qdrant = Qdrant(client, timeout_s, options.breaker)
        self._layout = options.layout
        self._registry = f"{options.prefix}_snapshots"
        self._collections = {kind: f"{options.prefix}_{kind}_" for kind in get_args(Kind)}
        self._alias = f"{options.prefix}_active"

    async def close(self) -> None:
        await self._qdrant.close()

    async def active_id(self) -> str | None:
        """Of the snapshot that answers now, if there is one."""
        aliases = (await self._read(self._client.get_aliases)).aliases
        target = next((alias.collection_name for alias in aliases if alias.alias_name == self._alias), None)
        return None if target is None else target.removeprefix(self._collections["questions"])

    async def registered(self) -> list[Registered]:
        """All snapshots, complete or not."""
        if not await self._has_registry():
            return []
        found: list[Registered] = []
        offset: models.ExtendedPointId | None = None
        while True:
            page, offset = await self._read(
                partial(self._client.scroll, self._registry, limit=_PAGE_MANIFESTS, offset=offset)
            )
            found += [_registered(record.payload or {}) for record in page]
            if offset is None:
                return found

    async def manifest(self, snapshot_id: str) -> Manifest | None:
        """None where there is none, or one of another version."""
        if not await self._has_registry():
            return None
        records = await self._read(partial(self._client.retrieve, self._registry, [_point_id(snapshot_id)]))
        return _registered(records[0].payload or {}).manifest if records else None

    async def points(self, snapshot_id: str, kind: Kind, ids: Sequence[str], with_payload: bool) -> list[Point]:
        """Those of the points that are stored, without their vectors."""
        found: list[Point] = []
        for start in range(0, len(ids), _PAGE_POINTS):
            page = ids[start : start + _PAGE_POINTS]
            records = await self._read(
                partial(self._client.retrieve, self._name(snapshot_id, kind), page, with_payload=with_payload)
            )
            found += [Point(str(record.id), [], record.payload or {}) for record in records]
        return found

    async def count(self, snapshot_id: str, kind: Kind, source: str | None = None) -> int:
        """All points, or those of one source."""
        of_source = None
        if source is not None:
            of_source = models.Filter(must=[models.FieldCondition(key="source", match=models.MatchValue(value=source))])
        name = self._name(snapshot_id, kind)
        return (await self._read(partial(self._client.count, name, count_filter=of_source, exact=True))).count

    async def scan(self, snapshot_id: str, kind: Kind, with_vectors: bool) -> AsyncIterator[list[Point]]:
        """All points in the order of ids, a page at a time; a point's vector is empty without `with_vectors`."""
        name = self._name(snapshot_id, kind)
        offset: models.ExtendedPointId | None = None
        while True:
            page, offset = await self._read(
                partial(self._client.scroll, name, limit=_PAGE_POINTS, offset=offset, with_vectors=with_vectors)
            )
            yield [point_of(record, with_vectors) for record in page]
            if offset is None:
                return

    async def begin(self, manifest: Manifest) -> None:
        """Make the snapshot's collections anew, and register it as not complete: from now on it can be resumed.

        Raises ConfigurationError where Qdrant refuses what the settings say of collections.
        """
        # Steps are searched among those of a few questions alone: they need an index of those, and no graph.
        forms: list[tuple[Kind, str, bool]] = [("questions", "source", True), ("steps", "question_id", False)]
        async with translated():
            if not await self._client.collection_exists(self._registry):
                await self._layout.create(self._client, self._registry, 1, graph=False)
            for kind, indexed, graph in forms:
                name = self._name(manifest.id, kind)
                if await self._client.collection_exists(name):
                    await self._client.delete_collection(name)
                await self._layout.create(self._client, name, manifest.pca.dimensions_out, graph=graph)
                await self._client.create_payload_index(name, indexed, models.PayloadSchemaType.KEYWORD, wait=True)
        await self._register(manifest)

    async def begun(self, snapshot_id: str) -> Manifest | None:
        """The manifest of a snapshot that was begun and can be resumed."""
        manifest = await self.manifest(snapshot_id)
        if manifest is None or manifest.complete:
            return None
        # What is being dropped may have lost one of them.
        for kind in get_args(Kind):
            if not await self._read(partial(self._client.collection_exists, self._name(snapshot_id, kind))):
                return None
        return manifest

    async def add_questions(self, snapshot_id: str, points: Sequence[Point]) -> None:
        await self._upsert(self._name(snapshot_id, "questions"), points)

    async def add_steps(self, snapshot_id: str, points: Sequence[Point]) -> None:
        await self._upsert(self._name(snapshot_id, "steps"), points)

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
        async with translated():
            for kind in get_args(Kind):
                await self._client.delete_collection(self._name(snapshot_id, kind))
            await self._client.delete(self._registry, [_point_id(snapshot_id)], wait=True)

    async def activate(self, snapshot_id: str) -> None:
        """Let this snapshot answer from the next request on. Raises ConfigurationError for one that is not complete."""
        manifest = await self.manifest(snapshot_id)
        if manifest is None or not manifest.complete:
            raise ConfigurationError(f"snapshot {snapshot_id} is not complete: ingest its corpus again, which goes on")
        async with translated():
            aliases = (await self._client.get_aliases()).aliases
            actions: list[models.CreateAliasOperation | models.RenameAliasOperation | models.DeleteAliasOperation] = [
                models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._alias))
                for alias in aliases
                if alias.alias_name == self._alias
            ]
            target = models.CreateAlias(collection_name=self._name(snapshot_id, "questions"), alias_name=self._alias)
            await self._client.update_collection_aliases([*actions, models.CreateAliasOperation(create_alias=target)])

    def _name(self, snapshot_id: str, kind: Kind) -> str:
        return self._collections[kind] + snapshot_id

    async def _has_registry(self) -> bool:
        return await self._read(partial(self._client.collection_exists, self._registry))

    async def _register(self, manifest: Manifest) -> None:
        await self._upsert(self._registry, [Point(_point_id(manifest.id), [1.0], manifest.model_dump(mode="json"))])

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


def point_of(record: models.Record, with_vector: bool) -> Point:
    if with_vector and not isinstance(record.vector, list):
        raise RetrievalUnavailable("the vector store gave a point without its vector")
    vector = cast("list[float]", record.vector) if with_vector else []
    return Point(str(record.id), vector, record.payload or {})


def _registered(payload: Mapping[str, object]) -> Registered:
    try:
        manifest = Manifest.model_validate(payload)
    except ValidationError:
        return Registered(str(payload.get("id", "")), None)
    return Registered(manifest.id, manifest)


def _point_id(snapshot_id: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"stepreward:snapshot:{snapshot_id}"))
