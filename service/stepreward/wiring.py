"""The only builder of the real parts."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence, Set
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import stamina

from stepreward import local_keys
from stepreward.access import Gate
from stepreward.admission import Admission
from stepreward.body import Limits
from stepreward.cache import ScoreCache, Values
from stepreward.calibration import Calibration, Scale
from stepreward.concurrency import Turns
from stepreward.errors import (
    ConfigurationError,
    DependencyError,
    InternalError,
    RetrievalUnavailable,
    StepRewardError,
)
from stepreward.judging import Bench, may_keep
from stepreward.metrics import Metrics
from stepreward.patrol import patrol
from stepreward.pipeline import Pipeline
from stepreward.plan import Defaults
from stepreward.policies import Adaptive
from stepreward.prompts import retsp, rprm
from stepreward.prompts.template import StepTemplate
from stepreward.prompts.tokens import PromptTokenizer
from stepreward.prompts.wording import Wording
from stepreward.redis_cache import RedisCache
from stepreward.references import ReferenceFinder
from stepreward.responses import Splitting
from stepreward.retrieval.breaker import BreakerRule, State
from stepreward.retrieval.cross_encoder import CrossEncoderScorer
from stepreward.retrieval.embeddings_server import EmbeddingsServer
from stepreward.retrieval.encoder import Encoder, embedded_encoder_path
from stepreward.retrieval.layout import Layout
from stepreward.retrieval.pca import Reduction
from stepreward.retrieval.qdrant import Address, connect
from stepreward.retrieval.rerank import Lexical, Scorer
from stepreward.retrieval.search import Retriever, SearchOptions
from stepreward.retrieval.store import Store, StoreOptions
from stepreward.schema import Item, JudgeMethod, Method, ScoreRequest
from stepreward.settings import EMBEDDED, Settings
from stepreward.splitting import Splitter, UnusableSplitter
from stepreward.tracing import Tracing
from stepreward.values import StepJudgement
from stepreward.worker.client import ServedModel, WorkerClient
from stepreward.worker.pool import WorkerPool
from stepreward.worker.sampling import Judge, RetSPJudge, RPRMJudge, sampling_options
from stepreward.worker.start import connect_any, connections, open_pool

Part = Literal["store", "encoder", "worker"]

_PROBE_S = 5.0
_BREAKER_STATES: Mapping[State, int] = {"closed": 0, "half-open": 1, "open": 2}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Readiness:
    """`parts`: "ok", or what is wrong with it."""

    ready: bool
    parts: dict[Part, str]


@dataclass(frozen=True)
class CompatRule:
    """Of the routes in the forms of others: what they say of a sample without a score.

    `default_method` is that of a request that names none.
    """

    on_error: Literal["value", "503"] = "value"
    fallback_score: float = 0
    default_method: Method = "retsp"


@dataclass(frozen=True)
class Service:
    """What the routes use."""

    pipeline: Pipeline
    limits: Limits
    metrics: Metrics
    probes: dict[Part, Callable[[], Awaitable[object]]]
    dispensable: Set[Part] = frozenset()
    turns: Turns = field(default_factory=Turns)
    compat: CompatRule = CompatRule()
    gate: Gate | None = None

    async def probe(self) -> Readiness:
        """Asks every part, and gives each five seconds to answer.

        A part that is dispensable may be gone; it may not contradict the settings.
        """
        faults = await asyncio.gather(*(_fault(ask()) for ask in self.probes.values()))
        found = dict(zip(self.probes, faults, strict=True))
        return Readiness(
            ready=all(
                fault is None or (part in self.dispensable and not isinstance(fault, ConfigurationError))
                for part, fault in found.items()
            ),
            parts={part: fault.message if fault else "ok" for part, fault in found.items()},
        )


@asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[Service]:
    """Connect, load and warm up. Waits for a worker that is still starting, and for a store unless it may be missing.

    Raises ConfigurationError at once, WorkerUnavailable or RetrievalUnavailable when the start limit has passed.
    """
    wordings = _wordings(settings)
    file = settings.effective_calibration
    calibration = Calibration.load(file) if file else None
    async with AsyncExitStack() as stack:
        tracing = Tracing.to(settings.otlp_endpoint, settings.trace_share) if settings.otlp_endpoint else None
        if tracing:
            stack.push_async_callback(asyncio.to_thread, tracing.close)
        metrics = Metrics(settings.metrics_runs, tracing)
        store = open_store(settings, metrics)
        stack.push_async_callback(store.close)
        encoder = await asyncio.to_thread(load_encoder, settings, metrics)
        stack.callback(encoder.close)
        reranker = await asyncio.to_thread(load_reranker, settings)
        if reranker is not None:
            stack.callback(reranker.close)
        workers = await stack.enter_async_context(connections(settings, tracing))
        card = await wait_for_parts(workers, store, settings)
        tokenizer = await asyncio.to_thread(PromptTokenizer.load, settings.model_path)
        pool = await stack.enter_async_context(open_pool(workers, settings, tokenizer, metrics))
        retriever = make_retriever(settings, encoder, store, metrics, reranker)
        cache = open_cache(settings, metrics)
        stack.push_async_callback(cache.close)
        scale = calibration.scale if calibration else None
        judges = _judges(settings, wordings, tokenizer, pool, context_tokens=card.max_model_len, scale=scale)
        _check_calibration(calibration, card, judges["retsp"].version)
        bench = Bench(
            finder=ReferenceFinder(retriever, settings.retrieval_policy),
            judges=judges,
            cache=cache,
            model=await asyncio.to_thread(weights_name, card, settings.model_path),
            metrics=metrics,
        )
        admission = Admission(settings.queue_tokens, settings.bulk_share, pool.has_waiting, metrics)
        pipeline = Pipeline(bench, card.id, _defaults(settings, calibration), admission)
        metrics.tell_model(
            model=card.id,
            encoder=encoder.name,
            retsp=judges["retsp"].version,
            rprm=judges["rprm"].version,
            calibrated=calibration is not None,
        )
        await check_corpus(retriever, settings)
        await _warm_up(pipeline)
        if settings.canary_interval_s:
            # Of several processes each has its turn.
            watch = patrol(pipeline, metrics, settings.canary_interval_s * settings.processes)
            stack.push_async_callback(_ended, asyncio.create_task(watch))
        yield Service(
            pipeline=pipeline,
            limits=_limits(settings),
            metrics=metrics,
            probes={"store": retriever.probe, "encoder": encoder.probe, "worker": pool.probe},
            dispensable={"store"} if settings.retrieval_policy == "degrade" else frozenset(),
            compat=CompatRule(settings.compat_on_error, settings.compat_fallback_score, settings.method),
            gate=Gate(settings.keys_file, shares=settings.processes) if settings.keys_file else None,
        )


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def wait_for_parts(workers: Sequence[WorkerClient], store: Store, settings: Settings) -> ServedModel:
    """Until they answer; what the workers serve. One worker is enough, and a store that may be missing none.

    Raises DependencyError, and ConfigurationError where two workers serve different models.
    """
    async for attempt in stamina.retry_context(
        on=DependencyError, attempts=None, timeout=settings.start_timeout_s, wait_max=1
    ):
        with attempt:
            served = await connect_any(workers)
            if settings.retrieval_policy == "require":
                await store.active()
            return served
    raise InternalError("the start neither found its parts nor gave them up. This is a bug.")


def open_store(settings: Settings, metrics: Metrics | None = None, *, writes: bool = False) -> Store:
    """No request is sent yet. Raises ConfigurationError. An ingest has nobody who would read `metrics`."""
    api_key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
    if api_key is None and not settings.qdrant_url:
        api_key = local_keys.find(settings.data_dir, writes=writes)
    client = connect(
        Address(
            settings.effective_qdrant_url,
            api_key,
            settings.qdrant_grpc_port,
            settings.qdrant_ca_file,
            settings.qdrant_key_over_http,
        ),
        settings.qdrant_write_timeout_s,
        hooks=metrics.tracing.hooks if metrics and metrics.tracing else None,
    )
    layout = Layout(
        quantization=settings.qdrant_quantization,
        hnsw_m=settings.qdrant_hnsw_m,
        hnsw_ef_construct=settings.qdrant_hnsw_ef_construct,
        hnsw_ef=settings.qdrant_hnsw_ef,
        vectors_on_disk=settings.qdrant_vectors_on_disk,
        shards=settings.qdrant_shards,
        replicas=settings.qdrant_replicas,
    )
    gauge = (metrics or Metrics()).store_breaker
    rule = BreakerRule(
        settings.qdrant_breaker_failures,
        settings.qdrant_breaker_pause_s,
        told=lambda state: gauge.set(_BREAKER_STATES[state]),
    )
    return Store(client, settings.qdrant_timeout_s, StoreOptions(settings.qdrant_collection_prefix, layout, rule))


def load_encoder(settings: Settings, metrics: Metrics | None = None) -> Encoder:
    """Seconds; waits for a server that is still starting. Raises ConfigurationError, EncoderFailed.

    An ingest has nobody who would read `metrics`.
    """
    if settings.encoder_url:
        server = EmbeddingsServer.connect(
            settings.encoder_url, settings.encoder_model, settings.encoder_timeout_s, settings.start_timeout_s
        )
        return Encoder(
            server,
            settings.encoder_model,
            settings.encoder_batch_size,
            cache_entries=settings.encoder_cache_entries,
            metrics=metrics,
            close_model=server.close,
        )
    return Encoder.load(
        encoder_path(settings),
        settings.encoder_batch_size,
        device=settings.encoder_device,
        cache_entries=settings.encoder_cache_entries,
        metrics=metrics,
    )


def make_retriever(
    settings: Settings, encoder: Encoder, store: Store, metrics: Metrics, reranker: Scorer | None = None
) -> Retriever:
    return Retriever(
        encoder,
        store,
        settings.retrieval_pool_questions,
        metrics,
        settings.retrieval_duplicate_similarity,
        reranker=reranker,
        rerank_candidates=settings.retrieval_rerank_candidates,
    )


def search_options(settings: Settings) -> SearchOptions:
    """What a request that says nothing gets."""
    questions, steps = settings.effective_references
    return SearchOptions(
        questions=questions,
        steps=steps,
        min_similarity=settings.retrieval_min_similarity,
        exclude_duplicates=settings.retrieval_exclude_duplicates,
        rerank=settings.retrieval_reranker != "none",
    )


def open_cache(settings: Settings, metrics: Metrics) -> ScoreCache[StepJudgement]:
    """No connection is made yet."""
    values, redis = Values.of(StepJudgement, may_keep), None
    if settings.cache_redis_url:
        url = settings.cache_redis_url.get_secret_value()
        redis = RedisCache.connect(url, values.prefix, settings.cache_ttl_s, metrics)
    return ScoreCache(values, settings.cache_mib << 20, settings.cache_ttl_s, metrics, redis=redis)


def weights_name(card: ServedModel, model: str) -> str:
    """What tells one model from another under the same name: the worker's words for it, and a local one's files."""
    files = sorted(Path(model).glob("*.safetensors")) if Path(model).is_dir() else []
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return repr((card.id, card.root, card.max_model_len, stats))


def reduction(settings: Settings) -> Reduction:
    return Reduction(settings.pca_dimensions if settings.pca_variance is None else None, settings.pca_variance)


def encoder_path(settings: Settings) -> str:
    return embedded_encoder_path() if settings.encoder_model == EMBEDDED else settings.encoder_model


def _wordings(settings: Settings) -> dict[JudgeMethod, Wording]:
    """The words of both methods, from the files that the settings name. Raises ConfigurationError."""
    return {
        "retsp": retsp.wording(settings.effective_retsp_template),
        "rprm": rprm.wording(settings.effective_rprm_template, settings.rprm_no_previous_steps),
    }


def load_reranker(settings: Settings) -> Scorer | None:
    """The one named, if any; seconds for a model. Raises ConfigurationError."""
    if settings.retrieval_reranker == "none":
        return None
    if settings.retrieval_reranker == "lexical":
        return Lexical()
    if settings.retrieval_cross_encoder is None:
        raise ConfigurationError(
            "STEPREWARD_RETRIEVAL_CROSS_ENCODER: the reranker cross-encoder needs the name of a model"
        )
    return CrossEncoderScorer.load(
        settings.retrieval_cross_encoder, settings.encoder_batch_size, device=settings.encoder_device
    )


def _judges(
    settings: Settings,
    wordings: Mapping[JudgeMethod, Wording],
    tokenizer: PromptTokenizer,
    workers: WorkerPool,
    *,
    context_tokens: int,
    scale: Scale | None,
) -> dict[JudgeMethod, Judge]:
    grader = retsp.RetSP(StepTemplate(wordings["retsp"], tokenizer), tokenizer, context_tokens)
    analyst = rprm.RPRM(StepTemplate(wordings["rprm"], tokenizer), tokenizer, context_tokens, settings.rprm_max_tokens)
    options = sampling_options(settings.rprm_max_tokens, settings.rprm_temperature, settings.rprm_top_p, analyst.marker)
    return {"retsp": RetSPJudge(grader, workers, scale), "rprm": RPRMJudge(analyst, workers, options)}


def _check_calibration(calibration: Calibration | None, card: ServedModel, prompt_version: str) -> None:
    """Raises ConfigurationError for one that was made for another model or prompt."""
    if calibration is None:
        return
    made_for = (calibration.model or card.id, calibration.prompt_version or prompt_version)
    if made_for != (card.id, prompt_version):
        raise ConfigurationError(
            f"STEPREWARD_CALIBRATION: made for {' and '.join(made_for)}, here are {card.id} and {prompt_version}"
        )


def _defaults(settings: Settings, calibration: Calibration | None) -> Defaults:
    return Defaults(
        method=settings.method,
        trajectories=settings.trajectories,
        retsp_search=search_options(settings),
        adaptive=Adaptive(
            floor=1,
            cap=settings.trajectories,
            sure_right=settings.adaptive_sure_right,
            sure_wrong=settings.adaptive_sure_wrong,
            prior_yes=settings.adaptive_prior_yes,
            prior_no=settings.adaptive_prior_no,
        ),
        uncertain=(calibration.band.low, calibration.band.high) if calibration else None,
        calibrated=calibration is not None,
        speculate_steps=settings.speculate_steps,
        splitting=_splitting(settings),
        trajectory_tokens=settings.rprm_max_tokens,
    )


def _splitting(settings: Settings) -> Splitting:
    """Raises ConfigurationError for a pattern that cannot be used."""
    try:
        splitter = Splitter.of(settings.splitter, settings.splitter_pattern)
    except UnusableSplitter as error:
        raise ConfigurationError(f"STEPREWARD_SPLITTER_PATTERN: {error}") from error
    return Splitting(splitter, settings.max_steps, settings.max_text_chars)


def _limits(settings: Settings) -> Limits:
    return Limits(settings.max_body_bytes, settings.max_items, settings.max_steps, settings.max_text_chars)


async def check_corpus(retriever: Retriever, settings: Settings) -> None:
    """Raises ConfigurationError where the active corpus was made with other settings."""
    try:
        await retriever.probe()
    except RetrievalUnavailable as error:
        if settings.retrieval_policy == "require":
            raise
        log.warning("started_without_store", extra={"reason": error.message})


async def _warm_up(pipeline: Pipeline) -> None:
    """One score through every part: the engine's first batch costs seconds that no client shall see."""
    item = Item(id="warm-up", question="What is 2 + 3?", steps=["2 + 3 = 5."])
    await pipeline.score(ScoreRequest(items=[item], method="retsp"), "warm-up")


async def _fault(asked: Awaitable[object]) -> StepRewardError | None:
    try:
        await asyncio.wait_for(asked, _PROBE_S)
    except TimeoutError:
        return DependencyError(f"no answer in {_PROBE_S:.0f} s")
    except StepRewardError as error:
        return error
    return None
