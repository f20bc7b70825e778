"""POST /score: one answer, or with `Accept: application/x-ndjson` a line for each item as it ends.

A client that leaves ends what is done for it alone: a server does not cancel a handler for that, so it is watched for.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import AsyncExitStack, aclosing
from typing import TypeVar

import orjson
from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from stepreward.body import read_request
from stepreward.concurrency import as_they_end
from stepreward.pipeline import Batch, Outcome, result_of
from stepreward.schema import StreamLine, StreamSummary
from stepreward.service import Service
from stepreward.tenants import Tenant

NDJSON = "application/x-ndjson"
_HEARTBEAT_S = 5.0

T = TypeVar("T")


async def score(request: Request) -> Response:
    """Raises StepRewardError, ClientDisconnect."""
    service: Service = request.app.state.service
    tenant: Tenant | None = request.state.tenant
    arrived_s: float = request.state.arrived_s
    async with AsyncExitStack() as stack:
        stack.enter_context(service.metrics.in_flight.track_inprogress())
        with service.metrics.stage("parse"):
            wanted = await read_request(request.headers, request.stream(), service.limits, service.turns)
        if NDJSON in request.headers.get("accept", ""):
            begun = service.pipeline.begin(wanted, request.state.request_id, arrived_s, tenant)
            batch = await while_connected(request.receive, stack.enter_async_context(begun))
            return _Stream(_lines(batch), stack.pop_all())
        scored = service.pipeline.score(wanted, request.state.request_id, arrived_s, tenant)
        answer = await while_connected(request.receive, scored)
        async with service.turns.turn():
            content = orjson.dumps(answer.model_dump(mode="json"))
    return Response(content, media_type="application/json")


async def while_connected(receive: Receive, work: Coroutine[object, object, T]) -> T:
    """What `work` returns. Cancels it, and raises ClientDisconnect, when the client leaves before."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(_left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    """The body has been read: the next message that is not part of one is that the client left."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _Stream(StreamingResponse):
    """Closes its lines, and gives back what the request holds, however and wherever it ends."""

    def __init__(self, lines: AsyncGenerator[bytes], held: AsyncExitStack) -> None:
        super().__init__(lines, media_type=NDJSON)
        self._lines = lines
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held, aclosing(self._lines):
            await super().__call__(scope, receive, send)


async def _lines(batch: Batch) -> AsyncGenerator[bytes]:
    """Items in the order in which they end, signs of life, and the summary, without which the stream is broken."""
    started_s = asyncio.get_running_loop().time()
    counts: Counter[str] = Counter()
    async with aclosing(as_they_end(batch.items())) as outcomes:
        async for outcome in _or_none(outcomes):
            if outcome is None:
                yield _line(StreamLine(heartbeat_s=round(asyncio.get_running_loop().time() - started_s, 3)))
                continue
            item = result_of(outcome)
            counts[item.status] += 1
            yield _line(StreamLine(item=item))
        yield _line(StreamLine(summary=StreamSummary(**dict(batch.header), ok=counts["ok"], failed=counts["failed"])))


async def _or_none(outcomes: AsyncGenerator[Outcome]) -> AsyncIterator[Outcome | None]:
    """None whenever none has come for a while."""
    following = asyncio.ensure_future(anext(outcomes, None))
    try:
        while True:
            done, _ = await asyncio.wait({following}, timeout=_HEARTBEAT_S)
            if not done:
                yield None
                continue
            outcome = following.result()
            if outcome is None:
                return
            following = asyncio.ensure_future(anext(outcomes, None))
            yield outcome
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def _line(line: StreamLine) -> bytes:
    return orjson.dumps(line.model_dump(mode="json", exclude_unset=True)) + b"\n"
