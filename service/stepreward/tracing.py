"""Traces by OpenTelemetry, off unless STEPREWARD_OTLP_ENDPOINT is set: a span for each request, one for each stage.

    client's traceparent → request → parse, encode, retrieve, …, judge → vLLM's and Qdrant's own spans

Workers and Qdrant over REST are sent the traceparent; Qdrant over gRPC and a remote encoder, whose passes are shared by
requests, are not. What several requests share is a span of the one that came first. No text, no key is an attribute.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Self

import httpx

from stepreward.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter

Ended = Callable[[str, int], None]
Hooks = dict[str, list[Callable[[httpx.Request], Awaitable[None]]]]


class Tracing:
    """Of one gateway. Without it nothing of OpenTelemetry is imported."""

    def __init__(self, processor: "SpanProcessor", share: float) -> None:
        """`share` is how many of the traces that begin here are recorded; those of clients are as they say."""
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  (only where traces are wanted)
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        resource = Resource.create({"service.name": "stepreward", "service.version": version("stepreward")})
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)), resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("stepreward")
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def to(cls, endpoint: str, share: float) -> Self:
        """Spans go to a collector in the background, as OTLP over HTTP, or over gRPC for grpc:// and grpcs://.

        Raises ConfigurationError without the extra, and for another scheme.
        """
        try:
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

            return cls(BatchSpanProcessor(_exporter(endpoint.rstrip("/"))), share)
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                'STEPREWARD_OTLP_ENDPOINT: needs OpenTelemetry (pip install "stepreward[otel]")'
            ) from error

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str], request_id: str) -> Iterator[Ended]:
        """The span of a request, child of the client's; what is given is told its route and its answer's status."""
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415

        parent = self._propagator.extract(headers)
        attributes = {"http.request.method": method, "stepreward.request_id": request_id}
        with self._tracer.start_as_current_span(method, parent, SpanKind.SERVER, attributes) as span:

            def ended(route: str, status: int) -> None:
                span.update_name(f"{method} {route}")
                span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_status(StatusCode.ERROR)

            yield ended

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        with self._tracer.start_as_current_span(name):
            yield

    @property
    def hooks(self) -> Hooks:
        """For an httpx client whose calls are to carry the traceparent."""

        async def inject(request: httpx.Request) -> None:
            self._propagator.inject(request.headers)

        return {"request": [inject]}

    def close(self) -> None:
        """Sends what waits, for some seconds at most."""
        self._provider.shutdown()


def _exporter(endpoint: str) -> "SpanExporter":
    """Nothing is sent yet. Raises ConfigurationError, ModuleNotFoundError."""
    scheme, _, place = endpoint.partition("://")
    if scheme in ("http", "https") and place:
        from opentelemetry.exporter.otlp.proto.http import trace_exporter as http  # noqa: PLC0415

        return http.OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")
    if scheme in ("grpc", "grpcs") and place:
        from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc  # noqa: PLC0415

        return grpc.OTLPSpanExporter(endpoint=place, insecure=scheme == "grpc")
    raise ConfigurationError(f"STEPREWARD_OTLP_ENDPOINT: {endpoint!r} is not of http, https, grpc or grpcs")
