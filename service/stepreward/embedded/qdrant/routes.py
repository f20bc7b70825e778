"""The part of Qdrant's REST API that we use: one operation for each route, and the application around them."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from stepreward.access import Gate, Scope
from stepreward.embedded.qdrant import schema, wire
from stepreward.embedded.qdrant.refusals import (
    BadRequest,
    Body,
    Forbidden,
    Late,
    QdrantRefusal,
    TooLarge,
    Unauthorized,
    UnsupportedBody,
    parse,
)
from stepreward.embedded.qdrant.store import Store
from stepreward.errors import NotAllowed, Unauthenticated

MAX_BODY_BYTES = 64 * 2**20
METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
COMPLETED = {"operation_id": None, "status": "completed"}

# There is one copy of the data and it is written before we answer: every write waits, and every ordering and
# consistency that can be asked of a single node is kept.
READ = {"consistency": r"majority|quorum|all|1", "timeout": r"[1-9]\d{0,8}"}
WRITE = {"wait": r"true|false", "ordering": r"weak|medium|strong", "timeout": r"[1-9]\d{0,8}"}
CHANGE = {"timeout": r"[1-9]\d{0,8}"}

log = logging.getLogger(__name__)


class Metrics:
    """Under the names that a Qdrant server gives them, so that one dashboard fits both."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.collections = Gauge("collections_total", "Collections", registry=self.registry)
        self.points = Gauge("collections_vector_total", "Vectors in all collections", registry=self.registry)
        self.responses = Histogram(
            "rest_responses_duration_seconds",
            "Time from the request's head to its answer",
            ["method", "endpoint", "status"],
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )

    def render(self, store: Store) -> bytes:
        self.collections.set(len(store.names()))
        self.points.set(store.points_count())
        return generate_latest(self.registry)


# what each route does


async def list_collections(store: Store, _name: str, _body: None) -> object:
    return {"collections": [{"name": name} for name in store.names()]}


async def get_collection(store: Store, name: str, _body: None) -> object:
    return store.get(name).info()


async def collection_exists(store: Store, name: str, _body: None) -> object:
    return {"exists": store.exists(name)}


async def create_collection(store: Store, name: str, body: schema.CollectionConfig) -> object:
    store.create(name, body)
    return True


async def patch_collection(store: Store, name: str, body: schema.CollectionPatch) -> object:
    await store.patch(name, body)
    return True


async def delete_collection(store: Store, name: str, _body: None) -> object:
    return await store.delete(name)


async def create_field_index(store: Store, name: str, body: schema.FieldIndex) -> object:
    await store.get(name).create_index(body)
    return COMPLETED


async def upsert_points(store: Store, name: str, body: wire.Upsert) -> object:
    await store.get(name).upsert(body)
    return COMPLETED


async def delete_points(store: Store, name: str, body: wire.Delete) -> object:
    await store.get(name).delete(body)
    return COMPLETED


async def retrieve_points(store: Store, name: str, body: wire.Retrieve) -> object:
    return store.get(name).retrieve(body)


async def scroll_points(store: Store, name: str, body: wire.Scroll) -> object:
    return store.get(name).scroll(body)


async def count_points(store: Store, name: str, body: wire.Count) -> object:
    return {"count": store.get(name).count(body)}


async def query_points(store: Store, name: str, body: wire.Query) -> object:
    return {"points": store.get(name).query([body])[0]}


async def query_batch(store: Store, name: str, body: wire.QueryBatch) -> object:
    return [{"points": points} for points in store.get(name).query(body.searches)]


async def change_aliases(store: Store, _name: str, body: schema.AliasActions) -> object:
    store.change_aliases(body.actions)
    return True


async def list_aliases(store: Store, _name: str, _body: None) -> object:
    return {"aliases": store.aliases()}


async def list_collection_aliases(store: Store, name: str, _body: None) -> object:
    return {"aliases": store.aliases(name)}


@dataclass(frozen=True)
class Operation:
    """One route: what it reads, and which query parameters it takes."""

    method: str
    path: str
    run: Callable[[Store, str, Any], Awaitable[object]]
    body: type[Body] | None
    parameters: Mapping[str, str]

    @property
    def scope(self) -> Scope:
        """What its key must be for: whoever scores may read."""
        return "corpus" if self.parameters is WRITE or self.parameters is CHANGE else "scoring"


OPERATIONS = (
    Operation("GET", "/collections", list_collections, None, {}),
    Operation("POST", "/collections/aliases", change_aliases, schema.AliasActions, CHANGE),
    Operation("GET", "/aliases", list_aliases, None, {}),
    Operation("GET", "/collections/{name}", get_collection, None, {}),
    Operation("PUT", "/collections/{name}", create_collection, schema.CollectionConfig, CHANGE),
    Operation("PATCH", "/collections/{name}", patch_collection, schema.CollectionPatch, CHANGE),
    Operation("DELETE", "/collections/{name}", delete_collection, None, CHANGE),
    Operation("GET", "/collections/{name}/exists", collection_exists, None, {}),
    Operation("GET", "/collections/{name}/aliases", list_collection_aliases, None, {}),
    Operation("PUT", "/collections/{name}/index", create_field_index, schema.FieldIndex, WRITE),
    Operation("PUT", "/collections/{name}/points", upsert_points, wire.Upsert, WRITE),
    Operation("POST", "/collections/{name}/points", retrieve_points, wire.Retrieve, READ),
    Operation("POST", "/collections/{name}/points/delete", delete_points, wire.Delete, WRITE),
    Operation("POST", "/collections/{name}/points/scroll", scroll_points, wire.Scroll, READ),
    Operation("POST", "/collections/{name}/points/count", count_points, wire.Count, READ),
    Operation("POST", "/collections/{name}/points/query", query_points, wire.Query, READ),
    Operation("POST", "/collections/{name}/points/query/batch", query_batch, wire.QueryBatch, READ),
)


