"""RetrievalPRM's judgement of one step: a single token, "+" or "-" (arXiv 2502.14361).

Deviations from the paper: 1. The prompt's words are our own. 2. Reference questions stand before the target question,
and what differs between the steps of a solution stands last, so that they share a token prefix. Both may be undone by a
file of the user's.
"""

from collections.abc import Sequence
from pathlib import Path

from stepreward.errors import ConfigurationError
from stepreward.prompts.template import StepTemplate
from stepreward.prompts.tokens import PromptTokenizer
from stepreward.prompts.wording import Wording, built_in, of_our_form, read
from stepreward.values import Prompt, References, Solution

METHOD = "retsp"
SETTING = "STEPREWARD_RETSP_TEMPLATE"


def wording(path: Path | None) -> Wording:
    """The built-in one without a path. Raises ConfigurationError naming the setting."""
    if path is None:
        return built_in(METHOD)
    words = of_our_form(read(path, SETTING), SETTING)
    if words.marker:
        raise ConfigurationError(f"{SETTING}: [[marker]] is rprm's; retsp reads the first token of the answer")
    return words


class RetSP:
    """Renders the steps of a solution. `labels` are the token ids whose logits are compared: correct, wrong."""

    def __init__(self, template: StepTemplate, tokenizer: PromptTokenizer, context_tokens: int) -> None:
        """Raises ConfigurationError where "+" or "-", or a label of the template's own, is not one token."""
        self._template = template
        self._room_tokens = context_tokens - 1
        self.labels = template.labels("+", "-")
        self.version = f"{METHOD}-{template.sha256[:12]}"

    def render(self, solution: Solution, references: References, indexes: Sequence[int] | None = None) -> list[Prompt]:
        """One prompt for each of these steps, for all if not said. Raises ContextOverflow naming the step."""
        return self._template.fit(solution, references, self._room_tokens, indexes)
