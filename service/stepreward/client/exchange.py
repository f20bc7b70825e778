"""One exchange with the service: what goes out, what comes back, and which error it is."""

import time
from collections.abc import AsyncGenerator
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from stepreward.errors import ConfigurationError, DependencyError, RequestError
from stepreward.schema import ErrorBody, ItemResult, ReadyBody, ScoreRequest, ScoreResponse, StreamLine

_LONGEST_PAUSE_S = 60.0
_NDJSON = "application/x-ndjson"
_JSON = {"Content-Type": "application/json"}

M = TypeVar("M", bound=BaseModel)


class ServiceUnavailable(DependencyError):
    """The service did not answer, or said that trying again may help: after `retry_after_s`, where it said when."""

    code = "service_unavailable"

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Refused(RequestError):
    """The service refused the request; `said` is its own word. Trying again does not help."""

    def __init__(self, said: ErrorBody) -> None:
        super().__init__(f"{said.code}: {said.message}")
        self.said = said

    @property
    def is_of_an_item(self) -> bool:
        """Whether fewer items, or others, may pass."""
        return self.said.message.startswith("items") or self.said.code in {"body_too_large", "request_too_large"}


class Connection:
    """To one service; its sockets are used again."""

    def __init__(self, url: str, headers: dict[str, str], timeout_s: float, sockets: int) -> None:
        """Nothing is sent yet. Raises ConfigurationError for what is not the address of an HTTP server."""
        try:
            address = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"url: {url!r} is not an address: {error}") from error
        if address.scheme not in ("http", "https") or not address.host or (address.port or 0) > 65535:
            raise ConfigurationError(f"url: {url!r} is not the address of an HTTP server")
        self.url = url
        self._http = httpx.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=httpx.Timeout(timeout_s, connect=5, pool=None),
            limits=httpx.Limits(max_connections=sockets, max_keepalive_connections=sockets),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def ready(self) -> ReadyBody:
        """Raises ServiceUnavailable."""
        try:
            answer = await self._http.get("/readyz")
        except httpx.HTTPError as error:
            raise self._lost(error) from error
        return _read(answer.content, ReadyBody, answer)

    async def score(self, request: ScoreRequest) -> ScoreResponse:
        """Raises Refused, ServiceUnavailable."""
        try:
            answer = await self._http.post("/score", content=_body(request), headers=_JSON)
        except httpx.HTTPError as error:
            raise self._lost(error) from error
        raise_for_refusal(answer)
        return _read(answer.content, ScoreResponse, answer)

    async def results(self, request: ScoreRequest) -> AsyncGenerator[ItemResult]:
        """As `score`, all at once."""
        for result in (await self.score(request)).items:
            yield result

    async def results_as_they_end(self, request: ScoreRequest) -> AsyncGenerator[ItemResult]:
        """Each when it is there. Raises Refused, and ServiceUnavailable, also when the stream breaks off."""
        asked = self._http.stream("POST", "/score", content=_body(request), headers=_JSON | {"Accept": _NDJSON})
        try:
            async with asked as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise_for_refusal(answer)
                async for text in answer.aiter_lines():
                    line = _read(text, StreamLine, answer)
                    if line.item:
                        yield line.item
                    if line.summary:
                        return
        except httpx.HTTPError as error:
            raise self._lost(error) from error
        raise ServiceUnavailable(f"{self.url}: the stream broke off")

    def _lost(self, error: httpx.HTTPError) -> ServiceUnavailable:
        return ServiceUnavailable(f"{self.url}: {type(error).__name__} {error}")


def _body(request: ScoreRequest) -> str:
    return request.model_dump_json(exclude_unset=True)


def _read(text: str | bytes, model: type[M], answer: httpx.Response) -> M:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise ServiceUnavailable(f"{answer.url} answered {answer.status_code}, not as stepreward") from error


def raise_for_refusal(answer: httpx.Response) -> None:
    """Raises Refused or ServiceUnavailable for what is not 2xx."""
    if answer.is_success:
        return
    said = _read(answer.content, ErrorBody, answer)
    if said.retryable:
        raise ServiceUnavailable(f"{said.code}: {said.message}", _retry_after_s(answer))
    raise Refused(said)


def pause_s(error: Exception) -> bool | float:
    """Whether to try again after this error; a number says when."""
    if not isinstance(error, ServiceUnavailable):
        return False
    return True if error.retry_after_s is None else error.retry_after_s


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Seconds, or a date; at most a minute. None where there is none, or it cannot be read."""
    said = answer.headers.get("Retry-After", "")
    try:
        wait_s = float(said) if said.isdecimal() else parsedate_to_datetime(said).timestamp() - time.time()
    except ValueError:
        return None
    return min(max(wait_s, 0.0), _LONGEST_PAUSE_S)
