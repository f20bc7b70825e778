"""`corpus ingest --engine ray`: the same snapshot, encoded on a Ray cluster of two nodes."""

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from qdrant_process import Server, serving
from stepreward.commands.ingest import command
from stepreward.corpus.ingest import Ingest
from stepreward.corpus.ray_encoder import Model, ray_encoder
from stepreward.corpus.vectors import TextEncoder
from stepreward.errors import ConfigurationError
from stepreward.ray_cluster import RayOptions
from stepreward.retrieval.encoder import Encoder, Vectors, embedded_encoder_path
from stepreward.retrieval.pca import Reduction
from stepreward.retrieval.store import Store, StoreOptions
from stepreward.settings import EMBEDDED
from stepreward.values import LabelledSolution
from test_retrieval import NO_PAYLOAD_INDEX, corpus_of, row, surveyed

pytest.importorskip("ray", reason="the extra ray is not installed")

RAY_NOISE = [
    # Its own defaults set an option that it calls deprecated; sockets and processes it leaves to the collector.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
pytestmark = [pytest.mark.filterwarnings(NO_PAYLOAD_INDEX), *RAY_NOISE]

MODEL = Model(EMBEDDED, 4, "cpu")
REDUCTION = Reduction(12)
ROWS = [row(number) for number in range(120)]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    node = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        cluster.add_node(**node)
        yield cluster
    finally:
        cluster.shutdown()
        gc.collect()  # here, where its left sockets are ignored, and not in a later test


@pytest.fixture
def qdrant(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "data") as running:
        yield running


async def snapshot(
    server: Server, prefix: str, encoder: TextEncoder, solutions: Sequence[LabelledSolution], reduction: Reduction
) -> Any:
    """What an ingest made, and every stored point's payload and vector by its id."""
    from qdrant_client import AsyncQdrantClient

    store = Store(AsyncQdrantClient(url=server.url, check_compatibility=False), options=StoreOptions(prefix))
    try:
        ingest = Ingest(store, encoder, surveyed(solutions), reduction, lambda *_: None, texts_per_batch=200)
        done = await ingest.run(solutions)
        points = {
            point.id: (point.payload, point.vector)
            for kind in ("questions", "steps")
            async for page in store.scan(done.manifest.id, kind, with_vectors=True)
            for point in page
        }
        return done.manifest, points
    finally:
        await store.close()


async def local(server: Server, solutions: Sequence[LabelledSolution]) -> Any:
    encoder = Encoder.load(embedded_encoder_path(), MODEL.batch_size, device="cpu")
    try:
        return await snapshot(server, "local", TextEncoder.of(encoder), solutions, REDUCTION)
    finally:
        encoder.close()


async def _ones(texts: Sequence[str]) -> Vectors:
    return np.full((len(texts), 384), 384**-0.5, dtype=np.float32)


def check_equal(here: Any, there: Any) -> None:
    (manifest, points), (other, others) = here, there
    assert (other.id, other.questions, other.steps, other.sources) == (
        manifest.id,
        manifest.questions,
        manifest.steps,
        manifest.sources,
    )
    assert sorted(points) == sorted(others)
    assert all(points[name][0] == others[name][0] for name in points)


def test_a_cluster_of_two_nodes_makes_the_snapshot_that_one_machine_makes(cluster, qdrant) -> None:
    solutions = corpus_of(ROWS[:30])

    async def run() -> tuple[Any, Any, Vectors, Vectors]:
        texts = [f"{number} times {number} is {number**2}." for number in range(150)]
        async with ray_encoder(MODEL, RayOptions(cluster.address, 2)) as encoder:
            far, spread = await encoder.encode(texts), await snapshot(qdrant, "ray", encoder, solutions, REDUCTION)
        near = Encoder.load(embedded_encoder_path(), MODEL.batch_size, device="cpu")
        return await local(qdrant, solutions), spread, await near.encode(texts), far

    here, there, near, far = asyncio.run(run())
    check_equal(here, there)
    assert far == pytest.approx(near, abs=1e-5)


def test_a_node_that_is_lost_midway_takes_nothing_with_it(cluster, qdrant) -> None:
    solutions = corpus_of(ROWS)

    async def run() -> tuple[Any, Any]:
        async with ray_encoder(MODEL, RayOptions(cluster.address, 2)) as encoder:
            calls = 0

            async def encode(texts: Sequence[str]) -> Vectors:
                nonlocal calls
                calls += 1
                answer = asyncio.create_task(encoder.encode(texts))
                if calls == 2:
                    [lost] = cluster.worker_nodes
                    await asyncio.to_thread(cluster.remove_node, lost)
                return await answer

            spread = await snapshot(qdrant, "ray", replace(encoder, encode=encode), solutions, Reduction(0))
        assert calls >= 3
        # Ids and payloads do not depend on the vectors.
        stand_in = replace(encoder, encode=_ones)
        return await snapshot(qdrant, "local", stand_in, solutions, Reduction(0)), spread

    check_equal(*asyncio.run(run()))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "local", "ray://127.0.0.1:1", "nonsense"])
def test_without_a_cluster_none_is_started_and_one_line_says_so(address) -> None:
    async def run() -> None:
        async with ray_encoder(MODEL, RayOptions(address)):
            raise AssertionError("there is no cluster")

    with pytest.raises(ConfigurationError, match=r"^--ray-address: [^\n]*$"):
        asyncio.run(run())
    import ray

    assert not ray.is_initialized()


@pytest.mark.parametrize("option", [["--ray-workers", "2"], ["--ray-address", "auto"]])
def test_an_option_of_a_cluster_without_one_is_refused(option) -> None:
    ran = CliRunner().invoke(command, option)
    assert isinstance(ran.exception, ConfigurationError)
    assert str(ran.exception) == f"{option[0]}: only for --engine ray"


def test_without_its_library_the_engine_says_what_it_needs(tmp_path) -> None:
    (tmp_path / "ray.py").write_text("raise ModuleNotFoundError('no', name='ray')", encoding="utf-8")
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    code = "import asyncio, stepreward.corpus.ray_encoder as r\nfrom stepreward.ray_cluster import RayOptions\n"
    code += "async def run():\n async with r.ray_encoder(r.Model('x', 4, 'cpu'), RayOptions()): pass\n"
    code += "try: asyncio.run(run())\nexcept r.ConfigurationError as error: print(error)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env, timeout=120)
    assert ran.stdout.strip() == '--engine ray needs the module ray (pip install "stepreward[ray]")'
