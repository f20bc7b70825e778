"""One exchange with the service: what goes out, what comes back, and which error it is."""

import time
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from stepreward.errors import ConfigurationError, DependencyError, RequestError
from stepreward.schema import ErrorBody

_LONGEST_PAUSE_S = 60.0

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


def connect(url: str, headers: dict[str, str], timeout_s: float, connections: int) -> httpx.AsyncClient:
    """Nothing is sent yet. Raises ConfigurationError for what is not the address of an HTTP server."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"url: {url!r} is not an address: {error}") from error
    if address.scheme not in ("http", "https") or not address.host or (address.port or 0) > 65535:
        raise ConfigurationError(f"url: {url!r} is not the address of an HTTP server")
    return httpx.AsyncClient(
        base_url=url,
        headers=headers,
        timeout=httpx.Timeout(timeout_s, connect=5, pool=None),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
    )


def read(answer: httpx.Response, model: type[M]) -> M:
    """The answer's body. Raises Refused or ServiceUnavailable."""
    try:
        if answer.is_success:
            return model.model_validate_json(answer.content)
        said = ErrorBody.model_validate_json(answer.content)
    except ValidationError as error:
        raise ServiceUnavailable(f"{answer.url} answered {answer.status_code}, not as stepreward") from error
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
