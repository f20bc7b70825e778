import gzip
import itertools
import json
import math
import random
import re
import sys
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stepreward.corpus.generate import KINDS, Solution, check, generate, write_corpus
from stepreward.corpus.generate.check import Reading, UnreadableClaim, read
from stepreward.corpus.generate.draw import Draw
from stepreward.corpus.generate.formula import single
from stepreward.corpus.generate.model import Problem, Step
from stepreward.corpus.generate.templates import FAMILIES, chance, divisors, gym, gym_factors, gym_mixed
from stepreward.corpus.generate.work import moves_of, work
from stepreward.corpus.generate.write import normalised
from stepreward.errors import ConfigurationError

COUNT, SEED = 4600, 20  # the documented call
SHIPPED = Path(str(files("stepreward.corpus") / "data" / "starter.jsonl.gz"))
SHARED = Path(__file__).parents[2] / "shared"


@cache
def corpus() -> tuple[Solution, ...]:
    return tuple(generate(COUNT, SEED))


@cache
def checked() -> tuple[tuple[Solution, tuple[Reading, ...]], ...]:
    return tuple((solution, check(solution)) for solution in corpus())


@cache
def true_steps() -> tuple[tuple[Solution, int], ...]:
    return tuple((one, index) for one in corpus() for index, step in enumerate(one.steps) if step.label)


@cache
def shipped_rows() -> tuple[dict, ...]:
    with gzip.open(SHIPPED, "rt", encoding="utf-8") as lines:
        return tuple(json.loads(line) for line in lines)


def test_the_documented_call_makes_the_shipped_file(tmp_path):
    summary = write_corpus(tmp_path / "starter.jsonl.gz", COUNT, SEED)
    # Decompressed: builds of zlib differ in how they compress.
    assert gzip.decompress(summary.path.read_bytes()) == gzip.decompress(SHIPPED.read_bytes())
    assert summary.solutions == COUNT
    assert summary.questions == len({row["question"] for row in shipped_rows()})
    assert summary.steps == sum(len(row["steps"]) for row in shipped_rows())
    assert sum(summary.kinds.values()) == sum(summary.families.values()) == COUNT
    assert summary.size_bytes == summary.path.stat().st_size


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    files_made = [tmp_path / name for name in ("a.jsonl.gz", "b.jsonl.gz", "c.jsonl.gz")]
    for path, seed in zip(files_made, (5, 5, 6), strict=True):
        write_corpus(path, 60, seed)
    same, again, other = (path.read_bytes() for path in files_made)
    assert same == again != other


def test_a_longer_run_begins_with_the_shorter_one_and_plain_files_hold_the_same_rows(tmp_path):
    write_corpus(tmp_path / "short.jsonl", 30, 9)
    write_corpus(tmp_path / "long.jsonl.gz", 50, 9)
    short = (tmp_path / "short.jsonl").read_bytes()
    assert gzip.decompress((tmp_path / "long.jsonl.gz").read_bytes()).startswith(short)


def test_rows_have_the_plain_form():
    for row in shipped_rows():
        assert list(row) == ["id", "question", "steps", "labels", "source", "error", "answer"]
        assert 3 <= len(row["steps"]) == len(row["labels"]) <= 8
        assert all(step.strip() == step and step for step in row["steps"])
        assert all(type(label) is bool for label in row["labels"])
        assert row["source"] in {f"starter/{family}" for family in FAMILIES}
        assert not re.search(r"[\[\]<>]", row["question"] + "".join(row["steps"]))  # no slot was left unfilled
        assert row["answer"]
        if row["error"] is None:
            assert all(row["labels"])
        else:
            assert row["error"]["kind"] in KINDS
            assert row["labels"].index(False) == row["error"]["step"]


def test_the_last_step_states_the_answer():
    for row in shipped_rows():
        stated = row["steps"][-1].replace(",", "").replace("$", "")
        assert "nswer" in stated
        if row["error"] is None:
            assert row["answer"].replace(",", "") in stated


def test_ids_are_distinct_and_no_question_comes_with_more_than_two_solutions():
    assert len({row["id"] for row in shipped_rows()}) == COUNT
    told = Counter((row["question"], row["error"] is None) for row in shipped_rows())
    assert set(told.values()) == {1}


def test_questions_are_many_and_no_two_are_alike_after_normalisation():
    questions = {row["question"] for row in shipped_rows()}
    assert len(questions) >= 2500
    assert len({normalised(question) for question in questions}) == len(questions)


def test_the_shipped_file_is_small():
    assert SHIPPED.stat().st_size <= 2 * 10**6


def test_half_of_the_solutions_are_wrong_and_every_kind_of_error_is_frequent():
    kinds = Counter(row["error"]["kind"] for row in shipped_rows() if row["error"])
    assert 0.45 <= sum(kinds.values()) / COUNT <= 0.55
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) >= 100


def test_errors_are_spread_over_all_steps():
    places = Counter(
        round(4 * row["error"]["step"] / (len(row["steps"]) - 1)) for row in shipped_rows() if row["error"]
    )
    total = sum(places.values())
    assert all(places[fifth] >= 0.07 * total for fifth in range(5))


