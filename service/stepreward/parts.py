"""Retrieval and the cache by the settings: what the gateway is made of, and what works on a corpus needs alone."""

from collections.abc import Mapping
from pathlib import Path

from stepreward import local_keys
from stepreward.cache import ScoreCache, Values
from stepreward.errors import ConfigurationError
from stepreward.judging import may_keep
from stepreward.metrics import Metrics
from stepreward.redis_cache import RedisCache
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
from stepreward.settings import EMBEDDED, Settings
from stepreward.values import StepJudgement
from stepreward.worker.client import ServedModel

_BREAKER_STATES: Mapping[State, int] = {"closed": 0, "half-open": 1, "open": 2}


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
