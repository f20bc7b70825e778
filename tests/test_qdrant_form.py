"""What the embedded engine and a Qdrant server must do alike, for the client that the gateway uses.

Over the server that STEPREWARD_QDRANT_URL names, or the embedded engine as a process.
"""

import asyncio
import ssl
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from stepreward.retrieval.qdrant import Address, connect
from test_qdrant_server import GROUPS, POINTS, SIZE, create, fill, match, payload


@pytest.fixture(scope="module")
def client(qdrant: Address) -> Iterator[QdrantClient]:
    trusted = {"verify": ssl.create_default_context(cafile=qdrant.ca_file)} if qdrant.ca_file else {}
    headers = {"api-key": qdrant.api_key} if qdrant.api_key else None
    client = QdrantClient(url=qdrant.url, headers=headers, timeout=30, check_compatibility=False, **trusted)
    yield client
    client.close()


@pytest.fixture
def name(client: QdrantClient) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex}"
    yield name
    client.delete_collection(name)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(7).normal(size=(POINTS, SIZE)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture
def filled(client: QdrantClient, name: str, vectors: np.ndarray) -> str:
    fill(client, name, vectors)
    return name


# reading


def test_a_query_agrees_with_exact_cosines(client: QdrantClient, filled: str, vectors: np.ndarray) -> None:
    wanted = np.random.default_rng(1).normal(size=SIZE)
    cosines = vectors @ (wanted / np.linalg.norm(wanted))
    found = client.query_points(filled, wanted.tolist(), limit=20, with_payload=True).points
    assert [point.id for point in found] == np.argsort(-cosines)[:20].tolist()
    np.testing.assert_allclose([point.score for point in found], np.sort(cosines)[::-1][:20], atol=1e-6)
    assert all(point.payload == payload(int(point.id)) for point in found)


@pytest.mark.parametrize("distance", ["Dot", "Euclid", "Manhattan"])
def test_the_other_distances_agree_with_numpy(client: QdrantClient, name: str, distance: str) -> None:
    rows = np.random.default_rng(2).normal(size=(50, 8))
    client.create_collection(name, models.VectorParams(size=8, distance=models.Distance(distance)))
    client.upsert(name, models.Batch(ids=list(range(50)), vectors=rows.tolist()))
    scores = {
        "Dot": rows @ rows[3],
        "Euclid": np.linalg.norm(rows - rows[3], axis=1),
        "Manhattan": np.abs(rows - rows[3]).sum(axis=1),
    }[distance]
    order = np.argsort(-scores if distance == "Dot" else scores)
    found = client.query_points(name, rows[3].tolist(), limit=50).points
    assert [point.id for point in found] == order.tolist()
    np.testing.assert_allclose([point.score for point in found], scores[order], atol=1e-5)


def test_filters_choose_what_is_searched(client: QdrantClient, filled: str, vectors: np.ndarray) -> None:
    cases = [
        (models.Filter(must=[match("group", 3)]), lambda i: i % GROUPS == 3),
        (models.Filter(must_not=[match("group", 3)]), lambda i: i % GROUPS != 3),
        (models.Filter(should=[match("group", 1), match("label", "label 7")]), lambda i: i % GROUPS == 1 or i == 7),
        (
            models.Filter(must=models.FieldCondition(key="group", match=models.MatchAny(any=[0, 2]))),
            lambda i: i % GROUPS in (0, 2),
        ),
        (
            models.Filter(must=[models.FieldCondition(key="label", match=models.MatchAny(any=["label 5", "none"]))]),
            lambda i: i == 5,
        ),
        (models.Filter(must=[models.HasIdCondition(has_id=[4, 9, 9999])]), lambda i: i in (4, 9)),
        (
            models.Filter(
                must=[models.Filter(should=[match("group", 1), match("group", 2)])],
                must_not=[match("nested.list[]", 1)],
            ),
            lambda i: i % GROUPS in (1, 2) and i != 1,
        ),
        (models.Filter(must=[models.FieldCondition(key="group", match=models.MatchAny(any=[]))]), lambda _: False),
    ]
    cosines = vectors @ vectors[11]
    for condition, keeps in cases:
        kept = [int(i) for i in np.argsort(-cosines) if keeps(int(i))]
        found = client.query_points(filled, vectors[11].tolist(), query_filter=condition, limit=POINTS).points
        assert [point.id for point in found] == kept
        assert client.count(filled, count_filter=condition).count == len(kept)


def test_score_threshold_limit_and_offset_cut_the_answer(
    client: QdrantClient, filled: str, vectors: np.ndarray
) -> None:
    cosines = vectors @ vectors[0]
    order = np.argsort(-cosines)
    above = client.query_points(filled, vectors[0].tolist(), score_threshold=0.3, limit=POINTS).points
    assert [point.id for point in above] == [i for i in order if cosines[i] >= 0.3]
    page = client.query_points(filled, vectors[0].tolist(), limit=3, offset=4).points
    assert [point.id for point in page] == order[4:7].tolist()


def test_payload_and_vector_come_as_asked(client: QdrantClient, filled: str, vectors: np.ndarray) -> None:
    def first(**asked: Any) -> models.ScoredPoint:
        return client.query_points(filled, vectors[6].tolist(), limit=1, **asked).points[0]

    assert first(with_payload=False).payload is None
    assert first(with_payload=["group"]).payload == {"group": 1}
    assert first(with_payload=models.PayloadSelectorExclude(exclude=["label", "nested"])).payload == {"group": 1}
    assert first().vector is None
    np.testing.assert_allclose(np.array(first(with_vectors=True).vector), vectors[6], atol=1e-6)


def test_a_batch_of_queries_answers_each_on_its_own(client: QdrantClient, filled: str, vectors: np.ndarray) -> None:
    requests = [
        models.QueryRequest(query=vectors[i].tolist(), limit=i, filter=models.Filter(must=[match("group", i % GROUPS)]))
        for i in range(1, 6)
    ]
    answers = client.query_batch_points(filled, requests)
    assert [len(answer.points) for answer in answers] == [1, 2, 3, 4, 5]
    assert [answer.points[0].id for answer in answers] == [1, 2, 3, 4, 5]
    assert client.query_batch_points(filled, []) == []


def test_concurrent_queries_of_the_async_client(qdrant: Address, filled: str, vectors: np.ndarray) -> None:
    async def nearest() -> list[models.QueryResponse]:
        client = connect(qdrant, 30)
        try:
            return await asyncio.gather(*(client.query_points(filled, row.tolist(), limit=1) for row in vectors[:50]))
        finally:
            await client.close()

    assert [answer.points[0].id for answer in asyncio.run(nearest())] == list(range(50))


def test_scrolling_pages_to_the_end_in_order_of_ids(client: QdrantClient, filled: str) -> None:
    seen, offset = [], None
    while True:
        records, offset = client.scroll(
            filled, limit=33, offset=offset, scroll_filter=models.Filter(must=[match("group", 2)])
        )
        seen += [record.id for record in records]
        if offset is None:
            break
    assert seen == list(range(2, POINTS, GROUPS))


def test_retrieving_gives_the_points_that_exist(client: QdrantClient, filled: str) -> None:
    records = client.retrieve(filled, [7, 3, 10_000])
    assert sorted((record.id, record.payload["label"]) for record in records) == [(3, "label 3"), (7, "label 7")]


# writing


def test_both_forms_of_upsert_store_the_same(client: QdrantClient, name: str, vectors: np.ndarray) -> None:
    create(client, name)
    ids = [str(uuid.UUID(int=1)), 18_446_744_073_709_551_615]
    client.upsert(name, [models.PointStruct(id=ids[0], vector=vectors[0].tolist(), payload={"a": 1})])
    client.upsert(name, models.Batch(ids=ids[1:], vectors=[vectors[0].tolist()], payloads=[{"a": 1}]))
    first, second = client.retrieve(name, ids, with_vectors=True)
    assert {first.id, second.id} == set(ids)
    assert (first.payload, first.vector) == (second.payload, second.vector)


def test_upserting_an_id_again_replaces_the_point(client: QdrantClient, filled: str, vectors: np.ndarray) -> None:
    result = client.upsert(filled, [models.PointStruct(id=0, vector=vectors[1].tolist(), payload={"new": True})])
    assert result.status == models.UpdateStatus.COMPLETED
    assert client.retrieve(filled, [0])[0].payload == {"new": True}
    assert client.count(filled).count == POINTS


def test_deleting_by_ids_and_by_filter(client: QdrantClient, filled: str, vectors: np.ndarray) -> None:
    client.delete(filled, [0, 1, 10_000], wait=True)
    client.delete(filled, models.Filter(must=[match("group", 4)]), wait=True)
    left = {record.id for record in client.scroll(filled, limit=POINTS)[0]}
    assert left == {i for i in range(2, POINTS) if i % GROUPS != 4}
    assert client.query_points(filled, vectors[4].tolist(), limit=1).points[0].id != 4


def test_a_payload_index_shows_in_the_collection(client: QdrantClient, filled: str) -> None:
    client.create_payload_index(filled, "group", models.PayloadSchemaType.INTEGER)
    client.create_payload_index(filled, "label", models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD))
    kinds = {field: index.data_type for field, index in client.get_collection(filled).payload_schema.items()}
    assert kinds == {"group": models.PayloadSchemaType.INTEGER, "label": models.PayloadSchemaType.KEYWORD}
    assert client.count(filled, count_filter=models.Filter(must=[match("group", 1)])).count == POINTS // GROUPS
