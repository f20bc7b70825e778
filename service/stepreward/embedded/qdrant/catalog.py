"""Which collections and aliases exist: one small file, replaced as a whole.

    DATA_DIR/lock           held with flock while a process serves the directory
    DATA_DIR/catalog.json   collections (their configuration and directory) and aliases
    DATA_DIR/shards/<hex>/  the engine's files of one collection

A collection exists from the moment the catalog names it. Its directory is made before and removed after, so that a
crash leaves at most a directory which no catalog names; the next start removes it.
"""

import fcntl
import logging
import os
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import orjson
from pydantic import Field, ValidationError

from stepreward.embedded.qdrant.refusals import BadRequest, Body, NotFound
from stepreward.embedded.qdrant.schema import AliasAction, CollectionConfig
from stepreward.errors import ConfigurationError

log = logging.getLogger(__name__)


class Entry(Body):
    directory: str
    config: CollectionConfig


class _Contents(Body):
    collections: dict[str, Entry] = Field(default_factory=dict)
    aliases: dict[str, str] = Field(default_factory=dict)


class Catalog:
    """Every change is on disk before the method returns. Owns the lock of the directory."""

    def __init__(self, data_dir: Path, lock_fd: int, contents: _Contents) -> None:
        self._file = data_dir / "catalog.json"
        self._shards = data_dir / "shards"
        self._lock_fd = lock_fd
        self._contents = contents

    @classmethod
    def open(cls, data_dir: Path) -> Self:
        """Raises ConfigurationError if another process holds the directory or the catalog cannot be read."""
        try:
            (data_dir / "shards").mkdir(parents=True, exist_ok=True)
            lock_fd = _lock(data_dir / "lock")
            catalog = cls(data_dir, lock_fd, _read(data_dir))
            catalog._replace(catalog._contents)
            catalog._remove_unnamed_directories()
        except OSError as error:
            raise ConfigurationError(f"data directory {data_dir}: {error}") from error
        return catalog

    def close(self) -> None:
        os.close(self._lock_fd)

    @property
    def collections(self) -> dict[str, Entry]:
        return self._contents.collections

    @property
    def aliases(self) -> dict[str, str]:
        return self._contents.aliases

    def resolve(self, name: str) -> str:
        """The collection that a name or an alias stands for. Raises NotFound."""
        target = self.aliases.get(name, name)
        if target not in self.collections:
            raise NotFound(f"Not found: Collection `{name}` doesn't exist!")
        return target

    def path(self, directory: str) -> Path:
        return self._shards / directory

    def new_path(self) -> Path:
        return self._shards / uuid.uuid4().hex

    def put(self, name: str, path: Path, config: CollectionConfig) -> None:
        """Add a collection, or move it to another directory or configuration."""
        _sync_directory(self._shards)
        entry = Entry(directory=path.name, config=config)
        self._replace(_Contents(collections=self.collections | {name: entry}, aliases=self.aliases))

    def remove(self, name: str) -> None:
        """Remove a collection and the aliases that stand for it."""
        self._replace(
            _Contents(
                collections={each: entry for each, entry in self.collections.items() if each != name},
                aliases={alias: target for alias, target in self.aliases.items() if target != name},
            )
        )

    def change_aliases(self, actions: Sequence[AliasAction]) -> None:
        """All of them or none. (A Qdrant server keeps those before the one that fails.)"""
        aliases = dict(self.aliases)
        for action in actions:
            self._apply(action, aliases)
        self._replace(_Contents(collections=self.collections, aliases=aliases))

    def _apply(self, action: AliasAction, aliases: dict[str, str]) -> None:
        if create := action.create_alias:
            if create.collection_name not in self.collections:
                raise NotFound(f"Not found: Collection `{create.collection_name}` doesn't exist!")
            self._check_free(create.alias_name)
            aliases[create.alias_name] = create.collection_name
        elif delete := action.delete_alias:
            aliases.pop(delete.alias_name, None)
        elif rename := action.rename_alias:
            if rename.old_alias_name not in aliases:
                raise NotFound(f"Not found: Alias {rename.old_alias_name} does not exists!")
            self._check_free(rename.new_alias_name)
            aliases[rename.new_alias_name] = aliases.pop(rename.old_alias_name)

    def _check_free(self, alias: str) -> None:
        if alias in self.collections:
            raise BadRequest(f"Wrong input: Collection `{alias}` already exists!")

    def _replace(self, contents: _Contents) -> None:
        temporary = self._file.with_suffix(".tmp")
        with temporary.open("wb") as out:
            out.write(orjson.dumps(contents.model_dump()))
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(self._file)
        _sync_directory(self._file.parent)
        self._contents = contents

    def _remove_unnamed_directories(self) -> None:
        named = {entry.directory for entry in self.collections.values()}
        for path in self._shards.iterdir():
            if path.name not in named:
                shutil.rmtree(path)
                log.warning("unfinished_directory_removed", extra={"directory": path.name})


def _read(data_dir: Path) -> _Contents:
    file = data_dir / "catalog.json"
    try:
        return _Contents.model_validate(orjson.loads(file.read_bytes()))
    except FileNotFoundError as error:
        # Directories that no catalog names are removed: never do that because the catalog was lost.
        if any((data_dir / "shards").iterdir()):
            raise ConfigurationError(f"{file} is missing, but there are collections beside it") from error
        return _Contents()
    except (orjson.JSONDecodeError, ValidationError) as error:
        raise ConfigurationError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error


def _lock(file: Path) -> int:
    """Hold the file until the process ends, however it ends."""
    lock_fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock_fd)
        raise ConfigurationError(f"data directory {file.parent} is in use by another process") from error
    return lock_fd


def _sync_directory(path: Path) -> None:
    directory_fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory_fd)
    finally:
        os.close(directory_fd)