# from HTTP to an operation and back


def to_route(operation: Operation, store: Store, metrics: Metrics, gates: Sequence[Gate]) -> Route:
    async def endpoint(request: Request) -> Response:
        started_s = time.perf_counter()
        try:
            _check_key(operation, request, gates)
            answer, status = await _answer(operation, store, request), 200
        except QdrantRefusal as refusal:
            answer, status = {"status": {"error": str(refusal)}}, refusal.status
        seconds = time.perf_counter() - started_s
        metrics.responses.labels(operation.method, operation.path, str(status)).observe(seconds)
        return _json(answer, seconds, status)

    return Route(operation.path, endpoint, methods=[operation.method])


def _check_key(operation: Operation, request: Request, gates: Sequence[Gate]) -> None:
    """One of them must know it, where there are any. Raises Unauthorized, Forbidden."""
    refusal: QdrantRefusal | None = None
    for gate in gates:
        try:
            gate.admit(request.headers, operation.scope)
        except Unauthenticated:
            refusal = refusal or Unauthorized("Must provide an API key or an Authorization bearer token")
        except NotAllowed:
            refusal = Forbidden("Forbidden: Write access is required")
        else:
            return
    if refusal:
        raise refusal


async def _answer(operation: Operation, store: Store, request: Request) -> dict[str, object]:
    _check_parameters(request, operation.parameters)
    content = await _read(request)
    if operation.body is None and content:
        raise BadRequest(f"Bad request: {operation.method} {operation.path} takes no body")
    body = parse(operation.body, content) if operation.body else None
    timeout_s = float(request.query_params.get("timeout", "inf"))
    try:
        async with asyncio.timeout(None if timeout_s == float("inf") else timeout_s):
            result = await operation.run(store, request.path_params.get("name", ""), body)
    except TimeoutError as error:
        raise Late(f"Timeout: Operation timed out after {timeout_s} s") from error
    return {"result": result, "status": "ok"}


def _check_parameters(request: Request, allowed: Mapping[str, str]) -> None:
    for name, value in request.query_params.multi_items():
        if name not in allowed:
            raise BadRequest(f"Bad request: unsupported query parameter `{name}`")
        if not re.fullmatch(allowed[name], value):
            raise BadRequest(f"Bad request: query parameter `{name}` cannot be {value!r:.60}")


async def _read(request: Request) -> bytes:
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedBody("Bad request: compressed bodies are not supported")
    if int(request.headers.get("content-length", 0)) > MAX_BODY_BYTES:
        raise TooLarge(f"Payload error: JSON payload is larger than allowed (limit: {MAX_BODY_BYTES} bytes).")
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > MAX_BODY_BYTES:
                raise TooLarge(f"Payload error: JSON payload is larger than allowed (limit: {MAX_BODY_BYTES} bytes).")
    except ClientDisconnect as error:
        raise BadRequest("Bad request: the client left") from error
    return bytes(content)


def _json(answer: dict[str, object], seconds: float, status: int) -> Response:
    return Response(orjson.dumps(answer | {"time": seconds}), status, media_type="application/json")


async def _refuse_route(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json({"status": {"error": error.detail}}, 0.0, error.status_code)


async def _report_bug(_request: Request, _error: Exception) -> Response:
    """Starlette raises the error again after this answer, and uvicorn logs it."""
    return _json({"status": {"error": "Service internal error"}}, 0.0, 500)


async def show_version(_request: Request) -> Response:
    # The version of the API is that of the client whose requests we read; the engine does not tell its own.
    shown = {"title": "stepreward - embedded qdrant", "version": version("qdrant-client")}
    return Response(orjson.dumps(shown), media_type="application/json")


async def show_alive(_request: Request) -> Response:
    return PlainTextResponse("healthz check passed")


def create_app(store: Store, gates: Sequence[Gate] = ()) -> Starlette:
    """Serve `store`, which is flushed and closed when the application ends. Without `gates` nobody needs a key."""
    metrics = Metrics()

    async def show_ready(_request: Request) -> Response:
        if store.upkeep_runs():
            return PlainTextResponse("all shards are ready")
        return PlainTextResponse("upkeep has ended", status_code=503)

    async def show_metrics(_request: Request) -> Response:
        return Response(metrics.render(store), media_type=METRICS_CONTENT_TYPE)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        store.start_upkeep()
        yield
        await store.stop_upkeep()
        store.close()
        log.info("closed")

    plain = {"/": show_version, "/healthz": show_alive, "/livez": show_alive, "/readyz": show_ready}
    routes = [Route(path, endpoint) for path, endpoint in (plain | {"/metrics": show_metrics}).items()]
    return Starlette(
        routes=[*routes, *(to_route(operation, store, metrics, gates) for operation in OPERATIONS)],
        exception_handlers={HTTPException: _refuse_route, Exception: _report_bug},
        lifespan=lifespan,
    )
