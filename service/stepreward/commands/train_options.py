"""What the commands of `train` share: the options of learning, and the model that they begin with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from stepreward.prompts import retsp, rprm
from stepreward.prompts.retsp import RetSP
from stepreward.prompts.rprm import RPRM
from stepreward.prompts.template import StepTemplate
from stepreward.prompts.tokens import PromptTokenizer
from stepreward.settings import Settings
from stepreward.training.learner import Recipe

F = TypeVar("F", bound=Callable[..., Any])

_LEARNING = (
    click.option(
        "--tokens", type=click.IntRange(1), default=1_000_000, show_default=True, help="to learn from, in all"
    ),
    click.option("--learning-rate", type=click.FloatRange(0, min_open=True), default=1e-3, show_default=True),
    click.option("--warmup-tokens", type=click.IntRange(0), default=20_000, show_default=True),
    click.option(
        "--decay",
        type=click.FloatRange(0, 1),
        default=0.3,
        show_default=True,
        help="share of the tokens, the last ones, over which the rate falls to 0",
    ),
    click.option("--rank", type=click.IntRange(1), default=32, show_default=True, help="of the adapters"),
    click.option("--alpha", type=click.IntRange(1), default=32, show_default=True, help="of the adapters"),
    click.option("--dropout", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="in the adapters"),
    click.option("--weight-decay", type=click.FloatRange(0), default=0.01, show_default=True),
    click.option("--clip", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True, help="of the norm"),
    click.option(
        "--adapter",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="adapters to begin with; their rank and alpha are kept",
    ),
)


def learning_options(command: F) -> F:
    for option in reversed(_LEARNING):
        command = option(command)
    return command


def recipe_of(given: dict[str, Any]) -> Recipe:
    """Takes its options out of `given`."""
    return Recipe(**{name: given.pop(name) for name in Recipe.__dataclass_fields__ if name in given})


@dataclass(frozen=True)
class Base:
    """The model to begin with, its tokenizer, and the words it is asked with."""

    path: str
    tokenizer: PromptTokenizer
    settings: Settings

    @classmethod
    def of(cls, settings: Settings) -> "Base":
        """Raises ConfigurationError where there is no tokenizer."""
        return cls(settings.model_path, PromptTokenizer.load(settings.model_path), settings)

    def retsp(self) -> RetSP:
        """Raises ConfigurationError for a tokenizer without the labels, and for a template that cannot be used."""
        template = StepTemplate(retsp.wording(self.settings.effective_retsp_template), self.tokenizer)
        return RetSP(template, self.tokenizer, self.settings.worker_context_tokens)

    def rprm(self) -> RPRM:
        words = rprm.wording(self.settings.effective_rprm_template, self.settings.rprm_no_previous_steps)
        template = StepTemplate(words, self.tokenizer)
        settings = self.settings
        return RPRM(template, self.tokenizer, settings.worker_context_tokens, settings.rprm_max_tokens)
