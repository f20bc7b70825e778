"""What is asked of the service, in the address: `…/get_reward?method=rprm&k=4&splitter=step_prefix`."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import QueryParams

from stepreward.body import invalid
from stepreward.schema import Aggregate, Method, Priority, SplitterKind


class Choices(BaseModel):
    """As in a ScoreRequest. `run` names the training run, for metrics. Anything else is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Method | None = None
    k: int | None = Field(None, ge=1, le=64)
    policy: Literal["fixed", "adaptive"] | None = None
    aggregate: Aggregate | None = None
    splitter: SplitterKind | None = None
    pattern: str | None = Field(None, max_length=200)
    priority: Priority | None = None
    seed: int | None = Field(None, ge=0, lt=2**63)
    run: str | None = None

    @classmethod
    def of(cls, query: QueryParams, *other: str) -> "Choices":
        """Without the parameters that a route reads itself. Raises InvalidRequest."""
        try:
            return cls.model_validate({name: value for name, value in query.items() if name not in other})
        except ValidationError as error:
            raise invalid(error) from None

    def fields(self) -> dict[str, Any]:
        """Of a ScoreRequest, those that were chosen."""
        chosen = {
            "method": self.method,
            "aggregate": self.aggregate,
            "priority": self.priority,
            "seed": self.seed,
            "trajectories": _given(k=self.k, policy=self.policy),
            "splitter": _given(kind=self.splitter, pattern=self.pattern),
        }
        return _given(**chosen)


def _given(**fields: object) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, {})}
