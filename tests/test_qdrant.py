"""How Qdrant is reached and left alone: addresses, keys, certificates, both protocols, the breaker, shared reads.

A real Qdrant server is not at hand here: gRPC is spoken with a scripted one that answers as Qdrant's interface says.
"""

import asyncio
import shutil
import ssl
import subprocess
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client import grpc as messages

from qdrant_process import cleaned
from stepreward.errors import ConfigurationError, RetrievalUnavailable
from stepreward.metrics import Metrics
from stepreward.retrieval.breaker import Breaker, BreakerRule, State
from stepreward.retrieval.layout import Layout
from stepreward.retrieval.qdrant import Address, connect
from stepreward.retrieval.search import Retriever, SearchOptions
from stepreward.retrieval.store import Store, StoreOptions
from test_retrieval import NEW, bag_encoder, build, corpus_of, some_manifest

NO_ALIASES = b'{"result": {"aliases": []}, "status": "ok", "time": 0.0}'


async def say_what_is_active(address: Address, timeout_s: float = 10) -> str:
    """What a store there says of its active corpus: that there is none, where it answers."""
    store = Store(connect(address, 10), timeout_s)
    try:
        with pytest.raises(RetrievalUnavailable) as caught:
            await store.active()
    finally:
        await store.close()
    return caught.value.message


# addresses


@pytest.mark.parametrize(
    ("address", "named"),
    [
        (Address("qdrant:6333"), "STEPREWARD_QDRANT_URL"),
        (Address("ftp://qdrant"), "STEPREWARD_QDRANT_URL"),
        (Address("http://"), "STEPREWARD_QDRANT_URL"),
        (Address("http://qdrant:6333", "k"), "STEPREWARD_QDRANT_API_KEY: .*STEPREWARD_QDRANT_KEY_OVER_HTTP=true"),
        (Address("http://10.0.0.7:6333", "k"), "STEPREWARD_QDRANT_API_KEY"),
        (Address("http://qdrant", ca_file=Path(__file__)), "STEPREWARD_QDRANT_CA_FILE: needs an https"),
        (Address("https://qdrant", ca_file=Path("/does/not/exist")), "STEPREWARD_QDRANT_CA_FILE: /does/not/exist"),
        (Address("https://qdrant", ca_file=Path(__file__)), "STEPREWARD_QDRANT_CA_FILE: .*test_qdrant.py"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_by_the_name_of_its_setting(address: Address, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as caught:
        connect(address, 5)
    assert "'k'" not in caught.value.message


@pytest.mark.parametrize(
    "address",
    [
        Address("http://localhost:1", "k"),
        Address("http://127.8.8.8:1", "k"),
        Address("http://[::1]:1", "k"),
        Address("https://qdrant", "k"),
        Address("http://qdrant:6333", "k", key_over_http=True),
        Address("http://qdrant:6333/behind/a/path"),
    ],
)
def test_a_key_is_taken_over_https_on_this_machine_and_where_it_is_allowed(address: Address) -> None:
    asyncio.run(connect(address, 5).close())


# REST


@dataclass
class Listener:
    """A Qdrant without a corpus, over http or https; keeps the heads of its requests."""

    certificate: Path | None = None
    heads: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        trusted = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) if self.certificate else None
        if trusted and self.certificate:
            trusted.load_cert_chain(self.certificate, self.certificate.with_suffix(".key"))
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=trusted)
        port = server.sockets[0].getsockname()[1]
        async with server:
            yield f"{'https' if trusted else 'http'}://127.0.0.1:{port}"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(NO_ALIASES)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + NO_ALIASES)
        await writer.drain()
        writer.close()


def test_the_key_goes_with_every_request() -> None:
    async def run() -> list[str]:
        listener = Listener()
        async with listener.listening() as url:
            assert "no corpus is active" in await say_what_is_active(Address(url, "s3cret"))
        return listener.heads

    [head] = asyncio.run(run())
    assert head.startswith("GET /aliases ")
    assert "api-key: s3cret\r\n" in head


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Self-signed for 127.0.0.1, its key beside it."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    made = [
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=qdrant",
    ]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "keyUsage=digitalSignature,keyCertSign"]
    out = ["-keyout", file.with_suffix(".key"), "-out", file]
    subprocess.run(["openssl", "req", *made, *names, *out], check=True, capture_output=True)
    return file


