"""Settings as flags: every field of Settings is an option of the commands that take settings."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from stepreward.settings import ENV_PREFIX, Settings

F = TypeVar("F", bound=Callable[..., Any])


def with_settings(command: F) -> F:
    """Add an option for each setting; the command gets one mapping `overrides` through `collect`."""
    for name, field in reversed(Settings.model_fields.items()):
        default = field.get_default()
        shown = "" if default is None else f"  [default: {default}]"
        option = click.option(
            "--" + name.replace("_", "-"),
            name,
            default=None,
            metavar="VALUE",
            help=f"{field.description}{shown}  [env: {ENV_PREFIX}{name.upper()}]",
        )
        command = option(command)
    return command


def collect(given: dict[str, str | None]) -> Settings:
    """Settings from the environment with the given flags on top. Raises ConfigurationError."""
    return Settings.load({name: value for name, value in given.items() if value is not None})
