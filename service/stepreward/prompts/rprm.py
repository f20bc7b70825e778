"""R-PRM's judgement of one step: a written analysis that ends in a verdict (arXiv 2503.21295).

The model writes until the marker, `Verification: Is the step correct (Yes/No)?`; the verdict is P(" Yes") against
P(" No") for the token after it. Only *generated* text is searched for the marker: one that stands in a step is text.

Deviations from the paper's code: 1. The prompt's words are our own. 2. The verdict is read in the serving engine, by
one more prompt token on the cached prefix, not by a second copy of the model. 3. An analysis that reached its token
budget is asked for its verdict with the same marker, and counted as forced. 4. The first marker counts (as there).
"""

from collections.abc import Sequence

from stepreward.errors import ConfigurationError
from stepreward.prompts.template import StepTemplate
from stepreward.prompts.tokens import PromptTokenizer
from stepreward.schema import Prompt, References, Solution

METHOD = "rprm"
MARKER = "Verification: Is the step correct (Yes/No)?"


class RPRM:
    """Renders the steps of a solution, and turns a written analysis into the prompt that reads its verdict."""

    def __init__(
        self, template: StepTemplate, tokenizer: PromptTokenizer, context_tokens: int, max_tokens: int
    ) -> None:
        """Raises ConfigurationError where " Yes" or " No" is not one token."""
        self._template = template
        self._tokenizer = tokenizer
        self._marker_ids = tokenizer.trusted(MARKER)
        self._forced_marker_ids = tokenizer.trusted("\n\n" + MARKER)
        self._room_tokens = context_tokens - max_tokens - len(self._forced_marker_ids) - 1
        if self._room_tokens < 1:
            raise ConfigurationError(
                f"STEPREWARD_RPRM_MAX_TOKENS: {max_tokens} leave no room in a context of {context_tokens} tokens"
            )
        self.labels = (tokenizer.label(" Yes"), tokenizer.label(" No"))
        self.version = f"{METHOD}-{template.sha256[:12]}"

    def render(self, solution: Solution, references: References, indexes: Sequence[int] | None = None) -> list[Prompt]:
        """One prompt for each of these steps, for all if not said, with room for the whole analysis.

        Raises ContextOverflow naming the step.
        """
        return self._template.fit(solution, references, self._room_tokens, indexes)

    def verdict_prompt(self, prompt: Sequence[int], generated: Sequence[int]) -> tuple[list[int], bool]:
        """Token ids up to where the verdict comes next, and whether the marker had to be added.

        `generated` ends with the marker (it is the stop string), with an end-of-turn token, or with the budget.
        """
        generated = self._without_end(generated)
        text = self._tokenizer.decode(generated)
        start = text.find(MARKER)
        if start < 0:
            return [*prompt, *generated, *self._forced_marker_ids], True
        # The token that completes the marker may run past it, and the one that begins it may begin before it.
        kept = len(generated)
        while kept and len(self._tokenizer.decode(generated[:kept])) > start:
            kept -= 1
        between = text[len(self._tokenizer.decode(generated[:kept])) : start]
        return [*prompt, *generated[:kept], *self._tokenizer.untrusted(between), *self._marker_ids], False

    def text(self, generated: Sequence[int]) -> str:
        """The analysis as text, without what ends a turn."""
        return self._tokenizer.decode(self._without_end(generated))

    def _without_end(self, generated: Sequence[int]) -> Sequence[int]:
        while generated and generated[-1] in self._tokenizer.reserved:
            generated = generated[:-1]
        return generated