def test_a_server_is_trusted_on_the_word_of_the_given_certificates_alone(certificate: Path) -> None:
    async def run() -> tuple[str, str]:
        async with Listener(certificate).listening() as url:
            trusting = await say_what_is_active(Address(url, "k", ca_file=certificate))
            return trusting, await say_what_is_active(Address(url, "k"))

    trusting, other = asyncio.run(run())
    assert "no corpus is active" in trusting
    assert "did not answer: " in other
    assert "certificate" in other.lower()


# gRPC


class Collections(grpc.GenericRpcHandler):
    """ListAliases of Qdrant's gRPC interface; `refusal` is what it says instead."""

    def __init__(self, refusal: grpc.StatusCode | None = None) -> None:
        self.refusal = refusal
        self.keys: list[str | None] = []

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        if details.method != "/qdrant.Collections/ListAliases":
            return None
        self.keys.append(dict(details.invocation_metadata).get("api-key"))
        return grpc.unary_unary_rpc_method_handler(
            self._list_aliases,
            request_deserializer=messages.ListAliasesRequest.FromString,
            response_serializer=messages.ListAliasesResponse.SerializeToString,
        )

    async def _list_aliases(
        self, _request: messages.ListAliasesRequest, context: grpc.aio.ServicerContext
    ) -> messages.ListAliasesResponse:
        if self.refusal:
            await context.abort(self.refusal, "scripted\nsecond line")
        return messages.ListAliasesResponse(time=0.0)


def ask_over_grpc(collections: Collections, certificate: Path | None = None, timeout_s: float = 10) -> str:
    pair = (certificate.with_suffix(".key").read_bytes(), certificate.read_bytes()) if certificate else None

    async def run() -> str:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((collections,))
        if pair:
            port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        else:
            port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        scheme = "https" if pair else "http"
        try:
            # The port of the URL is that of REST: nobody listens there.
            return await say_what_is_active(
                Address(f"{scheme}://127.0.0.1:1", "s3cret", grpc_port=port, ca_file=certificate), timeout_s
            )
        finally:
            await server.stop(None)

    return asyncio.run(run())


def test_with_a_grpc_port_reads_go_over_grpc_with_the_key() -> None:
    collections = Collections()
    assert "no corpus is active" in ask_over_grpc(collections)
    assert collections.keys == ["s3cret"]


def test_grpc_is_encrypted_under_an_https_url(certificate: Path) -> None:
    assert "no corpus is active" in ask_over_grpc(Collections(), certificate)


@pytest.mark.parametrize(
    ("refusal", "tries"),
    [(grpc.StatusCode.UNAVAILABLE, 3), (grpc.StatusCode.INTERNAL, 1), (grpc.StatusCode.UNAUTHENTICATED, 1)],
)
def test_a_refusal_over_grpc_is_retrieval_unavailable_in_one_line(refusal: grpc.StatusCode, tries: int) -> None:
    collections = Collections(refusal)
    assert ask_over_grpc(collections) == f"the vector store did not answer: {refusal.name}: scripted"
    assert len(collections.keys) == tries


# the breaker

EAGER = BreakerRule(failures=3, pause_s=0.05)


