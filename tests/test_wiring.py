"""How the real parts are built from the settings, as far as that needs no model."""

import asyncio
import socket
import time
import uuid

import pytest
from qdrant_client import AsyncQdrantClient, models

from loadtests.scripted_worker import ScriptedWorker
from qdrant_process import cleaned
from stepreward.errors import ConfigurationError, RetrievalUnavailable
from stepreward.metrics import Metrics
from stepreward.parts import open_store
from stepreward.retrieval.qdrant import Address
from stepreward.retrieval.search import Retriever
from stepreward.retrieval.store import Store
from stepreward.schema import RetrievalPolicy
from stepreward.settings import Settings
from stepreward.wiring import check_corpus, wait_for_parts
from stepreward.worker.client import WorkerClient
from test_retrieval import DIMENSIONS, NO_PAYLOAD_INDEX, bag_encoder, build, corpus_of, some_manifest

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)


def nowhere(**given: object) -> Settings:
    """Settings of a store that refuses connections."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    return Settings(qdrant_url=f"http://127.0.0.1:{port}", **given)


def wait(settings: Settings, store: Store | None = None) -> None:
    async def run() -> None:
        waited_for = store or open_store(settings)
        async with ScriptedWorker().http() as http:
            try:
                await wait_for_parts([WorkerClient(http)], waited_for, settings)
            finally:
                await waited_for.close()

    asyncio.run(run())


def test_with_policy_degrade_the_start_does_not_wait_for_the_store() -> None:
    wait(nowhere(retrieval_policy="degrade", start_timeout_s=600))


def test_with_policy_require_the_start_gives_the_store_up_when_its_time_is_over() -> None:
    started_s = time.monotonic()
    with pytest.raises(RetrievalUnavailable):
        wait(nowhere(start_timeout_s=1))
    assert time.monotonic() - started_s > 0.5


class ComesUpLate(Store):
    """Has no corpus when it is first asked."""

    asked = 0

    async def active(self):
        self.asked += 1
        if self.asked < 3:
            raise RetrievalUnavailable("not yet")


def test_with_policy_require_the_start_waits_for_a_store_that_is_still_starting() -> None:
    store = ComesUpLate(AsyncQdrantClient(":memory:"))
    wait(Settings(start_timeout_s=60), store)
    assert store.asked == 3


@pytest.mark.parametrize("policy", ["require", "degrade"])
def test_a_corpus_of_another_encoder_ends_the_start_whatever_the_policy(policy: RetrievalPolicy) -> None:
    async def run() -> None:
        store, encoder, other = Store(AsyncQdrantClient(":memory:")), bag_encoder(), bag_encoder(name="other")
        try:
            await store.activate((await build(store, corpus_of(), encoder)).id)
            await check_corpus(Retriever(other, store, 16, Metrics()), Settings(retrieval_policy=policy))
        finally:
            await store.close()
            encoder.close()
            other.close()

    with pytest.raises(ConfigurationError, match="STEPREWARD_ENCODER_MODEL"):
        asyncio.run(run())


def test_a_store_without_a_corpus_ends_the_start_unless_it_may_be_missing() -> None:
    async def run(policy: RetrievalPolicy) -> None:
        store, encoder = Store(AsyncQdrantClient(":memory:")), bag_encoder()
        try:
            await check_corpus(Retriever(encoder, store, 16, Metrics()), Settings(retrieval_policy=policy))
        finally:
            await store.close()
            encoder.close()

    asyncio.run(run("degrade"))
    with pytest.raises(RetrievalUnavailable, match="no corpus is active"):
        asyncio.run(run("require"))


def test_collections_are_named_and_laid_out_as_the_settings_say(qdrant: Address) -> None:
    prefix = f"test{uuid.uuid4().hex[:12]}"
    settings = Settings(
        qdrant_url=qdrant.url,
        qdrant_api_key=qdrant.api_key,
        qdrant_ca_file=qdrant.ca_file,
        qdrant_collection_prefix=prefix,
        qdrant_quantization="none",
        qdrant_vectors_on_disk=False,
        qdrant_hnsw_m=20,
        qdrant_hnsw_ef_construct=60,
        qdrant_shards=1,
        qdrant_replicas=1,
    )

    async def run() -> models.CollectionConfig:
        store = open_store(settings)
        try:
            async with cleaned(qdrant, prefix) as client:
                await store.begin(some_manifest())
                return (await client.get_collection(f"{prefix}_questions_abc")).config
        finally:
            await store.close()

    made = asyncio.run(run())
    assert isinstance(made.params.vectors, models.VectorParams)
    assert (made.params.vectors.size, made.params.vectors.on_disk) == (DIMENSIONS, False)
    assert (made.hnsw_config.m, made.hnsw_config.ef_construct) == (20, 60)
    assert made.quantization_config is None


def test_the_state_of_the_breaker_is_a_metric() -> None:
    async def run() -> list[float | None]:
        metrics = Metrics()
        store = open_store(nowhere(qdrant_breaker_failures=1, qdrant_breaker_pause_s=600), metrics)
        told = [metrics.registry.get_sample_value("stepreward_store_breaker_state")]
        with pytest.raises(RetrievalUnavailable):
            await store.active()
        told.append(metrics.registry.get_sample_value("stepreward_store_breaker_state"))
        with pytest.raises(RetrievalUnavailable, match="in a row"):
            await store.active()
        await store.close()
        return told

    assert asyncio.run(run()) == [0, 2]
