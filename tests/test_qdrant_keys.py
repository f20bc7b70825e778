"""Keys of the embedded Qdrant: who may read it, and who may write references into it."""

import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from qdrant_process import Server, serving
from stepreward import local_keys
from test_access import METRICS, SCORE, key, write

CORPUS = "corpus-" + "c" * 20


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server with its own two keys and those of a file, and the folder of the former."""
    folder = tmp_path_factory.mktemp("keyed")
    given = write(
        folder / "keys.json",
        [key(SCORE, "a", "scoring"), key(METRICS, "m", "metrics"), key(CORPUS, "c", "corpus", "scoring")],
    )
    with serving(folder / "data", "--keys", str(local_keys.make(folder)), "--keys", str(given)) as server:
        yield server, folder


def client(server: Server, api_key: str | None) -> QdrantClient:
    headers = {"api-key": api_key} if api_key else {}
    return QdrantClient(url=server.url, timeout=20, check_compatibility=False, metadata=headers)


def create(server: Server, api_key: str | None, name: str) -> None:
    config = models.VectorParams(size=2, distance=models.Distance.COSINE)
    with_key = client(server, api_key)
    try:
        with_key.create_collection(name, vectors_config=config)
    finally:
        with_key.close()


def refusal(server: Server, api_key: str | None) -> int:
    with pytest.raises(UnexpectedResponse) as refused:
        create(server, api_key, "refused")
    return refused.value.status_code or 0


def test_without_a_known_key_nothing_is_read_or_written(keyed: tuple[Server, Path]) -> None:
    server, _ = keyed
    assert refusal(server, None) == refusal(server, "wrong-" + "w" * 20) == 401
    assert httpx.get(f"{server.url}/collections").status_code == 401


def test_who_may_score_reads_and_does_not_write(keyed: tuple[Server, Path]) -> None:
    server, folder = keyed
    for reading in (SCORE, local_keys.find(folder, writes=False)):
        assert reading
        assert refusal(server, reading) == 403
        reader = client(server, reading)
        assert "refused" not in [collection.name for collection in reader.get_collections().collections]
        reader.close()


def test_a_key_for_the_corpus_writes(keyed: tuple[Server, Path]) -> None:
    server, folder = keyed
    create(server, CORPUS, "by-a-given-key")
    create(server, local_keys.find(folder, writes=True), "by-its-own-key")


def test_a_key_for_metrics_reads_nothing_else(keyed: tuple[Server, Path]) -> None:
    assert refusal(keyed[0], METRICS) == 403


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/metrics"])
def test_health_wants_no_key(keyed: tuple[Server, Path], path: str) -> None:
    assert httpx.get(f"{keyed[0].url}{path}").status_code == 200


def test_the_file_is_for_its_user_alone_and_made_once(tmp_path: Path) -> None:
    path = local_keys.make(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    keys = path.read_text()
    assert local_keys.make(tmp_path).read_text() == keys
    assert local_keys.find(tmp_path, writes=True) != local_keys.find(tmp_path, writes=False)


def test_where_there_is_no_file_there_is_no_key(tmp_path: Path) -> None:
    assert local_keys.find(tmp_path, writes=True) is None