class Part:
    """What a breaker stands before: each call raises or returns as `works` says, and probes are counted."""

    def __init__(self, rule: BreakerRule = EAGER) -> None:
        self.works = False
        self.probes = 0
        self.states: list[State] = []
        self.probed = asyncio.Event()
        self._changed = asyncio.Event()
        self.breaker = Breaker(
            BreakerRule(rule.failures, rule.pause_s, self._tell), self._probe, lambda error: isinstance(error, OSError)
        )

    async def _probe(self) -> bool:
        self.probes += 1
        self.probed.set()
        return self.works

    def call(self, kind: str = "search", error: type[BaseException] = OSError) -> str:
        """How a call went: done, failed, or refused at once."""
        try:
            with self.breaker.guard(kind):
                self._work(error)
        except RetrievalUnavailable:
            return "refused"
        except error:
            return "failed"
        return "done"

    def _work(self, error: type[BaseException]) -> None:
        if not self.works:
            raise error

    def _tell(self, state: State) -> None:
        self.states.append(state)
        self._changed.set()

    async def until(self, state: State) -> None:
        async with asyncio.timeout(30):
            while self.states[-1:] != [state]:
                self._changed.clear()
                await self._changed.wait()


def with_part(use: Callable[[Part], Awaitable[None]]) -> None:
    async def run() -> None:
        part = Part()
        try:
            await use(part)
        finally:
            await part.breaker.close()

    asyncio.run(run())


def test_failures_in_a_row_open_it_and_calls_are_refused_until_a_probe_succeeds() -> None:
    async def use(part: Part) -> None:
        assert [part.call() for _ in range(5)] == ["failed"] * 3 + ["refused"] * 2
        await part.probed.wait()
        await part.until("open")
        assert part.call() == "refused"
        part.works = True
        await part.until("closed")
        assert [part.call() for _ in range(5)] == ["done"] * 5
        assert part.states[:3] == ["open", "half-open", "open"]
        assert part.states[-2:] == ["half-open", "closed"]
        probes = part.probes
        await asyncio.sleep(0.2)
        assert part.probes == probes

    with_part(use)


def test_a_success_between_failures_keeps_it_closed_and_one_of_another_kind_does_not() -> None:
    async def use(part: Part) -> None:
        for _ in range(4):
            assert [part.call("search"), part.call("search")] == ["failed", "failed"]
            part.works = True
            assert part.call("search") == "done"
            part.works = False
        assert part.states == []
        for expected in ("failed", "failed", "failed", "refused"):
            part.works = True
            part.call("lookup")
            part.works = False
            assert part.call("search") == expected

    with_part(use)


def test_after_a_probe_that_succeeded_one_more_failure_opens_it_again() -> None:
    async def use(part: Part) -> None:
        assert [part.call() for _ in range(3)] == ["failed"] * 3
        part.works = True
        await part.until("closed")
        part.works = False
        assert [part.call(), part.call()] == ["failed", "refused"]

    with_part(use)


def test_neither_an_answered_error_nor_a_cancelled_call_opens_it() -> None:
    async def use(part: Part) -> None:
        assert [part.call(error=KeyError) for _ in range(9)] == ["failed"] * 9
        assert [part.call(error=asyncio.CancelledError) for _ in range(9)] == ["failed"] * 9
        assert part.states == []
        assert [part.call(), part.call(), part.call(error=asyncio.CancelledError)] == ["failed"] * 3
        assert part.states == []
        assert part.call() == "failed"
        assert part.states == ["open"]

    with_part(use)


# one read for all


@pytest.mark.parametrize("fails", [False, True])
def test_a_thousand_requests_at_once_ask_once_what_is_active_and_the_next_one_asks_again(fails: bool) -> None:
    asked: list[str] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        await asyncio.sleep(0.05)
        return httpx.Response(404) if fails else httpx.Response(200, content=NO_ALIASES)

    async def run() -> None:
        transport = httpx.MockTransport(answer)
        store = Store(AsyncQdrantClient(url="http://qdrant:6333", check_compatibility=False, transport=transport))
        told = await asyncio.gather(*(store.active() for _ in range(1000)), return_exceptions=True)
        assert {type(error) for error in told} == {RetrievalUnavailable}
        assert asked == ["/aliases"]
        leaving = asyncio.create_task(store.active())
        staying = asyncio.create_task(store.active())
        await asyncio.sleep(0.01)
        leaving.cancel()
        with pytest.raises(RetrievalUnavailable):
            await staying
        assert asked == ["/aliases"] * 2
        await store.close()

    asyncio.run(run())


