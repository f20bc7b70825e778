"""Real vLLM workers on this machine's CPU, as `stepreward serve` starts one."""

from pathlib import Path

from loadtests.process import free_port
from loadtests.stack import Stack
from stepreward.embedded.worker import worker_argv, worker_env
from stepreward.settings import Settings

# Two of them fit into 8 GiB; the prompts have a thousand tokens.
_SMALL = {"worker_kv_cache_gib": 1, "worker_context_tokens": 2048}


def real_workers(parts: Stack, data_dir: Path, count: int) -> tuple[list[str], dict[str, str]]:
    """Their addresses, and what a gateway before them is to be told. The embedded model must be there already."""
    settings = Settings(data_dir=data_dir)
    parts.environment |= worker_env(settings, "cpu")
    urls = []
    for _ in range(count):
        port = free_port()
        argv = worker_argv(settings.model_copy(update=_SMALL | {"worker_port": port}), "cpu")
        urls.append(parts.start(f"vllm-{port}", list(argv), f"http://127.0.0.1:{port}", "/health"))
    told = {"MODEL": settings.model_path, "WORKER_MODEL": settings.model, "RPRM_MAX_TOKENS": "24"}
    told["WORKER_STALL_S"] = "120"  # two of them on two cores take their time for one step of a batch
    return urls, {f"STEPREWARD_{name}": value for name, value in told.items()}
