"""The only builder of the real parts."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import stamina

from stepreward.access import Gate
from stepreward.admission import Admission
from stepreward.aggregation import P_WRONG_BELOW
from stepreward.body import Limits
from stepreward.calibration import Calibration, Scale
from stepreward.errors import ConfigurationError, DependencyError, InternalError, RetrievalUnavailable
from stepreward.judging import Bench
from stepreward.metrics import Metrics
from stepreward.parts import (
    load_encoder,
    load_reranker,
    make_retriever,
    open_cache,
    open_store,
    search_options,
    weights_name,
)
from stepreward.patrol import patrol
from stepreward.pipeline import Pipeline
from stepreward.plan import Defaults
from stepreward.policies import Adaptive
from stepreward.prompts import retsp, rprm
from stepreward.prompts.template import StepTemplate
from stepreward.prompts.tokens import PromptTokenizer
from stepreward.prompts.wording import Wording
from stepreward.references import ReferenceFinder
from stepreward.responses import Splitting
from stepreward.retrieval.search import Retriever
from stepreward.retrieval.store import Store
from stepreward.schema import Item, JudgeMethod, ScoreRequest
from stepreward.service import CompatRule, Service
from stepreward.settings import Settings
from stepreward.splitting import Splitter, UnusableSplitter
from stepreward.tracing import Tracing
from stepreward.worker.client import ServedModel, WorkerClient
from stepreward.worker.pool import WorkerPool
from stepreward.worker.sampling import Judge, RetSPJudge, RPRMJudge, sampling_options
from stepreward.worker.start import connect_any, connections, open_pool

log = logging.getLogger(__name__)


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
        admission = Admission(settings.queue_tokens, settings.bulk_share, pool, metrics)
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


def _wordings(settings: Settings) -> dict[JudgeMethod, Wording]:
    """The words of both methods, from the files that the settings name. Raises ConfigurationError."""
    return {
        "retsp": retsp.wording(settings.effective_retsp_template),
        "rprm": rprm.wording(settings.effective_rprm_template, settings.rprm_no_previous_steps),
    }


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
        wrong_below=calibration.wrong_below if calibration else P_WRONG_BELOW,
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
