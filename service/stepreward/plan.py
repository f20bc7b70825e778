"""What a request gets that does not say: every choice made, before anything is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stepreward.aggregation import P_WRONG_BELOW
from stepreward.errors import InvalidRequest
from stepreward.policies import Adaptive, Fixed, Policy
from stepreward.responses import AT_BLANK_LINES, Splitting
from stepreward.retrieval.search import SearchOptions
from stepreward.schema import (
    Item,
    JudgeMethod,
    Method,
    Priority,
    ReferenceMode,
    RetrievalOptions,
    ScoreRequest,
    TrajectoryOptions,
)
from stepreward.values import GradedSolution, Solution

_LEFT_OUT: dict[str, set[ReferenceMode | None]] = {
    "questions": {"none", "step_only"},
    "steps": {"none", "question_only"},
}


@dataclass(frozen=True)
class Defaults:
    """What a request gets that does not say. rprm takes no references unless asked, as published.

    `retsp_search` reranks where the service has a reranker.

    What no request can say: how sure `adaptive` must be (its `floor` and `cap` are the request's); `uncertain`, the
    band of retsp scores, ends included, that cascade hands on to rprm, None where nobody calibrated it; `wrong_below`,
    the score of retsp's from which a step counts as right, where retsp alone judges;
    `speculate_steps`, how many steps after the first undecided one are judged with it until the first error;
    `trajectory_tokens`, the longest that a trajectory of rprm gets; how a response is split, if not asked otherwise,
    and into how much at most.
    """

    method: Method
    trajectories: int
    retsp_search: SearchOptions
    adaptive: Adaptive
    uncertain: tuple[float, float] | None = None
    calibrated: bool = False
    wrong_below: float = P_WRONG_BELOW
    speculate_steps: int = 2
    splitting: Splitting = AT_BLANK_LINES
    trajectory_tokens: int = 256


@dataclass(frozen=True)
class Plan:
    """A request with every choice made. `searches`: what each method that may be asked has in its prompts.

    `salt` keeps a tenant's judgements from others in every cache.
    """

    method: Method
    policy: Policy
    searches: Mapping[JudgeMethod, SearchOptions]
    until_first_error: bool
    speculate_steps: int
    uncertain: tuple[float, float]
    wrong_below: float
    use_cache: bool
    priority: Priority
    trajectory_tokens: int
    salt: str | None = None

    @property
    def first_method(self) -> JudgeMethod:
        """The one that judges every step."""
        return "retsp" if self.method == "cascade" else self.method

    @property
    def widest_search(self) -> SearchOptions:
        """What covers all of `searches`: a method takes all of it or nothing."""
        return self.searches[self.first_method]


def plan(request: ScoreRequest, defaults: Defaults, salt: str | None = None) -> Plan:
    """Raises InvalidRequest for options that the method, the service or each other rule out."""
    method = request.method or defaults.method
    _check_labels(request)
    if method == "cascade" and defaults.uncertain is None:
        raise InvalidRequest("method: cascade needs a calibration, and this service has none (STEPREWARD_CALIBRATION)")
    methods: Sequence[JudgeMethod] = ("retsp", "rprm") if method == "cascade" else (method,)
    return Plan(
        method=method,
        policy=_policy(request, method, defaults),
        searches={one: _search(request, one, defaults.retsp_search) for one in methods},
        until_first_error=request.until == "first_error",
        speculate_steps=defaults.speculate_steps,
        uncertain=defaults.uncertain or (0, 1),
        wrong_below=defaults.wrong_below if method == "retsp" else P_WRONG_BELOW,
        use_cache=request.cache,
        priority=request.priority,
        trajectory_tokens=defaults.trajectory_tokens,
        salt=salt,
    )


def _policy(request: ScoreRequest, method: Method, defaults: Defaults) -> Policy:
    wanted = request.trajectories
    if method == "retsp":
        if wanted != TrajectoryOptions():
            changed = sorted(wanted.model_fields_set)[0]
            raise InvalidRequest(f"trajectories.{changed}: retsp samples no trajectories; leave it out or use rprm")
        return Fixed(1)
    cap = wanted.k or defaults.trajectories
    if wanted.policy == "fixed":
        if wanted.min_k is not None:
            raise InvalidRequest("trajectories.min_k: for the policy adaptive; fixed samples exactly k")
        return Fixed(cap)
    if wanted.min_k is not None and wanted.min_k > cap:
        raise InvalidRequest(f"trajectories.min_k: {wanted.min_k} are more than k, which is {cap}")
    return replace(defaults.adaptive, floor=wanted.min_k or min(defaults.adaptive.floor, cap), cap=cap)


def _search(request: ScoreRequest, method: JudgeMethod, default: SearchOptions) -> SearchOptions:
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
