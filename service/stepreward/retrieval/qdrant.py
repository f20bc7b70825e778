"""How Qdrant is called: over REST or gRPC, with key and certificates, within time limits, and not while it is down.

A read has one time limit for all its tries, of which there are up to three where the connection fails; a write is tried
once. What is stored and searched, see `store`; how it is laid out, see `layout`.
"""

import asyncio
import ipaddress
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import grpc
import httpx
import stamina
from qdrant_client import AsyncQdrantClient
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from stepreward.errors import ConfigurationError, InternalError, RetrievalUnavailable
from stepreward.retrieval.breaker import Breaker, BreakerRule
from stepreward.tracing import Hooks

T = TypeVar("T")
# Each kind has its own count of failures in a row: a store may list its aliases and be unable to search.
Read = Literal["lookup", "search"]

_ERRORS = (ApiException, QdrantException, JSONDecodeError, grpc.RpcError)
# To this machine the client would open a new connection for every request: 0.5 ms each.
_CONNECTIONS = httpx.Limits(max_keepalive_connections=64)
# The server answered, and would answer another request.
_ANSWERED = {
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,
}


@dataclass(frozen=True)
class Address:
    """Where a Qdrant answers. With `grpc_port` it is called over gRPC. `ca_file` holds the certificates (PEM) that
    vouch for an https server, in place of the public authorities'. A key goes over plain http to this machine alone, or
    where `key_over_http`."""

    url: str
    api_key: str | None = None
    grpc_port: int | None = None
    ca_file: Path | None = None
    key_over_http: bool = False


def connect(address: Address, timeout_s: float, hooks: Hooks | None = None) -> AsyncQdrantClient:
    """No request is sent yet; `timeout_s` is a write's, `hooks` are httpx's. Raises ConfigurationError."""
    url = urlsplit(address.url)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ConfigurationError(f"STEPREWARD_QDRANT_URL: {address.url!r} is not http://HOST[:PORT] or https://…")
    if address.api_key and url.scheme == "http" and not address.key_over_http and not is_loopback(url.hostname):
        raise ConfigurationError(
            "STEPREWARD_QDRANT_API_KEY: would cross the network in clear; use an https STEPREWARD_QDRANT_URL, or set "
            "STEPREWARD_QDRANT_KEY_OVER_HTTP=true"
        )
    if address.ca_file and url.scheme == "http":
        raise ConfigurationError("STEPREWARD_QDRANT_CA_FILE: needs an https STEPREWARD_QDRANT_URL")
    trusted = _read_certificates(address.ca_file) if address.ca_file else None
    return AsyncQdrantClient(
        url=address.url,
        grpc_port=address.grpc_port or 6334,
        prefer_grpc=address.grpc_port is not None,
        grpc_options={"root_certificates": trusted.encode()} if trusted else None,
        timeout=math.ceil(timeout_s),
        # As `api_key` it would be warned of also where it is allowed.
        headers={"api-key": address.api_key} if address.api_key else None,
        check_compatibility=False,
        # Else each request is searched for texts that are still to be encoded, of which there are none: 0.3 ms.
        cloud_inference=True,
        limits=_CONNECTIONS,
        event_hooks=hooks or {},
        verify=ssl.create_default_context(cadata=trusted) if trusted else True,
    )


class Qdrant:
    """Reads of a client. They raise RetrievalUnavailable."""

    def __init__(self, client: AsyncQdrantClient, timeout_s: float, rule: BreakerRule) -> None:
        """`timeout_s` bounds each read with its tries."""
        self._client = client
        self._timeout_s = timeout_s
        self._breaker = Breaker(rule, self._answers, _no_answer)

    async def close(self) -> None:
        await self._breaker.close()
        await self._client.close()

    async def read(self, kind: Read, request: Callable[[], Awaitable[T]]) -> T:
        """At once an error while the store is known to be down; see `breaker`."""
        async with translated():
            with self._breaker.guard(kind):
                async with asyncio.timeout(self._timeout_s):
                    async for attempt in stamina.retry_context(
                        on=_connection_failed,
                        attempts=3,
                        timeout=None,
                        wait_initial=0.05,
                        wait_max=0.5,
                        wait_jitter=0.1,
                    ):
                        with attempt:
                            return await request()
        raise InternalError("a read of the vector store ended without an answer or an error. This is a bug.")

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._client.get_aliases()
        except (*_ERRORS, TimeoutError) as error:
            return not _no_answer(error)
        return True


@asynccontextmanager
async def translated() -> AsyncIterator[None]:
    """Every error of the client as RetrievalUnavailable."""
    try:
        yield
    except _ERRORS as error:
        raise RetrievalUnavailable(f"the vector store did not answer: {reason(error)}") from error
    except TimeoutError as error:
        raise RetrievalUnavailable("the vector store did not answer within the time limit") from error


def reason(error: Exception) -> str:
    """One line of at most 200 characters; Qdrant's own words where it gave any."""
    if isinstance(error, UnexpectedResponse):
        said = f"{error.status_code}: {_error_of(error) or error.reason_phrase}"
    elif isinstance(error, grpc.aio.AioRpcError):
        said = f"{error.code().name}: {error.details()}"
    else:
        said = str(error)
    return (said.strip().splitlines() or [type(error).__name__])[0][:200]


def is_refusal(error: Exception) -> bool:
    """Whether Qdrant will not do what it was asked, however often it is asked."""
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED)
    return isinstance(error, UnexpectedResponse) and error.status_code in (400, 422)


def _no_answer(error: Exception) -> bool:
    if isinstance(error, UnexpectedResponse):
        return error.status_code is None or error.status_code >= 500 or error.status_code == 429
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code() not in _ANSWERED
    return isinstance(error, ApiException | QdrantException | JSONDecodeError | TimeoutError)


def _connection_failed(error: Exception) -> bool:
    """Not for an answer that is late: the time limit is spent on it already."""
    if isinstance(error, grpc.aio.AioRpcError):
        return bool(error.code() is grpc.StatusCode.UNAVAILABLE)
    source = error.source if isinstance(error, ResponseHandlingException) else None
    return isinstance(source, httpx.NetworkError | httpx.RemoteProtocolError)


def _error_of(error: UnexpectedResponse) -> str | None:
    try:
        status = error.structured().get("status")
    except (ValueError, AttributeError):
        return None
    said = status.get("error") if isinstance(status, dict) else None
    return said if isinstance(said, str) else None


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_certificates(file: Path) -> str:
    try:
        text = file.read_text(encoding="ascii")
        ssl.create_default_context(cadata=text)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigurationError(f"STEPREWARD_QDRANT_CA_FILE: {file}: {error}") from error
    return text
