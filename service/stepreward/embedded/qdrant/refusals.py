"""How the embedded Qdrant reads a request or refuses it. Nothing is accepted and ignored.

    QdrantRefusal
    ├── BadRequest        unknown or unsupported field, wrong type, wrong vector size   400
    ├── Unprocessable     the right type with a value out of range                      422
    ├── Unauthorized      no key, where one is wanted, or none that is known            401
    ├── Forbidden         a key that may only read                                      403
    ├── NotFound          no such collection or alias                                   404
    ├── Conflict          the collection exists already                                 409
    ├── TooLarge          more bytes than the cap                                       413
    ├── UnsupportedBody   a compressed body                                             415
    ├── Late              not begun before the request's own timeout                    408
    └── EngineFailed      the engine itself failed                                      500

The codes are those of a Qdrant server (src/actix/helpers.rs); messages begin as its messages do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

_RANGE_ERRORS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "too_short", "too_long"}


class QdrantRefusal(Exception):
    """Root of the tree. `status` is the HTTP status; the message goes to the client."""

    status: ClassVar[int] = 500


class BadRequest(QdrantRefusal):
    status = 400


class Unprocessable(QdrantRefusal):
    status = 422


class Unauthorized(QdrantRefusal):
    status = 401


class Forbidden(QdrantRefusal):
    status = 403


class NotFound(QdrantRefusal):
    status = 404


class Conflict(QdrantRefusal):
    status = 409


class TooLarge(QdrantRefusal):
    status = 413


class UnsupportedBody(QdrantRefusal):
    status = 415


class Late(QdrantRefusal):
    status = 408


class EngineFailed(QdrantRefusal):
    status = 500


class Body(BaseModel):
    """A JSON object of which every field is applied; others are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


B = TypeVar("B", bound=Body)


def parse(model: type[B], body: bytes) -> B:
    """Read a body. Raises BadRequest or Unprocessable naming the first field at fault."""
    try:
        return model.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"Format error in JSON body: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] in _RANGE_ERRORS:
            raise Unprocessable(f"Validation error in JSON body: {_describe(first)}") from error
        raise BadRequest(f"Format error in JSON body: {_describe(first)}") from error


def _describe(error: ErrorDetails) -> str:
    *parents, last = [str(part) for part in error["loc"]] or ["body"]
    if error["type"] == "extra_forbidden":
        where = f" in {'.'.join(parents)}" if parents else ""
        return f"unsupported field `{last}`{where}"
    if error["type"] == "union_tag_not_found" and isinstance(error["input"], dict):
        return f"{'.'.join([*parents, last])}: unsupported condition {sorted(error['input'])}"
    return f"{'.'.join([*parents, last])}: {error['msg'].removeprefix('Value error, ')}"


@contextmanager
def engine_call() -> Iterator[None]:
    """Translate what the engine raises: it knows no exception narrower than Exception."""
    try:
        yield
    except QdrantRefusal:
        raise
    except Exception as error:
        if str(error).startswith("Service"):
            raise EngineFailed(f"Service internal error: {error}") from error
        raise BadRequest(f"Wrong input: {error}") from error
