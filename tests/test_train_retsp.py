"""`stepreward train retsp` on a tiny model: it learns, goes on after a kill as if it had run on, refuses early."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file

from stepreward.calibrate.steps import read_steps
from stepreward.cli import cli
from stepreward.errors import ConfigurationError
from stepreward.training.adapter import WEIGHTS
from stepreward.training.groups import grouped, write_groups
from stepreward.training.retsp import checkpoints
from stepreward.values import LabelledSolution
from tiny_model import write_tiny_model

TEMPLATE = (
    "[[system]]\nGrade.\n[[user]]\n{{ question }}{% for step in previous_steps %}{{ step }}{% endfor %}{{ step }}\n"
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two that wait for each other after every small product take minutes on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def row(number: int, *, right: bool) -> LabelledSolution:
    """What even a tiny model can tell."""
    return LabelledSolution(f"{number}?", ("yes" if right else "no",), (right,), "made")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a template and data."""
    folder = tmp_path_factory.mktemp("given")
    write_tiny_model(folder / "model")
    (folder / "words.txt").write_text(TEMPLATE)
    groups, _ = grouped((row(number, right=right) for number in range(60) for right in (True, False)), 0.2, 0)
    write_groups(folder / "data.jsonl.gz", groups)
    return folder


def train(given: Path, run: Path, *more: str) -> Result:
    arguments = ["train", "retsp", str(given / "data.jsonl.gz"), "-o", str(run), "--model", str(given / "model")]
    fast = [
        "--batch-tokens",
        "100",
        "--warmup-tokens",
        "0",
        "--learning-rate",
        "0.02",
        "--rank",
        "4",
        "--device",
        "cpu",
    ]
    words = ["--retsp-template", str(given / "words.txt")]
    return CliRunner().invoke(cli, [*arguments, *words, *fast, "--evaluate-tokens", "2000", *more])


