"""Rewards for clients that know neither Retry-After nor null.

They are kept waiting, within their own patience: what fails for a passing reason is tried again until then. What has no
score in the end is the fallback value and says so (`prm_fallback`), or the whole answer is 503, as the service is set.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import stamina
from fastapi import Request
from pydantic import ValidationError

from stepreward.api.score import while_connected
from stepreward.body import invalid
from stepreward.concurrency import run_all, until
from stepreward.errors import BudgetSpent, InternalError, InvalidRequest, Overloaded, RewardUnavailable, StepRewardError
from stepreward.results import failure_of
from stepreward.schema import Failure, Item, ItemResult, ScoreRequest
from stepreward.service import Service
from stepreward.tenants import Tenant

# From the sample that a client sent to the item that is scored; it may raise InvalidRequest, for this sample alone.
MakeItem = Callable[[], Item]


@dataclass(frozen=True)
class Reward:
    """All numbers, always the same ones: some clients take their names from the first sample.

    `first_error` is 0-based, -1 where no step is wrong. Where there is a `failure`, the scores are the fallback value,
    and there are no steps.
    """

    score: float
    min: float
    mean: float
    last: float
    steps: int
    first_error: int
    failure: Failure | None = None

    def extras(self) -> dict[str, float]:
        return {
            "prm_min": self.min,
            "prm_mean": self.mean,
            "prm_last": self.last,
            "prm_steps": self.steps,
            "prm_first_error": self.first_error,
            "prm_fallback": int(self.failure is not None),
        }


def solution(question: str, response: str) -> Item:
    """Raises InvalidRequest for what is blank or unreadable."""
    try:
        return Item(question=question, response=response)
    except ValidationError as error:
        raise invalid(error) from None


async def rewards(
    request: Request, samples: Sequence[MakeItem], fields: Mapping[str, Any], patience_s: float
) -> list[Reward]:
    """One for each sample, in order, within `patience_s` of now.

    Raises RequestError for fields that do not fit, ClientDisconnect, and RewardUnavailable where the service is set to.
    """
    service: Service = request.app.state.service
    if len(samples) > service.limits.items:
        raise InvalidRequest(f"body: {len(samples)} samples are more than the {service.limits.items} allowed")
    _check(service, fields)
    end_s = asyncio.get_running_loop().time() + patience_s
    asker = _Asker(service, request.state.request_id, request.state.tenant, end_s)
    work = run_all(_reward(asker, sample, fields) for sample in samples)
    with service.metrics.in_flight.track_inprogress():
        return await while_connected(request.receive, work)


def _check(service: Service, fields: Mapping[str, Any]) -> None:
    """Before any sample is looked at: this is nobody's sample's fault."""
    try:
        wanted = ScoreRequest.model_validate({"items": [Item(question="?", response="?")], **fields})
    except ValidationError as error:
        raise invalid(error) from None
    service.pipeline.check(wanted)


@dataclass(frozen=True)
class _Asker:
    """The service, for whom it is asked, and until when an answer is of use, on the loop's clock."""

    service: Service
    request_id: str
    tenant: Tenant | None
    end_s: float


async def _reward(asker: _Asker, sample: MakeItem, fields: Mapping[str, Any]) -> Reward:
    service = asker.service
    try:
        result = await _scored(asker, sample(), fields)
    except StepRewardError as error:
        failure = failure_of(error)
    else:
        if result.failure is None:
            return _rewarded(result)
        failure = result.failure
    service.metrics.fallbacks.labels(failure.code).inc()
    rule = service.compat
    if rule.on_error == "503":
        raise RewardUnavailable(f"{failure.code}: {failure.message}")
    value = rule.fallback_score
    return Reward(value, value, value, value, steps=0, first_error=-1, failure=failure)


def _rewarded(result: ItemResult) -> Reward:
    found = result.aggregates
    if result.score is None or found.min is None or found.mean is None or found.last is None:
        raise InternalError("an item that is ok has no score. This is a bug.")
    first_error = -1 if result.first_error is None else result.first_error
    return Reward(result.score, found.min, found.mean, found.last, len(result.steps), first_error)


async def _scored(asker: _Asker, item: Item, fields: Mapping[str, Any]) -> ItemResult:
    """Raises StepRewardError: what the last attempt came to."""
    failed: StepRewardError | None = None
    loop = asyncio.get_running_loop()
    try:
        async with until(asker.end_s):
            async for attempt in stamina.retry_context(on=_pause_s, attempts=None, timeout=None):
                with attempt:
                    left_ms = max(0, int((asker.end_s - loop.time()) * 1000))
                    wanted = ScoreRequest.model_validate({"items": [item], **fields, "deadline_ms": left_ms})
                    try:
                        scored = await asker.service.pipeline.score(wanted, asker.request_id, tenant=asker.tenant)
                        return scored.items[0]
                    except StepRewardError as error:
                        failed = error
                        raise
    except StepRewardError as error:
        raise failed or error from error
    raise InternalError("the attempts ended without a result or an error. This is a bug.")


def _pause_s(error: Exception) -> bool | float:
    if isinstance(error, Overloaded | BudgetSpent):
        return error.retry_after_s
    return isinstance(error, StepRewardError) and error.retryable
