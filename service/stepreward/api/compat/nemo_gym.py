"""A resource server in NeMo Gym's form, as verifiers and prime-rl call it: `/seed_session`, then `/verify`.

The answer is the whole body with a `reward`. Its patience is 60 s; an answer that is no 200 loses the rollout, so a
failure is a 200 with the fallback value and `_ng_failure_class`, unless the service is set to say 503.
"""

from functools import partial
from typing import Any

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict

from stepreward.api.compat.choices import Choices
from stepreward.api.compat.rewards import rewards, solution
from stepreward.body import read_as
from stepreward.chat import question_of, text_of, without_special_tokens
from stepreward.errors import InvalidRequest
from stepreward.schema import Item
from stepreward.service import Service

PATIENCE_S = 55.0


class Input(BaseModel):
    """The request for a response, in OpenAI's Responses form."""

    model_config = ConfigDict(extra="allow")

    input: str | list[dict[str, Any]]


class Row(BaseModel):
    """A row of the data set, with the `response`, in the same form, once there is one."""

    model_config = ConfigDict(extra="allow")

    responses_create_params: Input
    response: dict[str, Any] | None = None


async def seed_session(request: Request) -> Response:
    """There is nothing to keep: every row is scored for itself."""
    service: Service = request.app.state.service
    await read_as(request.headers, request.stream(), service.limits, Row)
    return Response(b"{}", media_type="application/json")


async def verify(request: Request) -> Response:
    """Raises RequestError, RewardUnavailable."""
    service: Service = request.app.state.service
    row = await read_as(request.headers, request.stream(), service.limits, Row)
    fields = Choices.of(request.query_params).fields()
    [found] = await rewards(request, [partial(_item, row)], fields, PATIENCE_S)
    answer = row.model_dump() | {"reward": found.score, **found.extras()}
    if found.failure:
        answer["_ng_failure_class"] = found.failure.code
    return Response(orjson.dumps(answer), media_type="application/json")


def _item(row: Row) -> Item:
    return solution(question_of(row.responses_create_params.input), without_special_tokens(_text(row)))


def _text(row: Row) -> str:
    """What the assistant said, without its reasoning and its calls of tools. Raises InvalidRequest."""
    output = (row.response or {}).get("output")
    if not isinstance(output, list):
        raise InvalidRequest("response.output: not a list")
    said = [one for one in output if isinstance(one, dict) and one.get("type", "message") == "message"]
    return "\n\n".join(text_of(one.get("content")) for one in said)
