"""OpenRLHF's remote reward model: `--reward.remote_url http://HOST/get_reward`.

From version 0.9.1 on one sample a request, with a new connection each; before that all of them in one, and an empty
list where there are more servers than samples. The oldest send no prompts. Its patience is 180 s; it tries anything but
a 2xx again, and training ends when that was in vain.
"""

from functools import partial
from typing import Any

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from stepreward.api.compat.choices import Choices
from stepreward.api.compat.rewards import MakeItem, rewards, solution
from stepreward.body import read_as
from stepreward.chat import question_of, response_of
from stepreward.errors import InvalidRequest
from stepreward.schema import Item
from stepreward.service import Service

PATIENCE_S = 170.0

Message = dict[str, Any]


class Queries(BaseModel):
    """`query[i]` is a prompt with its response, special tokens and all. `labels` are not needed."""

    model_config = ConfigDict(extra="ignore", strict=True)

    query: list[str]
    prompts: list[str | list[Message]] | None = Field(None, description="those of `query`, in the same order")


async def get_reward(request: Request) -> Response:
    """Raises RequestError, RewardUnavailable."""
    service: Service = request.app.state.service
    sent = await read_as(request.headers, request.stream(), service.limits, Queries)
    fields = Choices.of(request.query_params).fields()
    found = await rewards(request, _samples(sent), fields, PATIENCE_S)
    scores = [reward.score for reward in found]
    logs = [reward.extras() for reward in found]
    names = logs[0] if logs else {}
    answer = {"rewards": scores, "scores": scores, "extra_logs": {name: [log[name] for log in logs] for name in names}}
    return Response(orjson.dumps(answer), media_type="application/json")


def _samples(sent: Queries) -> list[MakeItem]:
    if not sent.prompts:
        return [partial(_item, query, None) for query in sent.query]
    if len(sent.prompts) != len(sent.query):
        raise InvalidRequest(f"prompts: {len(sent.prompts)} for {len(sent.query)} queries")
    return [partial(_item, query, prompt) for query, prompt in zip(sent.query, sent.prompts, strict=True)]


def _item(query: str, prompt: str | list[Message] | None) -> Item:
    """A query without its prompt is a conversation of which the assistant's turn is the response."""
    response = response_of(query, prompt if isinstance(prompt, str) else None)
    return solution(question_of(query if prompt is None else prompt), response)
