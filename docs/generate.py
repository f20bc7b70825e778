"""Write docs/settings.md, docs/errors.md and docs/metrics.md from the code: `python docs/generate.py`.

A test compares the files with what this would write.
"""

from collections.abc import Iterator
from pathlib import Path

from stepreward import errors
from stepreward.metrics import Metrics
from stepreward.settings import ENV_PREFIX, Settings

FOLDER = Path(__file__).parent


def settings() -> str:
    rows = [
        f"| `{ENV_PREFIX}{name.upper()}` | `--{name.replace('_', '-')}` | "
        f"{'' if field.get_default() is None else f'`{field.get_default()}`'} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    head = (
        "# Settings\n\n"
        "An environment variable each, and a flag of `stepreward serve` and `stepreward gateway`; flags win.\n"
    )
    return "\n".join([head, "| variable | flag | default | what it is |", "| --- | --- | --- | --- |", *rows, ""])


def error_codes() -> str:
    rows = [
        f"| `{error.code}` | {error.status} | {'yes' if error.retryable else 'no'} | "
        f"{(error.__doc__ or '').splitlines()[0]} |"
        for error in sorted(_leaves(errors.StepRewardError), key=lambda error: (error.status, error.code))
        if not issubclass(error, errors.ConfigurationError)
    ]
    head = (
        "# Errors\n\n"
        "Every answer that is not 2xx has the body `{code, message, retryable, request_id}`; the failure of one "
        "item or step among others has the first three. A wrong setting ends the process with exit code 2.\n\n"
        "Beside these, a path that is not served answers 404 `not_found`, a wrong method 405 `method_not_allowed`.\n"
    )
    return "\n".join([head, "| code | status | retryable | meaning |", "| --- | --- | --- | --- |", *rows, ""])


def metrics() -> str:
    rows = [
        f"| `{family.name}{'_total' if family.type == 'counter' else ''}` | {family.type} | {family.documentation} |"
        for family in Metrics().registry.collect()
    ]
    head = "# Metrics\n\nServed at `GET /metrics` of the gateway. vLLM and Qdrant have their own.\n"
    return "\n".join([head, "| metric | type | what it counts |", "| --- | --- | --- |", *rows, ""])


PAGES = {"settings.md": settings, "errors.md": error_codes, "metrics.md": metrics}


def _leaves(error: type[errors.StepRewardError]) -> Iterator[type[errors.StepRewardError]]:
    """The classes that are raised: those without subclasses in the tree's own module."""
    children = [child for child in error.__subclasses__() if child.__module__ == errors.__name__]
    if not children:
        yield error
    for child in children:
        yield from _leaves(child)


if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
