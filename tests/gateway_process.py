"""`stepreward gateway` as a process, over a scripted worker on a real socket and without a vector store."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from loadtests.process import free_ports
from loadtests.scripted_http import running, save_model
from loadtests.scripted_worker import ScriptedWorker


@dataclass(frozen=True)
class Gateway:
    """`output` is the file that it writes its log to."""

    process: subprocess.Popen[bytes]
    url: str
    output: Path

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def gateway(
    folder: Path, worker: ScriptedWorker | None = None, env: Mapping[str, str] | None = None, **flags: object
) -> Iterator[Gateway]:
    """One that is ready; it is ended with the block. `folder` is empty, and its own."""
    with running(worker or ScriptedWorker()) as scripted:
        port, nobody = free_ports(2)
        given = {
            "port": port,
            "model": save_model(folder / "model"),
            "worker-url": scripted.url,
            "qdrant-url": f"http://127.0.0.1:{nobody}",
            "retrieval-policy": "degrade",
            **flags,
        }
        output = folder / "output"
        with output.open("wb") as out:
            process = start(given, env or {}, out)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: _answers(url), process, output)
            yield Gateway(process, url, output)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def start(flags: Mapping[str, object], env: Mapping[str, str], out: object) -> "subprocess.Popen[bytes]":
    """With no setting of the machine that runs the tests."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("STEPREWARD_")}
    command = [sys.executable, "-m", "stepreward", "gateway", *(f"--{name}={value}" for name, value in flags.items())]
    environment = {**inherited, "HF_HUB_OFFLINE": "1", **env}
    return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)  # type: ignore[call-overload,no-any-return]


def wait_for(
    condition: Callable[[], bool], process: "subprocess.Popen[bytes]", output: Path, timeout_s: float = 120
) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, f"the gateway ended:\n{output.read_text()}"
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s:\n{output.read_text()}"
        time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
