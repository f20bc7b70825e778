"""A gateway's own watch: the canary set, scored again and again as bulk work, its rates told as metrics."""

import asyncio
import logging
import time

from stepreward import caller, canary
from stepreward.caller import Caller
from stepreward.errors import StepRewardError
from stepreward.metrics import Metrics
from stepreward.pipeline import Pipeline

log = logging.getLogger(__name__)


async def patrol(pipeline: Pipeline, metrics: Metrics, interval_s: float) -> None:
    """Until it is cancelled. A run that fails changes no rate: the metric of the last run's time gets old."""
    traps = canary.frozen()
    caller.current.set(Caller("canary", "canary"))
    while True:
        await asyncio.sleep(interval_s)
        try:
            scored = await pipeline.score(canary.request_for(traps), "canary")
        except StepRewardError as error:
            log.warning("canary_failed", extra={"code": error.code})
            continue
        for rate in canary.rates(traps, scored.items):
            metrics.canary_failed.labels(rate.family).set(rate.failed)
            if rate.share is not None:
                metrics.canary_pass_rate.labels(rate.family).set(rate.share)
        metrics.canary_time.set(time.time())
