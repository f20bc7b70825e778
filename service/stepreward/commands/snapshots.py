"""`stepreward corpus list | activate | drop | verify`: the snapshots that the vector store holds."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import click
from rich import box
from rich.console import Console
from rich.table import Table

from stepreward import parts
from stepreward.commands.options import collect, with_settings
from stepreward.corpus.vectors import TextEncoder
from stepreward.corpus.verify import Verification, Verified
from stepreward.errors import ConfigurationError
from stepreward.retrieval.encoder import encoder_name
from stepreward.retrieval.manifest import Manifest, Registered, resolve
from stepreward.retrieval.store import Store
from stepreward.settings import Settings


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="one line of JSON on stdout")
@with_settings
def list_(as_json: bool, **given: str | None) -> None:
    """List the snapshots in the vector store, the oldest first."""
    snapshots, active = asyncio.run(_listed(collect(given)))
    if as_json:
        click.echo(json.dumps([_entry(snapshot, active) for snapshot in snapshots]))
    else:
        Console().print(_table(snapshots, active))


@click.command("activate")
@click.argument("snapshot")
@with_settings
def activate(snapshot: str, **given: str | None) -> None:
    """Let SNAPSHOT, an id or its beginning, answer from the next request on."""

    async def run(settings: Settings) -> None:
        async with _store(settings) as store:
            identity = resolve(snapshot, await _ids(store))
            await store.activate(identity)
            click.echo(f"snapshot {identity}: active", err=True)

    asyncio.run(run(collect(given)))


@click.command("drop")
@click.argument("snapshot")
@with_settings
def drop(snapshot: str, **given: str | None) -> None:
    """Remove SNAPSHOT, an id or its beginning, with all its points. The active one is refused."""

    async def run(settings: Settings) -> None:
        async with _store(settings) as store:
            identity = resolve(snapshot, await _ids(store))
            await store.drop(identity)
            click.echo(f"snapshot {identity}: dropped", err=True)

    asyncio.run(run(collect(given)))


@click.command("verify")
@click.argument("snapshot", required=False)
@click.option(
    "--sample", type=click.IntRange(0), default=200, show_default=True, help="points whose texts are encoded again"
)
@click.option("--seed", type=click.IntRange(0, 2**63), default=0, show_default=True, help="draws the sample")
@with_settings
def verify(snapshot: str | None, sample: int, seed: int, **given: str | None) -> None:
    """Check SNAPSHOT, an id or its beginning, by default the active one: counts, points, vectors, PCA.

    Prints what is wrong and exits with 1; with 0 where nothing is.
    """
    identity, found = asyncio.run(_verified(snapshot, sample, seed, collect(given)))
    for fault in found.first:
        click.echo(f"snapshot {identity}: {fault}")
    if found.faults > len(found.first):
        click.echo(f"snapshot {identity}: and {found.faults - len(found.first)} faults more")
    state = f"{found.faults} faults" if found.faults else "sound"
    click.echo(
        f"snapshot {identity}: {state}; {found.questions} questions and {found.steps} labelled steps read, "
        f"{found.compared} encoded again"
    )
    if found.faults:
        sys.exit(1)


async def _listed(settings: Settings) -> tuple[list[Registered], str | None]:
    async with _store(settings) as store:
        found = sorted(
            await store.registered(),
            key=lambda snapshot: snapshot.manifest.created_at.isoformat() if snapshot.manifest else "",
        )
        return found, await store.active_id()


async def _verified(prefix: str | None, sample: int, seed: int, settings: Settings) -> tuple[str, Verified]:
    async with _store(settings) as store:
        identity = resolve(prefix, await _ids(store)) if prefix is not None else await store.active_id()
        if identity is None:
            raise ConfigurationError("no snapshot is active: name one")
        manifest = await store.manifest(identity)
        if manifest is None:
            raise ConfigurationError(f"snapshot {identity} was made by another version, or is not registered")
        verification = Verification(store, manifest, sample, seed)
        if not sample:
            return identity, await verification.run(None)
        _check_encoder(manifest, settings)
        encoder = await asyncio.to_thread(parts.load_encoder, settings)
        try:
            return identity, await verification.run(TextEncoder.of(encoder))
        finally:
            encoder.close()


def _check_encoder(manifest: Manifest, settings: Settings) -> None:
    name = encoder_name(parts.encoder_path(settings))
    if name != manifest.encoder:
        raise ConfigurationError(
            f"STEPREWARD_ENCODER_MODEL: is {name!r}, the snapshot was encoded with {manifest.encoder!r} "
            "(--sample 0 encodes nothing)"
        )


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[Store]:
    store = parts.open_store(settings, writes=True)
    try:
        yield store
    finally:
        await store.close()


async def _ids(store: Store) -> list[str]:
    return [snapshot.id for snapshot in await store.registered()]


def _state(snapshot: Registered, active: str | None) -> str:
    if snapshot.manifest is None:
        return "of another version"
    if not snapshot.manifest.complete:
        return "not complete"
    return "active" if snapshot.id == active else "complete"


def _entry(snapshot: Registered, active: str | None) -> dict[str, object]:
    entry: dict[str, object] = {"id": snapshot.id, "state": _state(snapshot, active), "active": snapshot.id == active}
    if snapshot.manifest:
        pca = snapshot.manifest.pca.model_dump(exclude={"mean", "components"})
        entry |= snapshot.manifest.model_dump(mode="json", exclude={"pca"}) | {"pca": pca}
    return entry


def _table(snapshots: Sequence[Registered], active: str | None) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("snapshot", no_wrap=True, min_width=12)
    table.add_column("state")
    for name in ("questions", "steps", "dimensions", "variance"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("encoder", overflow="fold")
    table.add_column("made (UTC)")
    for snapshot in snapshots:
        table.add_row(snapshot.id, _state(snapshot, active), *_columns(snapshot.manifest))
    return table


def _columns(manifest: Manifest | None) -> list[str]:
    if manifest is None:
        return []
    return [
        str(manifest.questions),
        str(manifest.steps),
        str(manifest.pca.dimensions_out),
        f"{manifest.pca.explained_variance:.1%}",
        manifest.encoder,
        f"{manifest.created_at:%Y-%m-%d %H:%M}",
    ]
