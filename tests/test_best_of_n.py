"""The best of N candidates: by score, by vote, by both; a few steps at a time; the command and the evaluation."""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from loadtests.scripted_worker import ScriptedWorker
from stepreward.best_of_n import Judged, judged, narrowed, same_answers, select
from stepreward.cli import main
from stepreward.client import AsyncClient, Client, Item
from test_bulk import application
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

QUESTION = "How many clips did Natalia sell?"


def scored(*scores: float | None) -> list[Judged]:
    return [Judged(score, 1) for score in scores]


def by_words(one: str, other: str) -> bool:
    return one == other


def answers(*last: str) -> list[list[str]]:
    return [["So:", step] for step in last]


# choosing


def test_the_prm_chooses_the_best_score_the_vote_the_common_answer_and_both_the_heaviest():
    chosen = select(answers("1", "2", "2", "3"), scored(0.9, 0.2, 0.3, 0.8), by_words)
    assert (chosen.prm, chosen.majority, chosen.weighted) == (0, 2, 0)
    assert chosen.ranking == (0, 3, 2, 1)
    assert chosen.groups == ((1, 2), (0,), (3,))
    assert select(answers("1", "2", "2"), scored(0.6, 0.4, 0.3), by_words).weighted == 1


def test_a_candidate_without_a_score_stands_last_and_still_votes():
    chosen = select(answers("1", "1", "2"), scored(None, None, 0.1), by_words)
    assert (chosen.prm, chosen.weighted, chosen.ranking) == (2, 2, (2, 0, 1))
    assert chosen.groups[0] == (0, 1)


def test_without_any_score_only_the_vote_chooses():
    chosen = select(answers("1", "2", "2"), scored(None, None, None), by_words)
    assert (chosen.prm, chosen.majority, chosen.weighted) == (None, 1, None)


def test_equal_candidates_stay_in_their_order():
    assert select(answers("1", "2", "3"), scored(0.5, 0.5, 0.5), by_words).ranking == (0, 1, 2)


@pytest.mark.parametrize(
    ("one", "other"),
    [("A: 26", "The answer is 26."), ("$\\boxed{\\frac{1}{2}}$", "It is 0.5"), ("\\boxed{72}", "so 24 + 48 = 72")],
)
def test_answers_are_compared_by_what_they_mean(one, other):
    assert same_answers()(one, other)


def test_different_answers_are_different():
    same = same_answers()
    assert not same("A: 26", "A: 27")
    assert not same("I do not know", "A: 27")
    assert same("I do not know", "I do not know")


# judging


@pytest.fixture
def worker() -> ScriptedWorker:
    return ScriptedWorker()


def candidates(count: int, steps: int = 4) -> list[list[str]]:
    """Of which all begin alike."""
    return [["Half of 48 is 24.", *(f"Step {step} of {place}." for step in range(1, steps))] for place in range(count)]


def ask(worker: ScriptedWorker, how: Any, given: Sequence[Sequence[str]]) -> list[Judged]:
    async def run(url: str) -> list[Judged]:
        async with AsyncClient(url) as client:
            return await how(client, QUESTION, given)

    with application(worker) as url:
        return asyncio.run(run(url))


def prompts(worker: ScriptedWorker) -> int:
    return sum(len(body["prompt"]) for body in worker.requests)


def test_candidates_share_what_they_begin_with(worker):
    found = ask(worker, judged, candidates(5))
    assert all(one.score is not None and one.steps_judged == 4 for one in found)
    assert prompts(worker) < 5 * 4


def test_halving_judges_fewer_steps_and_those_that_reach_the_end_score_as_they_would_whole(worker):
    given = candidates(16, steps=8)
    found = ask(worker, narrowed, given)
    whole = ask(ScriptedWorker(), judged, given)
    finished = [place for place, one in enumerate(found) if not one.dropped]
    assert finished
    assert [found[place] for place in finished] == [whole[place] for place in finished]
    assert all(found[place].steps_judged == 8 for place in finished)
    assert prompts(worker) < 16 * 7
    chosen = select(given, found, by_words)
    assert set(chosen.ranking[: len(finished)]) == set(finished)


