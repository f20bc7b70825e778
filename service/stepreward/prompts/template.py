"""A wording around a solution, as token ids that fit the context."""

from collections.abc import Sequence

from jinja2 import TemplateError

from stepreward.errors import ConfigurationError, ContextOverflow, InvalidRequest
from stepreward.prompts.tokens import Holes, PromptTokenizer, Segment
from stepreward.prompts.wording import Chosen, Wording, built_in
from stepreward.values import Prompt, References, Solution

_USER = "\ue000user\ue001"


class StepTemplate:
    """Renders the prompt of one step as token ids, in the model's own chat format. `sha256` is the wording's."""

    def __init__(self, wording: Wording, tokenizer: PromptTokenizer) -> None:
        """Raises ConfigurationError for a chat template that does not hold the user's text just once."""
        self.wording = wording
        self.sha256 = wording.sha256
        self._tokenizer = tokenizer
        try:
            around = tokenizer.chat(wording.system, _USER).split(_USER)
        except TemplateError as error:
            raise ConfigurationError(f"STEPREWARD_MODEL: its chat template: {error}") from error
        if len(around) != 2:
            raise ConfigurationError("STEPREWARD_MODEL: its chat template does not hold the user's text just once")
        self._before, self._after = around

    @classmethod
    def built_in(cls, name: str, tokenizer: PromptTokenizer) -> "StepTemplate":
        return cls(built_in(name), tokenizer)

    def labels(self, correct: str, wrong: str) -> tuple[int, int]:
        """Token ids of the file's own labels, else of these. Raises ConfigurationError where one is not one token."""
        if not self.wording.labels:
            return self._tokenizer.label(correct), self._tokenizer.label(wrong)
        try:
            first, second = (self._tokenizer.label(text) for text in self.wording.labels)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.wording.setting}: [[labels]]: {error.message}") from error
        if first == second:
            raise ConfigurationError(f"{self.wording.setting}: [[labels]]: both are the same token")
        return first, second

    def fit(
        self, solution: Solution, references: References, room_tokens: int, indexes: Sequence[int] | None = None
    ) -> list[Prompt]:
        """One prompt for each of these steps, for all if not said. Raises ContextOverflow naming the step."""
        chosen = range(len(solution.steps)) if indexes is None else indexes
        return [self._fit(solution, index, references, room_tokens) for index in chosen]

    def _fit(self, solution: Solution, index: int, references: References, room_tokens: int) -> Prompt:
        """The prompt for step `index`: whole, or with references dropped, the step's own first and the last first."""
        questions = references.questions if self.wording.shows_questions else ()
        steps = references.steps[index] if self.wording.shows_steps else ()
        while True:
            try:
                token_ids = self._tokenizer.encode(self._render(solution, index, Chosen(questions, steps)))
            except InvalidRequest as error:
                raise InvalidRequest(f"steps[{index}]: in its prompt, {error.message}") from error
            if len(token_ids) <= room_tokens:
                return Prompt(token_ids, len(questions), len(steps))
            if steps:
                steps = steps[:-1]
            elif questions:
                questions = questions[:-1]
            else:
                raise ContextOverflow(
                    f"steps[{index}]: its prompt has {len(token_ids)} tokens without references, "
                    f"the model has room for {room_tokens}"
                )

    def _render(self, solution: Solution, index: int, chosen: Chosen) -> list[Segment]:
        holes = Holes()
        user = self.wording.render(solution, index, chosen, holes)
        return holes.segments(self._before + user + self._after)
