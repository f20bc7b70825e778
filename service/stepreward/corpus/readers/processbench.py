"""ProcessBench (Zheng et al. 2024, Qwen/ProcessBench): solutions with the first wrong step found by people.

    {"id": "gsm8k-0", "problem", "steps", "label": 0-based first wrong step, -1 without one, …}

Steps before the label are correct, that one is wrong, and nothing is said about those after it.
"""

from typing import Self

from pydantic import Field, model_validator

from stepreward.corpus.readers.plain import PublishedRow, labelled
from stepreward.values import LabelledSolution


class ProcessBenchRow(PublishedRow):
    JSON_COLUMNS = frozenset({"steps", "label"})

    id: str
    problem: str
    steps: list[str]
    label: int = Field(ge=-1)

    @model_validator(mode="after")
    def _label_within(self) -> Self:
        if self.label >= len(self.steps):
            raise ValueError(f"label {self.label} of {len(self.steps)} steps")
        return self

    def solutions(self) -> list[LabelledSolution]:
        right = len(self.steps) if self.label == -1 else self.label
        labels = [True if i < right else False if i == right else None for i in range(len(self.steps))]
        subset = self.id.rpartition("-")[0]
        return [labelled(self.problem, self.steps, labels, f"processbench/{subset}" if subset else "processbench")]
