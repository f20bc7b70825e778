"""Routes in the forms of others: RL frameworks and rerankers use the service by configuration alone.

    rewards.py     what all of them share: waiting within the client's patience, and what stands for a missing score
    choices.py     what a client chooses in the address, as it can be told nothing else
    openrlhf.py  slime.py  nemo_gym.py  rerank.py   one family of clients each

What a body has beside the fields that are read is passed over: their makers change them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request, Response
from pydantic import BaseModel

from stepreward.api.compat import nemo_gym, openrlhf, rerank, slime


@dataclass(frozen=True)
class Route:
    path: str
    handle: Callable[[Request], Awaitable[Response]]
    body: type[BaseModel]
    summary: str


ROUTES = (
    Route("/get_reward", openrlhf.get_reward, openrlhf.Queries, "Rewards in OpenRLHF's form"),
    Route("/compat/slime", slime.reward, slime.Sample, "A reward in slime's form; `?bare=1`: the number alone"),
    Route("/seed_session", nemo_gym.seed_session, nemo_gym.Row, "Begin a session of a NeMo Gym resource server"),
    Route("/verify", nemo_gym.verify, nemo_gym.Row, "A reward in the form of a NeMo Gym resource server"),
    Route("/rerank", rerank.rerank, rerank.Candidates, "Candidate solutions by their score, best first"),
    Route("/v1/rerank", rerank.rerank, rerank.Candidates, "The same, where such clients look for it"),
)
