"""Calls of a running service."""

from typing import Self

import httpx
import stamina
from pydantic import ValidationError

from stepreward.errors import ConfigurationError, DependencyError, InternalError, RequestError
from stepreward.schema import ErrorBody, ScoreRequest, ScoreResponse


class ServiceUnavailable(DependencyError):
    """The service did not answer, or said that trying again may help."""

    code = "service_unavailable"


class AsyncClient:
    """Scores over HTTP. Connections are reused; what may succeed later is tried again, at most `attempts` times."""

    def __init__(self, url: str, timeout_s: float = 600, attempts: int = 3) -> None:
        """Raises ConfigurationError for what is not the address of an HTTP server."""
        try:
            address = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"url: {url!r} is not an address: {error}") from error
        if address.scheme not in ("http", "https") or not address.host or (address.port or 0) > 65535:
            raise ConfigurationError(f"url: {url!r} is not the address of an HTTP server")
        self._http = httpx.AsyncClient(base_url=url, timeout=httpx.Timeout(timeout_s, connect=5, pool=None))
        self._attempts = attempts

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def score(self, request: ScoreRequest) -> ScoreResponse:
        """Raises RequestError when the service refuses the request, ServiceUnavailable when it cannot answer."""
        async for attempt in stamina.retry_context(on=ServiceUnavailable, attempts=self._attempts, timeout=None):
            with attempt:
                return await self._score_once(request)
        raise InternalError("the retries ended without an answer or an error. This is a bug.")

    async def _score_once(self, request: ScoreRequest) -> ScoreResponse:
        body = request.model_dump_json(exclude_unset=True)
        try:
            answer = await self._http.post("/score", content=body, headers={"Content-Type": "application/json"})
        except httpx.HTTPError as error:
            raise ServiceUnavailable(f"{self._http.base_url}: {type(error).__name__} {error}") from error
        try:
            if answer.is_success:
                return ScoreResponse.model_validate_json(answer.content)
            said = ErrorBody.model_validate_json(answer.content)
        except ValidationError as error:
            raise ServiceUnavailable(
                f"{self._http.base_url} answered {answer.status_code}, not as stepreward"
            ) from error
        if said.retryable:
            raise ServiceUnavailable(f"{said.code}: {said.message}")
        raise RequestError(f"{said.code}: {said.message}")
