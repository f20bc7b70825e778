"""Every instrument of the service. Base units, bounded labels.

Where PROMETHEUS_MULTIPROC_DIR names a directory, which must be set before Python starts, prometheus-client keeps the
numbers in files there, and any of the processes that share it tells those of all.
"""

import math
import os
import platform
import time
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from stepreward.quality import Quality
from stepreward.schema import Degradation, ItemResult, JudgeMethod
from stepreward.tracing import Tracing
from stepreward.values import TokenCount, Verdict

Stage = Literal["parse", "encode", "retrieve", "rerank", "render", "judge", "aggregate"]
ReferenceKind = Literal["question", "step"]

_COSINES = (*(tenths / 10 for tenths in range(-2, 10)), 0.95, 1.0)
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

# How long a run's series stay after its last request, once others want their place.
_RUN_IDLE_S = 3600.0

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The instruments of one gateway, on a registry of their own: two gateways in one test do not add up."""

    def __init__(
        self, most_runs: int = 32, tracing: Tracing | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`most_runs` is how many of the clients' runs have series of their own; stages are spans of `tracing` too."""
        self.tracing = tracing
        self._shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        # Series in files that processes share cannot be taken away.
        self.quality = Quality(self.registry, most_runs, math.inf if self._shared else _RUN_IDLE_S, clock)
        self.duration = Histogram(
            "stepreward_request_duration_seconds",
            "Time from a request's headers to the end of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._stage = Histogram(
            "stepreward_stage_duration_seconds",
            "Time in one stage of a request",
            ["stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.requests = Counter(
            "stepreward_requests_total", "Answers by route and status", ["route", "status"], registry=self.registry
        )
        self.items = Counter(
            "stepreward_items_total",
            "Items by outcome: ok, or the code of the failure",
            ["outcome"],
            registry=self.registry,
        )
        self.steps = Counter("stepreward_steps_total", "Steps that have a score", ["method"], registry=self.registry)
        self.content_free = Counter(
            "stepreward_steps_content_free_total",
            "Steps with nothing in them to judge, scored all the same",
            registry=self.registry,
        )
        self.tokens = Counter(
            "stepreward_tokens_total", "Tokens as the worker counts them", ["kind"], registry=self.registry
        )
        self.verdicts = Counter(
            "stepreward_verdicts_total", "Verdicts: read, forced or unread", ["kind"], registry=self.registry
        )
        self.encoder_texts = Counter(
            "stepreward_encoder_texts_total",
            "Texts by where their vector came from: computed by the model, or found in the cache",
            ["source"],
            registry=self.registry,
        )
        self.encoder_pass_texts = Histogram(
            "stepreward_encoder_pass_texts",
            "Texts in one pass through the encoder, from all requests that waited",
            buckets=_TEXTS,
            registry=self.registry,
        )
        self.degraded = Counter(
            "stepreward_items_degraded_total",
            "Items by what they had to do without",
            ["reason"],
            registry=self.registry,
        )
        self.dropped_duplicates = Counter(
            "stepreward_duplicates_dropped_total",
            "Questions of the corpus left out as near-duplicates of the one asked",
            registry=self.registry,
        )
        self.similarity: dict[ReferenceKind, Histogram] = {
            kind: Histogram(
                f"stepreward_{kind}_similarity",
                f"Cosine of each {kind} found, those below the threshold too, duplicates and random ones not",
                buckets=_COSINES,
                registry=self.registry,
            )
            for kind in get_args(ReferenceKind)
        }
        self.below_threshold = Counter(
            "stepreward_references_below_threshold_total",
            "Questions and steps found but not used, their cosine being below the threshold",
            ["kind"],
            registry=self.registry,
        )
        self.cache_steps = Counter(
            "stepreward_cache_steps_total",
            "Steps by where their judgement came from: computed, joined (computed for another caller at that time), "
            "cached_memory or cached_redis",
            ["origin"],
            registry=self.registry,
        )
        self.cache_bytes = Gauge(
            "stepreward_cache_bytes",
            "Estimated size of the judgements kept in memory",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.cache_evictions = Counter(
            "stepreward_cache_evictions_total",
            "Judgements that went out of memory for want of room, before their time",
            registry=self.registry,
        )
        self.cache_redis_errors = Counter(
            "stepreward_cache_redis_errors_total",
            "What went wrong with the shared cache: read or write (not asked again for 5 s), damaged (a value that "
            "is no JSON of ours), dropped (too much waits to be written)",
            ["kind"],
            registry=self.registry,
        )
        self.fallbacks = Counter(
            "stepreward_compat_fallbacks_total",
            "Samples for which a route in another's form had no score, by the code of the failure",
            ["code"],
            registry=self.registry,
        )
        self.store_breaker = Gauge(
            "stepreward_store_breaker_state",
            "The breaker before the vector store: 0 closed, 1 half-open, a probe under way, 2 open, reads fail at once",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.worker_attempts = Counter(
            "stepreward_worker_attempts_total",
            "Calls of workers by how they ended: ok, or the kind of fault; a second attempt counts too",
            ["outcome"],
            registry=self.registry,
        )
        self.workers = Gauge(
            "stepreward_workers",
            "Workers by state: healthy, or ejected, which are probed",
            ["state"],
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        self.worker_tokens = Gauge(
            "stepreward_worker_tokens_in_flight",
            "Estimated tokens of the calls at workers",
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self.queue_tokens = Gauge(
            "stepreward_queue_tokens",
            "Estimated tokens of the work taken on and not finished, at workers or waiting for one",
            ["priority"],
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "stepreward_queue_seconds",
            "How long a call waited for a worker",
            ["priority"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.received = Counter(
            "stepreward_requests_received_total",
            "Requests that came; each ends in stepreward_requests_total, cancelled ones under status 499",
            registry=self.registry,
        )
        self.canary_pass_rate = Gauge(
            "stepreward_canary_pass_rate",
            "Share of the canary set's family that was judged right in the last run; all but `clean` are wrong",
            ["family"],
            registry=self.registry,
            multiprocess_mode="mostrecent",
        )
        self.canary_failed = Gauge(
            "stepreward_canary_failed",
            "Solutions of the canary set's family that got no score in the last run",
            ["family"],
            registry=self.registry,
            multiprocess_mode="mostrecent",
        )
        self.canary_time = Gauge(
            "stepreward_canary_time_seconds",
            "When the last run of the canary set ended, in Unix time; 0 before the first",
            registry=self.registry,
            multiprocess_mode="mostrecent",
        )
        self.in_flight = Gauge(
            "stepreward_requests_in_flight",
            "Scoring requests being worked on",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._build = Gauge(
            "stepreward_build_info",
            "1, with what the gateway runs",
            ["version", "python"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._model = Gauge(
            "stepreward_model_info",
            "1, with what it scores with",
            ["model", "encoder", "retsp", "rprm", "calibrated"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._build.labels(version("stepreward"), platform.python_version()).set(1)

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Time one stage, whether it succeeds or raises; a span, where there are traces."""
        started_s = time.perf_counter()
        try:
            with self.tracing.stage(name) if self.tracing else nullcontext():
                yield
        finally:
            self._stage.labels(name).observe(time.perf_counter() - started_s)

    def count_tokens(self, spent: TokenCount) -> None:
        self.tokens.labels("prompt").inc(spent.prompt)
        self.tokens.labels("cached").inc(spent.cached or 0)
        self.tokens.labels("generated").inc(spent.generated)

    def count_verdicts(self, method: JudgeMethod, steps: Sequence[Sequence[Verdict]], most: int) -> None:
        """Of steps that were computed, with up to `most` verdicts each."""
        kinds = Counts(_kind(verdict) for verdicts in steps for verdict in verdicts)
        for kind, count in kinds.items():
            self.verdicts.labels(kind).inc(count)
        self.quality.judged(method, steps, most)

    def count_refused(self, status: int) -> None:
        """What was refused before its route was known."""
        self.received.inc()
        self.requests.labels("unknown", str(status)).inc()

    def count_item(self, outcome: str, degraded: Iterable[Degradation]) -> None:
        """`outcome` is "ok" or an error's code."""
        self.items.labels(outcome).inc()
        for reason in degraded:
            self.degraded.labels(reason).inc()

    def count_result(self, result: ItemResult) -> None:
        methods = Counts(step.method for step in result.steps if step.method and step.score is not None)
        for method, count in methods.items():
            self.steps.labels(method).inc(count)
        self.content_free.inc(sum(step.content_free for step in result.steps))
        self.quality.answered(result)

    def tell_model(self, *, model: str, encoder: str, retsp: str, rprm: str, calibrated: bool) -> None:
        """`retsp` and `rprm` are the versions of the prompts."""
        self._model.labels(model, encoder, retsp, rprm, str(calibrated).lower()).set(1)

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        registry = self.registry
        if self._shared:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def _kind(verdict: Verdict) -> Literal["unread", "forced", "read"]:
    return "unread" if verdict.p_correct is None else "forced" if verdict.forced else "read"
