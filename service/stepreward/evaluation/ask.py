"""Ask for the items of a run, each once; every answer is on disk before the next is waited for."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
from pydantic import ValidationError
from pydantic_core import to_json

from stepreward.bulk import Outcome, Row, Scorer, score_rows
from stepreward.client import ServiceUnavailable
from stepreward.errors import InvalidRequest
from stepreward.evaluation.answers import Answered, AnswerLog, ItemLine, StepLine
from stepreward.evaluation.labelled import LabelledItem
from stepreward.evaluation.scorer import Observed, Served
from stepreward.files import BadRow, reason_of
from stepreward.schema import Item, ItemResult, ScoreRequest, StepResult

_PLACEHOLDER = {"question": "?", "steps": ["?"]}


@dataclass(frozen=True)
class Condition:
    """One way of asking. The items of `request` are replaced; `with_labels` sends what is known of the steps.

    With a `shuffle_seed` the items are asked for in an order of their own.
    """

    name: str
    request: ScoreRequest
    items_per_request: int
    concurrency: int
    with_labels: bool = False
    shuffle_seed: int | None = None


def request_of(
    *,
    method: str | None = None,
    trajectories: Mapping[str, object] | None = None,
    seed: int,
    exclude_duplicates: bool,
    retrieval: Mapping[str, object] | None = None,
    include: Sequence[str] = (),
    cache: bool = True,
) -> ScoreRequest:
    """A request that names only what was chosen."""
    body: dict[str, object] = {
        "items": [_PLACEHOLDER],
        "seed": seed,
        "retrieval": {"exclude_duplicates": exclude_duplicates, **(retrieval or {})},
        "include": ["usage", *include],
    }
    if method is not None:
        body["method"] = method
    if trajectories:
        body["trajectories"] = trajectories
    if not cache:
        body["cache"] = False
    return ScoreRequest.model_validate(body)


def identity(
    command: str, items: Sequence[LabelledItem], conditions: Sequence[Condition], **more: object
) -> dict[str, object]:
    """What makes a run what it is, as JSON: its command, its items with their labels, and what is asked of them."""
    return {
        "command": command,
        "items": {"count": len(items), "sha256": hashlib.sha256(to_json(items)).hexdigest()},
        "conditions": {
            one.name: one.request.model_dump(mode="json", exclude={"items"}, exclude_unset=True) for one in conditions
        },
        **more,
    }


async def ask(
    scorer: Scorer, items: Sequence[LabelledItem], condition: Condition, log: AnswerLog, told: Callable[[], object]
) -> None:
    """Every item that has no answer yet; `told` is called after each.

    Raises ServiceUnavailable and ConfigurationError; what was answered before stays.
    """
    there = log.of(condition.name)
    missing = [item for item in _ordered(items, condition.shuffle_seed) if item.id not in there]
    observed = Observed(scorer)
    outcomes = score_rows(
        observed, _rows(missing, condition), condition.request, condition.items_per_request, condition.concurrency
    )
    unanswered = iter(missing)
    async with aclosing(outcomes):
        async for outcome in outcomes:
            item = next(unanswered)
            log.add(_answered(item, condition.name, outcome, observed.served.get(item.id)))
            told()


def _ordered(items: Sequence[LabelledItem], shuffle_seed: int | None) -> list[LabelledItem]:
    if shuffle_seed is None:
        return list(items)
    return [items[position] for position in np.random.default_rng(shuffle_seed).permutation(len(items)).tolist()]


def _rows(items: Sequence[LabelledItem], condition: Condition) -> Iterator[Row | BadRow]:
    for number, item in enumerate(items, start=1):
        body: dict[str, object] = {"id": item.id, "question": item.question, "steps": list(item.steps)}
        if condition.with_labels:
            body["labels"] = list(item.labels)
        try:
            yield Row(number, Item.model_validate(body))
        except ValidationError as error:
            yield BadRow(number, f"{InvalidRequest.code}: {reason_of(error)}")


def _answered(item: LabelledItem, condition: str, outcome: Outcome, served: Served | None) -> Answered:
    line = {
        "condition": condition,
        "item": item.id,
        "subset": item.subset,
        "generator": item.generator,
        "first_error": item.first_error,
    }
    if isinstance(outcome, BadRow):
        code, _, message = outcome.reason.partition(": ")
        refused = {"status": "failed", "steps": 0, "failure": code, "message": message}
        return Answered(ItemLine.model_validate(line | refused), ())
    if outcome.id != item.id or (outcome.status == "ok" and len(outcome.steps) != len(item.steps)):
        raise ServiceUnavailable(
            f"asked for {item.id} with {len(item.steps)} steps, answered {outcome.id} with {len(outcome.steps)}"
        )
    steps = tuple(_step(item, condition, index, step) for index, step in enumerate(outcome.steps))
    return Answered(ItemLine.model_validate(line | _said(outcome, served)), steps)


def _said(result: ItemResult, served: Served | None) -> dict[str, object]:
    said: dict[str, object] = {
        "status": result.status,
        "steps": len(result.steps),
        "dropped_duplicates": result.dropped_duplicates,
        "degraded": list(result.degraded),
        "cached": result.cached,
    }
    if result.failure:
        said |= {
            "failure": result.failure.code,
            "message": result.failure.message,
            "retryable": result.failure.retryable,
        }
    if result.usage:
        said |= result.usage.model_dump()
    if served:
        said |= {
            "model": served.model,
            "prompt_version": served.prompt_version,
            "corpus_snapshot": served.corpus_snapshot,
            "wrong_below": served.wrong_below,
            "seconds": served.seconds,
        }
    return said


def _step(item: LabelledItem, condition: str, index: int, step: StepResult) -> StepLine:
    return StepLine(
        condition=condition,
        item=item.id,
        index=index,
        label=item.labels[index],
        score=step.score,
        stderr=step.stderr,
        k_used=step.k_used,
        k_valid=step.k_valid,
        method=step.method,
        trajectories=[one.p_correct for one in step.trajectories] if step.trajectories is not None else None,
    )
