"""HTTP: POST /score, health and metrics; and the one place where an error becomes a status."""

import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from stepreward import errors
from stepreward.body import read_request
from stepreward.metrics import CONTENT_TYPE
from stepreward.schema import ErrorBody, ReadyBody, ScoreRequest, ScoreResponse
from stepreward.wiring import Service

_LOG = logging.getLogger("stepreward.api")

_ERROR_ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "The body is not JSON in UTF-8"},
    413: {"model": ErrorBody, "description": "The body has too many bytes"},
    415: {"model": ErrorBody, "description": "The body is compressed or not application/json"},
    422: {"model": ErrorBody, "description": "A field is unknown, wrong or over a limit; the message names it"},
    502: {"model": ErrorBody, "description": "The worker's answer could not be used for any item; try again"},
    503: {"model": ErrorBody, "description": "The vector store or the worker did not answer; try again"},
}


def create_app(service: Service) -> FastAPI:
    """The application around a service that is already warm."""
    app = FastAPI(
        title="stepreward",
        summary="Scores the steps of mathematical solutions.",
        openapi_url="/openapi.json",
        redoc_url=None,
    )
    app.state.service = service
    app.middleware("http")(_counted)
    app.exception_handler(errors.StepRewardError)(_answer_error)
    app.exception_handler(HTTPException)(_answer_http_error)
    app.add_api_route(
        "/score",
        _score,
        methods=["POST"],
        response_model=ScoreResponse,
        responses=_ERROR_ANSWERS,
        summary="Score the steps of one or many solutions",
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": _schema_of(ScoreRequest)}}}
        },
    )
    app.add_api_route("/livez", _livez, summary="Whether this process answers", response_model=None)
    app.add_api_route(
        "/readyz",
        _readyz,
        summary="Whether the parts it needs answer, and which do not",
        response_model=ReadyBody,
        responses={503: {"model": ReadyBody}},
    )
    app.add_api_route("/metrics", _metrics, summary="Prometheus metrics", response_model=None)
    return app


async def _score(request: Request) -> Response:
    service: Service = request.app.state.service
    with service.metrics.in_flight.track_inprogress():
        with service.metrics.stage("parse"):
            wanted = await read_request(request.headers, request.stream(), service.limits)
        scored = await service.pipeline.score(wanted, request.state.request_id)
    return Response(orjson.dumps(scored.model_dump(mode="json")), media_type="application/json")


async def _livez() -> Response:
    return Response("ok", media_type="text/plain")


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


async def _counted(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Give the request its id, and count its answer under its route, never under a path that a client made up."""
    request.state.request_id = uuid.uuid4().hex
    try:
        response = await call_next(request)
    except Exception as error:  # noqa: BLE001  (the handlers know every error of ours: what is left is a bug)
        response = await _answer_bug(request, error)
    route = getattr(request.scope.get("route"), "path", "unknown")
    service: Service = request.app.state.service
    service.metrics.requests.labels(route, str(response.status_code)).inc()
    response.headers["X-Request-ID"] = request.state.request_id
    return response


async def _answer_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, errors.StepRewardError):
        return await _answer_bug(request, error)
    if not isinstance(error, errors.RequestError):
        _LOG.warning("score_failed", extra={"code": error.code, "request_id": request.state.request_id})
    headers = {"Retry-After": "1"} if error.status == 503 else {}
    return _error(request, error.status, error.code, error.message, retryable=error.retryable, headers=headers)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = {404: "not_found", 405: "method_not_allowed"}.get(status, "http_error")
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return _error(request, status, code, f"{request.method} is not served here", retryable=False, headers=headers)


async def _answer_bug(request: Request, error: Exception) -> Response:
    _LOG.error("internal_error", exc_info=error, extra={"request_id": request.state.request_id})
    return _error(request, 500, errors.InternalError.code, "internal error; see the log", retryable=False, headers={})


def _error(
    request: Request, status: int, code: str, message: str, *, retryable: bool, headers: dict[str, str]
) -> Response:
    body = ErrorBody(code=code, message=message, retryable=retryable, request_id=request.state.request_id)
    return Response(orjson.dumps(body.model_dump()), status_code=status, headers=headers, media_type="application/json")


def _schema_of(model: type[ScoreRequest]) -> dict[str, Any]:
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
