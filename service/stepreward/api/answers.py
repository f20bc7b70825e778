"""What every answer has: an id, its count, and for an error the one body and the status."""

import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from stepreward import caller, errors
from stepreward.caller import Caller
from stepreward.schema import ErrorBody
from stepreward.wiring import Service

_LOG = logging.getLogger("stepreward.api")

_CLIENT_LEFT = 499
_WHILE_STOPPING = {"/livez", "/metrics"}

ERROR_ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "The body is not JSON in UTF-8"},
    413: {"model": ErrorBody, "description": "The body has too many bytes"},
    415: {"model": ErrorBody, "description": "The body is compressed or not application/json"},
    422: {"model": ErrorBody, "description": "A field is unknown, wrong or over a limit; the message names it"},
    502: {"model": ErrorBody, "description": "The worker's answer could not be used for any item; try again"},
    503: {"model": ErrorBody, "description": "A part did not answer, or the process ends; try again"},
}


def install(app: FastAPI) -> None:
    """The middleware and the handlers."""
    app.middleware("http")(_counted)
    app.exception_handler(errors.StepRewardError)(_answer_error)
    app.exception_handler(HTTPException)(_answer_http_error)


async def _counted(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Give the request its id, and count its answer under its route, never under a path that a client made up."""
    started_s = time.perf_counter()
    request.state.request_id = uuid.uuid4().hex
    try:
        _check_open(request)
        caller.current.set(Caller(request.state.request_id, _run(request)))
        response = await call_next(request)
    except ClientDisconnect:
        response = Response(status_code=_CLIENT_LEFT)  # which nobody reads
    except Exception as error:  # noqa: BLE001  (the handlers know every error of a route: what is left is a bug)
        response = await _answer_error(request, error)
    route = getattr(request.scope.get("route"), "path", "unknown")
    service: Service = request.app.state.service
    service.metrics.requests.labels(route, str(response.status_code)).inc()
    service.metrics.duration.labels(route).observe(time.perf_counter() - started_s)
    response.headers["X-Request-ID"] = request.state.request_id
    return response


def _check_open(request: Request) -> None:
    """Raises Stopping, but lets those through who watch the process."""
    if request.app.state.stopping and request.url.path not in _WHILE_STOPPING:
        raise errors.Stopping("the service stops; ask again, another may answer")


def _run(request: Request) -> str | None:
    """In the query for clients that can be told an address and no header. Raises InvalidRequest."""
    return caller.checked_run(request.headers.get(caller.RUN_HEADER, request.query_params.get(caller.RUN_PARAMETER)))


async def _answer_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, errors.StepRewardError):
        return await _answer_bug(request, error)
    if not isinstance(error, errors.RequestError):
        _LOG.warning("score_failed", extra={"code": error.code, "request_id": request.state.request_id})
    headers = {"Retry-After": "1"} if error.status == 503 else {}
    if isinstance(error, errors.Stopping):
        headers["Connection"] = "close"
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
