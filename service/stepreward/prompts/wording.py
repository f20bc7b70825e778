"""The words of a prompt: a file in one of two forms, checked as it is read.

Ours has parts, each under a line of its own that names it; the first two may be left out:
`[[marker]]`  the text after which the verdict is read (rprm);
`[[labels]]`  the two tokens that are compared there, correct before wrong, with their spaces: `" Yes" " No"`;
`[[system]]`  plain text; without any there is no system turn, and the chat template does what it does then;
`[[user]]`    Jinja with these names: `question`, `previous_steps`, `number` (1-based), `step`, `reference_questions`
              (each `question`, and `steps` with `text` and `grade`, "+", "-" or "" where nobody graded it) and
              `reference_steps` (`text`, `grade`).

The other, named `*.json`, is the one in which R-PRM is published (NJUNLP/R-PRM, src/prompts): `template` holds `{}`
three times, for question, previous steps and now step, and braces that are text twice; `system-prompt` may be left
out. Previous steps stand a line each, without numbers, and the first step has a fixed phrase in their place. It has no
place for references. A checkpoint that was trained otherwise takes a file of our form.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stepreward.errors import ConfigurationError
from stepreward.prompts.tokens import Holes, Untrusted
from stepreward.values import LabelledSolution, ReferenceQuestion, ReferenceStep, Solution

_PARTS = re.compile(
    r"\A\s*(?:^\[\[marker\]\]\n(?P<marker>[^\n]+)\n\s*)?"
    r'(?:^\[\[labels\]\]\n"(?P<correct>[^"\n]+)" "(?P<wrong>[^"\n]+)"\n\s*)?'
    r"^\[\[system\]\]\n(?P<system>.*?)^\[\[user\]\]\n(?P<user>.*)\Z",
    re.DOTALL | re.MULTILINE,
)
_BUILT_IN = Path(__file__).parent / "templates"
_WRONG_TEMPLATE = (TemplateError, ArithmeticError, LookupError, TypeError, ValueError)


@dataclass(frozen=True)
class Chosen:
    """The references that one prompt is rendered with."""

    questions: tuple[ReferenceQuestion, ...]
    steps: tuple[ReferenceStep, ...]


@dataclass(frozen=True)
class Names:
    """What a user part may name. Every text is a mark of `Holes`, never the text itself."""

    question: str
    previous_steps: list[str]
    number: int
    step: str
    reference_questions: list[dict[str, object]]
    reference_steps: list[dict[str, str]]


User = Callable[[Names], str]


@dataclass(frozen=True)
class Wording:
    """A checked file. `says` is its text with marks where the texts stand; `sha256` covers all that it says.

    `marker` and `labels` are None where the file leaves them to the method.
    """

    setting: str
    sha256: str
    system: str
    user: User
    says: str
    shows_questions: bool
    shows_steps: bool
    marker: str | None = None
    labels: tuple[str, str] | None = None

    def render(self, solution: Solution, index: int, chosen: Chosen, holes: Holes) -> str:
        """The user's part for step `index`, with the marks that `holes` gives in the place of every text."""
        return self.user(_names(solution, index, chosen, holes))


def built_in(name: str) -> Wording:
    return of_our_form((_BUILT_IN / f"{name}.txt").read_text(encoding="utf-8"), "template")


def read(path: Path, setting: str) -> str:
    """Raises ConfigurationError naming `setting`."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{setting}: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{setting}: {path} is not UTF-8") from error


def of_our_form(text: str, setting: str) -> Wording:
    """Raises ConfigurationError naming `setting` for a text that is not of the first form above."""
    parts = _PARTS.match(text)
    if not parts:
        raise ConfigurationError(
            f"{setting}: needs the lines [[system]] and [[user]], in this order, and before them nothing but "
            '[[marker]] over one line and [[labels]] over one of the form "+" "-"'
        )
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    try:
        template = environment.from_string(parts["user"].strip("\n"))
    except TemplateError as error:
        raise ConfigurationError(f"{setting}: template: {error}") from error
    labels = (parts["correct"], parts["wrong"]) if parts["correct"] else None
    return _checked(
        setting,
        text,
        parts["system"].strip(),
        lambda names: template.render(**vars(names)),
        marker=parts["marker"],
        labels=labels,
    )


def of_published_form(text: str, setting: str, no_previous_steps: str) -> Wording:
    """Raises ConfigurationError naming `setting` for a text that is not of the second form above."""
    try:
        prompt = _Published.model_validate_json(text)
        pieces = [(literal, field) for literal, field, _, _ in Formatter().parse(prompt.template)]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ConfigurationError(f"{setting}: {'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}") from error
    except ValueError as error:
        raise ConfigurationError(f"{setting}: template: {error}; a brace that is text stands twice") from error
    if [field for _, field in pieces if field is not None] != [""] * 3:
        raise ConfigurationError(f"{setting}: template: needs {{}} three times, for question, previous steps, now step")

    def user(names: Names) -> str:
        texts = iter((names.question, "\n".join(names.previous_steps) or no_previous_steps, names.step))
        return "".join(literal if field is None else literal + next(texts) for literal, field in pieces)

    return _checked(setting, f"{text}\0{no_previous_steps}", prompt.system_prompt, user)


class _Published(BaseModel):
    """The keys that the authors' own loader knows. Worked examples are none of their published prompts."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    template: str
    system_prompt: str = Field("", alias="system-prompt")
    examples: list[object] = Field(default_factory=list, max_length=0)


def _checked(
    setting: str,
    text: str,
    system: str,
    user: User,
    *,
    marker: str | None = None,
    labels: tuple[str, str] | None = None,
) -> Wording:
    """Render bare and with references, so that a name that nobody fills is found in every branch and loop."""
    holes = Holes()
    try:
        user(_names(_PROBE, 0, Chosen((), ()), Holes()))
        says = user(_names(_PROBE, 1, _PROBE_REFERENCES, holes))
        segments = holes.segments(says)
    except _WRONG_TEMPLATE as error:
        raise ConfigurationError(f"{setting}: template: {error}") from error
    shown = {segment.text.strip() for segment in segments if isinstance(segment, Untrusted)}
    for name, probe in (("question", _PROBE.question), ("step", _PROBE.steps[1])):
        if probe not in shown:
            raise ConfigurationError(f"{setting}: template: shows no {name}")
    return Wording(
        setting=setting,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        system=system,
        user=user,
        says=f"{system}\n{says}",
        shows_questions=_PROBE_REFERENCES.questions[0].solution.question in shown,
        shows_steps=_PROBE_REFERENCES.steps[0].text in shown,
        marker=marker,
        labels=labels,
    )


def _names(solution: Solution, index: int, chosen: Chosen, holes: Holes) -> Names:
    return Names(
        question=holes.hole(solution.question),
        previous_steps=[holes.hole(step) for step in solution.steps[:index]],
        number=index + 1,
        step=holes.hole(solution.steps[index]),
        reference_questions=[_graded(reference.solution, holes) for reference in chosen.questions],
        reference_steps=[{"text": holes.hole(step.text), "grade": grade(step.label)} for step in chosen.steps],
    )


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


_PROBE = Solution("Is this template whole?", ("It is parsed.", "It renders."))
_PROBE_REFERENCE = LabelledSolution("Does it show questions?", ("So it seems.", "Nobody said."), (True, None), "probe")
_PROBE_REFERENCES = Chosen(
    (ReferenceQuestion("probe", _PROBE_REFERENCE, 1.0, ""),),
    (ReferenceStep("probe", "probe", "It shows steps.", True, 1.0, "probe", ""),),
)
