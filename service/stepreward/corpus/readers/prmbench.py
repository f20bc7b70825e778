"""PRMBench (Song et al. 2025, hitsmy/PRMBench_Preview): right solutions and copies of them with errors put in.

    {"idx", "classification", "question", "steps", "error_steps": [1-based], "original_question", "original_steps"}

The published file names the same `modified_question`, `modified_process`, `original_question`, `original_process`;
both are read. Two solutions a row: the modified one, whose error steps are wrong and whose others are correct, and the
original one, all of it correct, where the row holds it.

1. In 43 of 3,008 rows the error steps count more steps than the modified solution has. Those within it are wrong; the
   others have no label, because nobody can say which steps were meant.
2. Blank steps, which two rows have, are taken out after the error steps are counted: there is nothing to judge in them.
3. The steps keep their numbers ("1. …"), where the published text has them.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AliasChoices, Field

from stepreward.corpus.readers.plain import PublishedRow, labelled
from stepreward.values import LabelledSolution


class PRMBenchRow(PublishedRow):
    JSON_COLUMNS = frozenset({"steps", "error_steps", "original_steps", "modified_process", "original_process"})

    # The published file has `question` beside `modified_question`; the latter is what the modified steps answer.
    question: str = Field(validation_alias=AliasChoices("modified_question", "question"))
    steps: list[str] = Field(validation_alias=AliasChoices("modified_process", "steps"))
    error_steps: list[Annotated[int, Field(ge=1)]]
    classification: str
    original_question: str | None = None
    original_steps: list[str] | None = Field(None, validation_alias=AliasChoices("original_process", "original_steps"))

    def solutions(self) -> list[LabelledSolution]:
        found = [_without_blanks(self.question, self.steps, self._labels(), f"prmbench/{self.classification}")]
        if self.original_steps:
            question = self.question if self.original_question is None else self.original_question
            right = [True] * len(self.original_steps)
            found.append(_without_blanks(question, self.original_steps, right, "prmbench/original"))
        return found

    def _labels(self) -> list[bool | None]:
        wrong = set(self.error_steps)
        others = None if max(wrong, default=0) > len(self.steps) else True
        return [False if number in wrong else others for number in range(1, len(self.steps) + 1)]


def _without_blanks(
    question: str, steps: Sequence[str], labels: Sequence[bool | None], source: str
) -> LabelledSolution:
    kept = [(step, label) for step, label in zip(steps, labels, strict=True) if step.strip()]
    return labelled(question, [step for step, _ in kept], [label for _, label in kept], source)
