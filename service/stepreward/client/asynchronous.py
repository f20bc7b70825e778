"""The client. Connections are reused; what may succeed later is tried again, a bounded number of times."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Self, Unpack

import stamina

from stepreward.client.exchange import Connection, Refused, ServiceUnavailable, pause_s
from stepreward.client.failed import failed
from stepreward.client.options import ScoreOptions, request_of
from stepreward.concurrency import run_all, until
from stepreward.errors import DeadlineExceeded, InternalError
from stepreward.schema import Item, ItemResult, ReadyBody, ScoreRequest, ScoreResponse

# How a request is made, and what is done with an item's result, by the item's number.
_Ask = Callable[[ScoreRequest], AsyncGenerator[ItemResult]]
_Tell = Callable[[int, ItemResult], None]


class AsyncClient:
    """For one event loop.

    `attempts` are made of each request, `concurrency` requests are under way at once, each with at most
    `items_per_request` items. `api_key` and `run`, the name of a training run, go with each.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 600,
        attempts: int = 3,
        items_per_request: int = 64,
        concurrency: int = 8,
        api_key: str | None = None,
        run: str | None = None,
    ) -> None:
        """Raises ConfigurationError for what is not the address of an HTTP server."""
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        headers |= {"X-Stepreward-Run": run} if run else {}
        self._connection = Connection(url, headers, timeout_s, concurrency)
        self._attempts = attempts
        self._items_per_request = items_per_request
        self._room = asyncio.Semaphore(concurrency)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._connection.close()

    async def ready(self) -> ReadyBody:
        """Whether the service can score now, and what it lacks. Raises ServiceUnavailable."""
        return await self._connection.ready()

    async def score(self, request: ScoreRequest) -> ScoreResponse:
        """One request as it is. Raises RequestError when it is refused, ServiceUnavailable when there is no answer."""
        async for attempt in self._tries():
            with attempt:
                async with self._room:
                    return await self._connection.score(request)
        raise InternalError("the retries ended without an answer or an error. This is a bug.")

    async def score_items(
        self, items: Sequence[Item], *, deadline_s: float | None = None, **options: Unpack[ScoreOptions]
    ) -> list[ItemResult]:
        """The result of each item, in order, however many they are.

        An item that cannot be scored is `failed`: one that is refused leaves the others unharmed, one that failed for a
        passing reason is asked for again, one that is not ready after `deadline_s` seconds is `deadline_exceeded`.
        Raises RequestError for options that are refused, ServiceUnavailable when there is no answer.
        """
        found: dict[int, ItemResult] = {}
        await self._score_all(items, deadline_s, options, self._connection.results, found.__setitem__)
        return [found[number] for number in range(len(items))]

    async def as_they_end(
        self, items: Sequence[Item], *, deadline_s: float | None = None, **options: Unpack[ScoreOptions]
    ) -> AsyncIterator[tuple[int, ItemResult]]:
        """As `score_items`, but each result when it is there, with the number of its item."""
        ended: asyncio.Queue[tuple[int, ItemResult] | None] = asyncio.Queue()

        async def score() -> None:
            try:
                ask = self._connection.results_as_they_end
                await self._score_all(items, deadline_s, options, ask, lambda *result: ended.put_nowait(result))
            finally:
                ended.put_nowait(None)

        scoring = asyncio.create_task(score())
        try:
            while (result := await ended.get()) is not None:
                yield result
            await scoring
        finally:
            scoring.cancel()
            await asyncio.gather(scoring, return_exceptions=True)

    async def _score_all(
        self, items: Sequence[Item], deadline_s: float | None, options: ScoreOptions, ask: _Ask, tell: _Tell
    ) -> None:
        """Tell the result of each item, once."""
        size, end_s, missing = self._items_per_request, None, dict(enumerate(items))
        if deadline_s is not None:
            end_s = asyncio.get_running_loop().time() + deadline_s
        begins = range(0, len(items), size)
        parts = [_Part(dict(enumerate(items[begin : begin + size], begin)), options, end_s) for begin in begins]

        def tell_once(number: int, result: ItemResult) -> None:
            del missing[number]
            tell(number, result)

        try:
            async with until(end_s):
                await run_all(self._finish(part, ask, tell_once) for part in parts)
        except DeadlineExceeded as error:
            for number, item in missing.items():
                tell(number, failed(_name(item, number), error.code, "not ready in time", retryable=True))

    async def _finish(self, part: "_Part", ask: _Ask, tell: _Tell) -> None:
        try:
            async for attempt in self._tries():
                with attempt:
                    async with self._room:
                        await self._once(part, ask, tell, is_last=attempt.num == self._attempts)
        except Refused as refusal:
            if not refusal.is_of_an_item:
                raise
            if len(part.open) == 1:
                [(number, item)] = part.open.items()
                del part.open[number]
                tell(number, failed(_name(item, number), refusal.said.code, refusal.said.message, retryable=False))
            else:
                await self._finish(part.first_half(), ask, tell)
                await self._finish(part, ask, tell)

    async def _once(self, part: "_Part", ask: _Ask, tell: _Tell, *, is_last: bool) -> None:
        """Raises ServiceUnavailable when it would help to ask again for what is left."""
        async with aclosing(ask(part.request())) as results:
            async for result in results:
                number = int(result.id) if result.id.isdecimal() else -1
                if number not in part.open:
                    raise ServiceUnavailable(f"{self._connection.url} answered for {result.id}, which was not asked")
                if is_last or not (result.failure and result.failure.retryable):
                    name = _name(part.open.pop(number), number)
                    tell(number, result if result.id == name else result.model_copy(update={"id": name}))
        if part.open:
            raise ServiceUnavailable(f"{self._connection.url} could not score {len(part.open)} items for now")

    def _tries(self) -> AsyncIterator[stamina.Attempt]:
        return aiter(stamina.retry_context(on=pause_s, attempts=self._attempts, timeout=None))


class _Part:
    """Items of one request, by their numbers, without those whose result was told."""

    def __init__(self, open_: dict[int, Item], options: ScoreOptions, end_s: float | None) -> None:
        self.open = open_
        self._options = options
        self._end_s = end_s

    def first_half(self) -> "_Part":
        """Takes it out."""
        numbers = list(self.open)[: len(self.open) // 2]
        return _Part({number: self.open.pop(number) for number in numbers}, self._options, self._end_s)

    def request(self) -> ScoreRequest:
        """With the time that is left, and the items called by their numbers."""
        items = [item.model_copy(update={"id": str(number)}) for number, item in self.open.items()]
        options: Mapping[str, Any] = self._options
        if self._end_s is not None:
            left_s = self._end_s - asyncio.get_running_loop().time()
            options = {**options, "deadline_ms": max(0, int(left_s * 1000))}
        return request_of(items, options)


def _name(item: Item, number: int) -> str:
    return str(number) if item.id is None else item.id
