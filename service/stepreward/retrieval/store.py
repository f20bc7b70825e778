"""The vector store as it is searched. A search names its snapshot, so no answer mixes two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, get_args

from qdrant_client import AsyncQdrantClient, models

from stepreward.errors import ConfigurationError, DimensionMismatch, RetrievalUnavailable
from stepreward.retrieval.encoder import Vectors
from stepreward.retrieval.manifest import Manifest
from stepreward.retrieval.pca import PCA
from stepreward.retrieval.snapshots import DEFAULT_OPTIONS, Kind, Point, Snapshots, StoreOptions, point_of
from stepreward.single_flight import SingleFlight

__all__ = ["Hit", "Kind", "Point", "Snapshot", "Store", "StoreOptions"]


@dataclass(frozen=True)
class Snapshot:
    """A snapshot ready to be searched."""

    manifest: Manifest
    pca: PCA

    @property
    def id(self) -> str:
        return self.manifest.id


@dataclass(frozen=True)
class Hit:
    """A found row; `similarity` is the cosine in the reduced space."""

    id: str
    similarity: float
    payload: Mapping[str, object]


class Store(Snapshots):
    """Raises RetrievalUnavailable whenever Qdrant does not answer or answers with an error."""

    def __init__(
        self,
        client: AsyncQdrantClient,
        timeout_s: float = 5,
        options: StoreOptions = DEFAULT_OPTIONS,
    ) -> None:
        super().__init__(client, timeout_s, options)
        self._loaded: dict[str, Snapshot] = {}
        self._looking: SingleFlight[Snapshot] = SingleFlight()

    async def close(self) -> None:
        await self._looking.close()
        await super().close()

    async def active(self) -> Snapshot:
        """The snapshot that answers now. Raises RetrievalUnavailable also when there is none.

        Asked for by every request, and by all that ask at once with one call.
        """
        found = await self._looking.run([self._alias], self._find_active)
        return found[self._alias].value

    async def check(self, snapshot: Snapshot) -> None:
        """Raises DimensionMismatch where a collection's vectors are not as long as the snapshot says."""
        wanted = snapshot.manifest.pca.dimensions_out
        for name in [self._name(snapshot.id, kind) for kind in get_args(Kind)]:
            found = (await self._read(partial(self._client.get_collection, name))).config.params.vectors
            if not isinstance(found, models.VectorParams) or found.size != wanted:
                size = found.size if isinstance(found, models.VectorParams) else "no"
                raise DimensionMismatch(
                    f"STEPREWARD_PCA_DIMENSIONS: {name} holds vectors of {size} components, its corpus was made with "
                    f"{wanted}; ingest it again"
                )

    async def snapshot(self, snapshot_id: str) -> Snapshot:
        """The complete one of this id, active or not. Raises ConfigurationError where there is none."""
        manifest = await self.manifest(snapshot_id)
        if manifest is None or not manifest.complete:
            raise ConfigurationError(f"snapshot {snapshot_id}: is not in the vector store")
        return await self._load(snapshot_id)

    async def nearest_questions(self, snapshot: Snapshot, vectors: Vectors, limit: int) -> list[list[Hit]]:
        """For each row of `vectors`, at most `limit` questions, nearest first."""
        params = self._layout.search_params()
        requests = [_request(vector, limit, params) for vector in vectors]
        return await self._query(self._name(snapshot.id, "questions"), requests)

    async def nearest_steps(
        self, snapshot: Snapshot, vectors: Vectors, within: Sequence[Sequence[str]], limit: int
    ) -> list[list[Hit]]:
        """For each row of `vectors`, at most `limit` steps of the questions `within` names for it, nearest first."""
        params = self._layout.search_params()
        # A solution's steps share their questions.
        filters = {id(question_ids): _within(question_ids) for question_ids in within}
        requests = [
            _request(vector, limit, params, filters[id(question_ids)])
            for vector, question_ids in zip(vectors, within, strict=True)
        ]
        return await self._query(self._name(snapshot.id, "steps"), requests)

    async def points_from(self, snapshot: Snapshot, kind: Kind, start_id: str, limit: int) -> list[Point]:
        """`limit` points with their vectors in the order of ids, from `start_id` (a UUID) on, after the last one from
        the first on; all where there are no more."""
        collection = self._name(snapshot.id, kind)
        found, _ = await self._read(
            lambda: self._client.scroll(collection, limit=limit, offset=start_id, with_vectors=True)
        )
        if len(found) < limit:
            first, _ = await self._read(lambda: self._client.scroll(collection, limit=limit, with_vectors=True))
            known = {record.id for record in found}
            found += [record for record in first if record.id not in known][: limit - len(found)]
        return [point_of(record, with_vector=True) for record in found]

    async def _find_active(self, _alias: Sequence[str]) -> list[Snapshot]:
        identity = await self.active_id()
        if identity is None:
            raise RetrievalUnavailable("no corpus is active in the vector store; ingest one")
        return [await self._load(identity)]

    async def _load(self, snapshot_id: str) -> Snapshot:
        if snapshot_id not in self._loaded:
            manifest = await self.manifest(snapshot_id)
            if manifest is None:
                raise RetrievalUnavailable(
                    f"the corpus {snapshot_id} is not registered in the vector store, or was made by another version"
                )
            if not manifest.complete:
                raise RetrievalUnavailable(f"the active corpus {snapshot_id} is not complete")
            try:
                self._loaded = {snapshot_id: Snapshot(manifest, PCA.from_stored(manifest.pca))}
            except ValueError as error:
                raise RetrievalUnavailable(f"the corpus {snapshot_id}: {error}") from error
        return self._loaded[snapshot_id]

    async def _query(self, collection: str, requests: Sequence[models.QueryRequest]) -> list[list[Hit]]:
        if not requests:
            return []
        answers = await self._read(partial(self._client.query_batch_points, collection, requests), "search")
        return [[Hit(str(point.id), point.score, point.payload or {}) for point in answer.points] for answer in answers]


class _Request(models.QueryRequest):
    """The client makes a deep copy of each request, because it changes a field: a shallow one saves 0.3 ms a search."""

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self.model_copy()


def _request(
    vector: Vectors, limit: int, params: models.SearchParams, within: models.Filter | None = None
) -> models.QueryRequest:
    """With the array as it is, which the client takes though its model does not name it."""
    array: Any = vector
    return _Request.model_construct(query=array, filter=within, params=params, limit=limit, with_payload=True)


def _within(question_ids: Sequence[str]) -> models.Filter:
    return models.Filter(must=[models.FieldCondition(key="question_id", match=models.MatchAny(any=list(question_ids)))])
