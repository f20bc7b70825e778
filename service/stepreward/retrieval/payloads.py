"""What the points of a snapshot carry, and the references that are made of them."""

from pydantic import BaseModel, ConfigDict

from stepreward.retrieval.store import Hit
from stepreward.values import LabelledSolution, ReferenceQuestion, ReferenceStep


class QuestionPayload(BaseModel):
    """What a question's point carries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str
    steps: tuple[str, ...]
    labels: tuple[bool | None, ...]
    source: str
    sha256: str


class StepPayload(BaseModel):
    """What a step's point carries; only labelled steps are stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question_id: str
    text: str
    label: bool
    source: str
    sha256: str


def reference_question(hit: Hit) -> ReferenceQuestion:
    payload = QuestionPayload.model_validate(hit.payload)
    solution = LabelledSolution(payload.question, payload.steps, payload.labels, payload.source)
    return ReferenceQuestion(hit.id, solution, hit.similarity, payload.sha256)


def reference_step(hit: Hit) -> ReferenceStep:
    payload = StepPayload.model_validate(hit.payload)
    return ReferenceStep(
        id=hit.id,
        question_id=payload.question_id,
        text=payload.text,
        label=payload.label,
        similarity=hit.similarity,
        source=payload.source,
        sha256=payload.sha256,
    )
