"""A reranker in the form that Cohere, Jina and vLLM share: the query is a question, a document a candidate solution.

A reranker wants an order: where trajectories are sampled, the policy is `adaptive` unless the address says otherwise.
"""

from functools import partial
from typing import Any

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from stepreward.api.compat.choices import Choices
from stepreward.api.compat.rewards import Reward, rewards, solution
from stepreward.body import read_as
from stepreward.chat import without_special_tokens
from stepreward.schema import Item
from stepreward.service import Service

PATIENCE_S = 55.0


class Document(BaseModel):
    model_config = ConfigDict(extra="ignore")

    text: str


class Candidates(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    query: str
    documents: list[str | Document]
    top_n: int | None = Field(None, ge=1, description="how many of the best are answered; all if left out")
    return_documents: bool = False


async def rerank(request: Request) -> Response:
    """Raises RequestError, RewardUnavailable."""
    service: Service = request.app.state.service
    sent = await read_as(request.headers, request.stream(), service.limits, Candidates)
    fields = Choices.of(request.query_params).fields()
    if fields.get("method", service.compat.default_method) != "retsp":
        fields["trajectories"] = {"policy": "adaptive", **fields.get("trajectories", {})}
    texts = [one if isinstance(one, str) else one.text for one in sent.documents]
    found = await rewards(request, [partial(_item, sent.query, text) for text in texts], fields, PATIENCE_S)
    # Those without a score come last, whatever stands for it; equal ones stay in their order.
    order = sorted(range(len(found)), key=lambda index: (found[index].failure is not None, -found[index].score))
    results = [_result(index, found[index], texts[index], sent) for index in order[: sent.top_n]]
    answer = {"id": request.state.request_id, "results": results}
    return Response(orjson.dumps(answer), media_type="application/json")


def _item(question: str, text: str) -> Item:
    return solution(question, without_special_tokens(text))


def _result(index: int, reward: Reward, text: str, sent: Candidates) -> dict[str, Any]:
    document = {"document": {"text": text}} if sent.return_documents else {}
    return {"index": index, "relevance_score": reward.score, **document, **reward.extras()}
