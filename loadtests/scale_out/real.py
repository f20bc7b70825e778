"""Real vLLM workers on this machine's CPU, as `stepreward serve` starts one."""

from pathlib import Path

from loadtests.process import free_port
from loadtests.stack import Stack
from stepreward.settings import EMBEDDED, Settings

# Two of them fit into 8 GiB; the prompts have a thousand tokens.
_SMALL = {"worker_kv_cache_gib": 1, "worker_context_tokens": 2048}


def real_workers(parts: Stack, data_dir: Path, count: int) -> tuple[list[str], dict[str, str]]:
    """Their addresses, and what a gateway before them is to be told. The embedded model must be there already."""
    settings = Settings(data_dir=data_dir, model=EMBEDDED)
    small = settings.model_copy(update=_SMALL)
    urls = [parts.vllm(small.model_copy(update={"worker_port": free_port()})) for _ in range(count)]
    told = {"MODEL": settings.model_path, "WORKER_MODEL": settings.model, "RPRM_MAX_TOKENS": "24"}
    told["WORKER_STALL_S"] = "120"  # two of them on two cores take their time for one step of a batch
    return urls, {f"STEPREWARD_{name}": value for name, value in told.items()}