def test_every_family_and_every_template_is_used():
    assert Counter(solution.family for solution in corpus()).keys() == FAMILIES.keys()
    used = {solution.template for solution in corpus()}
    assert used == {template.__name__ for _, templates in FAMILIES.values() for template in templates}
    assert sum(solution.family == "word" for solution in corpus()) >= 0.4 * COUNT


def test_every_label_is_what_reading_the_step_says():
    for solution, readings in checked():
        for step, reading in zip(solution.steps, readings, strict=True):
            assert step.label == reading.holds, (solution.template, step)
            assert step.label == (step.text == step.true_text), (solution.template, step)


def test_true_steps_compute_and_agree_with_the_true_quantities():
    for solution, readings in checked():
        for step, reading in zip(solution.steps, readings, strict=True):
            if step.label:
                assert reading.computes
                assert all(claim.stated_value == claim.true_value for claim in step.claims)
            for claim in step.claims:
                assert claim.true_value == solution.quantities[claim.quantity]


def test_the_injected_step_is_wrong_for_its_reason_and_everything_before_it_is_true():
    for solution, readings in checked():
        if solution.error is None:
            assert all(step.label for step in solution.steps)
            continue
        step, reading = solution.steps[solution.error.step], readings[solution.error.step]
        assert all(before.label for before in solution.steps[: solution.error.step])
        assert not step.label
        assert solution.error.explanation in step.explanation
        off = [claim for claim in step.claims if claim.stated_value != claim.true_value]
        match solution.error.kind:
            case "arithmetic_slip":
                assert not reading.computes
                assert off[0].stated_formula == off[0].formula
            case "wrong_operation" | "wrong_quantity":
                assert off[0].stated_formula != off[0].formula if off else step is solution.steps[-1]
            case "unit":
                assert not reading.agrees
            case "dropped_case" | "bad_rearrangement":
                assert off


def test_after_the_error_a_step_is_false_exactly_when_a_quantity_that_it_mentions_is_off():
    later = Counter()
    for solution in corpus():
        if solution.error is None:
            continue
        for step in solution.steps[solution.error.step + 1 :]:
            later[step.label] += 1
            if any(claim.stated_value != claim.true_value for claim in step.claims):
                assert not step.label
    assert min(later.values()) >= 500


def test_an_error_in_a_value_leads_to_a_wrong_answer():
    for solution in corpus():
        if solution.error and any(
            claim.stated_value != claim.true_value for step in solution.steps for claim in step.claims
        ):
            assert not solution.steps[-1].label


def holds(step, points):
    try:
        return read(step, points).holds
    except UnreadableClaim:  # the change left no number that makes sense
        return False


@settings(deadline=None, max_examples=300)
@given(place=st.integers(0, 10**6), digits=st.integers(0, 100), more=st.integers(1, 500))
def test_check_finds_a_changed_number_in_a_true_step(place, digits, more):
    solution, index = true_steps()[place % len(true_steps())]
    step = solution.steps[index]
    lead = re.match(r"(\*\*)?Step \d+:(\*\*)? |\d+\. |", step.text).end()
    numbers = [found for found in re.finditer(r"\d+", step.text) if found.start() >= lead]
    assume(numbers)  # not so in "The equation is solved by collecting x on the left."
    number = numbers[digits % len(numbers)]
    text = f"{step.text[: number.start()]}{int(number[0]) + more}{step.text[number.end() :]}"
    assert holds(step, solution.points)
    assert not holds(replace(step, text=text), solution.points)


def test_a_changed_result_is_found_by_computing_alone():
    tried = 0
    for solution in random.Random(1).sample(corpus(), 500):
        for step in solution.steps:
            if step.label and (found := re.search(r"(?<==) (\d+)(?= [a-z]+\.$|\.$)", step.text)):
                text = f"{step.text[: found.start()]} {int(found[1]) + 1}{step.text[found.end() :]}"
                assert not read(replace(step, text=text), solution.points).computes
                tried += 1
    assert tried > 200


@pytest.mark.parametrize(
    ("text", "points", "truth"),
    [
        ("In May she sold 48 / 2 = 24 clips.", ({},), True),
        ("In May she sold 48 / 2 = 26 clips.", ({},), False),
        (r"That is \(1,200 \times 3 = 3600\).", ({},), True),
        (r"So \(\frac{3}{4} \div 2 = \frac{3}{8}\) is left.", ({},), True),
        (r"So $-\frac{3}{4} \times (-8) = 7$.", ({},), False),
        ("She pays 3 * $2.50 = $7.50, which is **7.50 * 2 = 15** for two.", ({},), True),
        ("The side is √(49) = 7 and 2^10 - 2(3 + 4) = 1010.", ({},), True),
        ("Then 3x + 5 = 20.", ({"x": Fraction(5)},), True),
        ("Then 3x + 5 = 21.", ({"x": Fraction(5)},), False),
        ("So x = 2 or x = -2.", ({"x": Fraction(2)}, {"x": Fraction(-2)}), True),
        ("So x = ±2.", ({"x": Fraction(2)}, {"x": Fraction(-2)}), True),
        ("So x = 2.", ({"x": Fraction(2)}, {"x": Fraction(-2)}), False),
        ("So x = 2 or x = 3.", ({"x": Fraction(2)}, {"x": Fraction(-2)}), False),
        ("There are 60 minutes in an hour.", ({},), True),
        ("There are 100 minutes in an hour.", ({},), False),
    ],
)
def test_equations_and_facts_are_read_from_plain_text_and_latex(text, points, truth):
    assert read(Step(text, True, text, (), ""), points).computes is truth


