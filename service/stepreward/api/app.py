"""POST /score, health and metrics."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from stepreward.api import answers
from stepreward.api.compat import ROUTES
from stepreward.api.score import NDJSON, score
from stepreward.metrics import CONTENT_TYPE
from stepreward.schema import ReadyBody, ScoreRequest, ScoreResponse
from stepreward.service import Service

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Mapping[str, object]]]
_STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Every item; with `Accept: application/x-ndjson` a StreamLine as each ends, and a summary",
        "content": {NDJSON: {"schema": {"type": "string"}}},
    }
}


def lifespan_state(service: Service) -> Mapping[str, object]:
    """What a connection finds in the state of its application."""
    return {"refused": service.metrics.count_refused}


@asynccontextmanager
async def _told(app: FastAPI) -> AsyncIterator[Mapping[str, object]]:
    yield lifespan_state(app.state.service)


def create_app(service: Service | None = None, *, lifespan: Lifespan = _told) -> FastAPI:
    """The application around a service that is already warm, or that its `lifespan` sets as `state.service`."""
    app = FastAPI(
        lifespan=lifespan,
        title="stepreward",
        summary="Scores the steps of mathematical solutions.",
        openapi_url="/openapi.json",
        redoc_url=None,
    )
    app.state.service = service
    app.state.stopping = False
    answers.install(app)
    app.add_api_route(
        "/score",
        score,
        methods=["POST"],
        response_model=ScoreResponse,
        responses=_STREAMED | answers.ERROR_ANSWERS,
        summary="Score the steps of one or many solutions",
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": _schema_of(ScoreRequest)}}}
        },
    )
    for route in ROUTES:
        app.add_api_route(
            route.path,
            route.handle,
            methods=["POST"],
            response_model=None,
            responses=answers.ERROR_ANSWERS,
            summary=route.summary,
            openapi_extra={
                "requestBody": {"required": True, "content": {"application/json": {"schema": _schema_of(route.body)}}}
            },
        )
    app.add_api_route("/livez", _livez, summary="Whether this process answers", response_class=PlainTextResponse)
    app.add_api_route(
        "/readyz",
        _readyz,
        summary="Whether the parts it needs answer, and which do not",
        response_model=ReadyBody,
        responses={503: {"model": ReadyBody}},
    )
    app.add_api_route("/metrics", _metrics, summary="Prometheus metrics", response_class=PlainTextResponse)
    return app


async def _livez() -> Response:
    return PlainTextResponse("ok")


async def _readyz(request: Request) -> Response:
    service: Service = request.app.state.service
    found = await service.probe()
    body = ReadyBody(ready=found.ready, parts=found.parts)
    return Response(
        orjson.dumps(body.model_dump()), status_code=200 if body.ready else 503, media_type="application/json"
    )


async def _metrics(request: Request) -> Response:
    service: Service = request.app.state.service
    return Response(service.metrics.render(), media_type=CONTENT_TYPE)


def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The request's JSON schema with its definitions inside: the body is read by hand, so FastAPI does not see it."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    return dict(_inlined(schema, definitions))


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, dict):
        if "$ref" in node:
            return _inlined(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
        return {key: _inlined(value, definitions) for key, value in node.items()}
    return [_inlined(value, definitions) for value in node] if isinstance(node, list) else node
