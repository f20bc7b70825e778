"""Calls of a running service: `AsyncClient`, and `Client` for code that does not await.

    with Client("http://127.0.0.1:8080") as client:
        results = client.score_items([Item(question="2 + 3?", response="2 + 3 = 5")], method="rprm")

Needs none of the service's own parts: what a trainer imports is httpx, pydantic and stamina.
"""

from stepreward.client.asynchronous import AsyncClient
from stepreward.client.blocking import Client
from stepreward.client.exchange import Refused, ServiceUnavailable
from stepreward.client.failed import failed
from stepreward.client.options import ScoreOptions
from stepreward.schema import Item, ItemResult, ScoreRequest, ScoreResponse

__all__ = [
    "AsyncClient",
    "Client",
    "Item",
    "ItemResult",
    "Refused",
    "ScoreOptions",
    "ScoreRequest",
    "ScoreResponse",
    "ServiceUnavailable",
    "failed",
]
