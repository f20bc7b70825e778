"""What the routes use: one pipeline, its limits, and how its parts are."""

import asyncio
from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass, field
from typing import Literal

from stepreward.access import Gate
from stepreward.body import Limits
from stepreward.concurrency import Turns
from stepreward.errors import ConfigurationError, DependencyError, StepRewardError
from stepreward.metrics import Metrics
from stepreward.pipeline import Pipeline
from stepreward.schema import Method

Part = Literal["store", "encoder", "worker"]
_PROBE_S = 5.0


@dataclass(frozen=True)
class Readiness:
    """`parts`: "ok", or what is wrong with it."""

    ready: bool
    parts: dict[Part, str]


@dataclass(frozen=True)
class CompatRule:
    """Of the routes in the forms of others: what they say of a sample without a score.

    `default_method` is that of a request that names none.
    """

    on_error: Literal["value", "503"] = "value"
    fallback_score: float = 0
    default_method: Method = "retsp"


@dataclass(frozen=True)
class Service:
    """What the routes use."""

    pipeline: Pipeline
    limits: Limits
    metrics: Metrics
    probes: dict[Part, Callable[[], Awaitable[object]]]
    dispensable: Set[Part] = frozenset()
    turns: Turns = field(default_factory=Turns)
    compat: CompatRule = CompatRule()
    gate: Gate | None = None

    async def probe(self) -> Readiness:
        """Asks every part, and gives each five seconds to answer.

        A part that is dispensable may be gone; it may not contradict the settings.
        """
        faults = await asyncio.gather(*(_fault(ask()) for ask in self.probes.values()))
        found = dict(zip(self.probes, faults, strict=True))
        return Readiness(
            ready=all(
                fault is None or (part in self.dispensable and not isinstance(fault, ConfigurationError))
                for part, fault in found.items()
            ),
            parts={part: fault.message if fault else "ok" for part, fault in found.items()},
        )


async def _fault(asked: Awaitable[object]) -> StepRewardError | None:
    try:
        await asyncio.wait_for(asked, _PROBE_S)
    except TimeoutError:
        return DependencyError(f"no answer in {_PROBE_S:.0f} s")
    except StepRewardError as error:
        return error
    return None
