"""A judge's probabilities set right: p' = sigmoid(a·logit(p) + b), and the band in which it is not to be trusted.

Guo et al. 2017 (temperature: a = 1 / T, b = 0) and Platt 1999, with one deviation: p is drawn in from [0, 1] to
[1e-6, 1 - 1e-6] first. A score that was rounded to 1 is as much too sure as its neighbours, and has no logit.

The file is made by `stepreward calibrate`, for one model and one prompt; here it is read, checked and applied.
"""

import math
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stepreward.errors import ConfigurationError
from stepreward.files import reason_of

VERSION: Literal[1] = 1
SLOPES = (1e-3, 100.0)
BIASES = (-50.0, 50.0)

Probability = Annotated[float, Field(ge=0, le=1)]
CalibrationMethod = Literal["temperature", "platt"]

SMALLEST_P = 1e-6

# exp of more overflows.
_LARGEST_EXPONENT = 700.0


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Scale(_Part):
    a: float = Field(ge=SLOPES[0], le=SLOPES[1], description="1 / temperature")
    b: float = Field(0.0, ge=BIASES[0], le=BIASES[1], description="bias, on the logit")

    def apply(self, p: float) -> float:
        """[0, 1] into [0, 1], increasing; 0.5 stays without a bias."""
        inner = SMALLEST_P + (1 - 2 * SMALLEST_P) * p
        logit = self.a * (math.log(inner) - math.log1p(-inner)) + self.b
        return math.exp(logit) if logit < -_LARGEST_EXPONENT else 1 / (1 + math.exp(-logit))


class Band(_Part):
    """Calibrated probabilities from `low` to `high` are uncertain: a cascade asks the stronger judge.

    Below `low` (a wrong step) and above `high` (a correct one) the decision holds for at least `confidence` of the
    steps it was measured on; a side on which that was not reached is inside, to its end.
    """

    low: float = Field(ge=0, le=0.5)
    high: float = Field(ge=0.5, le=1)
    confidence: Probability
    share_inside: Probability
    accuracy_below: Probability | None = Field(description="null when nothing lies below")
    accuracy_above: Probability | None = Field(description="null when nothing lies above")

    @property
    def reached(self) -> bool:
        """Whether there is anything that the first judge may decide."""
        return (self.low, self.high) != (0, 1)

    def contains(self, p: float) -> bool:
        return self.low <= p <= self.high


class Figure(_Part):
    """A measure and the middle 95% of it over resampled solutions."""

    value: float = Field(ge=0)
    low: float = Field(ge=0)
    high: float = Field(ge=0)


class Figures(_Part):
    """How far probabilities are from the labels. `ece` has 15 bins of equal mass, `ece_width` of equal width."""

    ece: Figure
    ece_width: Figure
    nll: Figure
    brier: Figure


class Calibration(_Part):
    """What the file holds. `after` is cross-validated: each step by a scale that was fitted without its question."""

    version: Literal[1] = VERSION
    method: CalibrationMethod
    model: str | None = Field(description="which the steps were scored with; null where the recording does not say")
    prompt_version: str | None
    created_at: datetime
    data_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    n: int = Field(ge=1, description="labelled steps")
    scale: Scale
    band: Band
    wrong_below: Probability = Field(
        0.5, description="a step less likely right than this counts as wrong: the share of right steps, with a bias"
    )
    before: Figures
    after: Figures

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises ConfigurationError for a file that is missing, of another version, or out of range."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise ConfigurationError(f"calibration {path}: {error.strerror or error}") from error
        except ValidationError as error:
            raise ConfigurationError(f"calibration {path}: {reason_of(error)}") from error

    def apply(self, p: float | None) -> float | None:
        """The calibrated probability; None, which is no probability, stays None."""
        return None if p is None else self.scale.apply(p)

    @model_validator(mode="after")
    def _temperature_has_no_bias(self) -> Self:
        if self.method == "temperature" and self.scale.b != 0:
            raise ValueError("scale.b: temperature scaling has no bias")
        return self
