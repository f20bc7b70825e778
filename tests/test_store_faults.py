"""The vector store fails under a running service: for real, as a process that is killed, frozen or filled up.

POST /score over the parts of test_pipeline and the embedded engine. Every fault ends, and the service must be back.
"""

import asyncio
import os
import resource
import signal
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

import httpx
import pytest
from qdrant_client import AsyncQdrantClient, models

from loadtests.scripted_worker import ScriptedWorker
from qdrant_process import Server, serving
from stepreward.api.app import create_app
from stepreward.errors import RetrievalUnavailable
from stepreward.retrieval.breaker import BreakerRule, State
from stepreward.retrieval.manifest import Manifest
from stepreward.retrieval.qdrant import Address, connect, translated
from stepreward.retrieval.store import Store, StoreOptions
from stepreward.schema import RetrievalPolicy
from test_pipeline import item, service
from test_retrieval import DIMENSIONS, NEW, ROWS, bag_encoder, build, corpus_of

LIMIT_S = 2.0
RULE = {"failures": 2, "pause_s": 0.2}
ASKED = {"include": ["references"], "retrieval": {"exclude_duplicates": False}}
POLICIES: list[RetrievalPolicy] = ["require", "degrade"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("faults") / "data") as running:
        yield running


@dataclass
class Bench:
    """A service over a corpus of its own in the engine, and what a test does to them. `states` are the breaker's."""

    engine: Server
    proxy: "Proxy"
    api: httpx.AsyncClient
    store: Store
    manifest: Manifest
    prefix: str
    states: list[State] = field(default_factory=list)

    async def score(self) -> httpx.Response:
        """Of an item that was not asked before, or its judgement might be remembered."""
        new = item(4, question=f"{ROWS[4]['question']} {uuid.uuid4().hex}")
        return await self.api.post("/score", json={"items": [new], **ASKED}, timeout=30)

    async def until_healthy(self) -> None:
        deadline_s = time.monotonic() + 60
        while not await self._is_healthy():
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.05)

    async def _is_healthy(self) -> bool:
        """Whether an item is scored with references, and the store said to be ready."""
        answer = await self.score()
        if answer.status_code != 200 or answer.json()["items"][0]["degraded"]:
            return False
        assert answer.json()["items"][0]["references"]
        return bool((await self.api.get("/readyz")).json()["parts"]["store"] == "ok")


