"""The embedded Qdrant, as a process: what it alone does, promises and refuses. What a Qdrant server does too stands in
test_qdrant_form."""

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.common.version_check import is_compatible
from qdrant_client.http.exceptions import UnexpectedResponse

from qdrant_process import Server, command, serving

SIZE = 16
POINTS = 200
GROUPS = 5


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("qdrant") / "data") as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[QdrantClient]:
    client = server.client()
    yield client
    client.close()


@pytest.fixture
def name() -> str:
    return f"c-{uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(7).normal(size=(POINTS, SIZE)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture
def filled(client: QdrantClient, name: str, vectors: np.ndarray) -> str:
    fill(client, name, vectors)
    return name


def create(client: QdrantClient, name: str, **config: Any) -> None:
    client.create_collection(name, models.VectorParams(size=SIZE, distance=models.Distance.COSINE), **config)


def fill(client: QdrantClient, name: str, vectors: np.ndarray) -> None:
    """Points 0, 1, … with payloads group (0 to 4), label and nested."""
    create(client, name)
    points = [models.PointStruct(id=i, vector=row.tolist(), payload=payload(i)) for i, row in enumerate(vectors)]
    client.upsert(name, points, wait=True)


def payload(i: int) -> dict[str, object]:
    return {"group": i % GROUPS, "label": f"label {i}", "nested": {"list": [i, None, 1.5, "é"]}}


def match(key: str, value: int | str) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def refusal(status: int) -> Any:
    return pytest.raises(UnexpectedResponse, match=str(status))


# collections and aliases


def test_a_collection_tells_its_configuration(client: QdrantClient, name: str) -> None:
    create(client, name, hnsw_config=models.HnswConfigDiff(m=24), on_disk_payload=False)
    assert client.collection_exists(name)
    assert name in {collection.name for collection in client.get_collections().collections}
    info = client.get_collection(name)
    assert (info.status, info.points_count) == (models.CollectionStatus.GREEN, 0)
    assert isinstance(info.config.params.vectors, models.VectorParams)
    assert info.config.params.vectors.size == SIZE
    assert (info.config.hnsw_config.m, info.config.hnsw_config.ef_construct) == (24, 100)
    assert client.delete_collection(name)
    assert not client.collection_exists(name)
    assert not client.delete_collection(name)


def test_creating_a_collection_twice_is_a_conflict(client: QdrantClient, filled: str) -> None:
    with refusal(409):
        create(client, filled)
    assert client.count(filled).count == POINTS


def test_an_alias_switches_at_once_and_every_route_follows_it(
    client: QdrantClient, name: str, filled: str, vectors: np.ndarray
) -> None:
    alias, other = f"alias-{name}", f"other-{name}"
    create(client, other)
    point_to(client, alias, filled)
    assert client.count(alias).count == POINTS
    assert client.collection_exists(alias)
    assert client.get_collection(alias).points_count == POINTS
    client.update_collection_aliases(
        [
            models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias)),
            models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=other, alias_name=alias)),
        ]
    )
    client.upsert(alias, models.Batch(ids=[1], vectors=[vectors[0].tolist()]))
    assert (client.count(alias).count, client.count(other).count, client.count(filled).count) == (1, 1, POINTS)
    rename = models.RenameAlias(old_alias_name=alias, new_alias_name=f"{alias}-2")
    client.update_collection_aliases([models.RenameAliasOperation(rename_alias=rename)])
    assert [each.alias_name for each in client.get_collection_aliases(other).aliases] == [f"{alias}-2"]
    client.delete_collection(other)
    assert all(each.collection_name != other for each in client.get_aliases().aliases)


def test_alias_actions_are_all_done_or_none(client: QdrantClient, filled: str) -> None:
    alias = f"alias-{filled}"
    with refusal(404):
        client.update_collection_aliases(
            [
                models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=filled, alias_name=alias)),
                models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name="none", alias_name="a")),
            ]
        )
    assert client.get_collection_aliases(filled).aliases == []
    with refusal(400):
        point_to(client, filled, filled)
    point_to(client, alias, filled)
    with refusal(400):
        create(client, alias)


def point_to(client: QdrantClient, alias: str, collection: str) -> None:
    target = models.CreateAlias(collection_name=collection, alias_name=alias)
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=target)])


