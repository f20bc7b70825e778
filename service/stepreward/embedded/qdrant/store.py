"""All collections of one data directory, by name or alias, and their upkeep."""

import asyncio
import logging
import shutil
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Self

from stepreward.embedded.qdrant.catalog import Catalog
from stepreward.embedded.qdrant.collection import Collection
from stepreward.embedded.qdrant.refusals import BadRequest, Conflict, NotFound, QdrantRefusal, Unprocessable
from stepreward.embedded.qdrant.room import check_room
from stepreward.embedded.qdrant.schema import AliasAction, CollectionConfig, CollectionPatch
from stepreward.errors import ConfigurationError

TICK_S = 0.25
_FORBIDDEN_IN_NAMES = set('<>:"/\\|?*\x7f') | {chr(code) for code in range(32)}

log = logging.getLogger(__name__)


class Store:
    def __init__(self, catalog: Catalog, collections: dict[str, Collection]) -> None:
        self._catalog = catalog
        self._collections = collections
        self._upkeep: list[asyncio.Task[None]] = []

    @classmethod
    def open(cls, data_dir: Path) -> Self:
        """Raises ConfigurationError if the directory is in use, or names the collection that cannot be opened."""
        started_s = time.monotonic()
        catalog = Catalog.open(data_dir)
        collections: dict[str, Collection] = {}
        for name, entry in catalog.collections.items():
            try:
                collections[name] = Collection.load(catalog.path(entry.directory), entry.config)
            except QdrantRefusal as error:
                raise ConfigurationError(f"collection {name} in {data_dir} cannot be opened: {error}") from error
        seconds = round(time.monotonic() - started_s, 3)
        log.info("opened", extra={"collections": len(collections), "seconds": seconds})
        return cls(catalog, collections)

    def close(self) -> None:
        """Flush and release everything."""
        for collection in self._collections.values():
            collection.close()
        self._catalog.close()

    # collections

    def names(self) -> list[str]:
        return sorted(self._collections)

    def get(self, name: str) -> Collection:
        """By name or alias. Raises NotFound."""
        return self._collections[self._catalog.resolve(name)]

    def exists(self, name: str) -> bool:
        return self._catalog.aliases.get(name, name) in self._collections

    def points_count(self) -> int:
        return sum(collection.points_count() for collection in self._collections.values())

    def create(self, name: str, config: CollectionConfig) -> None:
        """Raises Conflict if it exists, BadRequest if an alias has the name, Unprocessable if the name is not valid."""
        if not 1 <= len(name) <= 255 or set(name) & _FORBIDDEN_IN_NAMES:
            raise Unprocessable('Validation error in path parameters: [name: 1 to 255 characters, none of <>:"/\\|?*]')
        if name in self._collections:
            raise Conflict(f"Wrong input: Collection `{name}` already exists!")
        if name in self._catalog.aliases:
            raise BadRequest(
                f"Wrong input: Can't create collection with name {name}. Alias with the same name already exists"
            )
        path = self._catalog.new_path()
        check_room(path.parent)
        try:
            collection = Collection.create(path, config)
            self._catalog.put(name, path, config)
        except (QdrantRefusal, OSError):
            shutil.rmtree(path, ignore_errors=True)
            raise
        self._collections[name] = collection
        log.info("collection_created", extra={"collection": name})

    async def patch(self, name: str, patch: CollectionPatch) -> None:
        await self.get(name).patch(patch, partial(self._catalog.put, self._catalog.resolve(name)))

    async def delete(self, name: str) -> bool:
        """Whether there was such a collection. Like a Qdrant server, takes no alias for it."""
        if name not in self._collections:
            return False
        try:
            await self._collections[name].drop(partial(self._forget, name))
        except NotFound:
            return False  # another request was faster
        log.info("collection_deleted", extra={"collection": name})
        return True

    def _forget(self, name: str) -> None:
        self._catalog.remove(name)
        del self._collections[name]

    # aliases

    def aliases(self, collection: str | None = None) -> list[dict[str, str]]:
        return [
            {"alias_name": alias, "collection_name": target}
            for alias, target in sorted(self._catalog.aliases.items())
            if collection in (None, target)
        ]

    def change_aliases(self, actions: Sequence[AliasAction]) -> None:
        self._catalog.change_aliases(actions)

    # upkeep

    def start_upkeep(self) -> None:
        self._upkeep = [asyncio.create_task(self._keep_flushed()), asyncio.create_task(self._keep_indexed())]
        for task in self._upkeep:
            task.add_done_callback(_log_if_failed)

    def upkeep_runs(self) -> bool:
        return bool(self._upkeep) and not any(task.done() for task in self._upkeep)

    async def stop_upkeep(self) -> None:
        for task in self._upkeep:
            task.cancel()
        await asyncio.gather(*self._upkeep, return_exceptions=True)

    async def _keep_flushed(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for name, collection in list(self._collections.items()):
                try:
                    collection.flush_if_due()
                except QdrantRefusal:
                    log.exception("flush_failed", extra={"collection": name})

    async def _keep_indexed(self) -> None:
        """One index at a time: a build takes all cores."""
        while True:
            await asyncio.sleep(TICK_S)
            for name, collection in list(self._collections.items()):
                if collection.ready_to_build():
                    await self._build_index(name, collection)

    async def _build_index(self, name: str, collection: Collection) -> None:
        started_s = time.monotonic()
        outcome = await collection.build_index(self._catalog.new_path(), partial(self._catalog.put, name))
        seconds = round(time.monotonic() - started_s, 3)
        fields = {"collection": name, "outcome": outcome, "error": collection.build_error, "seconds": seconds}
        log.info("index_build_ended", extra=fields)


def _log_if_failed(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.critical("upkeep_ended", exc_info=error)
