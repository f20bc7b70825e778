"""References that agree with the truth: against an exact search by hand, and on the wire."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from loadtests.scripted_worker import ScriptedWorker
from stepreward.errors import InvalidRequest
from stepreward.retrieval.oracle import outcome
from stepreward.retrieval.search import SearchOptions
from stepreward.values import GradedSolution, References, Solution
from test_pipeline import item, prompt_texts, score
from test_retrieval import EVERYTHING, NEW, NO_PAYLOAD_INDEX, ROWS, Library, row, search, target, with_library

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

Labels = tuple[bool | None, ...]
RIGHT = [row(number, labels=[True, True, True]) for number in range(18)]


def choose(
    solution: Solution, labels: Labels, questions: int = 1, steps: int = 1, rows: Sequence[Any] = ROWS, **how: Any
) -> References:
    """How the oracle chooses for one solution."""

    async def use(lib: Library) -> References:
        options = SearchOptions(questions, steps, how.pop("least", EVERYTHING), oracle=True, **how)
        graded = GradedSolution(solution.question, solution.steps, labels)
        return (await lib.retriever.search(await lib.retriever.active(), [graded], options))[0]

    return with_library(use, rows=rows)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ((True, None), True),
        ((True, False, None), False),
        ((None, False), False),
        ((None, None), None),
    ],
)
def test_an_outcome_is_wrong_with_one_wrong_step_and_unknown_without_labels(labels, expected) -> None:
    assert outcome(labels) is expected


@pytest.mark.parametrize("labels", [(True, True), (True, False), (False, True), (False, None), (None, None)])
def test_each_step_gets_the_nearest_steps_of_its_own_label(labels) -> None:
    [everything] = search([NEW], questions=16, steps=64)
    found = choose(NEW, labels, questions=0, steps=2)
    for of_step, ranking, label in zip(found.steps, everything.steps, labels, strict=True):
        assert list(of_step) == [step for step in ranking if label is None or step.label == label][:2]
        assert len(of_step) == 2


@pytest.mark.parametrize("labels", [(True, True), (True, False), (None, None)])
def test_reference_questions_are_the_nearest_with_the_outcome_of_the_target(labels) -> None:
    [everything] = search([NEW], questions=18)
    wanted = outcome(labels)
    agree = [q for q in everything.questions if wanted is None or outcome(q.solution.labels) is wanted]
    assert list(choose(NEW, labels, questions=4).questions) == agree[:4]


def test_nothing_is_chosen_where_no_candidate_agrees() -> None:
    found = choose(NEW, (False, True), questions=2, rows=RIGHT)
    assert (found.questions, [len(of_step) for of_step in found.steps]) == ((), [0, 1])


def test_what_is_too_far_is_not_chosen() -> None:
    found = choose(NEW, (True, False), questions=2, least=0.999)
    assert found == References((), ((), ()))


def test_the_one_that_agrees_is_found_behind_hundreds_that_do_not() -> None:
    again = [row(4, source=f"copy/{n}", labels=[True, True, True]) for n in range(200)]
    wrong = row(9, steps=["Ann9 counts.", "Ann9 is wrong."], labels=[True, False])
    found = choose(target(4), (True, True, False), rows=[*again, *RIGHT, wrong])
    assert [question.solution.question for question in found.questions] == [wrong["question"]]
    # The steps of the nearest sixteen questions, which are all right, are the only candidates for a wrong step.
    assert [len(of_step) for of_step in found.steps] == [1, 1, 0]


def test_duplicates_are_left_out_where_they_are_excluded() -> None:
    labels = tuple(ROWS[5]["labels"])
    own = choose(target(5), labels, questions=2)
    found = choose(target(5), labels, questions=2, exclude_duplicates=True)
    assert own.questions[0].solution.question == ROWS[5]["question"]
    assert found.dropped_duplicates == 1
    assert own.questions[0].id not in {q.id for q in found.questions} | {
        s.question_id for of in found.steps for s in of
    }
    assert len(found.questions) == 2


# on the wire

ORACLE = {"mode": "oracle", "exclude_duplicates": False}


@pytest.mark.parametrize(
    ("changed", "retrieval", "reason"),
    [
        ({}, ORACLE, r"items\[1\]\.labels: the retrieval mode oracle needs them"),
        ({"labels": None}, ORACLE, r"items\[1\]\.labels: the retrieval mode oracle needs them"),
        ({"labels": [True, None]}, ORACLE, r"items\[1\]\.labels: 2 for 3 steps"),
        ({"labels": []}, ORACLE, r"items\[1\]\.labels: 0 for 3 steps"),
        ({"labels": [True] * 3}, {}, r"items\[1\]\.labels: only the retrieval mode oracle"),
        ({"labels": [True] * 3}, {"mode": "retrieved"}, r"items\[1\]\.labels: only the retrieval mode oracle"),
    ],
)
def test_labels_stand_in_every_item_of_the_mode_and_in_none_of_another(changed, retrieval, reason) -> None:
    first = item(0, labels=[True] * 3) if retrieval is ORACLE else item(0)
    with pytest.raises(InvalidRequest, match=f"^{reason}"):
        score(ScriptedWorker(), first, item(1, **changed), retrieval=retrieval)


@pytest.mark.parametrize("method", ["retsp", "rprm"])
def test_the_references_answered_are_those_that_agree(method) -> None:
    labels = [False, True, False]
    answer = score(
        ScriptedWorker(), item(4, labels=labels), method=method, retrieval=ORACLE, include=["references"]
    ).items[0]
    found = choose(target(4), tuple(labels), least=0.3)
    chosen = [(step, label) for of_step, label in zip(found.steps, labels, strict=True) for step in of_step]
    assert [r.step_id for r in answer.references] == [None, *(step.id for step, _ in chosen)]
    assert [step.label for step, _ in chosen] == [label for _, label in chosen]
    assert not all(label for _, label in chosen)


def test_labels_choose_the_references_and_are_said_to_no_one() -> None:
    def prompts(labels: list[bool | None] | None, **retrieval: Any) -> list[str]:
        worker = ScriptedWorker()
        score(worker, item(4) if labels is None else item(4, labels=labels), retrieval=retrieval)
        return prompt_texts(worker)

    everyone = [[True, True, True], [False, True, False], [None, None, None]]
    bare = [prompts(labels, questions=0, steps=0, **ORACLE) for labels in everyone]
    assert bare == [prompts(None, mode="none")] * 3
    assert prompts(everyone[2], **ORACLE) == prompts(None, exclude_duplicates=False)
    assert prompts(everyone[1], **ORACLE) != prompts(None, exclude_duplicates=False)


def test_a_reranker_does_not_choose_for_the_oracle() -> None:
    from stepreward.plan import Defaults, plan
    from stepreward.policies import Adaptive
    from stepreward.schema import ScoreRequest

    defaults = Defaults("retsp", 3, SearchOptions(1, 1, 0.3, rerank=True), Adaptive(1, 3))
    asked = {"items": [item(4, labels=[True] * 3)], "retrieval": {"mode": "oracle"}}
    assert plan(ScoreRequest.model_validate(asked), defaults).widest_search == replace(
        defaults.retsp_search, rerank=False, oracle=True
    )
    asked["retrieval"] = {"mode": "oracle", "rerank": True}
    with pytest.raises(InvalidRequest, match=r"^retrieval\.rerank: the mode oracle"):
        plan(ScoreRequest.model_validate(asked), defaults)
