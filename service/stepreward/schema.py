"""The wire of POST /score: pydantic, and nothing unknown passes.

A limit that is a setting (items, steps, characters) is checked in `body`, which knows the settings; what is wrong
whatever the settings is checked here.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.types import FailFast

JudgeMethod = Literal["retsp", "rprm"]
Method = Literal["retsp", "rprm", "cascade"]
Aggregate = Literal["min", "prod", "mean", "last", "weighted"]
Degradation = Literal["references_dropped", "retrieval"]
ReferenceMode = Literal["retrieved", "none", "question_only", "step_only", "random", "oracle"]
RetrievalPolicy = Literal["require", "degrade"]
SplitterKind = Literal["blank_line", "step_prefix", "sentence", "tag", "regex"]
QuantizationKind = Literal["none", "scalar"]
RerankerKind = Literal["none", "lexical", "cross-encoder"]
Include = Literal["references", "trajectories", "usage"]
Priority = Literal["interactive", "bulk"]

# Controls other than tab and line ends, surrogates, and bidirectional overrides: they make a text read differently
# from what the model is given.
_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


# White space, and what shows nothing: zero-width characters, fillers, the empty Braille cell.
BLANK = re.compile("[\\s\u00ad\u115f\u1160\u200b-\u200d\u2060\u2800\u3164\ufeff\uffa0]*")


def _readable(text: str) -> str:
    """Refuse text without content or with characters that hide what it says. Never changes the text."""
    if found := _UNREADABLE.search(text):
        raise ValueError(f"character U+{ord(found[0]):04X} at position {found.start()} is not allowed")
    if BLANK.fullmatch(text):
        raise ValueError("must not be blank")
    return text


Text = Annotated[str, Field(min_length=1, strict=True), AfterValidator(_readable)]


class Wire(BaseModel):
    """Base of all wire models: unknown fields are refused, types are not guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TrajectoryOptions(Wire):
    """For rprm and for the steps that cascade hands on to it."""

    k: int | None = Field(None, ge=1, le=64, description="trajectories sampled per step, the most where adaptive")
    policy: Literal["fixed", "adaptive"] = Field(
        "fixed",
        description="`fixed` samples exactly k: the unbiased mean that RL wants; `adaptive` stops once the decision of "
        "k is safe or can no longer change: fewer tokens for reranking",
    )
    min_k: int | None = Field(None, ge=1, le=64, description="the fewest that `adaptive` samples; 1 if left out")


class RetrievalOptions(Wire):
    mode: ReferenceMode | None = Field(
        None,
        description="`retrieved`, if left out; `none`, `question_only` and `step_only` leave references out; `random` "
        "draws as many from the corpus instead, the same for the same seed and item; `oracle` is for evaluation: the "
        "nearest references that agree with the items' `labels`, and its scores are nothing to train on. A mode named "
        "turns references on for rprm too",
    )
    questions: int | None = Field(None, ge=0, le=16, description="reference questions in the prompt")
    steps: int | None = Field(None, ge=0, le=16, description="reference steps in the prompt")
    min_similarity: float | None = Field(None, ge=-1, le=1, description="cosine below which nothing is used")
    exclude_duplicates: bool | None = Field(
        None,
        description="leave out questions that are near-duplicates of the item's own, with all their steps: they would "
        "give its answer away",
    )
    rerank: bool | None = Field(
        None,
        description="let the service's reranker choose among more candidates than wanted; it does, if left out, where "
        "there is one",
    )


class SplitterOptions(Wire):
    """How a response becomes steps."""

    kind: SplitterKind = Field(
        description="`blank_line` cuts at empty lines, `step_prefix` before lines such as `Step 3:`, `sentence` after "
        "sentences, `tag` at <step>…</step>, `regex` at a separator of your own; none within a formula or code"
    )
    pattern: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="of `regex`: the separator, in the syntax of RE2; of `tag`: its name, `step` if left out"
    )


