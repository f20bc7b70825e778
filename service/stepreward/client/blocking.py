"""The same client for code that does not await: an AsyncClient on a thread of its own."""

import asyncio
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Self, Unpack

from anyio.from_thread import BlockingPortal

from stepreward.client.asynchronous import AsyncClient
from stepreward.client.options import ClientOptions, ScoreOptions
from stepreward.schema import Item, ItemResult, ReadyBody, ScoreRequest, ScoreResponse


class Client:
    """May be used by several threads at once. Methods and errors are those of AsyncClient."""

    def __init__(self, url: str, **options: Unpack[ClientOptions]) -> None:
        self._client = AsyncClient(url, **options)
        started: Future[BlockingPortal] = Future()
        # A daemon: a client that nobody closed, as a trainer's, does not keep the process from ending.
        self._thread = threading.Thread(target=asyncio.run, args=(_run(started),), name="stepreward", daemon=True)
        self._thread.start()
        self._portal = started.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends what is under way."""
        self._portal.call(self._client.close)
        self._portal.start_task_soon(self._portal.stop, True)
        self._thread.join()

    def score(self, request: ScoreRequest) -> ScoreResponse:
        return self._portal.call(self._client.score, request)

    def score_items(
        self, items: Sequence[Item], *, deadline_s: float | None = None, **options: Unpack[ScoreOptions]
    ) -> list[ItemResult]:
        return self.begin_score_items(items, deadline_s=deadline_s, **options).result()

    def begin_score_items(
        self, items: Sequence[Item], *, deadline_s: float | None = None, **options: Unpack[ScoreOptions]
    ) -> "Future[list[ItemResult]]":
        """The same, without waiting for it."""

        async def score() -> list[ItemResult]:
            return await self._client.score_items(items, deadline_s=deadline_s, **options)

        return self._portal.start_task_soon(score)

    def as_they_end(
        self, items: Sequence[Item], *, deadline_s: float | None = None, **options: Unpack[ScoreOptions]
    ) -> Iterator[tuple[int, ItemResult]]:
        ended: queue.SimpleQueue[tuple[int, ItemResult] | None] = queue.SimpleQueue()

        async def score() -> None:
            try:
                async for result in self._client.as_they_end(items, deadline_s=deadline_s, **options):
                    ended.put(result)
            finally:
                ended.put(None)

        scoring = self._portal.start_task_soon(score)
        try:
            while (result := ended.get()) is not None:
                yield result
            scoring.result()
        finally:
            scoring.cancel()

    def ready(self) -> ReadyBody:
        return self._portal.call(self._client.ready)


async def _run(started: "Future[BlockingPortal]") -> None:
    async with BlockingPortal() as portal:
        started.set_result(portal)
        await portal.sleep_until_stopped()