def weights(run: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = load_file(checkpoints(run)[-1] / WEIGHTS)
    return tensors


def lines(run: Path, kind: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [one for one in told if one["kind"] == kind]


def test_what_can_be_learned_is_learned_and_seen_on_the_part_held_out(given: Path, tmp_path: Path) -> None:
    result = train(given, tmp_path / "run", "--tokens", "3000")
    assert result.exception is None
    losses = [line["loss"] for line in lines(tmp_path / "run", "step")]
    assert sum(losses[-5:]) < sum(losses[:5])
    assert lines(tmp_path / "run", "held out")[-1]["auc"]["made"] > 0.8
    assert lines(tmp_path / "run", "step")[-1]["rate"] < 0.02 / 5


def test_a_run_that_is_stopped_again_and_again_ends_as_one_that_is_not(given: Path, tmp_path: Path) -> None:
    assert train(given, tmp_path / "whole", "--tokens", "500").exception is None
    for _ in range(30):
        stopped = train(given, tmp_path / "pieces", "--tokens", "500", "--minutes", "0")
        assert stopped.exception is None
        if "done" in stopped.output:
            break
    whole, pieces = weights(tmp_path / "whole"), weights(tmp_path / "pieces")
    assert all(torch.equal(whole[name], pieces[name]) for name in whole)
    assert len(checkpoints(tmp_path / "pieces")) == 2


def test_a_checkpoint_that_was_half_written_is_not_gone_on_from(given: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(given, run, "--tokens", "500", "--minutes", "0").exception is None
    [whole] = checkpoints(run)
    (run / "checkpoint-000099.partial").mkdir()
    (run / "checkpoint-000098").mkdir()
    assert checkpoints(run) == [whole]
    assert train(given, run, "--tokens", "500").exception is None


def test_another_run_in_the_same_folder_is_refused_and_says_what_differs(given: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(given, run, "--tokens", "300", "--minutes", "0").exception is None
    result = train(given, run, "--tokens", "300", "--seed", "5")
    assert isinstance(result.exception, ConfigurationError)
    assert "begun with another seed" in result.exception.message


def test_a_loss_that_is_no_number_ends_the_run_and_leaves_its_checkpoints(given: Path, tmp_path: Path) -> None:
    result = train(given, tmp_path / "run", "--tokens", "3000", "--learning-rate", "1e30", "--save-s", "0")
    assert isinstance(result.exception, ConfigurationError)
    assert "a lower --learning-rate may help" in result.exception.message
    for tensor in weights(tmp_path / "run").values():
        assert torch.isfinite(tensor).all()


def test_labels_that_are_no_single_tokens_are_refused_before_anything_is_written(given: Path, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text(f'[[labels]]\n"right" "wrong"\n{TEMPLATE}')
    result = train(given, tmp_path / "run", "--retsp-template", str(words))
    assert isinstance(result.exception, ConfigurationError)
    assert "no single token for 'right'" in result.exception.message
    assert not (tmp_path / "run").exists()


def test_data_with_right_steps_alone_is_refused(given: Path, tmp_path: Path) -> None:
    groups, _ = grouped([row(1, right=True)], 0.0, 0)
    write_groups(tmp_path / "data.jsonl.gz", groups)
    arguments = ["train", "retsp", str(tmp_path / "data.jsonl.gz"), "-o", str(tmp_path / "run")]
    result = CliRunner().invoke(cli, [*arguments, "--model", str(given / "model")])
    assert isinstance(result.exception, ConfigurationError)
    assert "no wrong step" in result.exception.message


def test_adapters_are_written_in_bfloat16_and_a_new_run_can_begin_with_them(given: Path, tmp_path: Path) -> None:
    assert train(given, tmp_path / "run", "--tokens", "3000").exception is None
    target = tmp_path / "adapter"
    result = CliRunner().invoke(cli, ["train", "adapter", str(tmp_path / "run"), "-o", str(target)])
    assert result.exception is None
    tensors = load_file(target / WEIGHTS)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    begun = train(given, tmp_path / "second", "--tokens", "200", "--learning-rate", "1e-9", "--adapter", str(target))
    assert begun.exception is None
    assert lines(tmp_path / "second", "held out")[-1]["auc"]["made"] > 0.8


def exported(run: Path, target: Path, *more: str) -> Result:
    return CliRunner().invoke(cli, ["train", "adapter", str(run), "-o", str(target), *more])


def test_the_mean_of_adapters_lies_between_them_by_its_share(given: Path, tmp_path: Path) -> None:
    for name, seed in (("run", "1"), ("other", "2")):
        assert train(given, tmp_path / name, "--tokens", "600", "--seed", seed).exception is None
        assert exported(tmp_path / name, tmp_path / f"{name}-adapter").exception is None
    other = str(tmp_path / "other-adapter")
    assert exported(tmp_path / "run", tmp_path / "mean", "--average-with", other, "--share", "0.75").exception is None
    own, others, mean = (load_file(tmp_path / name / WEIGHTS) for name in ("run-adapter", "other-adapter", "mean"))
    for name, tensor in mean.items():
        wanted = 0.75 * own[name].float() + 0.25 * others[name].float()
        assert torch.allclose(tensor.float(), wanted, rtol=0.01, atol=2e-3)
    assert any(not torch.equal(mean[name], own[name]) for name in mean)


def test_adapters_that_do_not_fit_each_other_have_no_mean(given: Path, tmp_path: Path) -> None:
    for name, rank in (("run", "4"), ("other", "2")):
        assert train(given, tmp_path / name, "--tokens", "200", "--rank", rank).exception is None
    (tmp_path / "empty").mkdir()
    for more, said in (
        (["--average-with", str(checkpoints(tmp_path / "other")[-1])], "another rank"),
        (["--average-with", str(tmp_path / "empty")], "no adapters"),
        (["--share", "0.5"], "--average-with names"),
    ):
        result = exported(tmp_path / "run", tmp_path / "mean", *more)
        assert isinstance(result.exception, ConfigurationError)
        assert said in result.exception.message
    assert not (tmp_path / "mean").exists()


def test_a_run_without_a_checkpoint_has_no_adapters(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["train", "adapter", str(tmp_path), "-o", str(tmp_path / "adapter")])
    assert isinstance(result.exception, ConfigurationError)
    assert "no checkpoint yet" in result.exception.message


def graded(given: Path, adapter: Path, file: Path, output: Path, *more: str) -> Result:
    arguments = ["train", "grade", str(file), "--adapter", str(adapter), "-o", str(output), "--device", "cpu"]
    words = ["--model", str(given / "model"), "--retsp-template", str(given / "words.txt")]
    return CliRunner().invoke(cli, [*arguments, *words, *more])


def test_adapters_grade_what_was_held_out_as_calibrate_reads_it(given: Path, tmp_path: Path) -> None:
    assert train(given, tmp_path / "run", "--tokens", "200").exception is None
    adapter, output = checkpoints(tmp_path / "run")[-1], tmp_path / "steps.jsonl"
    assert graded(given, adapter, given / "data.jsonl.gz", output).exception is None
    first = output.read_bytes()
    steps = list(read_steps(output))
    assert {step.label for step in steps} == {True, False}
    assert len({step.group for step in steps}) == len(steps)
    output.write_bytes(first[: len(first) // 2])
    assert graded(given, adapter, given / "data.jsonl.gz", output).exception is None
    assert output.read_bytes() == first


def test_adapters_grade_processbench_as_its_evaluation_reads_it(given: Path, tmp_path: Path) -> None:
    assert train(given, tmp_path / "run", "--tokens", "200").exception is None
    rows = [{"id": f"x-{label}", "problem": "7?", "steps": ["yes", "no"], "label": label} for label in (-1, 1)]
    file, output = tmp_path / "gsm8k.jsonl", tmp_path / "scores.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    adapter = checkpoints(tmp_path / "run")[-1]
    assert graded(given, adapter, file, output, "--format", "processbench").exception is None
    told = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row["id"] for row in told] == ["x--1", "x-1"]
    assert all(0 < score < 1 for row in told for score in row["scores"])
    arguments = ["eval", "processbench", str(file), "-o", str(tmp_path / "eval"), "--recorded", str(output)]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
