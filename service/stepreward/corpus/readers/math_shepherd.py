"""Math-Shepherd (Wang et al. 2024, peiyi9979/Math-Shepherd): steps labelled by how rollouts from them ended.

    {"input": "QUESTION Step 1: … ки\\nStep 2: … ки", "label": the same with "+" or "-" for each "ки", "task"}

The question is what precedes the first "Step 1:" (or "step 1:"); a step loses its "Step n:". "+" and "-" are also
arithmetic, so labels are found by walking through both texts in step, not by searching for signs.

1. In some published rows a "ки" stands in the question; it is taken out, and its label with it.
2. Text after the last "ки" is a step that nobody labelled.
"""

import re

from stepreward.corpus.readers.plain import PublishedRow, labelled
from stepreward.values import LabelledSolution

_MARK = "ки"
_SIGNS = {"+": True, "-": False}
_FIRST_STEP = re.compile(r"\bstep 1:", re.IGNORECASE)
_NUMBER = re.compile(r"\s*step \d+:", re.IGNORECASE)


class MathShepherdRow(PublishedRow):
    input: str
    label: str
    task: str

    def solutions(self) -> list[LabelledSolution]:
        first = _FIRST_STEP.search(self.input)
        if first is None:
            raise ValueError("input: no 'Step 1:'")
        question, solution = self.input[: first.start()], self.input[first.start() :]
        marks_in_question = question.count(_MARK)
        labels: list[bool | None] = [*_labels(self.input, self.label)[marks_in_question:]]
        *marked, rest = solution.split(_MARK)
        if rest.strip():
            marked.append(rest)
            labels.append(None)
        steps = [_NUMBER.sub("", step, count=1).strip() if _NUMBER.match(step) else step.strip() for step in marked]
        asked = " ".join(part.strip() for part in question.split(_MARK)).strip()
        return [labelled(asked, steps, labels, f"math-shepherd/{self.task.lower()}")]


def _labels(marked: str, signed: str) -> list[bool]:
    """The sign for each mark in `marked`. Raises ValueError where `signed` is not the same text with signs."""
    *parts, rest = marked.split(_MARK)
    labels, at = [], 0
    for number, part in enumerate(parts, start=1):
        end = at + len(part)
        sign = signed[end : end + 1]
        if signed[at:end] != part or sign not in _SIGNS:
            raise ValueError(f"label: differs from input before its sign {number}")
        labels.append(_SIGNS[sign])
        at = end + 1
    if signed[at:].strip() != rest.strip():
        raise ValueError("label: differs from input after its last sign")
    return labels
