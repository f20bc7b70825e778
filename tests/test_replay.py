"""Recorded votes under a K policy."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import f1_score

from stepreward.cli import cli
from stepreward.errors import ConfigurationError
from stepreward.evaluation.replay import fit_prior, read_votes, replay
from stepreward.policies import Adaptive, Fixed

SHARED = Path(__file__).parents[2] / "shared" / "data" / "prmbench" / "test_with_rprm_votes.jsonl.gz"
needs_votes = pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is not here")


def votes_file(path: Path, votes: list[list[float]], wrong: list[list[int]]) -> Path:
    rows = [
        {"idx": str(number), "steps": [f"step {n}" for n in range(len(shares))], "error_steps": errors}
        | {"rprm_votes_k10": shares}
        for number, (shares, errors) in enumerate(zip(votes, wrong, strict=True))
    ]
    file = path / "votes.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def test_fixed_takes_all_votes_and_decides_as_they_do(tmp_path) -> None:
    file = votes_file(tmp_path, [[1.0, 0.4, 0.5], [0.0, 8 / 9]], [[2], [2]])
    found = replay(read_votes(file, 10), Fixed(10), "fixed", seed=0, orders=3)
    assert (found.items, found.steps, found.mean_k, found.saving, found.agreement) == (2, 5, 10, 1, 1)
    expected = 100 * f1_score([1, 0, 1, 1, 0], [1, 0, 1, 0, 1], average="macro")
    assert found.prmscore_adaptive == found.prmscore_fixed == pytest.approx(expected, abs=1e-3)


def test_unanimous_votes_are_known_from_the_first_of_them(tmp_path) -> None:
    votes = read_votes(votes_file(tmp_path, [[1.0] * 6], [[]]), 10)
    found = replay(votes, Adaptive(1, 10), "adaptive", seed=0, orders=2)
    assert (found.mean_k, found.saving, found.agreement) == (1, 10, 1)
    assert replay(votes, Adaptive(3, 10), "adaptive", seed=0, orders=1).mean_k == 3


def test_a_share_of_fewer_votes_leaves_the_rest_unread(tmp_path) -> None:
    votes = read_votes(votes_file(tmp_path, [[8 / 9, 0.5, 1.0]], [[]]), 10)
    assert (votes.yes.tolist(), votes.read.tolist()) == ([8, 5, 10], [9, 10, 10])


def test_equal_seeds_give_equal_figures_and_others_do_not(tmp_path) -> None:
    votes = read_votes(votes_file(tmp_path, [[0.6, 0.3, 0.9, 0.7] * 20], [[]]), 10)
    one, again, other = (replay(votes, Adaptive(1, 10), "adaptive", seed, orders=1) for seed in (1, 1, 2))
    assert one == again != other


def test_a_prior_is_found_again_from_votes_drawn_from_it(tmp_path) -> None:
    random = np.random.default_rng(0)
    shares = (random.binomial(10, random.beta(0.5, 0.2, 4000)) / 10).tolist()
    yes, no = fit_prior(read_votes(votes_file(tmp_path, [shares], [[]]), 10))
    assert (yes, no) == (pytest.approx(0.5, rel=0.15), pytest.approx(0.2, rel=0.15))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no row"),
        ("{", "line 1: "),
        ('{"steps": ["a"], "error_steps": [], "rprm_votes_k10": [1.5]}', "line 1: 1.5 is no share"),
        ('{"steps": ["a"], "error_steps": [], "rprm_votes_k10": []}', "line 1: 0 votes for 1 steps"),
    ],
)
def test_a_file_that_holds_no_votes_is_refused_with_its_line(tmp_path, text, said) -> None:
    file = tmp_path / "votes.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=said):
        read_votes(file, 10)


@needs_votes
def test_the_command_prints_one_line_and_adaptive_saves_five_times_the_trajectories() -> None:
    ran = CliRunner().invoke(cli, ["eval", "replay", "--votes", str(SHARED), "--policy", "adaptive"])
    assert ran.exit_code == 0, ran.output
    [line] = ran.stdout.splitlines()
    said = json.loads(line)
    keys = ["policy", "items", "steps", "mean_k", "saving", "prmscore_fixed", "prmscore_adaptive", "agreement"]
    assert list(said) == keys
    assert said["items"] == 3008
    assert said["saving"] > 5
    assert said["prmscore_fixed"] - said["prmscore_adaptive"] < 0.2  # 0.10 ± 0.11 for one order of the votes


@needs_votes
def test_the_fixed_figure_of_the_published_votes_is_what_a_plain_count_gives() -> None:
    with gzip.open(SHARED, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    right = [step + 1 not in row["error_steps"] for row in rows for step in range(len(row["steps"]))]
    decided = [share >= 0.5 for row in rows for share in row["rprm_votes_k10"]]
    both = list(zip(right, decided, strict=True))
    tp, fp, fn, tn = (both.count(pair) for pair in ((True, True), (False, True), (True, False), (False, False)))
    plain = 50 * (2 * tp / (2 * tp + fp + fn) + 2 * tn / (2 * tn + fp + fn))
    found = replay(read_votes(SHARED, 10), Fixed(10), "fixed", seed=0, orders=1)
    assert found.prmscore_fixed == pytest.approx(plain, abs=1e-3)
