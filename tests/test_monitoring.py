"""Rules and alerts as files: each alert has a test and a place in the runbook."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

_ROOT = Path(__file__).parents[1]
_PROMETHEUS = _ROOT / "monitoring" / "prometheus"
_RULE_FILES = sorted((_PROMETHEUS / "rules").glob("*.yml"))


def rules() -> list[dict[str, Any]]:
    groups = [group for file in _RULE_FILES for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def cases() -> Iterator[dict[str, Any]]:
    for file in (_PROMETHEUS / "tests").glob("*.yml"):
        for test in yaml.safe_load(file.read_text())["tests"]:
            yield from test["alert_rule_test"]


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
