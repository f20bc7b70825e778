"""Each panel's query finds data in a real Prometheus that has scraped a gateway, a store and a worker under load.

Run by `make ops-check`. The worker is scripted; of GPUs there is what DCGM's exporter says of one, word for word.
"""

import itertools
import json
import math
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
import yaml

from loadtests.stack import stack

_HERE = Path(__file__).parent
_RULES = _HERE.parent / "prometheus" / "rules"
_PATIENCE_S = 90
_VARIABLES = {"$__rate_interval": "30s", "$job": "stepreward", "$run": ".*"}

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


def panels() -> list[tuple[str, str]]:
    """Each query, with a name for its test."""
    found = []
    for file in sorted((_HERE / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            targets = [target for inner in [panel, *panel.get("panels", [])] for target in inner.get("targets", [])]
            found += [(f"{file.stem}: {panel['title']} {target['refId']}", target["expr"]) for target in targets]
    return found


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
                http.post("/score", params={"run": "grpo-1"}, json={**body, "seed": seed // 2}).raise_for_status()


def prometheus_config(folder: Path, targets: dict[str, str]) -> Path:
    """With our rules, at a speed for a test."""
    for file in _RULES.glob("*.yml"):
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


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("stack")
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
            yield url
            ended.set()
            loading.result()
    exporter.shutdown()
    exporter.server_close()


def ask(url: str, expr: str) -> list[float]:
    """What it finds, as soon as that is something: what was just counted is to be scraped, and its rate computed."""
    until_s = time.monotonic() + _PATIENCE_S
    while not (found := _asked(url, expr)) and time.monotonic() < until_s:
        time.sleep(0.5)
    return found


def _asked(url: str, expr: str) -> list[float]:
    """Without NaN, which is what comes of 0 divided by 0."""
    for name, value in _VARIABLES.items():
        expr = expr.replace(name, value)
    answer = httpx.get(f"{url}/api/v1/query", params={"query": expr}, timeout=20).json()
    assert answer["status"] == "success", answer
    found = [float(series["value"][1]) for series in answer["data"]["result"]]
    return [value for value in found if not math.isnan(value)]


@pytest.mark.parametrize(("name", "expr"), panels(), ids=[name for name, _ in panels()])
def test_a_panels_query_finds_data(prometheus: str, name: str, expr: str) -> None:
    assert ask(prometheus, expr), expr


def test_every_recording_rule_has_found_something(prometheus: str) -> None:
    groups = yaml.safe_load((_RULES / "recording.yml").read_text())["groups"]
    empty = [rule["record"] for group in groups for rule in group["rules"] if not ask(prometheus, rule["record"])]
    assert not empty


def test_the_rules_are_evaluated_without_a_complaint(prometheus: str) -> None:
    groups = httpx.get(f"{prometheus}/api/v1/rules", timeout=20).json()["data"]["groups"]
    assert [rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")] == []
