"""The plain form, which the starter corpus has and which every other format is turned into:

    {"question": str, "steps": [str], "labels": [true | false | null], "source": str}

Other keys (the starter corpus has `id`, `error` and `answer`) say more about the row and are not read.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stepreward.schema import Text
from stepreward.values import LabelledSolution


class PublishedRow(BaseModel):
    """Base of the rows of all formats: what is not needed is passed over, types are not guessed."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    # Columns that a table without lists (CSV, some Parquet files) holds as JSON text.
    JSON_COLUMNS: ClassVar[frozenset[str]] = frozenset()


class PlainRow(PublishedRow):
    JSON_COLUMNS = frozenset({"steps", "labels"})

    question: Text
    steps: Annotated[list[Text], Field(min_length=1)]
    labels: list[bool | None]
    source: Annotated[str, Field(min_length=1, max_length=256)]

    @model_validator(mode="after")
    def _one_label_a_step(self) -> Self:
        if len(self.labels) != len(self.steps):
            raise ValueError(f"{len(self.labels)} labels for {len(self.steps)} steps")
        return self

    def solutions(self) -> list[LabelledSolution]:
        return [LabelledSolution(self.question, tuple(self.steps), tuple(self.labels), self.source)]


def labelled(question: str, steps: Sequence[str], labels: Sequence[bool | None], source: str) -> LabelledSolution:
    """A solution of another format, held to the rules of the plain form. Raises ValidationError."""
    row = PlainRow.model_validate(
        {"question": question, "steps": list(steps), "labels": list(labels), "source": source}
    )
    return row.solutions()[0]
