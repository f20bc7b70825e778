"""What every answer has: an id, its count, and for an error the one body and the status."""

import asyncio
import logging
import math
import random
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stepreward import caller, errors
from stepreward.caller import Caller
from stepreward.metrics import Metrics
from stepreward.schema import ErrorBody
from stepreward.tenants import Tenant
from stepreward.tracing import Ended, Tracing

_LOG = logging.getLogger("stepreward.api")

# Nobody reads it: what is counted when the client has left.
_GONE = 499
_FOR_ALL = {"/livez", "/readyz"}
_WHILE_STOPPING = {"/livez", "/metrics"}

ERROR_ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "The body is not JSON in UTF-8"},
    401: {"model": ErrorBody, "description": "No key, or none that is known, where the service wants one"},
    403: {"model": ErrorBody, "description": "The key is for something else"},
    413: {"model": ErrorBody, "description": "The body has too many bytes"},
    415: {"model": ErrorBody, "description": "The body is compressed or not application/json"},
    422: {"model": ErrorBody, "description": "A field is unknown, wrong or over a limit; the message names it"},
    429: {"model": ErrorBody, "description": "More work waits than can be taken on, or be ready in time; Retry-After"},
    502: {"model": ErrorBody, "description": "The worker's answer could not be used for any item; try again"},
    503: {"model": ErrorBody, "description": "A part did not answer, or the process ends; try again; Retry-After"},
    504: {"model": ErrorBody, "description": "`deadline_ms` passed before any item was ready"},
}


def install(app: FastAPI) -> None:
    """The middleware and the handlers."""
    app.add_middleware(Counted)
    app.exception_handler(errors.StepRewardError)(_answer_error)
    app.exception_handler(HTTPException)(_answer_http_error)
    app.exception_handler(ClientDisconnect)(_answer_nobody)


class Counted:
    """Gives a request its id, and counts its answer under its route, never under a path that a client made up.

    received = the sum of what is counted by status, always. Plain ASGI: what reads a request below learns at once that
    its client has left.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        request.state.request_id = uuid.uuid4().hex
        request.state.arrived_s = asyncio.get_running_loop().time()
        started_s, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request.state.request_id.encode())]
            await send(message)

        metrics: Metrics = request.app.state.service.metrics
        if request.url.path not in _WHILE_STOPPING:
            async with request.app.state.service.turns.turn():
                pass
        metrics.received.inc()
        with _traced(request, metrics.tracing) as ended:
            try:
                await self._answered(request, send_with_id, lambda: status > 0)
            finally:
                route = getattr(scope.get("route"), "path", "unknown")
                metrics.requests.labels(route, str(status or _GONE)).inc()
                metrics.duration.labels(route).observe(time.perf_counter() - started_s)
                ended(route, status or _GONE)

    async def _answered(self, request: Request, send: Send, has_begun: Callable[[], bool]) -> None:
        try:
            _check_open(request)
            request.state.tenant = _tenant(request)
            caller.current.set(Caller(request.state.request_id, _run(request)))
            await self._app(request.scope, request.receive, send)
        except asyncio.CancelledError:
            # By the server alone, whose time to finish what it has is over.
            if has_begun():
                raise
            answer = await _answer_error(request, errors.Stopping("the service stopped before this was done"))
            await answer(request.scope, request.receive, send)
        except Exception as error:
            # The handlers know every error of a route: what is left is a bug. Half an answer cannot be taken back, but
            # it must not look whole, so the server is left to break the connection.
            if has_begun():
                raise
            answer = await _answer_error(request, error)
            await answer(request.scope, request.receive, send)


def _traced(request: Request, tracing: Tracing | None) -> AbstractContextManager[Ended]:
    """Not the probes and scrapes, which are all that is asked for by GET."""
    if tracing is None or request.method != "POST":
        return nullcontext(lambda _, __: None)
    return tracing.request(request.method, request.headers, request.state.request_id)


def _check_open(request: Request) -> None:
    """Raises Stopping, but lets those through who watch the process."""
    if request.app.state.stopping and request.url.path not in _WHILE_STOPPING:
        raise errors.Stopping("the service stops; ask again, another may answer")


def _tenant(request: Request) -> Tenant | None:
    """Who asks, where there are keys. What is not named here is for scoring, what is not served too."""
    gate, path = request.app.state.service.gate, request.url.path
    if gate is None or path in _FOR_ALL:
        return None
    admitted: Tenant = gate.admit(request.headers, "metrics" if path == "/metrics" else "scoring")
    return admitted


def _run(request: Request) -> str | None:
    """In the query for clients that can be told an address and no header. Raises InvalidRequest."""
    return caller.checked_run(request.headers.get(caller.RUN_HEADER, request.query_params.get(caller.RUN_PARAMETER)))


async def _answer_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, errors.StepRewardError):
        return await _answer_bug(request, error)
    if not isinstance(error, errors.RequestError | errors.Overloaded | errors.BudgetSpent):
        _LOG.warning("score_failed", extra={"code": error.code, "request_id": request.state.request_id})
    return _error(request, error.status, error.code, error.message, retryable=error.retryable, headers=_later(error))


def _later(error: errors.StepRewardError) -> dict[str, str]:
    """When to come again, never the same second for all who were sent away at once; and with what."""
    if isinstance(error, errors.Overloaded | errors.BudgetSpent):
        return {"Retry-After": str(math.ceil(error.retry_after_s * random.uniform(1, 2)))}  # noqa: S311
    if isinstance(error, errors.Unauthenticated):
        return {"WWW-Authenticate": 'Bearer, Basic realm="stepreward"'}
    later = {"Retry-After": str(random.randint(1, 3))} if error.status == 503 else {}  # noqa: S311
    return later | ({"Connection": "close"} if isinstance(error, errors.Stopping) else {})


async def _answer_http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = {404: "not_found", 405: "method_not_allowed"}.get(status, "http_error")
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return _error(request, status, code, f"{request.method} is not served here", retryable=False, headers=headers)


async def _answer_nobody(request: Request, error: Exception) -> Response:
    _LOG.info("client_left", extra={"request_id": request.state.request_id})
    return Response(status_code=_GONE)


async def _answer_bug(request: Request, error: Exception) -> Response:
    _LOG.error("internal_error", exc_info=error, extra={"request_id": request.state.request_id})
    return _error(request, 500, errors.InternalError.code, "internal error; see the log", retryable=False, headers={})


def _error(
    request: Request, status: int, code: str, message: str, *, retryable: bool, headers: dict[str, str]
) -> Response:
    body = ErrorBody(code=code, message=message, retryable=retryable, request_id=request.state.request_id)
    return Response(orjson.dumps(body.model_dump()), status_code=status, headers=headers, media_type="application/json")
