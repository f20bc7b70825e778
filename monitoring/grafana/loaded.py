"""A gateway, a store and a worker under load, and a Prometheus that scrapes them: to check and to draw dashboards with.

The worker is scripted; of GPUs there is what DCGM's exporter says of one, word for word.
"""

import itertools
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import yaml

from loadtests.stack import stack

RULES = Path(__file__).parent.parent / "prometheus" / "rules"
_RUNS = ("grpo-1", "grpo-2")

_CORPUS = [
    {
        "question": f"A shop sells {n} boxes of {n + 3} pencils. How many pencils is that?",
        "steps": [f"Each box holds {n + 3} pencils.", f"In all {n} * {n + 3} = {n * (n + 3)} pencils."],
        "labels": [True, n % 3 > 0],
        "source": "shop",
    }
    for n in range(2, 62)  # enough texts for the PCA
]

_LABELS = '{gpu="0",UUID="GPU-1",device="nvidia0",Hostname="node-1"}'
_GPU = {"DCGM_FI_DEV_GPU_UTIL": 83, "DCGM_FI_DEV_FB_USED": 61440, "DCGM_FI_DEV_POWER_USAGE": 512.4}
_DCGM = "".join(f"# TYPE {name} gauge\n{name}{_LABELS} {value}\n" for name, value in _GPU.items())


class _Exporter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(_DCGM.encode())

    def log_message(self, *_: Any) -> None:
        pass


def requests() -> list[dict[str, Any]]:
    """Of all kinds: known ones, too long ones, duplicates of the corpus, references that do not fit."""
    items = [
        {
            "question": f"A garden has {n} rows of {n + 2} roses. How many roses grow there?",
            "steps": [f"A row has {n + 2} roses.", f"So {n} * {n + 2} = {n * (n + 2)} roses grow there."],
        }
        for n in range(5, 25)
    ]
    known = [{"question": row["question"], "steps": row["steps"]} for row in _CORPUS]
    long = {"question": "How long is a number?", "steps": ["7" * 9000]}
    full = [{"question": items[0]["question"], "steps": ["Summary", "7" * chars]} for chars in range(6000, 8000, 100)]
    return [
        {"items": [*items[:9], long, *full], "cache": False},
        {"items": known[:5]},
        {"items": items[9:14], "retrieval": {"min_similarity": 0.99}},
        {"items": items[14:17], "method": "rprm", "trajectories": {"k": 6, "policy": "adaptive"}},
    ]


def load(url: str, ended: Event) -> None:
    """Until all is asked."""
    with httpx.Client(base_url=url, timeout=120) as http:
        for seed in itertools.count():
            for body in requests():
                if ended.is_set():
                    return
                http.post(
                    "/score", params={"run": _RUNS[seed % 2]}, json={**body, "seed": seed // 2}
                ).raise_for_status()


def prometheus_config(folder: Path, targets: dict[str, str]) -> Path:
    """With our rules, at a speed for a test."""
    for file in RULES.glob("*.yml"):
        (folder / file.name).write_text(re.sub(r"interval: \w+", "interval: 1s", file.read_text()))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "*.yml")],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [url.removeprefix("http://")]}]}
            for job, url in targets.items()
        ],
    }
    path = folder / "prometheus.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@contextmanager
def prometheus_of_a_loaded_service(folder: Path) -> Iterator[str]:
    """Its address; the load goes on as long as it is open. Raises FileNotFoundError where there is no Prometheus."""
    exporter = ThreadingHTTPServer(("127.0.0.1", 0), _Exporter)
    Thread(target=exporter.serve_forever, daemon=True).start()
    with stack(folder) as parts:
        targets = {"vllm": parts.worker(), "qdrant": parts.store(_CORPUS)}
        targets["stepreward"] = parts.gateway(targets["vllm"], STEPREWARD_CANARY_INTERVAL_S="3")
        targets["dcgm"] = f"http://127.0.0.1:{exporter.server_port}"
        url = parts.prometheus(prometheus_config(folder, targets))
        ended = Event()
        with ThreadPoolExecutor(1) as thread:
            loading = thread.submit(load, targets["stepreward"], ended)
            try:
                yield url
            finally:
                ended.set()
            loading.result()
    exporter.shutdown()
    exporter.server_close()