def test_one_candidate_is_its_own_best(worker):
    [only] = ask(worker, narrowed, candidates(1))
    assert only.steps_judged == 4
    assert not only.dropped


# the command and the evaluation


def row(name: str, correct: Sequence[bool] = (True, False)) -> dict[str, Any]:
    given = [["Half of 48 is 24.", f"A: {72 + place}"] for place in range(len(correct))]
    return {"id": name, "question": f"{QUESTION} {name}", "candidates": given, "correct": list(correct)}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`stepreward …` as its entry point runs it; the exit code."""

    def ran(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["stepreward", *map(str, arguments)])
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0)
        return 0

    return ran


@pytest.mark.parametrize("halving", [[], ["--halving"]])
def test_the_command_ranks_each_question_and_goes_on_where_it_was_ended(run, tmp_path, halving):
    file, out = write(tmp_path / "a.jsonl", row("x"), row("y")), tmp_path / "out.jsonl"
    with application() as url, Client(url) as client:
        assert run("best-of-n", file, "--url", url, "-o", out, *halving) == 0
        whole = out.read_text()
        first, _ = whole.splitlines(keepends=True)
        out.write_text(first + '{"id": "y", "be')
        assert run("best-of-n", file, "--url", url, "-o", out, *halving) == 0
        assert out.read_text() == whole
        wanted = [Item(question=row("x")["question"], steps=steps) for steps in row("x")["candidates"]]
        scores = [result.score for result in client.score_items(wanted)]
    told = json.loads(first)
    assert told["id"] == "x"
    if not halving:
        assert told["scores"] == scores
        assert told["best"] == told["ranking"][0] == scores.index(max(scores))


@pytest.mark.parametrize("bad", ['{"id": 1}', '{"id": 1, "question": "q", "candidates": [[]]}', "{"])
def test_a_bad_row_is_named_by_its_line(run, tmp_path, bad, capsys):
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps(row("x")) + "\n" + bad + "\n")
    assert run("best-of-n", file) == 2
    assert f"{file}:2" in capsys.readouterr().err


def test_the_evaluation_tells_how_often_each_way_of_choosing_is_right(run, tmp_path):
    rows = [row("all", (True,) * 3), row("none", (False,) * 3), row("some", (True, False, False))]
    file = write(tmp_path / "given.jsonl", *rows)
    with application() as url:
        assert run("eval", "best-of-n", file, "-o", tmp_path / "run", "--url", url, "--seed", 1) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["questions"], summary["scored_questions"], summary["candidates"]) == (3, 3, 9)
    assert summary["pass_1"]["value"] == pytest.approx((1 + 0 + 1 / 3) / 3)
    assert summary["pass_n"]["value"] == pytest.approx(2 / 3)
    for way in ("majority", "prm", "weighted"):
        assert summary[way]["value"] in (pytest.approx(1 / 3), pytest.approx(2 / 3))
        assert 0 <= summary[way]["interval"]["low"] <= summary[way]["interval"]["high"] <= 1
    assert (tmp_path / "run" / "report.html").exists()


def test_a_question_without_all_scores_is_in_no_figure(run, tmp_path):
    long = row("long")
    long["candidates"][1][0] = "7" * 3900
    file = write(tmp_path / "given.jsonl", row("x"), row("y"), long)
    with application(ScriptedWorker(context_tokens=3000)) as url:
        assert run("eval", "best-of-n", "--data", file, "-o", tmp_path / "run", "--url", url) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["questions"], summary["scored_questions"]) == (3, 2)


def test_an_evaluation_of_no_file_says_what_is_missing(run, tmp_path, capsys):
    assert run("eval", "best-of-n", "-o", tmp_path / "run") == 2
    assert "FILES" in capsys.readouterr().err
