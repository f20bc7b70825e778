"""Keyword arguments: of a client, and of what is asked of the items."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from pydantic import ValidationError

from stepreward.errors import InvalidRequest
from stepreward.files import reason_of
from stepreward.schema import Item, ScoreRequest


class ClientOptions(TypedDict, total=False):
    """As AsyncClient takes them."""

    timeout_s: float
    attempts: int
    items_per_request: int
    concurrency: int
    api_key: str | None
    run: str | None


class ScoreOptions(TypedDict, total=False):
    """The fields of a schema.ScoreRequest but its items; what is left out takes the service's settings."""

    method: str
    splitter: Mapping[str, object]
    until: str
    trajectories: Mapping[str, object]
    retrieval: Mapping[str, object]
    aggregate: str
    cache: bool
    seed: int
    priority: str
    include: Sequence[str]


def request_of(items: Sequence[Item], options: Mapping[str, Any]) -> ScoreRequest:
    """Raises InvalidRequest for options that are none or that do not fit, before anything is sent."""
    given = {name: _plain(value) for name, value in options.items()}
    try:
        return ScoreRequest.model_validate({"items": list(items), **given})
    except ValidationError as error:
        raise InvalidRequest(reason_of(error)) from error


def _plain(value: Any) -> Any:
    """A configuration's own kinds of mappings and lists as dict and list."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