def test_writes_during_an_index_build_are_answered_and_kept(server: Server, client: QdrantClient, name: str) -> None:
    rows = np.random.default_rng(3).normal(size=(6000, SIZE)).astype(np.float32)
    create(
        client,
        name,
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=0),
        hnsw_config=models.HnswConfigDiff(m=32, ef_construct=400),
    )
    client.upsert(name, models.Batch(ids=list(range(5990)), vectors=rows[:5990].tolist()))
    assert client.get_collection(name).status == models.CollectionStatus.GREEN
    client.update_collection(name, optimizers_config=models.OptimizersConfigDiff(indexing_threshold=100))
    assert client.get_collection(name).status == models.CollectionStatus.YELLOW
    build = _wait_for_child(server.process.pid)
    client.upsert(name, models.Batch(ids=list(range(5990, 6000)), vectors=rows[5990:].tolist()))
    client.delete(name, list(range(10)))
    assert client.get_collection(name).status == models.CollectionStatus.YELLOW
    os.kill(build, 0)
    deadline_s = time.monotonic() + 90
    while (info := client.get_collection(name)).status != models.CollectionStatus.GREEN:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    assert (info.points_count, info.config.optimizer_config.indexing_threshold) == (5990, 100)
    assert info.indexed_vectors_count >= 5980
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for wanted in (units[5], units[3000], units[5995]):
        exact = (np.argsort(-(units[10:] @ wanted))[:10] + 10).tolist()
        found = client.query_points(name, wanted.tolist(), search_params=models.SearchParams(hnsw_ef=512)).points
        assert len({point.id for point in found} & set(exact)) >= 9


# refusing


