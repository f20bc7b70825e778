"""What a request gets that does not say: every choice made, before anything is done."""

from dataclasses import dataclass
from typing import Literal

from stepreward.errors import InvalidRequest
from stepreward.retrieval.search import SearchOptions
from stepreward.schema import (
    GradedSolution,
    Item,
    Method,
    ReferenceMode,
    RetrievalOptions,
    RetrievalPolicy,
    ScoreRequest,
    Solution,
)

_LEFT_OUT: dict[str, set[ReferenceMode | None]] = {
    "questions": {"none", "step_only"},
    "steps": {"none", "question_only"},
}


@dataclass(frozen=True)
class Defaults:
    """What a request gets that does not say. rprm takes no references unless asked, as published.

    `retrieval_policy` is the service's alone: no request can say another. `retsp_search` reranks where the service has
    a reranker.
    """

    method: Method
    trajectories: int
    retsp_search: SearchOptions
    retrieval_policy: RetrievalPolicy = "require"


@dataclass(frozen=True)
class Plan:
    """A request with every choice made."""

    method: Method
    k: int
    search: SearchOptions


def plan(request: ScoreRequest, defaults: Defaults) -> Plan:
    """Raises InvalidRequest for options that the method or each other rule out."""
    method = request.method or defaults.method
    _check_labels(request)
    if method == "retsp" and request.trajectories.k is not None:
        raise InvalidRequest("trajectories.k: retsp samples no trajectories; leave it out or use rprm")
    return Plan(
        method=method,
        k=1 if method == "retsp" else request.trajectories.k or defaults.trajectories,
        search=_search(request, method, defaults.retsp_search),
    )


def _search(request: ScoreRequest, method: Method, default: SearchOptions) -> SearchOptions:
    wanted = request.retrieval
    if wanted.mode == "random" and wanted.min_similarity is not None:
        raise InvalidRequest("retrieval.min_similarity: random references are used however far they are")
    off = method == "rprm" and wanted.mode is None
    return SearchOptions(
        questions=_count("questions", wanted, 0 if off else default.questions),
        steps=_count("steps", wanted, 0 if off else default.steps),
        min_similarity=default.min_similarity if wanted.min_similarity is None else wanted.min_similarity,
        exclude_duplicates=default.exclude_duplicates
        if wanted.exclude_duplicates is None
        else wanted.exclude_duplicates,
        random_seed=request.seed if wanted.mode == "random" else None,
        rerank=_rerank(wanted, default.rerank),
        oracle=wanted.mode == "oracle",
    )


def _rerank(wanted: RetrievalOptions, has_reranker: bool) -> bool:
    chosen_otherwise = wanted.mode in {"none", "random", "oracle"}
    if not wanted.rerank:
        return has_reranker and wanted.rerank is None and not chosen_otherwise
    if not has_reranker:
        raise InvalidRequest("retrieval.rerank: the service has no reranker (STEPREWARD_RETRIEVAL_RERANKER is none)")
    if chosen_otherwise:
        raise InvalidRequest(f"retrieval.rerank: the mode {wanted.mode} has nothing to rerank")
    return True


def solution_of(item: Item) -> Solution:
    """With its labels, where it has some."""
    question, steps = item.question, tuple(item.steps)
    return Solution(question, steps) if item.labels is None else GradedSolution(question, steps, tuple(item.labels))


def _check_labels(request: ScoreRequest) -> None:
    """Each item has them in mode `oracle`, and none in any other: they would not be used."""
    is_oracle = request.retrieval.mode == "oracle"
    for position, item in enumerate(request.items):
        if not is_oracle and item.labels is not None:
            raise InvalidRequest(f"items[{position}].labels: only the retrieval mode oracle takes them")
        if is_oracle and item.labels is None:
            raise InvalidRequest(f"items[{position}].labels: the retrieval mode oracle needs them")
        if item.labels is not None and len(item.labels) != len(item.steps):
            raise InvalidRequest(f"items[{position}].labels: {len(item.labels)} for {len(item.steps)} steps")


def _count(part: Literal["questions", "steps"], wanted: RetrievalOptions, default: int) -> int:
    asked = wanted.questions if part == "questions" else wanted.steps
    if wanted.mode not in _LEFT_OUT[part]:
        return default if asked is None else asked
    if asked:
        raise InvalidRequest(f"retrieval.{part}: the mode {wanted.mode} leaves them out")
    return 0
