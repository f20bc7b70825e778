"""A door between the service and its worker that puts recorded votes in the place of the model's verdicts.

Everything is passed on, and so costs what it costs; only in answers about a step whose votes are known are the two
labels' log-probabilities replaced. It also keeps the prompts that passed, and drops a call whose caller has gone.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Votes = Mapping[tuple[int, ...], Sequence[bool]]

# Log-probabilities of the label that a trajectory said, and of the other.
_SAID, _NOT_SAID = -0.0001, -9.2


class Door:
    """Votes are given in their order, anew after each `give`; without any the model's own verdicts pass."""

    def __init__(self, worker: httpx.AsyncClient) -> None:
        self._worker = worker
        self._votes: Votes = {}
        self._given: dict[tuple[int, ...], int] = {}
        self.prompts: list[list[int]] = []

    def give(self, votes: Votes) -> None:
        """For each step's prompt the votes of its trajectories, whether Yes."""
        self._votes, self._given, self.prompts = votes, dict.fromkeys(votes, 0), []

    @contextlib.asynccontextmanager
    async def open(self, port: int) -> AsyncIterator[None]:
        app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST"])])
        server = _Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
        serving = asyncio.create_task(server.serve())
        try:
            yield
        finally:
            server.should_exit = True
            await serving

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        call = asyncio.create_task(
            self._worker.request(
                request.method, request.url.path, content=body, headers={"content-type": "application/json"}
            )
        )
        gone = asyncio.create_task(request.receive())
        await asyncio.wait({call, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not call.done():
            call.cancel()
            return Response(status_code=499)
        try:
            answer = call.result()
        except httpx.ConnectError:  # it is starting
            return Response(status_code=503)
        asked = json.loads(body) if body else {}
        content = self._voted(asked, answer.content) if "logprob_token_ids" in asked else answer.content
        return Response(content, answer.status_code, media_type="application/json")

    def _voted(self, asked: Mapping[str, Any], content: bytes) -> bytes:
        self.prompts += asked["prompt"]
        steps = [self._step(prompt) for prompt in asked["prompt"]]
        if not any(steps):
            return content
        said = json.loads(content)
        yes, no = (f"token_id:{label}" for label in asked["logprob_token_ids"])
        for choice in said.get("choices", ()):
            if step := steps[choice["index"]]:
                vote = self._votes[step][self._given[step] % len(self._votes[step])]
                self._given[step] += 1
                logprobs = {yes: _SAID, no: _NOT_SAID} if vote else {yes: _NOT_SAID, no: _SAID}
                choice["logprobs"]["top_logprobs"] = [logprobs]
        return json.dumps(said).encode()

    def _step(self, prompt: Sequence[int]) -> tuple[int, ...] | None:
        """The step's prompt that this one begins with."""
        return next((step for step in self._votes if tuple(prompt[: len(step)]) == step), None)


class _Server(uvicorn.Server):
    """Leaves the signals to the supervisor of this process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
