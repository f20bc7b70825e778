"""Make k8s/components/monitoring/prometheus-rule.yaml of monitoring/prometheus/rules: `… [--check]`.

The Prometheus operator wants the groups of rules inside a resource of its own.
"""

import sys
from pathlib import Path

import yaml

_ROOT = Path(__file__).parents[1]
_RULES = _ROOT / "monitoring" / "prometheus" / "rules"
_TARGET = _ROOT / "k8s" / "components" / "monitoring" / "prometheus-rule.yaml"


def page() -> str:
    groups = [group for file in sorted(_RULES.glob("*.yml")) for group in yaml.safe_load(file.read_text())["groups"]]
    head = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "stepreward"}}
    text = yaml.safe_dump({**head, "spec": {"groups": groups}}, sort_keys=False, width=120)
    return f"# Made by scripts/prometheus_rule.py; change monitoring/prometheus/rules.\n{text}"


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if _TARGET.read_text() == page() else f"{_TARGET} is not what {sys.argv[0]} makes")
    _TARGET.write_text(page())
