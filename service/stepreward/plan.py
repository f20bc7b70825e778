"""What a request gets that does not say: every choice made, before anything is done."""

from dataclasses import dataclass

from stepreward.errors import InvalidRequest
from stepreward.retrieval.search import SearchOptions
from stepreward.schema import Method, RetrievalOptions, ScoreRequest


@dataclass(frozen=True)
class Defaults:
    """What a request gets that does not say. rprm takes no references unless asked, as published."""

    method: Method
    trajectories: int
    retsp_search: SearchOptions


@dataclass(frozen=True)
class Plan:
    """A request with every choice made."""

    method: Method
    k: int
    search: SearchOptions


def plan(request: ScoreRequest, defaults: Defaults) -> Plan:
    """Raises InvalidRequest for options that the method or each other rule out."""
    method = request.method or defaults.method
    if method == "retsp" and request.trajectories.k is not None:
        raise InvalidRequest("trajectories.k: retsp samples no trajectories; leave it out or use rprm")
    return Plan(
        method=method,
        k=1 if method == "retsp" else request.trajectories.k or defaults.trajectories,
        search=_search(request.retrieval, method, defaults.retsp_search),
    )


def _search(wanted: RetrievalOptions, method: Method, default: SearchOptions) -> SearchOptions:
    off = method == "rprm"
    return SearchOptions(
        questions=wanted.questions if wanted.questions is not None else 0 if off else default.questions,
        steps=wanted.steps if wanted.steps is not None else 0 if off else default.steps,
        min_similarity=default.min_similarity if wanted.min_similarity is None else wanted.min_similarity,
        exclude_duplicates=default.exclude_duplicates
        if wanted.exclude_duplicates is None
        else wanted.exclude_duplicates,
    )
