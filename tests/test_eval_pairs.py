"""`stepreward eval pairs`: what is drawn, what counts, and a run against the real application on a port."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from stepreward.cli import cli
from stepreward.errors import ConfigurationError
from stepreward.evaluation.answers import Answered, ItemLine, StepLine
from stepreward.evaluation.facts import Reading
from stepreward.evaluation.labelled import LabelledItem
from stepreward.evaluation.pairs import Pair, items_of, summarise
from stepreward.training.groups import Group, grouped, write_groups
from stepreward.training.versions import versions
from stepreward.values import LabelledSolution
from test_bulk import application
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)


def groups(count: int, held_out: float) -> list[Group]:
    """Each with two right steps, and a wrong version of the second."""
    rows = [
        LabelledSolution(f"What is {number} doubled, and one more?", steps, labels, "made")
        for number in range(count)
        for steps, labels in (
            ((f"It is {2 * number}.", f"So {2 * number + 1}."), (True, True)),
            ((f"It is {2 * number}.", f"So {2 * number + 3}."), (True, False)),
            ((f"No: {number}.",), (None,)),
        )
    ]
    return grouped(rows, held_out, 0)[0]


def answered(item: LabelledItem, *scores: float | None) -> Answered:
    line = ItemLine(
        condition="asked",
        item=item.id,
        subset=item.subset,
        generator="unknown",
        first_error=item.first_error,
        status="ok",
        steps=len(scores),
    )
    steps = [
        StepLine(
            condition="asked", item=item.id, index=index, label=None, score=score, stderr=None, k_used=1, k_valid=1
        )
        for index, score in enumerate(scores)
    ]
    return Answered(line, tuple(steps))


def test_a_pair_differs_in_its_last_step_and_comes_from_a_question_that_is_held_out() -> None:
    made = groups(40, 0.5)
    found = versions(made, seed=1)
    assert [pair.right.question for pair in found] == [group.question for group in made if group.held_out]
    for pair in found:
        assert pair.right.steps[:-1] == pair.wrong.steps[:-1]
        assert pair.right.steps[-1] != pair.wrong.steps[-1]
        assert (pair.right.labels, pair.wrong.labels) == ((None, True), (None, False))


def test_a_pair_is_in_order_where_the_right_version_has_the_higher_score_and_counts_where_both_have_one() -> None:
    pairs: list[Pair] = versions(groups(4, 1.0), seed=1)
    scores = [(0.9, 0.1), (0.2, 0.7), (0.5, 0.5), (0.9, None)]
    answers = {
        item.id: answered(item, 0.5, score)
        for pair, of_pair in zip(pairs, scores, strict=True)
        for item, score in zip((pair.right, pair.wrong), of_pair, strict=True)
    }
    found = summarise(pairs, answers, Reading(0.5, None, 0)).families["made"]
    assert found.pairs == 3
    assert found.share == pytest.approx(1 / 3)
    assert (found.mean_right, found.mean_wrong) == (pytest.approx(1.6 / 3), pytest.approx(1.3 / 3))
    assert len(items_of(pairs)) == 8


def test_pairs_are_asked_of_a_service_and_the_report_is_written(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl.gz"
    write_groups(data, groups(12, 0.9))
    with application() as url:
        arguments = ["eval", "pairs", str(data), "-o", str(tmp_path / "run"), "--url", url, "--limit", "5"]
        result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert told["families"]["made"]["pairs"] == 5
    assert told["run"]["scored"] == 10


def test_data_that_holds_out_nothing_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl.gz"
    write_groups(data, groups(3, 0.0))
    result = CliRunner().invoke(cli, ["eval", "pairs", str(data), "-o", str(tmp_path / "run")])
    assert isinstance(result.exception, ConfigurationError)
    assert "holds out no question" in result.exception.message
