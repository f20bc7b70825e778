"""Traces: a request's stages are its spans, and what is called for it belongs to the same trace."""

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from loadtests.scripted_worker import Fault, ScriptedWorker
from stepreward.api.app import create_app
from stepreward.errors import ConfigurationError
from stepreward.metrics import Metrics
from stepreward.retrieval.qdrant import Address, connect
from stepreward.tracing import Tracing
from test_pipeline import item, service
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

_TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
_CLIENTS = f"00-{_TRACE_ID}-b7ad6b7169203331-01"


class _Listening(ScriptedWorker):
    """Keeps the traceparents that it is sent."""

    def __init__(self, tracing: Tracing, **options: Any) -> None:
        super().__init__(**options)
        self.traceparents: list[str] = []
        self._tracing = tracing

    def http(self) -> httpx.AsyncClient:
        client = super().http()

        async def listen(request: httpx.Request) -> None:
            self.traceparents.append(request.headers.get("traceparent", ""))

        client.event_hooks = {"request": [*self._tracing.hooks["request"], listen]}
        return client


def is_sampled(traceparent: str) -> bool:
    return bool(int(traceparent.rpartition("-")[2], 16) & 1)


def traced(body: dict[str, Any], share: float = 1, headers: dict[str, str] | None = None, **options: Any) -> Any:
    """The answer, the spans of the request, and the traceparents of the worker's calls for it."""

    async def run() -> tuple[httpx.Response, list[ReadableSpan], list[str]]:
        exporter = InMemorySpanExporter()
        tracing = Tracing(SimpleSpanProcessor(exporter), share)
        worker = _Listening(tracing, **options)
        async with service(worker, metrics=Metrics(tracing=tracing)) as built:
            transport = httpx.ASGITransport(create_app(built))
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
                worker.traceparents.clear()
                answer = await http.post("/score", json=body, headers=headers)
                await http.get("/livez")
        tracing.close()
        return answer, list(exporter.get_finished_spans()), worker.traceparents

    return asyncio.run(run())


def test_the_stages_of_a_request_are_its_spans_and_the_worker_is_told_the_trace() -> None:
    answer, spans, traceparents = traced({"items": [item(0)]}, headers={"traceparent": _CLIENTS})
    assert {f"{span.context.trace_id:032x}" for span in spans} == {_TRACE_ID}
    [request] = [span for span in spans if span.name == "POST /score"]
    assert f"{request.parent.span_id:016x}" == _CLIENTS.split("-")[2]
    assert request.attributes["stepreward.request_id"] == answer.headers["X-Request-ID"]
    assert request.attributes["http.response.status_code"] == 200
    stages = {span.name: span for span in spans if span is not request}
    assert {"parse", "encode", "retrieve", "render", "judge", "aggregate"} <= set(stages)
    judge = f"00-{_TRACE_ID}-{stages['judge'].context.span_id:016x}-01"
    assert traceparents == [judge]


def test_a_request_without_a_trace_begins_one_and_probes_do_not() -> None:
    _, spans, traceparents = traced({"items": [item(0)]})
    assert [span.name for span in spans if span.parent is None] == ["POST /score"]
    assert len({span.context.trace_id for span in spans}) == 1
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", traceparents[0])
    assert is_sampled(traceparents[0])


def test_what_is_not_sampled_is_not_recorded_and_says_so_to_the_worker() -> None:
    _, spans, traceparents = traced({"items": [item(0)]}, share=0)
    assert spans == []
    assert not is_sampled(traceparents[0])


def test_a_failed_request_is_a_failed_span() -> None:
    answer, spans, _ = traced({"items": [item(0)]}, faults=dict.fromkeys(range(9), Fault.STATUS_500))
    [request] = [span for span in spans if span.name == "POST /score"]
    assert answer.status_code == request.attributes["http.response.status_code"] == 503
    assert request.status.status_code is StatusCode.ERROR


def test_no_text_of_a_request_is_in_a_span() -> None:
    row = item(0)
    _, spans, _ = traced({"items": [row]})
    told = " ".join(span.to_json() for span in spans)
    assert row["question"] not in told
    assert not any(step in told for step in row["steps"])


def test_qdrant_over_rest_is_sent_the_trace() -> None:
    heard: list[str] = []

    async def run() -> None:
        tracing = Tracing(SimpleSpanProcessor(InMemorySpanExporter()), 1)

        async def listen(request: httpx.Request) -> None:
            heard.append(request.headers["traceparent"])
            raise httpx.ConnectError("enough", request=request)

        hooks = {"request": [*tracing.hooks["request"], listen]}
        client = connect(Address("http://127.0.0.1:9"), 1, hooks)
        with tracing.stage("retrieve"), pytest.raises(Exception, match="enough"):
            await client.get_collections()
        await client.close()
        tracing.close()

    asyncio.run(run())
    assert len(heard) == 1


class _GrpcCollector(TraceServiceServicer):
    def __init__(self) -> None:
        self.received: list[ExportTraceServiceRequest] = []

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:  # noqa: N802
        self.received.append(request)
        return ExportTraceServiceResponse()


@contextmanager
def collector_over_grpc() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    service, server = _GrpcCollector(), grpc.server(ThreadPoolExecutor(1))
    add_TraceServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}", service.received
    finally:
        server.stop(None).wait()


@contextmanager
def collector_over_http() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", received
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("collector", [collector_over_http, collector_over_grpc])
def test_a_collector_is_sent_what_was_recorded(collector: Any) -> None:
    with collector() as (endpoint, received):
        tracing = Tracing.to(endpoint, 1)
        with tracing.stage("retrieve"):
            pass
        tracing.close()
        [spans] = [scope.spans for sent in received for part in sent.resource_spans for scope in part.scope_spans]
    assert [span.name for span in spans] == ["retrieve"]


@pytest.mark.parametrize("endpoint", ["collector:4317", "udp://collector", "grpc://", ""])
def test_an_address_that_no_collector_can_have_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^STEPREWARD_OTLP_ENDPOINT: "):
        Tracing.to(endpoint, 1)