@pytest.mark.parametrize(
    ("call", "status", "named"),
    [
        (("PUT", "", {"vectors": {"size": 4, "distance": "Cosine"}, "shard_number": 2}), 400, "shard_number"),
        (
            ("PUT", "", {"vectors": {"size": 4, "distance": "Cosine"}, "replication_factor": 2}),
            400,
            "replication_factor",
        ),
        (("PUT", "", {"vectors": {"text": {"size": 4, "distance": "Cosine"}}}), 400, "vectors"),
        (("PUT", "", {"vectors": {"size": 0, "distance": "Cosine"}}), 422, "vectors.size"),
        (
            ("PUT", "", {"vectors": {"size": 4, "distance": "Cosine"}, "sparse_vectors": {"a": {}}}),
            400,
            "sparse_vectors",
        ),
        (("PATCH", "", {"quantization_config": "Disabled"}), 400, "quantization_config"),
        (("PATCH", "", {"optimizers_config": {"max_optimization_threads": 1}}), 400, "max_optimization_threads"),
        (("PUT", "/index", {"field_name": "a", "field_schema": "text"}), 400, "field_schema"),
        (("PUT", "/points", {"points": [{"id": 1, "vector": [1.0] * 5}]}), 400, "expected dim: 16, got 5"),
        (("PUT", "/points", {"points": [{"id": -1, "vector": [1.0] * SIZE}]}), 400, "point ID"),
        (("PUT", "/points", {"points": [{"id": 1, "vector": {"a": [1.0]}}]}), 400, "points.0.vector"),
        (("PUT", "/points", {"points": [{"id": 1, "vector": [None] * SIZE}]}), 400, "points.0.vector.0"),
        (("PUT", "/points", {"points": [{"id": 1, "vector": [1e39] * SIZE}]}), 422, "points.0.vector.0"),
        (("PUT", "/points", {"points": [], "update_mode": "insert_only"}), 400, "update_mode"),
        (("PUT", "/points", {"batch": {"ids": [1, 2], "vectors": [[1.0] * SIZE]}}), 400, "differ in length"),
        (("PUT", "/points?wait=perhaps", {"points": []}), 400, "wait"),
        (("POST", "/points/query", {"query": [1.0] * 3}), 400, "expected dim: 16, got 3"),
        (("POST", "/points/query", {"query": [1.0] * SIZE, "using": "text"}), 400, "using"),
        (("POST", "/points/query", {"query": [1.0] * SIZE, "lookup_from": {}}), 400, "lookup_from"),
        (("POST", "/points/query", {"query": [1.0] * SIZE, "limit": 0}), 422, "limit"),
        (("POST", "/points/query", {"query": {"indices": [1], "values": [1.0]}}), 400, "indices"),
        (("POST", "/points/query", {"query": [1.0] * SIZE, "prefetch": []}), 400, "prefetch"),
        (("POST", "/points/query", {"query": {"fusion": "rrf"}}), 400, "fusion"),
        (("POST", "/points/query", {"query": 7}), 400, "query"),
        (("POST", "/points/query?consistency=5", {"query": [1.0] * SIZE}), 400, "consistency"),
        (("POST", "/points/query/batch", {"searches": [{"query": [1.0] * SIZE, "group_by": "a"}]}), 400, "group_by"),
        (("POST", "/points/scroll", {"order_by": "a"}), 400, "order_by"),
        (("POST", "/points/count", {"filter": {"must": [{"key": "a", "range": {"gt": 1}}]}}), 400, "match"),
        (("POST", "/points/count", {"filter": {"must": [{"key": "a", "match": {"text": "b"}}]}}), 400, "text"),
        (("POST", "/points/count", {"filter": {"must": [{"key": "a", "match": {"value": True}}]}}), 400, "value"),
        (("POST", "/points/count", {"filter": {"must": [{"is_empty": {"key": "a"}}]}}), 400, "is_empty"),
        (("POST", "/points/count", {"filter": {"min_should": {}}}), 400, "min_should"),
        (("POST", "/points/delete", {}), 400, "`points` or `filter`"),
        (("POST", "/points", {"ids": ["not-a-uuid"]}), 400, "point ID"),
        (("GET", "?with=all", None), 400, "with"),
        (("POST", "/points/query/groups", {"group_by": "a"}), 404, "Not Found"),
        (("POST", "", {}), 405, "Method Not Allowed"),
    ],
)
def test_what_is_not_done_is_refused_by_name(
    server: Server, refused: str, call: tuple[str, str, object], status: int, named: str
) -> None:
    method, path, body = call
    collection = f"{refused}-new" if (method, path) == ("PUT", "") else refused
    answer = httpx.request(method, f"{server.url}/collections/{collection}{path}", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert named in answer.json()["status"]["error"]
    assert set(answer.json()) == {"status", "time"}


@pytest.fixture(scope="module")
def refused(server: Server) -> Iterator[str]:
    client = server.client()
    create(client, "refused")
    yield "refused"
    assert client.count("refused").count == 0
    assert not client.collection_exists("refused-new")
    client.close()


@pytest.mark.parametrize("content", [b"", b"{", b'{"points": [{"id": 1, "vector": [NaN]}]}', b"[]", b"\xff"])
def test_a_body_that_is_not_such_json_is_refused(server: Server, refused: str, content: bytes) -> None:
    assert httpx.put(f"{server.url}/collections/{refused}/points", content=content).status_code == 400


def test_a_vector_with_nan_is_refused_and_nothing_of_its_batch_kept(
    client: QdrantClient, name: str, vectors: np.ndarray
) -> None:
    create(client, name)
    for broken in (float("nan"), float("inf")):
        with refusal(400):
            client.upsert(name, models.Batch(ids=[1, 2], vectors=[vectors[0].tolist(), [broken] * SIZE]))
    with refusal(400):
        client.upsert(name, models.Batch(ids=[1, 2], vectors=[vectors[0].tolist(), [1.0]]))
    assert client.count(name).count == 0


def test_an_unknown_collection_is_not_found(client: QdrantClient, name: str) -> None:
    for call in (client.get_collection, client.count, client.scroll, lambda none: client.retrieve(none, [1])):
        with refusal(404):
            call(name)
    with refusal(404):
        client.query_points(name, [1.0] * SIZE)
    with refusal(404):
        client.upsert(name, [models.PointStruct(id=1, vector=[1.0] * SIZE)])


def test_bodies_over_the_cap_or_compressed_are_refused(server: Server, refused: str) -> None:
    url = f"{server.url}/collections/{refused}/points/count"
    chunk = b" " * 2**20
    assert httpx.post(url, content=(chunk for _ in range(65))).status_code == 413
    assert httpx.post(url, content=b"{}", headers={"content-encoding": "gzip"}).status_code == 415


def test_deep_nesting_is_refused_before_it_reaches_the_log(server: Server, refused: str) -> None:
    deep: dict[str, object] = {}
    condition: dict[str, object] = {"has_id": [1]}
    for _ in range(200):
        deep, condition = {"a": deep}, {"must": [condition]}
    url = f"{server.url}/collections/{refused}/points"
    point = {"id": 1, "vector": [1.0] * SIZE, "payload": deep}
    assert "nested deeper" in httpx.put(url, json={"points": [point]}).json()["status"]["error"]
    assert httpx.post(f"{url}/delete", json={"filter": condition}).status_code == 400


# the process


def test_health_version_and_metrics(server: Server, client: QdrantClient, filled: str) -> None:
    for path in ("/healthz", "/livez", "/readyz"):
        assert httpx.get(server.url + path).status_code == 200
    assert is_compatible(version("qdrant-client"), client.info().version)
    client.count(filled)
    metrics = httpx.get(f"{server.url}/metrics").text
    assert "collections_total " in metrics
    assert "collections_vector_total " in metrics
    labels = 'endpoint="/collections/{name}/points/count",method="POST",status="200"'
    assert f"rest_responses_duration_seconds_count{{{labels}}}" in metrics


def test_a_restart_keeps_points_indexes_and_aliases(tmp_path: Path, vectors: np.ndarray) -> None:
    with serving(tmp_path / "data") as first:
        client = first.client()
        fill(client, "kept", vectors)
        create(client, "dropped")
        client.delete_collection("dropped")
        client.create_payload_index("kept", "label", models.PayloadSchemaType.KEYWORD)
        point_to(client, "alias", "kept")
        client.close()
        started_s = time.monotonic()
        assert first.stop() == 0
        assert time.monotonic() - started_s < 2
    with serving(tmp_path / "data") as second:
        client = second.client()
        assert [each.name for each in client.get_collections().collections] == ["kept"]
        assert list(client.get_collection("alias").payload_schema) == ["label"]
        assert client.query_points("alias", vectors[9].tolist(), limit=1).points[0].payload == payload(9)
        client.close()
    assert len(list((tmp_path / "data" / "shards").iterdir())) == 1


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, vectors: np.ndarray) -> None:
    with serving(tmp_path / "data") as first:
        client = first.client()
        create(client, "c")
        client.create_payload_index("c", "label", models.PayloadSchemaType.KEYWORD)
        deepest: dict[str, object] = {"label": "deepest"}
        for _ in range(31):
            deepest = {"a": deepest}
        client.upsert("c", models.Batch(ids=[0], vectors=[vectors[0].tolist()], payloads=[deepest]), wait=True)
        for i, row in enumerate(vectors[1:], start=1):
            client.upsert("c", [models.PointStruct(id=i, vector=row.tolist(), payload=payload(i))], wait=True)
        client.delete("c", models.Filter(must=[match("group", 3)]), wait=True)
        create(client, "created last")
        point_to(client, "alias", "c")
        client.close()
        first.kill()
    with serving(tmp_path / "data") as second:
        client = second.client()
        kept = client.scroll("alias", limit=POINTS)[0]
        assert [record.id for record in kept] == [i for i in range(POINTS) if i == 0 or i % GROUPS != 3]
        assert kept[0].payload == deepest
        assert all(record.payload == payload(int(record.id)) for record in kept[1:])
        assert client.collection_exists("created last")
        client.close()


