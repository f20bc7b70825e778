"""What a search found for one solution, before it is cut to the references wanted."""

from collections.abc import Sequence
from dataclasses import dataclass

from stepreward.retrieval.payloads import reference_question, reference_step
from stepreward.retrieval.store import Hit
from stepreward.values import References


@dataclass(frozen=True)
class Candidates:
    """Near enough and no duplicates, the best first; `steps[i]` belongs to step i."""

    questions: Sequence[Hit]
    steps: Sequence[Sequence[Hit]]

    def references(self, questions: int, steps: int, dropped_duplicates: int) -> References:
        """The first ones, as many as wanted."""
        return References(
            tuple(map(reference_question, self.questions[:questions])),
            tuple(tuple(map(reference_step, hits[:steps])) for hits in self.steps),
            dropped_duplicates,
        )
