"""Who is asked: a running service over HTTP, or the service's own parts in this process."""

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stepreward.bulk import Scorer
from stepreward.client import AsyncClient
from stepreward.errors import ConfigurationError, RequestError, StepRewardError
from stepreward.schema import ScoreRequest, ScoreResponse

if TYPE_CHECKING:
    from stepreward.pipeline import Pipeline

LOCAL_GATEWAY = "http://127.0.0.1:8080"


@dataclass(frozen=True)
class Served:
    """What a request's answer says of all its items; `seconds` is an item's equal share of the time."""

    model: str
    prompt_version: str
    corpus_snapshot: str | None
    wrong_below: float
    seconds: float


class Observed:
    """Passes requests on and keeps, for each item, who answered and how long it took."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.served: dict[str, Served] = {}

    async def score(self, request: ScoreRequest) -> ScoreResponse:
        started_s = time.perf_counter()
        answer = await self._scorer.score(request)
        seconds = (time.perf_counter() - started_s) / len(answer.items)
        served = Served(answer.model, answer.prompt_version, answer.corpus_snapshot, answer.wrong_below, seconds)
        self.served |= {item.id: served for item in answer.items}
        return answer


class InProcess:
    """The pipeline, with the errors that a client of its route would see."""

    def __init__(self, pipeline: "Pipeline") -> None:
        self._pipeline = pipeline

    async def score(self, request: ScoreRequest) -> ScoreResponse:
        try:
            return await self._pipeline.score(request, uuid.uuid4().hex)
        except StepRewardError as error:
            if error.retryable:
                raise
            raise RequestError(f"{error.code}: {error.message}") from error


@asynccontextmanager
async def open_scorer(url: str | None, in_process: bool) -> AsyncIterator[Scorer]:
    """In process: with settings from the environment, and a worker and a store that run.

    Raises ConfigurationError, and what `wiring.build` raises.
    """
    if not in_process:
        async with AsyncClient(url or LOCAL_GATEWAY) as client:
            yield client
        return
    try:
        from stepreward import wiring  # noqa: PLC0415  (a client's installation has no server parts)
        from stepreward.settings import Settings  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"--in-process needs {error.name}: pip install stepreward[gateway]") from error
    async with wiring.build(Settings.load()) as service:
        yield InProcess(service.pipeline)