class Item(Wire):
    """One solution to score: its steps, or a response that is split into steps."""

    id: Annotated[Text, Field(max_length=256)] | None = Field(None, description="echoed; must be unique in the request")
    question: Text
    steps: Annotated[list[Text], FailFast(), Field(min_length=1)] = Field(
        default_factory=list, description="preferred to `response`; one of the two must be there"
    )
    response: Text | None = Field(
        None, description="the solution as one text, which is split; the answer has the steps' `spans`"
    )
    labels: list[bool | None] | None = Field(
        None,
        fail_fast=True,
        description="whether each step is correct, null where nobody knows; for the retrieval mode `oracle`, which "
        "chooses references by them, and for no other. They stand in no prompt",
    )

    @model_validator(mode="after")
    def _one_of_steps_and_response(self) -> Self:
        if bool(self.steps) == (self.response is not None):
            raise ValueError("give one of steps and response")
        return self


class ScoreRequest(Wire):
    """Body of POST /score. What is left out takes the service's settings."""

    items: Annotated[list[Item], FailFast(), Field(min_length=1)]
    method: Method | None = Field(
        None, description="`cascade` asks retsp first, and rprm of the steps that retsp is uncertain about"
    )
    splitter: SplitterOptions | None = Field(
        None, description="of the items that have a `response`; the service's own if left out"
    )
    until: Literal["all", "first_error"] = Field(
        "all",
        description="`first_error` stops an item at its first step below `wrong_below`: the later ones are `skipped`, "
        "and the aggregates, which need them, are null",
    )
    trajectories: TrajectoryOptions = TrajectoryOptions()
    retrieval: RetrievalOptions = RetrievalOptions()
    aggregate: Aggregate = Field("min", description="which of the aggregates is the item's `score`")
    cache: bool = Field(
        True,
        description="false: no judgement that is known is used, none is shared with other items, none is kept; every "
        "step is computed for its item alone. For measurements",
    )
    seed: int = Field(0, ge=0, lt=2**63, description="mixed into the seed that each step's content gives")
    priority: Priority = Field(
        "interactive",
        description="`interactive` goes first; `bulk` takes what that leaves, and a guaranteed share of the workers",
    )
    deadline_ms: int | None = Field(
        None,
        ge=0,
        le=86_400_000,
        description="when the answer is of no use any more, in milliseconds from the request's arrival: what is not "
        "ready then fails with `deadline_exceeded`, and what was not begun is not. Without it a request waits",
    )
    include: Annotated[list[Include], Field(max_length=3)] = Field(
        default_factory=list, description="parts of the answer that are left out unless named"
    )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "id": "clips",
                            "question": "Natalia sold clips to 48 friends in April, and half as many in May. "
                            "How many clips did she sell altogether?",
                            "steps": ["In May she sold 48 / 2 = 24 clips.", "Altogether she sold 48 + 24 = 72 clips."],
                        }
                    ],
                    "method": "retsp",
                    "include": ["references", "usage"],
                }
            ]
        }
    )


class Failure(Wire):
    """Why there is no score. `code` is one of errors.py; `retryable` says whether the same request may succeed."""

    code: str
    message: str
    retryable: bool


class ErrorBody(Failure):
    """Body of every answer that is not 2xx."""

    request_id: str


class ReadyBody(Wire):
    """Body of GET /readyz: for each part "ok", or why it did not answer. Ready without the store if it may degrade."""

    ready: bool
    parts: dict[Literal["store", "encoder", "worker"], str]


class TrajectoryResult(Wire):
    """One sampled judgement. `p_correct` is null when its verdict could not be read."""

    p_correct: float | None
    forced: bool = Field(description="the budget ran out before the verdict, which was then asked for")
    text: str


class StepResult(Wire):
    """`score` is the mean probability that the step is correct, in [0, 1], over the `k_valid` readable verdicts."""

    method: JudgeMethod | None = Field(None, description="which of the two said so; null for a skipped step")
    score: float | None
    stderr: float | None = Field(description="standard error of `score` over the trajectories; null below two")
    k_used: int
    k_valid: int
    forced: int = Field(description="verdicts among `k_used` that had to be asked for")
    skipped: bool = Field(False, description="not judged: a step before it is wrong, which is where the item stops")
    failure: Failure | None = None
    trajectories: list[TrajectoryResult] | None = None
    content_free: bool = Field(
        False, description="nothing in it to judge: white space, punctuation, a heading, an announcement. Only flagged"
    )


