"""PRM800K (Lightman et al. 2023, github.com/openai/prm800k): steps rated by people, phases 1 and 2.

    {"question": {"problem", …}, "generation": int | null, "label": {"finish_reason", "steps": [
        {"completions": [{"text", "rating": 1 | 0 | -1 | null}], "human_completion", "chosen_completion": int | null}]}}

One solution a row: at each step the chosen completion, or the human one where none was chosen. Rating -1 is wrong;
1 and 0 (neutral: right, but no progress) are correct; null is no label, which is what human completions mostly have.

1. Where nothing was chosen and nobody wrote a step, labelling ended there; the solution ends with the first
   completion. In phase 2 that is the step the rated solution really had, and with "found_error" its first wrong one.
2. All finish reasons are read. A row that ended before its first step ("bad_problem", "give_up") is a bad row.
3. The alternatives that were not chosen are left out: each would repeat the question and all steps before it, and the
   first stage of the retrieval would find one question many times. Wrong steps that were not chosen, as in
   phase 1, go with them.
4. `corrected_rating` of a human completion, which the data set does not document, is not read.
"""

from typing import Literal

from pydantic import Field

from stepreward.corpus.readers.plain import PublishedRow, labelled
from stepreward.values import LabelledSolution


class Completion(PublishedRow):
    text: str
    rating: Literal[-1, 0, 1] | None = None

    @property
    def correct(self) -> bool | None:
        return None if self.rating is None else self.rating >= 0


class Step(PublishedRow):
    completions: list[Completion] | None = None
    # The data holds an object; the data set's own recipe for reading it takes it for the text itself.
    human_completion: Completion | str | None = None
    chosen_completion: int | None = Field(None, ge=0)

    def taken(self) -> Completion | None:
        """The step that the solution went on with, None where it ended. Raises ValueError for a choice out of range."""
        if self.chosen_completion is not None:
            choices = self.completions or []
            if self.chosen_completion >= len(choices):
                raise ValueError(f"chosen_completion {self.chosen_completion} of {len(choices)} completions")
            return choices[self.chosen_completion]
        if isinstance(self.human_completion, str):
            return Completion(text=self.human_completion)
        return self.human_completion


class Question(PublishedRow):
    problem: str


class Label(PublishedRow):
    steps: list[Step]
    finish_reason: str | None = None


class PRM800KRow(PublishedRow):
    JSON_COLUMNS = frozenset({"question", "label", "generation"})

    question: Question
    label: Label
    generation: int | None = None

    def solutions(self) -> list[LabelledSolution]:
        path: list[Completion] = []
        for step in self.label.steps:
            taken = step.taken()
            if taken is None:
                path += (step.completions or [])[:1]
                break
            path.append(taken)
        if not path:
            raise ValueError(f"no step was labelled (finish_reason {self.label.finish_reason})")
        source = "prm800k/phase1" if self.generation is None else "prm800k/phase2"
        steps, labels = [step.text for step in path], [step.correct for step in path]
        return [labelled(self.question.problem, steps, labels, source)]
