"""Questions and numbers from reasoning-gym; the steps are ours, made from its metadata.

Used are the data sets whose metadata gives every number exactly. Not used: `gsm_symbolic` (its chains of thought hold
sentences like "48=48 emails"), `leg_counting` ("sheeps"), `time_intervals` (depends on today's date),
`polynomial_equations` (rounded roots).
"""

import importlib
import re
import warnings
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

from stepreward.corpus.generate.draw import Draw
from stepreward.errors import ConfigurationError

_FORMAT_DEMANDS = re.compile(
    r" *(?:Give only|Give the result|Write the factors|Return only|Do not give|Only reply|Please respond).*$", re.DOTALL
)


@cache
def _reasoning_gym() -> ModuleType:
    """Imported when first needed: it is optional, and takes seconds."""
    try:
        with warnings.catch_warnings():
            # cellpylib, which it imports, holds invalid escapes: a SyntaxWarning when it is compiled the first time
            warnings.simplefilter("ignore")
            return importlib.import_module("reasoning_gym")
    except ImportError as error:
        raise ConfigurationError(
            "making the starter corpus needs reasoning-gym 0.1.25: install stepreward[corpus]"
        ) from error


def draw_entry(
    d: Draw, name: str, usable: Callable[[dict[str, Any]], bool], **config: object
) -> tuple[str, dict[str, Any]]:
    """A question of the data set without its demands on the format, and the metadata.

    Raises ConfigurationError without reasoning-gym.
    """
    while True:
        entry = _reasoning_gym().create_dataset(name, size=1, seed=d.whole(0, 2**31), **config)[0]
        if usable(entry["metadata"]):
            return _FORMAT_DEMANDS.sub("", entry["question"]).strip(), entry["metadata"]
