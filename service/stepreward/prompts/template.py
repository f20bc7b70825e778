"""One template file: a system part and a user part, rendered with untrusted text kept apart.

The file holds two parts, each under a line of its own, `[[system]]` and `[[user]]`. The first is plain text; the
second is Jinja with these names:
`question`, `previous_steps`, `number` (1-based), `step`, `reference_questions` (each `question`, and `steps` with
`text` and `grade`, "+", "-" or "" where nobody graded it) and `reference_steps` (`text`, `grade`).
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from stepreward.errors import ConfigurationError, ContextOverflow, InvalidRequest
from stepreward.prompts.tokens import Holes, PromptTokenizer, Segment
from stepreward.schema import LabelledSolution, Prompt, ReferenceQuestion, References, ReferenceStep, Solution

_PARTS = re.compile(r"\A\s*\[\[system\]\]\n(?P<system>.*?)\n\[\[user\]\]\n(?P<user>.*)\Z", re.DOTALL)
_BUILT_IN = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Chosen:
    """The references that one prompt is rendered with."""

    questions: tuple[ReferenceQuestion, ...]
    steps: tuple[ReferenceStep, ...]


class StepTemplate:
    """Renders the prompt of one step as token ids. `sha256` covers the whole file."""

    def __init__(self, text: str, tokenizer: PromptTokenizer) -> None:
        """Raises ConfigurationError for a file that is not of the form above."""
        parts = _PARTS.match(text)
        if not parts:
            raise ConfigurationError("template: needs the lines [[system]] and [[user]], in this order")
        environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
        )
        self.sha256 = hashlib.sha256(text.encode()).hexdigest()
        self._tokenizer = tokenizer
        try:
            around = tokenizer.chat(parts["system"].strip(), "\ue000user\ue001").split("\ue000user\ue001")
            if len(around) != 2:
                raise ConfigurationError("STEPREWARD_MODEL: its chat template does not hold the user's text just once")
            self._before, self._after = around
            self._user = environment.from_string(parts["user"].strip("\n"))
            self._render(_PROBE, 0, Chosen((), ()))
            self._render(_PROBE, 1, _PROBE_REFERENCES)
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ConfigurationError(f"template: {error}") from error

    @classmethod
    def built_in(cls, name: str, tokenizer: PromptTokenizer) -> "StepTemplate":
        return cls((_BUILT_IN / f"{name}.txt").read_text(encoding="utf-8"), tokenizer)

    def fit(
        self, solution: Solution, references: References, room_tokens: int, indexes: Sequence[int] | None = None
    ) -> list[Prompt]:
        """One prompt for each of these steps, for all if not said. Raises ContextOverflow naming the step."""
        chosen = range(len(solution.steps)) if indexes is None else indexes
        return [self._fit(solution, index, references, room_tokens) for index in chosen]

    def _fit(self, solution: Solution, index: int, references: References, room_tokens: int) -> Prompt:
        """The prompt for step `index`: whole, or with references dropped, the step's own first and the last first."""
        questions, steps = references.questions, references.steps[index]
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
        user = self._user.render(
            question=holes.hole(solution.question),
            previous_steps=[holes.hole(step) for step in solution.steps[:index]],
            number=index + 1,
            step=holes.hole(solution.steps[index]),
            reference_questions=[_graded(reference.solution, holes) for reference in chosen.questions],
            reference_steps=[{"text": holes.hole(step.text), "grade": grade(step.label)} for step in chosen.steps],
        )
        return holes.segments(self._before + user + self._after)


def grade(label: bool | None) -> str:
    """ "+" for correct, "-" for wrong, "" where nobody said."""
    return {True: "+", False: "-", None: ""}[label]


def _graded(solution: LabelledSolution, holes: Holes) -> dict[str, object]:
    return {
        "question": holes.hole(solution.question),
        "steps": [
            {"text": holes.hole(step), "grade": grade(label)}
            for step, label in zip(solution.steps, solution.labels, strict=True)
        ],
    }


# Rendered at start, bare and with references, so that a placeholder nobody fills is found in every branch and loop.
_PROBE = LabelledSolution("Is this template whole?", ("It is parsed.", "It renders."), (True, None), "probe")
_PROBE_REFERENCES = Chosen(
    (ReferenceQuestion("probe", _PROBE, 1.0, ""),), (ReferenceStep("probe", "probe", "It is.", True, 1.0, "probe", ""),)
)
