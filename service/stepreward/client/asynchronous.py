"""The client. Connections are reused; what may succeed later is tried again, a bounded number of times."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Self, Unpack

import httpx
import stamina

from stepreward.client.exchange import Refused, ServiceUnavailable, connect, pause_s, read
from stepreward.client.options import ScoreOptions, request_of
from stepreward.concurrency import run_all
from stepreward.errors import InternalError
from stepreward.schema import Aggregates, Failure, Item, ItemResult, ReadyBody, ScoreRequest, ScoreResponse

# What is done with an item's result, by the item's number.
Tell = Callable[[int, ItemResult], None]


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
        self._http = connect(url, headers, timeout_s, concurrency)
        self._attempts = attempts
        self._items_per_request = items_per_request
        self._room = asyncio.Semaphore(concurrency)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def score(self, request: ScoreRequest) -> ScoreResponse:
        """One request as it is. Raises RequestError when it is refused, ServiceUnavailable when there is no answer."""
        async for attempt in self._tries():
            with attempt:
                return await self._post(request)
        raise InternalError("the retries ended without an answer or an error. This is a bug.")

    async def score_items(self, items: Sequence[Item], **options: Unpack[ScoreOptions]) -> list[ItemResult]:
        """The result of each item, in order, however many they are; an item that cannot be scored is `failed`.

        Items that failed for a passing reason are asked for again, and one that is refused leaves the others unharmed.
        Raises RequestError for options that are refused, ServiceUnavailable when there is no answer.
        """
        found: dict[int, ItemResult] = {}
        begins = range(0, len(items), self._items_per_request)
        parts = [dict(enumerate(items[begin : begin + self._items_per_request], begin)) for begin in begins]
        await run_all(self._finish(part, options, found.__setitem__) for part in parts)
        return [found[index] for index in range(len(items))]

    async def ready(self) -> ReadyBody:
        """Whether the service can score now, and what it lacks. Raises ServiceUnavailable."""
        try:
            answer = await self._http.get("/readyz")
        except httpx.HTTPError as error:
            raise self._out_of_reach(error) from error
        return ReadyBody.model_validate_json(answer.content)

    async def _finish(self, part: dict[int, Item], options: Mapping[str, Any], tell: Tell) -> None:
        """Tell the result of each item, by its number; `part` becomes empty."""
        try:
            async for attempt in self._tries():
                with attempt:
                    await self._ask(part, options, tell, is_last=attempt.num == self._attempts)
        except Refused as refusal:
            if not refusal.is_of_an_item:
                raise
            if len(part) > 1:
                numbers = list(part)
                halves = numbers[: len(part) // 2], numbers[len(part) // 2 :]
                await run_all(self._finish({number: part[number] for number in half}, options, tell) for half in halves)
            else:
                [(number, item)] = part.items()
                tell(number, _refused(item, number, refusal))

    async def _ask(self, part: dict[int, Item], options: Mapping[str, Any], tell: Tell, *, is_last: bool) -> None:
        """Once. Raises ServiceUnavailable when it would help to ask for what is left again."""
        names = {str(number): number for number in part}
        asked = [item.model_copy(update={"id": str(number)}) for number, item in part.items()]
        for result in (await self._post(request_of(asked, options))).items:
            if result.id not in names:
                raise ServiceUnavailable(f"{self._http.base_url} answered for {result.id}, which was not asked")
            if is_last or not (result.failure and result.failure.retryable):
                number = names[result.id]
                tell(number, result.model_copy(update={"id": _name(part.pop(number), number)}))
        if part:
            raise ServiceUnavailable(f"{self._http.base_url} could not score {len(part)} items for now")

    async def _post(self, request: ScoreRequest) -> ScoreResponse:
        body = request.model_dump_json(exclude_unset=True)
        async with self._room:
            try:
                answer = await self._http.post("/score", content=body, headers={"Content-Type": "application/json"})
            except httpx.HTTPError as error:
                raise self._out_of_reach(error) from error
        return read(answer, ScoreResponse)

    def _tries(self) -> AsyncIterator[stamina.Attempt]:
        return aiter(stamina.retry_context(on=pause_s, attempts=self._attempts, timeout=None))

    def _out_of_reach(self, error: httpx.HTTPError) -> ServiceUnavailable:
        return ServiceUnavailable(f"{self._http.base_url}: {type(error).__name__} {error}")


def _name(item: Item, number: int) -> str:
    return str(number) if item.id is None else item.id


def _refused(item: Item, number: int, refusal: Refused) -> ItemResult:
    said = refusal.said
    return ItemResult(
        id=_name(item, number),
        status="failed",
        score=None,
        aggregates=Aggregates(min=None, prod=None, mean=None, last=None),
        first_error=None,
        steps=[],
        degraded=[],
        failure=Failure(code=said.code, message=said.message, retryable=False),
    )
