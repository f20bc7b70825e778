# ruff: noqa: S311
"""R-PRM's training: analyses that end in a verdict (arXiv 2503.21295), written by a teacher, kept where they are right.

Deviation from the paper: beside its tokens an analysis is learned by its verdict, P(" Yes") against P(" No"), which is
what is read when it serves and else would be one token in a hundred.
"""

import random
from collections.abc import Callable, Iterator

from stepreward.prompts.rprm import RPRM
from stepreward.prompts.tokens import PromptTokenizer
from stepreward.training.groups import Group, TrainingSolution
from stepreward.training.packing import Example
from stepreward.training.teacher import Lesson
from stepreward.values import References, Solution

# The analysis of a step up to the marker; None where none was right.
Teacher = Callable[[Lesson], str | None]


def lessons_of(group: Group) -> Iterator[tuple[int, Lesson]]:
    """Every labelled step once, with the number of its solution. The longest right solution says what is right."""
    right = max((one.steps for one in group.solutions if all(one.labels)), key=len, default=())
    seen: set[tuple[str, ...]] = set()
    for number, one in enumerate(group.solutions):
        for index, label in enumerate(one.labels):
            steps = one.steps[: index + 1]
            if label is None or steps in seen:
                continue
            seen.add(steps)
            belongs = right[index] if index < len(right) and right[:index] == one.steps[:index] else None
            why = one.why if label is False else None
            yield number, Lesson(group.question, one.steps, index, label, why, None if label else belongs)


def taught(group: Group, teacher: Teacher, most: int, seed: int) -> Group:
    """The group with analyses of at most so many steps, as many right as wrong ones as far as there are."""
    rng = random.Random(f"{seed} {group.question}")
    lessons = sorted(lessons_of(group), key=lambda one: rng.random())
    wrong = [one for one in lessons if not one[1].label][: (most + 1) // 2]
    chosen = [*wrong, *(one for one in lessons if one[1].label)][:most]
    found: dict[int, dict[int, str]] = {}
    for number, lesson in chosen:
        text = teacher(lesson)
        if text is not None:
            found.setdefault(number, {})[lesson.index] = text
    return group.model_copy(
        update={
            "solutions": tuple(_with(one, found.get(number, {})) for number, one in enumerate(group.solutions)),
        }
    )


def _with(solution: TrainingSolution, analyses: dict[int, str]) -> TrainingSolution:
    if not analyses:
        return solution
    told = tuple(analyses.get(index) for index in range(len(solution.steps)))
    return solution.model_copy(update={"analyses": told})


def analysed(group: Group, analyst: RPRM, tokenizer: PromptTokenizer) -> list[Example]:
    """Serving prompts without references, as published, with their analyses. Raises ContextOverflow."""
    examples = []
    for one in group.solutions:
        written = {index: text for index, text in enumerate(one.analyses or ()) if text is not None}
        prompts = analyst.render(
            Solution(group.question, one.steps), References((), ((),) * len(one.steps)), list(written)
        )
        for (index, text), prompt in zip(written.items(), prompts, strict=True):
            whole, _ = analyst.verdict_prompt(prompt.token_ids, tokenizer.untrusted(text + analyst.marker))
            label = one.labels[index]
            if label is not None:
                examples.append(Example(tuple(whole), label, analyst.labels, len(whole) - len(prompt.token_ids)))
    return examples
