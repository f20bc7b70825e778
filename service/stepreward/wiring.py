"""The only builder of the real parts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Set
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import httpx
import stamina

from stepreward.body import Limits
from stepreward.errors import ConfigurationError, DependencyError, StepRewardError
from stepreward.metrics import Metrics
from stepreward.pipeline import Pipeline
from stepreward.plan import Defaults
from stepreward.prompts.retsp import RetSP
from stepreward.prompts.rprm import RPRM
from stepreward.prompts.template import StepTemplate
from stepreward.prompts.tokens import PromptTokenizer
from stepreward.retrieval.encoder import Encoder, embedded_encoder_path
from stepreward.retrieval.pca import Reduction
from stepreward.retrieval.search import Retriever, SearchOptions
from stepreward.retrieval.store import Store
from stepreward.schema import Item, Method, ScoreRequest
from stepreward.settings import EMBEDDED, Settings
from stepreward.worker.client import WorkerClient
from stepreward.worker.sampling import Judge, RetSPJudge, RPRMJudge, sampling_options

Part = Literal["store", "encoder", "worker"]

_PROBE_S = 5.0


@dataclass(frozen=True)
class Service:
    """What the routes use."""

    pipeline: Pipeline
    limits: Limits
    metrics: Metrics
    probes: dict[Part, Callable[[], Awaitable[object]]]
    dispensable: Set[Part] = frozenset()

    async def probe(self) -> dict[Part, str]:
        """For each part "ok", or what it says instead of answering within five seconds."""
        states = await asyncio.gather(*(_state(ask()) for ask in self.probes.values()))
        return dict(zip(self.probes, states, strict=True))

    def ready(self, states: Mapping[Part, str]) -> bool:
        """Whether all parts answered that it cannot do without."""
        return all(state == "ok" for part, state in states.items() if part not in self.dispensable)


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Service]:
    """Connect, load and warm up. Waits for a worker and a store that are still starting.

    Raises ConfigurationError at once, WorkerUnavailable or RetrievalUnavailable when the start limit has passed.
    """
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        store = open_store(settings)
        stack.push_async_callback(store.close)
        encoder = await asyncio.to_thread(load_encoder, settings, metrics)
        stack.callback(encoder.close)
        worker = WorkerClient(
            await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=settings.effective_worker_url,
                    timeout=httpx.Timeout(settings.worker_timeout_s, connect=5, pool=None),
                    limits=httpx.Limits(max_connections=settings.worker_connections),
                )
            )
        )
        async for attempt in stamina.retry_context(
            on=DependencyError, attempts=None, timeout=settings.start_timeout_s, wait_max=1
        ):
            with attempt:
                card = await worker.connect()
                await store.active()
        tokenizer = await asyncio.to_thread(PromptTokenizer.load, settings.model_path)
        retriever = Retriever(
            encoder, store, settings.retrieval_pool_questions, metrics, settings.retrieval_duplicate_similarity
        )
        judges = _judges(settings, tokenizer, worker, card.max_model_len)
        pipeline = Pipeline(retriever, judges, card.id, _defaults(settings), metrics)
        await check_same_tokenizer(worker, tokenizer)
        await _warm_up(pipeline)
        yield Service(
            pipeline=pipeline,
            limits=_limits(settings),
            metrics=metrics,
            probes={"store": store.active, "encoder": encoder.probe, "worker": worker.connect},
            dispensable={"store"} if settings.retrieval_policy == "degrade" else frozenset(),
        )


def open_store(settings: Settings) -> Store:
    key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
    return Store.connect(settings.effective_qdrant_url, key, settings.qdrant_timeout_s)


def load_encoder(settings: Settings, metrics: Metrics | None = None) -> Encoder:
    """Seconds. Raises ConfigurationError. An ingest has nobody who would read `metrics`."""
    return Encoder.load(
        encoder_path(settings),
        settings.encoder_batch_size,
        device=settings.encoder_device,
        cache_entries=settings.encoder_cache_entries,
        metrics=metrics,
    )


def reduction(settings: Settings) -> Reduction:
    return Reduction(settings.pca_dimensions if settings.pca_variance is None else None, settings.pca_variance)


def encoder_path(settings: Settings) -> str:
    return embedded_encoder_path() if settings.encoder_model == EMBEDDED else settings.encoder_model


def _judges(
    settings: Settings, tokenizer: PromptTokenizer, worker: WorkerClient, context_tokens: int
) -> dict[Method, Judge]:
    options = sampling_options(settings.rprm_max_tokens, settings.rprm_temperature, settings.rprm_top_p)
    retsp = RetSP(StepTemplate.built_in("retsp", tokenizer), tokenizer, context_tokens)
    rprm = RPRM(StepTemplate.built_in("rprm", tokenizer), tokenizer, context_tokens, settings.rprm_max_tokens)
    return {"retsp": RetSPJudge(retsp, worker), "rprm": RPRMJudge(rprm, worker, options)}


def _defaults(settings: Settings) -> Defaults:
    search = SearchOptions(
        questions=settings.retrieval_questions,
        steps=settings.retrieval_steps,
        min_similarity=settings.retrieval_min_similarity,
        exclude_duplicates=settings.retrieval_exclude_duplicates,
    )
    return Defaults(settings.method, settings.trajectories, search, settings.retrieval_policy)


def _limits(settings: Settings) -> Limits:
    return Limits(settings.max_body_bytes, settings.max_items, settings.max_steps, settings.max_text_chars)


async def _warm_up(pipeline: Pipeline) -> None:
    """One score through every part: the engine's first batch costs seconds that no client shall see."""
    item = Item(id="warm-up", question="What is 2 + 3?", steps=["2 + 3 = 5."])
    await pipeline.score(ScoreRequest(items=[item], method="retsp"), "warm-up")


async def check_same_tokenizer(worker: WorkerClient, tokenizer: PromptTokenizer) -> None:
    """Raises ConfigurationError where the worker spells token ids otherwise: its scores would mean nothing."""
    token_ids, text = await worker.spell(tokenizer.trusted("1, 2, 3, 4, 5, 6, 7, 8,"))
    if not token_ids or tokenizer.decode(token_ids) != text:
        raise ConfigurationError(
            "STEPREWARD_MODEL: the worker serves a model with another tokenizer; name the model that it serves"
        )


async def _state(asked: Awaitable[object]) -> str:
    try:
        await asyncio.wait_for(asked, _PROBE_S)
    except TimeoutError:
        return f"no answer in {_PROBE_S:.0f} s"
    except StepRewardError as error:
        return error.message
    return "ok"
