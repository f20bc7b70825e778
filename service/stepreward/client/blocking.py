"""The same client for code that does not await: an AsyncClient on a thread of its own."""

from collections.abc import Sequence
from typing import Self, Unpack

from anyio.from_thread import start_blocking_portal

from stepreward.client.asynchronous import AsyncClient
from stepreward.client.options import ClientOptions, ScoreOptions
from stepreward.schema import Item, ItemResult, ReadyBody, ScoreRequest, ScoreResponse


class Client:
    """May be used by several threads at once. Methods and errors are those of AsyncClient."""

    def __init__(self, url: str, **options: Unpack[ClientOptions]) -> None:
        self._client = AsyncClient(url, **options)
        self._running = start_blocking_portal()
        self._portal = self._running.__enter__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends what is under way."""
        self._portal.call(self._client.close)
        self._running.__exit__(None, None, None)

    def score(self, request: ScoreRequest) -> ScoreResponse:
        return self._portal.call(self._client.score, request)

    def score_items(self, items: Sequence[Item], **options: Unpack[ScoreOptions]) -> list[ItemResult]:
        async def scored() -> list[ItemResult]:
            return await self._client.score_items(items, **options)

        return self._portal.call(scored)

    def ready(self) -> ReadyBody:
        return self._portal.call(self._client.ready)
