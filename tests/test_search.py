"""Guided search: what each strategy expands, budgets, traces that go on, and the picture."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

from stepreward.cli import main
from stepreward.client import Item, ItemResult, ServiceUnavailable, failed
from stepreward.errors import ConfigurationError
from stepreward.schema import Aggregates
from stepreward.search.picture import page
from stepreward.search.policy import CompletionsPolicy, Sampling
from stepreward.search.run import Found, Search, search
from stepreward.search.strategies import strategy
from stepreward.search.tree import Proposal, Tree

QUESTION = "Which path is best?"


class Paths:
    """Proposes the digits 0 … count-1; a solution ends at its third step. Ten tokens a step."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    async def propose(self, question: str, steps: Sequence[str], count: int) -> list[Proposal]:
        self.asked.append(tuple(steps))
        return [Proposal(str(digit), len(steps) == 2, 10) for digit in range(count)]


class Digits:
    """A solution's score is a number in [0, 1] made of its digits; one of only zeros has none."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    async def score_items(self, items: Sequence[Item], **_: Any) -> list[ItemResult]:
        self.batches.append(len(items))
        return [_result(item) for item in items]


def worth(steps: Sequence[str]) -> float:
    return sum(map(int, steps)) / (9 * len(steps))


def _result(item: Item) -> ItemResult:
    if not any(map(int, item.steps)):
        return failed("0", "no_valid_verdict", "scripted", retryable=False)
    score = worth(item.steps)
    aggregates = Aggregates(min=score, prod=score, mean=score, last=score)
    return ItemResult(id="0", status="ok", score=score, aggregates=aggregates, first_error=-1, steps=[], degraded=[])


def run(wanted: Search, trace: Path | None = None) -> tuple[Found, Tree, Paths, Digits]:
    policy, scorer = Paths(), Digits()
    found, tree = asyncio.run(search(wanted, policy, scorer, trace))
    return found, tree, policy, scorer


# strategies


def test_greedy_goes_on_with_the_best_step_of_each_round():
    found, _, policy, scorer = run(Search(QUESTION, "greedy", proposals=4))
    assert policy.asked == [(), ("3",), ("3", "3")]
    assert (found.steps, found.is_done, found.rounds, found.tokens) == (("3", "3", "3"), True, 3, 120)
    assert scorer.batches == [4, 4, 4]


def test_a_beam_goes_on_with_its_width_and_scores_a_round_in_one_batch():
    found, _, policy, scorer = run(Search(QUESTION, "beam", width=2, proposals=4))
    assert policy.asked[:3] == [(), ("3",), ("2",)]
    assert scorer.batches == [4, 8, 8]
    assert found.steps == ("3", "3", "3")


def test_monte_carlo_tree_search_expands_leaves_that_promise_most_and_comes_back_to_others():
    found, tree, policy, scorer = run(Search(QUESTION, "mcts", width=2, proposals=3, budget_tokens=600))
    assert found.is_done
    assert found.steps == ("2", "2", "2")
    assert len({asked[:1] for asked in policy.asked if asked}) > 1
    assert len(set(policy.asked)) == len(policy.asked)
    assert max(scorer.batches) == 6
    # Nothing is left to expand: 3 first steps, 2 of them with a score, and all that is below those.
    assert found.tokens == 10 * (3 + 2 * 3 + 6 * 3)
    assert all(tree.nodes[number].parent == 0 for number in (1, 2, 3))


def test_what_has_no_score_is_not_gone_on_with():
    for name in ("greedy", "beam", "mcts"):
        _, _, policy, _ = run(Search(QUESTION, name, proposals=2, budget_tokens=400))
        assert ("0",) not in policy.asked


@pytest.mark.parametrize("name", ["greedy", "beam", "mcts"])
def test_a_search_ends_when_nothing_is_left_to_do(name):
    found, tree, _, _ = run(Search(QUESTION, name, width=64, proposals=2, budget_tokens=10**6))
    assert found.is_done
    assert strategy(name, 64)(tree) == [] or name != "mcts"


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1) | st.none(), st.booleans()), max_size=30))
def test_monte_carlo_tree_search_chooses_different_leaves_that_may_go_on(made):
    tree = Tree()
    for parent, score, done in made:
        tree.add(parent % len(tree.nodes), Proposal("x", done, 1), score)
    chosen = strategy("mcts", 3)(tree)
    assert len(set(chosen)) == len(chosen) <= 3
    assert all(tree.may_go_on(number) and not tree.nodes[number].children for number in chosen)


# budgets and results


def test_no_round_begins_once_the_budget_is_spent_and_the_best_so_far_is_there():
    found, _, _, _ = run(Search(QUESTION, "greedy", proposals=4, budget_tokens=41))
    assert (found.steps, found.is_done, found.tokens) == (("3", "3"), False, 80)


def test_no_solution_is_longer_than_allowed():
    found, _, _, _ = run(Search(QUESTION, "beam", proposals=2, most_steps=2))
    assert len(found.steps) == 2


def test_without_any_score_nothing_is_found():
    found, _, _, _ = run(Search(QUESTION, "greedy", proposals=1))
    assert found == Found((), None, False, 10, 1)


# traces


@pytest.mark.parametrize("name", ["greedy", "beam", "mcts"])
def test_a_search_that_was_ended_goes_on_to_what_it_would_have_come_to(name, tmp_path):
    wanted = Search(QUESTION, name, width=2, proposals=3, budget_tokens=200)
    whole, _, _, _ = run(wanted, tmp_path / "whole.jsonl")
    lines = (tmp_path / "whole.jsonl").read_text().splitlines(keepends=True)
    ended = tmp_path / "ended.jsonl"
    ended.write_text("".join(lines[:2]) + lines[2][:20])
    again, _, policy, _ = run(wanted, ended)
    assert again == whole
    assert ended.read_text() == (tmp_path / "whole.jsonl").read_text()
    assert () not in policy.asked


def test_a_larger_budget_goes_on_from_the_same_trace(tmp_path):
    small, _, _, _ = run(Search(QUESTION, "mcts", proposals=3, budget_tokens=30), tmp_path / "t.jsonl")
    large, _, _, _ = run(Search(QUESTION, "mcts", proposals=3, budget_tokens=300), tmp_path / "t.jsonl")
    assert large.tokens > small.tokens
    assert (large.score or 0) >= (small.score or 0)


@pytest.mark.parametrize("content", ["nothing\n", '{"question": "another"}\n', "[1]\n"])
def test_a_trace_of_something_else_is_refused_and_left_as_it_is(tmp_path, content):
    trace = tmp_path / "t.jsonl"
    trace.write_text(content)
    with pytest.raises(ConfigurationError, match="trace"):
        run(Search(QUESTION), trace)
    assert trace.read_text() == content


# the policy's endpoint


def endpoint(choices: list[dict[str, Any]], sent: list[dict[str, Any]]) -> httpx.AsyncClient:
    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(200, json={"choices": choices, "usage": {"completion_tokens": 12}})

    return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://policy")


def test_a_policy_is_asked_for_one_step_more_and_equal_steps_are_one():
    choices = [
        {"text": " So 2. ", "finish_reason": "stop", "stop_reason": "\n\n"},
        {"text": "So 2.", "finish_reason": "stop", "stop_reason": "\n\n"},
        {"text": "The answer is 2.", "finish_reason": "stop", "stop_reason": "\n\n"},
        {"text": "Done.", "finish_reason": "stop", "stop_reason": None},
        {"text": " ", "finish_reason": "length", "stop_reason": None},
        {"text": "Cut", "finish_reason": "length", "stop_reason": None},
    ]
    sent: list[dict[str, Any]] = []

    async def ask() -> list[Proposal]:
        policy = CompletionsPolicy(endpoint(choices, sent), Sampling("m"))
        return await policy.propose(QUESTION, ["One.", "Two."], 6)

    proposals = asyncio.run(ask())
    assert [(one.step, one.done, one.tokens) for one in proposals] == [
        ("So 2.", False, 4),
        ("The answer is 2.", True, 2),
        ("Done.", True, 2),
        ("Cut", False, 2),
    ]
    assert sent[0]["prompt"].endswith("One.\n\nTwo.\n\n")
    assert (sent[0]["n"], sent[0]["stop"], sent[0]["model"]) == (6, ["\n\n"], "m")


def test_a_policy_that_does_not_answer_is_an_error_of_the_tree():
    async def ask() -> None:
        transport = httpx.MockTransport(lambda request: httpx.Response(500))
        async with httpx.AsyncClient(transport=transport, base_url="http://policy") as http:
            await CompletionsPolicy(http, Sampling("m")).propose(QUESTION, [], 2)

    with stamina.set_testing(True, attempts=2), pytest.raises(ServiceUnavailable, match="500"):
        asyncio.run(ask())


# the picture


def test_the_picture_holds_every_step_with_its_score_and_no_markup_of_its_own():
    tree = Tree()
    first = tree.add(0, Proposal("a <b> & c", False, 1), 0.25)
    tree.add(first, Proposal("end", True, 1), None)
    shown = page("Is 1 < 2?", tree)
    assert "a &lt;b&gt; &amp; c" in shown
    assert "Is 1 &lt; 2?" in shown
    assert shown.count("<details") == shown.count("</details>") == 2
    assert "0.250" in shown
    assert "no score" in shown


def test_a_deep_tree_is_drawn_too():
    tree, number = Tree(), 0
    for _ in range(5000):
        number = tree.add(number, Proposal("x", False, 1), 0.5)
    assert page(QUESTION, tree).count("<details") == 5000


def test_the_command_says_in_one_line_that_nobody_is_there(monkeypatch, capsys):
    given_ = ["search", QUESTION, "--policy-url", "http://127.0.0.1:9", "--model", "m"]
    monkeypatch.setattr(sys, "argv", ["stepreward", *given_])
    with stamina.set_testing(True, attempts=1), pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1