# what the settings say of a snapshot, in the engine or the server


LAYOUT = Layout(quantization="scalar", hnsw_m=24, hnsw_ef_construct=77, hnsw_ef=99, vectors_on_disk=True)


@pytest.mark.parametrize("layout", [LAYOUT, Layout(quantization="none", vectors_on_disk=False, shards=1, replicas=1)])
def test_a_snapshot_is_laid_out_as_set_and_searched(qdrant: Address, layout: Layout) -> None:
    prefix = f"test{uuid.uuid4().hex[:12]}"

    async def run() -> None:
        encoder = bag_encoder()
        async with cleaned(qdrant, prefix) as client:
            store = Store(client, 30, StoreOptions(prefix, layout))
            manifest = await build(store, corpus_of(), encoder)
            await store.activate(manifest.id)
            retriever = Retriever(encoder, store, 16, Metrics())
            await retriever.probe()
            [found] = await retriever.search(await retriever.active(), [NEW], SearchOptions(3, 2, -1.0))
            assert [len(found.questions), *map(len, found.steps)] == [3, 2, 2]
            questions = (await client.get_collection(f"{prefix}_questions_{manifest.id}")).config
            steps = await client.get_collection(f"{prefix}_steps_{manifest.id}")
            assert (questions.hnsw_config.m, steps.config.hnsw_config.m) == (layout.hnsw_m, 0)
            assert questions.hnsw_config.ef_construct == layout.hnsw_ef_construct
            assert isinstance(questions.params.vectors, models.VectorParams)
            assert questions.params.vectors.on_disk is layout.vectors_on_disk
            assert (questions.quantization_config is not None) is (layout.quantization == "scalar")
            assert list(steps.payload_schema) == ["question_id"]
            assert {alias.alias_name for alias in (await client.get_aliases()).aliases} >= {f"{prefix}_active"}
        encoder.close()

    asyncio.run(run())


def test_what_the_engine_cannot_lay_out_is_refused_by_the_names_of_the_settings(embedded_qdrant: Address) -> None:
    async def run() -> None:
        store = Store(connect(embedded_qdrant, 30), 30, StoreOptions(f"t{uuid.uuid4().hex[:9]}", Layout(shards=3)))
        with pytest.raises(ConfigurationError, match=r"STEPREWARD_QDRANT_\*: .* 400: .*shard_number"):
            await store.begin(some_manifest())
        await store.close()

    asyncio.run(run())


def test_a_quantized_index_finds_the_nearest_question(qdrant: Address) -> None:
    """6,000 vectors of 128 in clumps, beyond the threshold from which the graph and the small copies are made."""
    drawn = np.random.default_rng(5)
    rows = drawn.normal(size=(60, 128))[drawn.integers(0, 60, 6000)] + 0.6 * drawn.normal(size=(6000, 128))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    wanted = rows[:100] + 0.03 * drawn.normal(size=(100, 128))
    name, layout = f"test{uuid.uuid4().hex[:12]}", Layout()

    async def run() -> None:
        async with cleaned(qdrant, name) as client:
            await layout.create(client, name, 128, graph=True)
            small = models.OptimizersConfigDiff(indexing_threshold=500)
            await client.update_collection(name, optimizers_config=small)
            for start in range(0, 6000, 1000):
                ids = list(range(start, start + 1000))
                await client.upsert(name, models.Batch(ids=ids, vectors=rows[ids].tolist()), wait=True)
            for _ in range(1200):
                if (await client.get_collection(name)).indexed_vectors_count:
                    break
                await asyncio.sleep(0.1)
            else:
                raise AssertionError("no index was built in two minutes")
            requests = [
                models.QueryRequest(query=row.tolist(), limit=1, params=layout.search_params()) for row in wanted
            ]
            found = [answer.points[0].id for answer in await client.query_batch_points(name, requests)]
        assert np.mean(np.array(found) == np.argmax(wanted @ rows.T, axis=1)) >= 0.99

    asyncio.run(run())