@dataclass
class Proxy:
    """Between the service and the engine; passes everything on while `mode` is "pass"."""

    target: Server
    mode: Literal["pass", "slow", "500"] = "pass"
    port: int = 0
    connections: int = 0
    _handlers: set[asyncio.Task[Any]] = field(default_factory=set)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Proxy"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._handlers:
                task.cancel()
            await asyncio.gather(*self._handlers, return_exceptions=True)

    def fail(self, mode: Literal["slow", "500"]) -> None:
        """On the connections that are open too: they are dropped, and the client makes new ones."""
        self.mode = mode
        for task in self._handlers:
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._pass(reader, writer))
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.mode == "slow":
                await asyncio.sleep(60)
            if self.mode == "500":
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                await writer.drain()
                return
            upstream = await asyncio.open_connection("127.0.0.1", httpx.URL(self.target.url).port)
            await asyncio.gather(_copy(reader, upstream[1]), _copy(upstream[0], writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(65536):
            sink.write(chunk)
            await sink.drain()
    finally:
        sink.close()


@asynccontextmanager
async def bench(engine: Server, policy: RetrievalPolicy, through_proxy: bool = False) -> AsyncIterator[Bench]:
    prefix, states = f"t{uuid.uuid4().hex[:8]}", []
    async with Proxy(engine).listening() as proxy:
        url = f"http://127.0.0.1:{proxy.port}" if through_proxy else engine.url
        rule = BreakerRule(**RULE, told=states.append)
        store = Store(connect(Address(url), 30), LIMIT_S, StoreOptions(prefix, breaker=rule))
        encoder = bag_encoder()
        manifest = await build(store, corpus_of(), encoder)
        encoder.close()
        await store.activate(manifest.id)
        async with service(ScriptedWorker(), store=store, policy=policy, cache_bytes=0) as built:
            transport = httpx.ASGITransport(create_app(built))
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as api:
                yield Bench(engine, proxy, api, store, manifest, prefix, states)


# the faults


@asynccontextmanager
async def stopped(at: Bench) -> AsyncIterator[None]:
    at.engine.kill()
    yield
    at.engine.start()


@asynccontextmanager
async def frozen(at: Bench) -> AsyncIterator[None]:
    os.kill(at.engine.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(at.engine.process.pid, signal.SIGCONT)


@asynccontextmanager
async def slow(at: Bench) -> AsyncIterator[None]:
    at.proxy.fail("slow")
    yield
    at.proxy.mode = "pass"


@asynccontextmanager
async def answering_500(at: Bench) -> AsyncIterator[None]:
    at.proxy.fail("500")
    yield
    at.proxy.mode = "pass"


@asynccontextmanager
async def empty(at: Bench) -> AsyncIterator[None]:
    client = connect(Address(at.engine.url), 30)
    gone = models.DeleteAlias(alias_name=f"{at.prefix}_active")
    await client.update_collection_aliases([models.DeleteAliasOperation(delete_alias=gone)])
    yield
    await client.close()
    await at.store.activate(at.manifest.id)


@asynccontextmanager
async def of_the_wrong_dimension(at: Bench) -> AsyncIterator[None]:
    client = connect(Address(at.engine.url), 30)
    name = f"{at.prefix}_questions_{at.manifest.id}"
    await client.delete_collection(name)
    await client.create_collection(name, models.VectorParams(size=5, distance=models.Distance.COSINE))
    await at.store.activate(at.manifest.id)
    ready = await at.api.get("/readyz")
    assert ready.status_code == 503
    assert f"STEPREWARD_PCA_DIMENSIONS: {name} holds vectors of 5" in ready.json()["parts"]["store"]
    yield
    await client.close()
    encoder = bag_encoder()
    await at.store.activate((await build(at.store, corpus_of(ROWS[::-1]), encoder)).id)
    encoder.close()


@asynccontextmanager
async def of_another_encoder(at: Bench) -> AsyncIterator[None]:
    encoder = bag_encoder(name="another")
    other = await build(at.store, corpus_of(), encoder, DIMENSIONS)
    encoder.close()
    await at.store.activate(other.id)
    ready = await at.api.get("/readyz")
    assert ready.status_code == 503
    assert "STEPREWARD_ENCODER_MODEL: is 'bag-of-words'" in ready.json()["parts"]["store"]
    yield
    await at.store.activate(at.manifest.id)


Fault = Callable[[Bench], AbstractAsyncContextManager[None]]
SILENT: dict[str, tuple[Fault, bool]] = {
    "stopped": (stopped, False),
    "frozen": (frozen, False),
    "slow": (slow, True),
    "500": (answering_500, True),
}
WRONG: dict[str, Fault] = {
    "empty": empty,
    "of_the_wrong_dimension": of_the_wrong_dimension,
    "of_another_encoder": of_another_encoder,
}


def assert_without_references(answer: httpx.Response, policy: RetrievalPolicy) -> None:
    if policy == "require":
        assert (answer.status_code, answer.json()["code"]) == (503, "retrieval_unavailable")
        assert answer.json()["retryable"] is True
    else:
        assert answer.status_code == 200, answer.text
        [scored] = answer.json()["items"]
        assert (scored["status"], scored["degraded"], scored["references"]) == ("ok", ["retrieval"], [])
        assert 0 <= scored["score"] <= 1


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("fault", SILENT)
def test_a_store_that_does_not_answer_costs_one_time_limit_then_nothing_and_is_found_again(
    engine: Server, fault: str, policy: RetrievalPolicy
) -> None:
    inject, through_proxy = SILENT[fault]

    async def run() -> None:
        async with bench(engine, policy, through_proxy) as at:
            await at.until_healthy()
            async with inject(at):
                started_s = time.monotonic()
                assert_without_references(await at.score(), policy)
                assert time.monotonic() - started_s < 25  # and not the 30 of a write
                while "open" not in at.states:
                    assert_without_references(await at.score(), policy)
                reached, spent_s = at.proxy.connections, []
                for _ in range(15):
                    started_s = time.monotonic()
                    assert_without_references(await at.score(), policy)
                    spent_s.append(time.monotonic() - started_s)
                assert median(spent_s) < LIMIT_S
                # What reaches the store meanwhile are the breaker's own probes.
                assert at.proxy.connections - reached <= at.states.count("half-open")
                assert (await at.api.get("/readyz")).status_code == (503 if policy == "require" else 200)
            await at.until_healthy()
            assert (at.states[0], at.states[-1]) == ("open", "closed")

    asyncio.run(run())


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("fault", WRONG)
def test_a_store_that_answers_without_a_usable_corpus_is_unavailable_and_opens_no_breaker(
    engine: Server, fault: str, policy: RetrievalPolicy
) -> None:
    async def run() -> None:
        async with bench(engine, policy) as at:
            await at.until_healthy()
            async with WRONG[fault](at):
                for _ in range(RULE["failures"] + 1):
                    assert_without_references(await at.score(), policy)
            await at.until_healthy()
            assert at.states == []

    asyncio.run(run())


@pytest.mark.parametrize("policy", POLICIES)
def test_many_requests_that_find_the_store_frozen_are_all_answered(engine: Server, policy: RetrievalPolicy) -> None:
    async def run() -> None:
        async with bench(engine, policy) as at:
            await at.until_healthy()
            async with frozen(at):
                for answer in await asyncio.gather(*(at.score() for _ in range(50))):
                    assert_without_references(answer, policy)
            await at.until_healthy()

    asyncio.run(run())


# activation


def test_activating_another_corpus_under_load_fails_no_request_and_mixes_no_answer(engine: Server) -> None:
    async def run() -> None:
        async with bench(engine, "require") as at:
            encoder = bag_encoder()
            members: dict[str, set[str]] = {}
            for rows in (ROWS[:9], ROWS[9:]):
                manifest = await build(at.store, corpus_of(rows), encoder)
                members[manifest.id] = {
                    point.id async for page in at.store.scan(manifest.id, "questions", False) for point in page
                }
            encoder.close()
            first, second = members
            await at.store.activate(first)
            seen: list[str] = []
            switching = asyncio.create_task(_switch(at.store, [second, first] * 8))
            body = {
                **ASKED,
                "items": [{"question": NEW.question, "steps": list(NEW.steps)}],
                "retrieval": {"min_similarity": -1},
            }

            async def ask() -> None:
                while not switching.done():
                    answer = await at.api.post("/score", json=body, timeout=30)
                    assert answer.status_code == 200, answer.text
                    snapshot, [scored] = answer.json()["corpus_snapshot"], answer.json()["items"]
                    assert (scored["status"], scored["degraded"]) == ("ok", [])
                    assert {reference["question_id"] for reference in scored["references"]} <= members[snapshot]
                    assert len(scored["references"]) == 3
                    seen.append(snapshot)

            await asyncio.gather(*(ask() for _ in range(8)))
            await switching
            assert {first, second} <= set(seen)
            assert len(seen) > 16

    asyncio.run(run())


async def _switch(store: Store, order: list[str]) -> None:
    for snapshot_id in order:
        await asyncio.sleep(0.05)
        await store.activate(snapshot_id)


# a full disk, two processes


class Filling:
    """Batches of large points, written until they are refused or `batches` are stored."""

    def __init__(self, engine: Server) -> None:
        self.client = connect(Address(engine.url), 30)
        self.stored = 0

    async def create(self) -> None:
        await self.client.create_collection("c", models.VectorParams(size=64, distance=models.Distance.COSINE))

    async def write(self, batches: int) -> str | None:
        """The refusal, if there was one."""
        for _ in range(batches):
            points = [
                models.PointStruct(
                    id=self.stored + number, vector=[1.0] * 63 + [number], payload={"text": "x" * 20_000}
                )
                for number in range(64)
            ]
            try:
                async with translated():
                    await self.client.upsert("c", points, wait=True)
            except RetrievalUnavailable as error:
                return error.message
            self.stored += len(points)
        return None

    async def assert_nothing_lost(self) -> None:
        """What was not acknowledged may be there, or not."""
        found, _ = await self.client.scroll("c", limit=self.stored + 64, with_payload=False)
        assert {record.id for record in found} >= set(range(self.stored))
        assert len((await self.client.query_points("c", [1.0] * 64, limit=3)).points) == 3


def test_where_the_disk_is_nearly_full_writes_are_refused_and_searches_go_on_until_there_is_room(
    tmp_path: Path,
) -> None:
    mounted = tmp_path / "disk"
    mounted.mkdir()
    with small_disk(mounted, 290) as resize, serving(mounted / "data") as engine:

        async def run() -> None:
            filling = Filling(engine)
            await filling.create()
            refusal = await filling.write(100)
            assert refusal is not None
            assert "500: Service internal error: No space left on device: " in refusal
            assert filling.stored > 0
            await filling.assert_nothing_lost()
            engine.kill()
            engine.start()
            await filling.assert_nothing_lost()
            assert await filling.write(1) is not None
            resize(400)
            assert await filling.write(5) is None
            await filling.assert_nothing_lost()
            await filling.client.close()

        asyncio.run(run())


@contextmanager
def small_disk(mounted: Path, size_mib: int) -> Iterator[Callable[[int], object]]:
    """A file system of this size; gives what changes it."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", mounted],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
    try:
        yield lambda mib: subprocess.run(["mount", "-o", f"remount,size={mib}m", mounted], check=True)
    finally:
        subprocess.run(["umount", "--lazy", mounted], check=True)


def test_an_engine_whose_write_failed_goes_on_searching_and_takes_writes_again_when_they_can_be_done(
    tmp_path: Path,
) -> None:
    with serving(tmp_path / "data") as engine:

        async def run() -> None:
            filling = Filling(engine)
            await filling.create()
            assert await filling.write(3) is None
            # No file may become larger than what the first ones are by now: the next that is begun cannot be made.
            set_largest_file(engine, 2**20)
            refusals = [await filling.write(100), await filling.write(1)]
            assert all("500: Service internal error: " in (refusal or "") for refusal in refusals)
            assert "No space left on device" in (refusals[1] or "")
            await filling.assert_nothing_lost()
            set_largest_file(engine, resource.RLIM_INFINITY)
            assert await filling.write(2) is None
            await filling.assert_nothing_lost()
            await filling.client.close()

        asyncio.run(run())


def set_largest_file(engine: Server, size_bytes: int) -> None:
    _, hard = resource.prlimit(engine.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(engine.process.pid, resource.RLIMIT_FSIZE, (size_bytes, hard))


def test_upserts_of_two_clients_at_once_lose_nothing(engine: Server) -> None:
    """Every second id is written by both: one of the two, whole, is kept."""

    async def run() -> None:
        name = f"c-{uuid.uuid4().hex}"
        clients = [connect(Address(engine.url), 30) for _ in range(2)]
        await clients[0].create_collection(name, models.VectorParams(size=4, distance=models.Distance.COSINE))
        await asyncio.gather(*(_write(client, name, writer) for writer, client in enumerate(clients)))
        found, _ = await clients[0].scroll(name, limit=1000, with_vectors=True)
        assert {record.id for record in found} == {*range(0, 400, 2), *range(1, 400, 4), *range(3, 400, 4)}
        for record in found:
            writer = (record.payload or {})["writer"]
            assert record.vector == pytest.approx([1.0, 0, 0, 0] if writer == 0 else [0, 1.0, 0, 0])
        for client in clients:
            await client.close()

    asyncio.run(run())


async def _write(client: AsyncQdrantClient, name: str, writer: int) -> None:
    vector = [1.0, 0, 0, 0] if writer == 0 else [0, 1.0, 0, 0]
    ids = [*range(0, 400, 2), *range(1 + 2 * writer, 400, 4)]
    for start in range(0, len(ids), 10):
        points = [models.PointStruct(id=i, vector=vector, payload={"writer": writer}) for i in ids[start : start + 10]]
        await client.upsert(name, points, wait=True)