def test_what_a_crash_left_half_made_is_removed_and_a_lost_catalog_is_not_guessed(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with serving(data_dir) as first:
        client = first.client()
        create(client, "whole")
        client.close()
        first.stop()
    half_made = data_dir / "shards" / uuid.uuid4().hex
    half_made.mkdir()
    (half_made / "edge_config.json").write_text("{")
    with serving(data_dir) as second:
        assert not half_made.exists()
        second.stop()
    events = [json.loads(line)["event"] for line in (tmp_path / "data.log").read_text().splitlines()]
    assert events.count("unfinished_directory_removed") == 1
    (data_dir / "catalog.json").unlink()
    refused = subprocess.run(command(data_dir, 1), capture_output=True, text=True, timeout=10, check=False)
    assert refused.returncode == 2
    assert "catalog.json is missing" in refused.stderr
    assert len(list((data_dir / "shards").iterdir())) == 1


def test_a_collection_without_a_graph_has_nothing_to_index(client: QdrantClient, name: str) -> None:
    limits = models.OptimizersConfigDiff(indexing_threshold=1)
    create(client, name, optimizers_config=limits, hnsw_config=models.HnswConfigDiff(m=0))
    rows = np.random.default_rng(3).normal(size=(500, SIZE)).tolist()
    client.upsert(name, models.Batch(ids=list(range(500)), vectors=rows))
    assert client.get_collection(name).status == models.CollectionStatus.GREEN
    client.update_collection(name, hnsw_config=models.HnswConfigDiff(m=8))
    assert client.get_collection(name).status == models.CollectionStatus.YELLOW


def test_a_second_process_on_the_directory_is_refused_in_one_line(server: Server) -> None:
    second = subprocess.run(command(server.data_dir, 1), capture_output=True, text=True, timeout=10, check=False)
    assert second.returncode == 2
    assert second.stderr == f"Error: data directory {server.data_dir} is in use by another process\n"


def test_sigterm_during_an_index_build_ends_the_build_too(tmp_path: Path) -> None:
    rows = np.random.default_rng(3).normal(size=(6000, 64))
    with serving(tmp_path / "data") as first:
        client = first.client()
        client.create_collection(
            "c",
            models.VectorParams(size=64, distance=models.Distance.COSINE),
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=1),
            hnsw_config=models.HnswConfigDiff(m=64, ef_construct=500),
        )
        for start in range(0, 6000, 2000):
            ids = list(range(start, start + 2000))
            client.upsert("c", models.Batch(ids=ids, vectors=rows[start : start + 2000].tolist()))
        client.close()
        child = _wait_for_child(first.process.pid)
        started_s = time.monotonic()
        assert first.stop() == 0
        assert time.monotonic() - started_s < 2
    with pytest.raises(ProcessLookupError):
        os.kill(child, signal.SIG_DFL)
    assert len(list((tmp_path / "data" / "shards").iterdir())) == 1


def _wait_for_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    deadline_s = time.monotonic() + 10
    while time.monotonic() < deadline_s:
        if listed := children.read_text().split():
            return int(listed[0])
        time.sleep(0.02)
    raise AssertionError("no index build was started")
