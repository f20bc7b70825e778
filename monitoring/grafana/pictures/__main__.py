"""A picture of each dashboard, with what a real Prometheus says of a service under load: docs/dashboards/*.png.

    make dashboards-pictures        # Debian's `chromium`, node and npm are needed; 5 minutes

Each panel's queries are asked of Prometheus as Grafana asks them, and drawn by Grafana's own components (page.jsx) in
Chromium. What stands around the panels in Grafana, menus and choices, is not there.
"""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import httpx

from monitoring.grafana.loaded import prometheus_of_a_loaded_service

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[2]
_NODE_MODULES = _ROOT / ".tools" / "pictures" / "node_modules"
_VARIABLES = {"$__rate_interval": "20s", "$job": "stepreward", "$run": ".*"}
_STEP_S = 3
_WIDTH_PX = 1632
_PX_PER_ROW = 38
_HEADING_PX = 90

Answers = dict[str, list[dict[str, Any]]]


def answers(prometheus: str, board: dict[str, Any], began_s: float, ended_s: float) -> Answers:
    """The series of each panel, by its title: named as its legend says, points as (second, value)."""
    return {
        panel["title"]: [
            series for target in panel.get("targets", []) for series in _series(prometheus, target, began_s, ended_s)
        ]
        for panel in board["panels"]
    }


def _series(prometheus: str, target: dict[str, Any], began_s: float, ended_s: float) -> list[dict[str, Any]]:
    expr = target["expr"]
    for name, value in _VARIABLES.items():
        expr = expr.replace(name, value)
    span = {"start": ended_s if target["instant"] else began_s, "end": ended_s, "step": _STEP_S}
    answer = httpx.get(f"{prometheus}/api/v1/query_range", params={"query": expr, **span}, timeout=60)
    return [
        {
            "refId": target["refId"],
            "name": _named(target["legendFormat"], found["metric"]),
            "labels": found["metric"],
            "points": [[second, float(value)] for second, value in found["values"] if value != "NaN"],
        }
        for found in answer.raise_for_status().json()["data"]["result"]
    ]


def _named(legend: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        legend = legend.replace(f"{{{{{name}}}}}", value)
    return legend


def bundle(folder: Path) -> Path:
    """The page's script, with all that it imports. Raises FileNotFoundError before `scripts/ops.sh pictures`."""
    if not _NODE_MODULES.exists():
        raise FileNotFoundError(f"no {_NODE_MODULES}: run scripts/ops.sh pictures")
    script = folder / "page.js"
    esbuild = [str(_NODE_MODULES / ".bin" / "esbuild"), str(_HERE / "page.jsx"), "--bundle", f"--outfile={script}"]
    options = [
        "--jsx=automatic",
        "--loader:.svg=dataurl",
        "--loader:.ttf=dataurl",
        '--define:process.env.NODE_ENV="production"',
    ]
    told = ["--log-level=error", "--format=iife", "--define:global=window"]
    subprocess.run([*esbuild, *options, *told], env={**os.environ, "NODE_PATH": str(_NODE_MODULES)}, check=True)
    return script


def picture(folder: Path, script: Path, name: str, data: dict[str, Any], to: Path) -> None:
    """What Chromium shows of a page with this data in it."""
    page = folder / f"{name}.html"
    told = json.dumps(data).replace("<", "\\u003c")
    styles = f'<link rel="stylesheet" href="{script.with_suffix(".css").name}">'
    body = '<body style="background:#111217;margin:16px"><div id="board"></div>'
    scripts = f'<script>window.board = {told}</script><script src="{script.name}"></script>'
    page.write_text(f'<!doctype html><meta charset="utf-8">{styles}{body}{scripts}', encoding="utf-8")
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in data["board"]["panels"])
    size = f"--window-size={_WIDTH_PX},{rows * _PX_PER_ROW + _HEADING_PX}"
    chromium = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", size]
    told_to = [f"--user-data-dir={folder / 'chromium'}", "--virtual-time-budget=20000", "--enable-logging=stderr"]
    argv = [*chromium, *told_to, f"--screenshot={to}", page.as_uri()]
    ran = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=180)
    if wrong := [line for line in ran.stderr.splitlines() if "Uncaught" in line]:
        raise RuntimeError(f"{name}: {wrong[0]}")


@click.command()
@click.option("--seconds", type=click.IntRange(60), default=180, show_default=True, help="of load, before the pictures")
@click.option("--out", type=click.Path(path_type=Path), default=_ROOT / "docs" / "dashboards", show_default=True)
def main(seconds: int, out: Path) -> None:
    """Load a service for some minutes, and draw every dashboard of it."""
    if shutil.which("chromium") is None:
        raise click.ClickException("no chromium on PATH; Debian has it as the package chromium")
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as name:
        folder = Path(name)
        script = bundle(folder)
        (folder / "stack").mkdir()
        with prometheus_of_a_loaded_service(folder / "stack") as prometheus:
            time.sleep(seconds)
            ended_s = time.time()
            for file in sorted((_HERE.parent / "dashboards").glob("*.json")):
                board = json.loads(file.read_text(encoding="utf-8"))
                found = answers(prometheus, board, ended_s - seconds + 30, ended_s)
                data = {"board": board, "answers": found, "from": ended_s - seconds + 30, "to": ended_s}
                picture(folder, script, file.stem, data, out / f"{file.stem}.png")
                print(out / f"{file.stem}.png")  # noqa: T201


if __name__ == "__main__":
    main()
