"""The service's parts as processes on this machine: scripted workers, the embedded Qdrant, gateways, Prometheus.

For tests and load tests that need all of it and no model. Everything listens on 127.0.0.1, on ports that were free.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from loadtests.process import free_port
from loadtests.scripted_worker import chat_tokenizer
from stepreward.embedded.worker import worker_argv, worker_env
from stepreward.settings import Settings

_ROOT = Path(__file__).parents[1]
_READY_S = 180

# The command line of a gateway that cannot import some modules, as if they were not installed.
_WITHOUT = """
import sys
from importlib.machinery import PathFinder
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {} else PathFinder.find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Without
from stepreward.cli import main
main()
"""


@dataclass
class Stack:
    """A folder for all that is written, and the environment of the gateways started in it.

    `processes` are those started, by their address.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _running: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        chat_tokenizer().save_pretrained(self.folder / "tokenizer")
        self.environment |= {
            "STEPREWARD_MODEL": str(self.folder / "tokenizer"),
            "STEPREWARD_DATA_DIR": str(self.folder / "data"),
            "STEPREWARD_LOG_LEVEL": "warning",
        }

    def worker(self, *arguments: str, port: int | None = None) -> str:
        port = port or free_port()
        module = ["-m", "loadtests.scripted_server", "--port", str(port), *arguments]
        return self._start(f"worker-{port}", [sys.executable, *module], f"http://127.0.0.1:{port}", "/health")

    def vllm(self, settings: Settings, argv: Sequence[str] | None = None) -> str:
        """A real worker on this CPU, as `serve` starts it by these settings, or by a command line made of that."""
        self.environment |= worker_env(settings, "cpu")
        port = settings.worker_port
        started = list(argv or worker_argv(settings, "cpu"))
        return self._start(f"vllm-{port}", started, f"http://127.0.0.1:{port}", "/health")

    def store(self, corpus: Iterable[Mapping[str, object]]) -> str:
        """Qdrant's engine with these solved questions in it; gateways use it from now on."""
        port = free_port()
        module = ["-m", "stepreward.embedded.qdrant.server", "--data-dir", str(self.folder / "vectors")]
        argv = [sys.executable, *module, "--port", str(port)]
        url = self._start("store", argv, f"http://127.0.0.1:{port}", "/readyz")
        self.environment["STEPREWARD_QDRANT_URL"] = url
        rows = self.folder / "corpus.jsonl"
        rows.write_text("\n".join(map(json.dumps, corpus)))
        ingest = [sys.executable, "-m", "stepreward", "corpus", "ingest", str(rows)]
        done = subprocess.run(ingest, env=self._environment(), cwd=_ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"corpus ingest: {done.stderr[-2000:]}")
        return url

    def gateway(self, worker_url: str, without: Iterable[str] = (), **settings: str) -> str:
        """`without` are modules that it shall not find; `settings` its environment."""
        port = free_port()
        environment = {"STEPREWARD_WORKER_URL": worker_url, "STEPREWARD_PORT": str(port), **settings}
        argv = [sys.executable, "-c", _WITHOUT.format(list(without)), "gateway"]
        return self._start(f"gateway-{port}", argv, f"http://127.0.0.1:{port}", "/readyz", environment)

    def prometheus(self, config: Path) -> str:
        """Raises FileNotFoundError where there is none; `make ops-check` brings one."""
        port = free_port()
        argv = [prometheus_binary(), f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]
        argv.append(f"--storage.tsdb.path={self.folder / 'prometheus'}")
        return self._start("prometheus", argv, f"http://127.0.0.1:{port}", "/-/ready")

    def start(self, name: str, argv: list[str], url: str, path: str) -> str:
        """Anything else; `url` once `path` answers."""
        return self._start(name, argv, url, path)

    def kill(self, url: str) -> None:
        """Without warning, whatever listens there."""
        self.processes[url].kill()

    def close(self) -> None:
        self._running.close()

    def _environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        source = os.pathsep.join([str(_ROOT / "service"), str(_ROOT)])
        return {**os.environ, "PYTHONPATH": source, **self.environment, **(more or {})}

    def _start(
        self, name: str, argv: list[str], url: str, path: str, environment: Mapping[str, str] | None = None
    ) -> str:
        process = self._running.enter_context(
            running(argv, self.folder / f"{name}.log", self._environment(environment))
        )
        self.processes[url] = process
        wait_until_ready(process, url + path, self.folder / f"{name}.log")
        return url


@contextmanager
def stack(folder: Path) -> Iterator[Stack]:
    """Whatever is started in it ends with it, the last first."""
    built = Stack(folder)
    try:
        yield built
    finally:
        built.close()


@contextmanager
def running(argv: list[str], log: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, env=dict(environment), cwd=_ROOT, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # What a killed one left behind: vLLM's engine outlives its front end.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Raises RuntimeError with the end of its log when it ends before, or is not ready in time."""
    until_s = time.monotonic() + _READY_S
    while process.poll() is None and time.monotonic() < until_s:
        try:
            if httpx.get(url, timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{log.name}: not ready\n{log.read_text(errors='replace')[-2000:]}")


def prometheus_binary() -> str:
    """On PATH, or where scripts/ops.sh has put it. Raises FileNotFoundError."""
    brought = _ROOT / ".tools" / "debian" / "usr" / "bin" / "prometheus"
    found = shutil.which("prometheus") or (str(brought) if brought.exists() else None)
    if found is None:
        raise FileNotFoundError("no prometheus: run scripts/ops.sh tools")
    return found
