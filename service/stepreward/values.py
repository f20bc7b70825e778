"""The values that travel inside the service, from retrieval to the answer: frozen dataclasses."""

from dataclasses import dataclass

from stepreward.schema import Degradation, JudgeMethod


@dataclass(frozen=True)
class Solution:
    """A question and its steps, in order."""

    question: str
    steps: tuple[str, ...]


@dataclass(frozen=True)
class GradedSolution(Solution):
    """`labels[i]` is whether step i is correct, None where nobody said. As one to score: for the mode `oracle` only."""

    labels: tuple[bool | None, ...]


@dataclass(frozen=True)
class LabelledSolution(GradedSolution):
    """A solution of the corpus."""

    source: str


@dataclass(frozen=True)
class ReferenceQuestion:
    """A solved question near the target question. `similarity` is the cosine."""

    id: str
    solution: LabelledSolution
    similarity: float
    sha256: str


@dataclass(frozen=True)
class ReferenceStep:
    """A labelled step near the target step."""

    id: str
    question_id: str
    text: str
    label: bool
    similarity: float
    source: str
    sha256: str


@dataclass(frozen=True)
class References:
    """What retrieval found for one solution: `steps[i]` belongs to step i.

    `unavailable`: there should have been some, but the store did not answer.
    """

    questions: tuple[ReferenceQuestion, ...]
    steps: tuple[tuple[ReferenceStep, ...], ...]
    dropped_duplicates: int = 0
    unavailable: bool = False


@dataclass(frozen=True)
class Prompt:
    """One step's prompt as token ids, and how many references it holds after fitting the context."""

    token_ids: tuple[int, ...]
    questions: int
    steps: int


@dataclass(frozen=True)
class Verdict:
    """One judgement of one step. `p_correct` in [0, 1]; None when it could not be read, which is not 0."""

    p_correct: float | None
    forced: bool = False
    text: str = ""


@dataclass(frozen=True)
class StepJudgement:
    """What a method said of one step, and what stood in its prompt: all that its result is made of."""

    method: JudgeMethod
    verdicts: tuple[Verdict, ...]
    questions: tuple[ReferenceQuestion, ...] = ()
    steps: tuple[ReferenceStep, ...] = ()
    dropped_duplicates: int = 0
    degraded: tuple[Degradation, ...] = ()


@dataclass
class TokenCount:
    """Tokens spent on one item, added up as the worker reports them."""

    prompt: int = 0
    generated: int = 0
    cached: int | None = None

    def add(self, prompt: int, generated: int, cached: int | None) -> None:
        self.prompt += prompt
        self.generated += generated
        if cached is not None:
            self.cached = (self.cached or 0) + cached
