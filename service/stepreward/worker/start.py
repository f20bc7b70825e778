"""How workers are met: what they serve, whether they spell as we do, and the pool of those that do.

One that answers is enough. The others are looked for in the background, and taken in if they serve the same.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import httpx
from httpx_aiohttp import AiohttpTransport

from stepreward.errors import ConfigurationError, WorkerUnavailable
from stepreward.metrics import Metrics
from stepreward.prompts.tokens import PromptTokenizer
from stepreward.settings import Settings
from stepreward.tracing import Tracing
from stepreward.worker.client import ServedModel, WorkerClient
from stepreward.worker.pool import WorkerPool
from stepreward.worker.upstream import PoolRule

_SMALL_CALL_S = 5.0
_SPELLED = "1, 2, 3, 4, 5, 6, 7, 8,"

log = logging.getLogger(__name__)


@asynccontextmanager
async def connections(settings: Settings, tracing: Tracing | None = None) -> AsyncIterator[list[WorkerClient]]:
    """To each worker of the settings; no request is sent yet."""
    async with AsyncExitStack() as stack:
        urls = settings.effective_worker_urls
        yield [await stack.enter_async_context(_connection(settings, url, tracing)) for url in urls]


@asynccontextmanager
async def _connection(settings: Settings, url: str, tracing: Tracing | None) -> AsyncIterator[WorkerClient]:
    # An idle connection is closed before vLLM would, which does after 5 s: else a call can meet the closing. The pool
    # sees to it that there are not too many calls; the others are questions after the worker's health.
    limits = httpx.Limits(max_connections=settings.worker_connections + 8, keepalive_expiry=3)
    async with httpx.AsyncClient(
        base_url=url,
        event_hooks=tracing.hooks if tracing else None,
        timeout=httpx.Timeout(settings.worker_timeout_s, connect=5, pool=None),
        # httpx's own looks at all open connections in each call: at 64 of them it takes as long as all the rest.
        transport=AiohttpTransport(limits=limits),
    ) as http:
        yield WorkerClient(http, settings.worker_model, priorities=settings.worker_priority)


async def connect_any(workers: Sequence[WorkerClient]) -> ServedModel:
    """What the first that answers serves: all must serve it, those too that come later.

    Raises WorkerUnavailable where none answers, ConfigurationError where one serves something else.
    """
    tried = await asyncio.gather(*(worker.connect() for worker in workers), return_exceptions=True)
    for error in tried:
        if isinstance(error, BaseException) and not isinstance(error, WorkerUnavailable):
            raise error
    served = next((card for card in tried if isinstance(card, ServedModel)), None)
    if served is None:
        raise WorkerUnavailable(f"{', '.join(worker.url for worker in workers)}: none answers")
    for worker in workers:
        worker.require(served)
    return served


@asynccontextmanager
async def open_pool(
    workers: Sequence[WorkerClient], settings: Settings, tokenizer: PromptTokenizer, metrics: Metrics
) -> AsyncIterator[WorkerPool]:
    """Of workers that `connect_any` has met. Those that do not compute are left alone, and probed.

    Raises WorkerUnavailable where none computes, ConfigurationError where one has another tokenizer.
    """
    away = await _away(workers, tokenizer)
    rule = PoolRule(
        inflight_tokens=settings.worker_inflight_tokens,
        calls=settings.worker_connections,
        bulk_share=settings.bulk_share,
        stall_s=settings.worker_stall_s,
        faults=settings.worker_faults,
        quarantine_s=settings.quarantine_s,
    )
    pool = WorkerPool(workers, rule, metrics, partial(_met, tokenizer=tokenizer))
    async with pool.watching(away):
        yield pool


async def check_same_tokenizer(
    worker: WorkerClient, tokenizer: PromptTokenizer, timeout_s: float | None = None
) -> None:
    """Raises ConfigurationError where the worker spells token ids otherwise: its scores would mean nothing."""
    token_ids, text = await worker.spell(tokenizer.trusted(_SPELLED), timeout_s)
    if not token_ids or tokenizer.decode(token_ids) != text:
        raise ConfigurationError(
            "STEPREWARD_MODEL: the worker serves a model with another tokenizer; name the model that it serves"
        )


async def _away(workers: Sequence[WorkerClient], tokenizer: PromptTokenizer) -> set[WorkerClient]:
    """Those that were not met, or do not compute."""
    away = {worker: WorkerUnavailable(f"{worker.url} does not answer") for worker in workers if not worker.served}
    for worker in workers:
        if worker.served:
            try:
                await check_same_tokenizer(worker, tokenizer)
            except WorkerUnavailable as error:
                away[worker] = error
    if len(away) == len(workers):
        raise away[workers[0]]
    for worker, fault in away.items():
        log.warning("worker_left", extra={"url": worker.url, "reason": fault.message})
    return set(away)


async def _met(worker: WorkerClient, tokenizer: PromptTokenizer) -> None:
    """The probe of one that was away: it may have come back as something else."""
    await worker.connect()
    await check_same_tokenizer(worker, tokenizer, _SMALL_CALL_S)
