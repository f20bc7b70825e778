"""slime's remote reward model: `--rm-type remote_rm --rm-url http://HOST/compat/slime --reward-key score`.

Without a reward key it takes the answer itself for the reward: `…/compat/slime?bare=1`. Its patience is 120 s.
"""

from functools import partial
from typing import Any

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict

from stepreward.api.compat.choices import Choices
from stepreward.api.compat.rewards import rewards, solution
from stepreward.body import read_as
from stepreward.chat import question_of, without_special_tokens
from stepreward.errors import InvalidRequest
from stepreward.schema import Item
from stepreward.service import Service

PATIENCE_S = 110.0


class Sample(BaseModel):
    """`prompt` is a text, in a chat template or not, or messages. The `label` is not needed."""

    model_config = ConfigDict(extra="ignore", strict=True)

    prompt: str | list[dict[str, Any]]
    response: str


async def reward(request: Request) -> Response:
    """Raises RequestError, RewardUnavailable."""
    service: Service = request.app.state.service
    sent = await read_as(request.headers, request.stream(), service.limits, Sample)
    fields = Choices.of(request.query_params, "bare").fields()
    bare = request.query_params.get("bare", "0")
    if bare not in {"0", "1"}:
        raise InvalidRequest("bare: 0 or 1")
    [found] = await rewards(request, [partial(_item, sent)], fields, PATIENCE_S)
    answer = found.score if bare == "1" else {"score": found.score, **found.extras()}
    return Response(orjson.dumps(answer), media_type="application/json")


def _item(sent: Sample) -> Item:
    return solution(question_of(sent.prompt), without_special_tokens(sent.response))
