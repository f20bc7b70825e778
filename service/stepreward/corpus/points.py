"""A labelled solution as points of the vector store. Ids come from the content: stored twice, it is there once."""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping

from stepreward.retrieval.encoder import Vector
from stepreward.retrieval.payloads import QuestionPayload, StepPayload
from stepreward.retrieval.store import Point
from stepreward.values import LabelledSolution


def content_sha256(solution: LabelledSolution) -> str:
    content = [solution.question, solution.steps, solution.labels, solution.source]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def question_id(sha256: str) -> str:
    """Of the solution whose content has this digest."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"stepreward:solution:{sha256}"))


def step_ids(solution: LabelledSolution, of_question: str) -> dict[str, int]:
    """Ids of the labelled steps, and which steps they are: one without a label cannot tell anything about another."""
    namespace = uuid.UUID(of_question)
    return {
        str(uuid.uuid5(namespace, str(index))): index
        for index, label in enumerate(solution.labels)
        if label is not None
    }


def stored_texts(solution: LabelledSolution) -> list[str]:
    """Those that points are made of: the question and the labelled steps."""
    labelled = zip(solution.steps, solution.labels, strict=True)
    return [solution.question, *(step for step, label in labelled if label is not None)]


def question_point(solution: LabelledSolution, vectors: Mapping[str, Vector]) -> Point:
    sha256 = content_sha256(solution)
    payload = QuestionPayload(
        question=solution.question,
        steps=solution.steps,
        labels=solution.labels,
        source=solution.source,
        sha256=sha256,
    )
    return Point(question_id(sha256), vectors[solution.question].tolist(), payload.model_dump(mode="json"))


def step_points(solution: LabelledSolution, vectors: Mapping[str, Vector]) -> Iterator[Point]:
    of_question = question_id(content_sha256(solution))
    for identity, index in step_ids(solution, of_question).items():
        text = solution.steps[index]
        payload = StepPayload(
            question_id=of_question,
            text=text,
            label=bool(solution.labels[index]),
            source=solution.source,
            sha256=text_sha256(text),
        )
        yield Point(identity, vectors[text].tolist(), payload.model_dump(mode="json"))
