"""Rules and alerts as files: each alert has a test and a place in the runbook, and reads metrics that there are."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stepreward.metrics import Metrics

_ROOT = Path(__file__).parents[1]
_PROMETHEUS = _ROOT / "monitoring" / "prometheus"
_OURS = re.compile(r"(?<![:\w])stepreward_[a-z0-9_]+")
_RULE_FILES = sorted((_PROMETHEUS / "rules").glob("*.yml"))


def rules() -> list[dict[str, Any]]:
    groups = [group for file in _RULE_FILES for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def cases() -> Iterator[dict[str, Any]]:
    for file in (_PROMETHEUS / "tests").glob("*.yml"):
        for test in yaml.safe_load(file.read_text())["tests"]:
            yield from test["alert_rule_test"]


def series_of_the_gateway() -> set[str]:
    """As Prometheus stores them."""
    names = set()
    for family in Metrics().registry.collect():
        if family.samples:  # which tell that a histogram with bounds below 0 has no sum
            names |= {sample.name for sample in family.samples}
        elif family.type == "counter":
            names.add(f"{family.name}_total")
        elif family.type in ("histogram", "summary"):
            names |= {f"{family.name}_{end}" for end in ("bucket", "sum", "count")}
        else:
            names.add(family.name)
    return names


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_urgent_it_is_and_what_to_do(name: str) -> None:
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["runbook"] == f"docs/runbook.md#{name.lower()}"
    runbook = (_ROOT / "docs" / "runbook.md").read_text()
    [paragraph] = re.findall(rf"^### {name}\n(Page|Ticket)\. .+", runbook, re.MULTILINE)
    assert paragraph.lower() == alert["labels"]["severity"]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(name: str) -> None:
    fired = [bool(case["exp_alerts"]) for case in cases() if case["alertname"] == name]
    assert True in fired
    assert False in fired


def test_the_runbook_knows_no_alert_that_there_is_not() -> None:
    told = re.findall(r"^### (\w+)$", (_ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert set(told) == set(ALERTS)


def test_rules_read_metrics_that_the_gateway_has() -> None:
    read = {name for rule in rules() for name in _OURS.findall(rule["expr"])}
    assert read
    assert read <= series_of_the_gateway()
