"""What every container of docker-compose.yml has, and what none publishes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stepreward.settings import ENV_PREFIX, Settings

_ROOT = Path(__file__).parents[1]
_SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((_ROOT / "docker-compose.yml").read_text())["services"]
_PUBLISHED = {"gateway", "prometheus", "alertmanager", "grafana"}


@pytest.mark.parametrize("name", _SERVICES)
def test_a_container_has_no_rights_that_it_does_not_need(name: str) -> None:
    service = _SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"])


def test_no_container_asks_for_what_compose_cannot_put_into_a_read_only_one() -> None:
    given = yaml.safe_load((_ROOT / "docker-compose.yml").read_text())
    assert all("file" in one for kind in ("secrets", "configs") for one in given.get(kind, {}).values())


def test_only_what_people_look_at_is_published_and_to_this_machine_alone() -> None:
    ports = {name: service["ports"] for name, service in _SERVICES.items() if "ports" in service}
    assert set(ports) == _PUBLISHED
    assert all(port.startswith("127.0.0.1:") for published in ports.values() for port in published)


def test_the_gateway_is_given_settings_that_there_are() -> None:
    names = [name for name in _SERVICES["gateway"]["environment"] if name.startswith(ENV_PREFIX)]
    assert names
    assert {name.removeprefix(ENV_PREFIX).lower() for name in names} <= set(Settings.model_fields)


def test_the_example_of_env_names_all_that_is_asked_for() -> None:
    asked = (_ROOT / "docker-compose.yml").read_text().split("${")[1:]
    wanted = {part.split("}")[0].split(":")[0] for part in asked}
    given = {
        line.split("=")[0].lstrip("#") for line in (_ROOT / ".env.example").read_text().splitlines() if "=" in line
    }
    assert wanted <= given