def test_an_equation_that_cannot_be_taken_apart_is_an_error():
    with pytest.raises(UnreadableClaim):
        read(Step("So 3 * = 7.", True, "", (), ""), ({},))


def problems(template, count=40):
    """Problems of one template with the true values of their quantities."""
    for seed in range(count):
        problem: Problem = template(Draw(random.Random(seed)))
        true = work(problem, moves_of(problem), None)[-1].true
        yield problem, true, true[problem.answer]


def count_where(items, condition):
    return Fraction(sum(map(bool, map(condition, items))))


def test_number_templates_agree_with_brute_force():
    for _, true, answer in problems(gym_factors.greatest_common_divisor):
        assert answer == math.gcd(int(true["first"]), int(true["second"]))
    for _, true, answer in problems(gym_factors.least_common_multiple):
        assert answer == math.lcm(int(true["first"]), int(true["second"]))
    for _, true, answer in problems(gym_factors.prime_factorization):
        assert math.prod(map(int, answer)) == true["rest_0"]
    for _, true, answer in problems(divisors.number_of_divisors):
        assert answer == count_where(range(1, int(true["n"]) + 1), lambda k, n=int(true["n"]): n % k == 0)
    for _, true, answer in problems(divisors.multiples_of_either):
        a, b = int(true["a"]), int(true["b"])
        assert answer == count_where(range(1, int(true["limit"]) + 1), lambda k, a=a, b=b: k % a == 0 or k % b == 0)
    for _, true, answer in problems(divisors.remainder_of_a_product):
        assert answer == (true["a"] * true["b"] + true["c"]) % true["m"]
    for _, true, answer in problems(divisors.last_digit_of_a_power):
        assert answer == (int(true["base"]) ** int(true["exponent"]) + int(true["added"])) % 10


def test_chance_templates_agree_with_brute_force():
    for _, true, answer in problems(chance.drawing_marbles):
        bag = [color for color in ("first_color", "second_color", "third_color") for _ in range(int(true[color]))]
        pairs = list(itertools.combinations(bag, 2))
        assert answer == count_where(pairs, lambda pair: pair[0] == pair[1]) / len(pairs)
    for _, true, answer in problems(chance.sums_with_two_dice):
        sums = {int(name.removeprefix("ways_for_")) for name in true if name.startswith("ways_for_")}
        throws = itertools.product(range(1, 7), repeat=2)
        assert answer == count_where(throws, lambda throw, sums=sums: sum(throw) in sums) * single(true["times"]) / 36
    for problem, true, answer in problems(chance.choosing_a_team):
        people = "b" * int(true["boys"]) + "g" * int(true["girls"])
        wanted = {2, 3} if "at least two" in problem.question[0] else {1, 2}
        teams = itertools.combinations(people, 3)
        assert answer == count_where(teams, lambda team, wanted=wanted: team.count("g") in wanted)
    for problem, true, answer in problems(gym_mixed.coin_flips):
        heads, least = int(re.search(r"(\d+) heads", problem.question[0])[1]), "at least" in problem.question[0]
        flips = list(itertools.product("HT", repeat=int(true["flips"])))
        good = count_where(flips, lambda f, h=heads, least=least: f.count("H") == h or (least and f.count("H") > h))
        assert answer == good / len(flips)


def test_every_template_makes_sound_problems():
    for _, templates in FAMILIES.values():
        for template in templates:
            for problem, true, _ in problems(template, 5):
                mentioned = {name for text in problem.question for name in re.findall(r"\[([a-z]\w*)[\]:]", text)}
                assert mentioned <= set(problem.given) | set(problem.constants)
                assert problem.money <= set(true), template.__name__
                assert len({move.name for move in problem.moves if move.name}) == sum(
                    move.name is not None for move in problem.moves
                ), template.__name__


def test_without_reasoning_gym_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    gym._reasoning_gym.cache_clear()
    with pytest.raises(ConfigurationError, match=r"stepreward\[corpus\]"):
        list(generate(200, 1))
    gym._reasoning_gym.cache_clear()


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="../shared is absent: no ProcessBench to compare with")
def test_no_question_stands_in_processbench_or_gsm8k():
    known = set()
    for path in [*(SHARED / "data" / "processbench").glob("*.jsonl.gz"), SHARED / "data" / "gsm8k_train.jsonl.gz"]:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        known |= {normalised(row.get("problem") or row["question"]) for row in rows}
    assert len(known) > 5000
    assert not known & {normalised(row["question"]) for row in shipped_rows()}
