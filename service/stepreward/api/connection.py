"""One connection: uvicorn's own HTTP protocol, with limits to how large and how slow a request may come.

| what comes | what becomes of it |
|---|---|
| nothing, or a head that is not whole after `read_s` | closed, with 408 if it had begun |
| a head of more than `head_bytes` | 431 |
| a body slower than `read_s` and a second for each `BODY_BYTES_PER_S` | 408 |
| a body in very many, very small pieces | 400 |
| what is not HTTP | 400 |
| the rest of a body whose answer is sent already | dropped for `read_s` / 2, then closed |
| an answer of which less than `ANSWER_BYTES_PER_S` is taken during `write_s` | cut off |

A refusal is answered with the one error body and closes the connection. How many bytes a body may have is checked where
it is read.
"""

import asyncio
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stepreward.errors import HeadTooLarge, MalformedBody, MalformedHead, RequestError, RequestTooSlow
from stepreward.schema import ErrorBody

BODY_BYTES_PER_S = 2**16
ANSWER_BYTES_PER_S = 2**10
# Chunks cost time each, however small: what sends so many is no client that streams a file.
FREE_PIECES = 4096
LEAST_PIECE_BYTES = 64
# A connection that is closed while its client still sends is reset, and the client may never see the answer.
LINGER_S = 0.5

Reading = Literal["head", "body", "rest"]


@dataclass(frozen=True)
class ConnectionLimits:
    """`lame_s`: how long a connection that is idle when the process stops is still kept, for one more request."""

    head_bytes: int
    read_s: float
    write_s: float
    lame_s: float = 0


class Connection(HttpToolsProtocol):
    """For `uvicorn.Config(http=…)`. Tells `state["refused"]` of the application's lifespan the status of a refusal."""

    def __init__(self, *, limits: ConnectionLimits, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._limits = limits
        self._reading: Reading | None = None
        self._since_s = 0.0
        self._received_bytes = self._head_bytes = self._pieces = 0
        self._timer: asyncio.TimerHandle | None = None
        self._untaken: asyncio.TimerHandle | None = None
        self._refusal: RequestError | None = None
        self._asked = False
        self._lingers = False
        self._stopping = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await("head")

    def connection_lost(self, exc: Exception | None) -> None:
        self._await(None)
        self._all_taken()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._lingers:
            return
        if self._reading is None and self._is_idle:  # line ends between requests count as the next one's
            self._await("head")
        if self._reading == "head":
            self._received_bytes += len(data)
        super().data_received(data)
        if self._reading == "head" and self._received_bytes > self._limits.head_bytes:
            self._refuse(self._head_too_large())

    # what the parser finds

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        if self._reading is None:
            self._await("head")

    def on_url(self, url: bytes) -> None:
        self._count_head(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(name, value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._asked = True
        if self._stopping:
            self.cycle.keep_alive = False
        self._await("body")

    def on_body(self, body: bytes) -> None:
        self._received_bytes += len(body)
        self._pieces += 1
        if self._pieces > FREE_PIECES and self._received_bytes < self._pieces * LEAST_PIECE_BYTES:
            raise self._refused(MalformedBody(f"the body comes in pieces of less than {LEAST_PIECE_BYTES} bytes"))
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._await(None)
        super().on_message_complete()

    # what the server says

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._reading == "body":
            self._await("rest")

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls it for all that its parser refused, and for what a callback of ours raised."""
        self._refuse(self._refusal or MalformedHead("this is not a request of HTTP/1.1"))

    def pause_writing(self) -> None:
        """The client takes its answer more slowly than it is written."""
        super().pause_writing()
        self._watch_taking()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._all_taken()

    def shutdown(self) -> None:
        """The process stops. An idle client may be about to send: it gets `lame_s` for that, and its answer."""
        self._stopping = True
        if self._is_idle and self._limits.lame_s:
            self.loop.call_later(self._limits.lame_s, super().shutdown)
        else:
            super().shutdown()

    @property
    def _is_idle(self) -> bool:
        return not self._asked or self.cycle.response_complete

    # the limits

    def _await(self, reading: Reading | None) -> None:
        self._reading, self._since_s = reading, self.loop.time()
        self._received_bytes = self._pieces = 0
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if reading is not None:
            pause_s = self._limits.read_s / (2 if reading == "rest" else 1)
            self._timer = self.loop.call_later(pause_s, self._check_speed)

    def _check_speed(self) -> None:
        """Close what is too slow. While the service itself does not read, the client is not to blame."""
        self._timer = None
        if self._reading == "rest":
            self.transport.close()
            return
        body_s = self._received_bytes / BODY_BYTES_PER_S if self._reading == "body" else 0
        left_s = self._since_s + self._limits.read_s + body_s - self.loop.time()
        waits_for_us = self.flow.read_paused or (self._reading == "head" and not self._is_idle)
        if left_s > 0 or waits_for_us:
            self._timer = self.loop.call_later(max(left_s, self._limits.read_s / 8), self._check_speed)
        elif self._reading == "body" or self._received_bytes:
            self._refuse(RequestTooSlow(f"the request's {self._reading} did not come in time"))
        else:
            self.transport.close()

    def _watch_taking(self) -> None:
        left_bytes = self.transport.get_write_buffer_size()
        self._untaken = self.loop.call_later(self._limits.write_s, self._check_taking, left_bytes)

    def _check_taking(self, before_bytes: int) -> None:
        """Cut off who takes next to nothing: its answer is memory, and perhaps a stream that waits for it."""
        taken_bytes = before_bytes - self.transport.get_write_buffer_size()
        if taken_bytes < ANSWER_BYTES_PER_S * self._limits.write_s:
            self.transport.abort()
        else:
            self._watch_taking()

    def _all_taken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
        self._untaken = None

    def _count_head(self, *parts: bytes) -> None:
        self._head_bytes += sum(map(len, parts))
        if self._head_bytes > self._limits.head_bytes:
            raise self._refused(self._head_too_large())

    def _head_too_large(self) -> RequestError:
        return HeadTooLarge(f"the request's head has more than {self._limits.head_bytes} bytes")

    def _refused(self, error: RequestError) -> RequestError:
        """To be raised through the parser, which says only that something was."""
        self._refusal = error
        return error

    def _refuse(self, error: RequestError) -> None:
        """Answer, unless another answer has begun; then drop what still comes, and close."""
        if self.transport.is_closing():
            return
        self._await(None)
        if self._is_idle or not self.cycle.response_started:
            self._write(error)
        if not self._is_idle:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._lingers = True
        self.flow.resume_reading()
        self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_S, self.transport.close)

    def _write(self, error: RequestError) -> None:
        said = ErrorBody(code=error.code, message=error.message, retryable=error.retryable, request_id=uuid.uuid4().hex)
        body = orjson.dumps(said.model_dump())
        head = (
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nX-Request-ID: {said.request_id}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        if self._is_idle and (told := self.app_state.get("refused")):  # else the application counts its own end
            told(error.status)