class Aggregates(Wire):
    """Each is null unless every step has a score."""

    min: float | None
    prod: float | None
    mean: float | None
    last: float | None
    weighted: float | None = Field(
        None, description="mean weighted by confidence: 1 - the binary entropy of each score, in bits"
    )


class ReferenceResult(Wire):
    """A reference as it stood in the prompts. `step_id` is null for a question with its whole solution."""

    question_id: str
    step_id: str | None
    for_step: int | None = Field(description="0-based step whose prompt holds it; null when all do")
    similarity: float
    source: str
    sha256: str


class Usage(Wire):
    """Tokens as the worker counted them, for this item: what was known or shared costs nothing. A prompt read again
    for its verdict counts again."""

    prompt_tokens: int
    cached_tokens: int | None = Field(
        description="part of `prompt_tokens` served from cache, of those calls for which the worker says it: vLLM does "
        "for one prompt, not for several at once; null where it says nothing"
    )
    generated_tokens: int


class ItemResult(Wire):
    id: str
    status: Literal["ok", "failed"]
    score: float | None
    aggregates: Aggregates
    first_error: int | None = Field(
        description="0-based index of the first step with a score below `wrong_below`, -1 without one, "
        "null when a step before it has no score"
    )
    steps: list[StepResult]
    spans: list[tuple[int, int]] | None = Field(
        None,
        description="of an item with a `response`: where each step begins and ends in it, in characters; joined, the "
        "spans are the response, and a step's text is its span without the white space, tags or separator at its ends",
    )
    degraded: list[Degradation] = Field(
        description="`references_dropped`: not all fitted the context, or the template has no place for them; "
        "`retrieval`: the vector store did not answer, and the item was scored without references"
    )
    cached: bool = Field(False, description="nothing was asked of the worker for it: all its steps were known")
    dropped_duplicates: int = Field(
        0, description="questions of the corpus left out as near-duplicates, among the nearest looked at"
    )
    failure: Failure | None = None
    references: list[ReferenceResult] | None = None
    usage: Usage | None = None


class Header(Wire):
    """What an answer says beside its items."""

    method: Method
    model: str
    prompt_version: str
    calibrated: bool = Field(False, description="retsp's probabilities are set right by the service's calibration file")
    wrong_below: float = Field(
        0.5,
        ge=0,
        le=1,
        description="a step with a lower score counts as wrong, in `first_error` and for `until`: 0.5, or what the "
        "calibration file names where retsp alone judges",
    )
    corpus_snapshot: str | None = Field(
        description="null when the vector store did not answer, and when no references were wanted"
    )
    request_id: str


class StreamSummary(Header):
    """The last line of a stream. A stream without it broke off."""

    ok: int = Field(description="items with a score")
    failed: int


class StreamLine(Wire):
    """One line of `application/x-ndjson`, with one of these: an item as it ends, a sign of life while none does, or
    the end."""

    item: ItemResult | None = None
    heartbeat_s: float | None = Field(None, description="seconds since the stream began")
    summary: StreamSummary | None = None


class ScoreResponse(Header):
    """Body of a 200 of POST /score: every item, in the order of the request."""

    items: list[ItemResult]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "id": "clips",
                            "status": "ok",
                            "score": 0.81,
                            "aggregates": {"min": 0.81, "prod": 0.75, "mean": 0.87, "last": 0.81},
                            "first_error": -1,
                            "steps": [
                                {"score": 0.93, "stderr": None, "k_used": 1, "k_valid": 1, "forced": 0},
                                {"score": 0.81, "stderr": None, "k_used": 1, "k_valid": 1, "forced": 0},
                            ],
                            "degraded": [],
                            "dropped_duplicates": 0,
                            "usage": {"prompt_tokens": 812, "cached_tokens": 256, "generated_tokens": 2},
                        }
                    ],
                    "method": "retsp",
                    "model": "embedded-judge",
                    "prompt_version": "retsp-493456c7972a",
                    "corpus_snapshot": "45e19add1e27",
                    "request_id": "78a54dd0c07240218453872804ceb841",
                }
            ]
        }
    )
