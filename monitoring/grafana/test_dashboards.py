"""Each panel's query finds data in a real Prometheus that has scraped a gateway, a store and a worker under load.

Run by `make ops-check`.
"""

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from monitoring.grafana.loaded import RULES, prometheus_of_a_loaded_service

_HERE = Path(__file__).parent
_PATIENCE_S = 90
_VARIABLES = {"$__rate_interval": "30s", "$job": "stepreward", "$run": ".*"}


def panels() -> list[tuple[str, str]]:
    """Each query, with a name for its test."""
    found = []
    for file in sorted((_HERE / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            targets = [target for inner in [panel, *panel.get("panels", [])] for target in inner.get("targets", [])]
            found += [(f"{file.stem}: {panel['title']} {target['refId']}", target["expr"]) for target in targets]
    return found


@pytest.mark.parametrize("file", sorted((_HERE / "dashboards").glob("*.json")), ids=lambda file: file.stem)
def test_no_panel_stands_out_of_the_grid_or_on_another(file: Path) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in json.loads(file.read_text())["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = [(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])]
        assert not any(cell in taken for cell in cells), panel["title"]
        taken |= dict.fromkeys(cells, panel["title"])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prometheus_of_a_loaded_service(tmp_path_factory.mktemp("stack")) as url:
        yield url


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
    groups = yaml.safe_load((RULES / "recording.yml").read_text())["groups"]
    empty = [rule["record"] for group in groups for rule in group["rules"] if not ask(prometheus, rule["record"])]
    assert not empty


def test_the_rules_are_evaluated_without_a_complaint(prometheus: str) -> None:
    groups = httpx.get(f"{prometheus}/api/v1/rules", timeout=20).json()["data"]["groups"]
    assert [rule["lastError"] for group in groups for rule in group["rules"] if rule.get("lastError")] == []
