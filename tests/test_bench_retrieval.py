"""What the retrieval benchmark makes and reckons; the benchmark itself takes minutes."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from click.testing import CliRunner

from loadtests.figures import percentile, ratio
from loadtests.retrieval import report
from loadtests.retrieval.__main__ import main
from loadtests.retrieval.build import Built, Exact, build_moved, build_real, built, is_built
from loadtests.retrieval.engine import Memory, running
from loadtests.retrieval.rounds import Rounds, Searched
from loadtests.retrieval.search import POOL_QUESTIONS, Bench, Recall, Way, expected
from loadtests.retrieval.texts import ASKED, ASKED_STEPS, STORED_STEPS, read_texts
from loadtests.retrieval.vectors import Base, Cloud
from stepreward.retrieval.encoder import Encoder, Vectors
from stepreward.retrieval.pca import PCA, Reduction
from stepreward.values import Solution

WAYS: tuple[Way, ...] = get_args(Way)


def unit_rows(count: int, dimensions: int = 16) -> Vectors:
    rows = np.random.default_rng(5).standard_normal((count, dimensions), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_no_stored_solution_has_a_question_that_is_asked() -> None:
    texts = read_texts()
    assert {each.question for each in texts.asked}.isdisjoint(each.question for each in texts.stored)
    assert len({each.question for each in texts.asked}) == ASKED
    assert {len(each.steps) for each in texts.asked} == {ASKED_STEPS}
    assert sum(len(each.steps) for each in texts.stored[:-1]) < STORED_STEPS
    assert sum(len(each.steps) for each in texts.stored) >= STORED_STEPS


def test_a_moved_vector_is_as_near_to_its_source_as_real_ones_are_to_each_other() -> None:
    cloud = Cloud(unit_rows(300))
    moved = cloud.moved(cloud.vectors, np.random.default_rng(1))
    cosines = np.sum(moved * cloud.vectors, axis=1)
    assert np.linalg.norm(moved, axis=1) == pytest.approx(np.ones(300), abs=1e-5)
    assert np.isin(np.round(cosines, 4), np.round(cloud.nearest_cosines, 4)).mean() > 0.9
    assert np.median(cosines) == pytest.approx(np.median(cloud.nearest_cosines), abs=0.02)


def test_the_same_vectors_are_made_each_time() -> None:
    solutions = read_texts().stored[:20]
    names = dict.fromkeys(text for each in solutions for text in (each.question, *each.steps))
    base = Base(
        solutions,
        "made-up",
        PCA.fit(unit_rows(40), Reduction(16)),
        dict(zip(names, unit_rows(len(names)), strict=True)),
    )
    [first], [again] = list(base.chunks(50)), list(base.chunks(50))
    assert first.questions.shape == (50, 16)
    assert first.steps.shape == (450, 16)
    assert np.array_equal(first.questions, again.questions)
    assert np.array_equal(first.steps, again.steps)


def test_the_exact_search_looks_for_steps_in_the_pool_of_questions_only() -> None:
    questions, steps = unit_rows(40), unit_rows(80)
    exact = Exact(questions, steps, np.arange(41) * 2)
    cosines, best = expected(exact, questions[7], steps[[14, 0]])
    pool = np.argsort(-(questions @ questions[7]))[:POOL_QUESTIONS]
    rows = [row for question in pool for row in (2 * question, 2 * question + 1)]
    assert cosines[0] == pytest.approx(1, abs=1e-6)
    assert best.tolist() == pytest.approx([(steps[rows] @ steps[wanted]).max() for wanted in (14, 0)], abs=1e-6)


def test_an_interval_holds_its_figure_and_is_wider_where_rounds_differ() -> None:
    alike, apart = [[1.0, 2.0, 3.0]] * 8, [[float(turn)] * 3 for turn in range(1, 9)]
    assert (percentile(alike, 50).low, percentile(alike, 50).high) == (2.0, 2.0)
    spread = percentile(apart, 50)
    assert spread.low < spread.value < spread.high
    assert ratio([[2 * each for each in turn] for turn in apart], apart, 50).low == pytest.approx(2)


class MadeUp:
    """Has the face of a SentenceTransformer: the same text has the same made-up vector."""

    def get_embedding_dimension(self) -> int:
        return 16

    def encode(self, texts: Sequence[str], batch_size: int, convert_to_numpy: bool, show_progress_bar: bool) -> Vectors:
        assert convert_to_numpy
        assert not show_progress_bar
        return np.stack([np.random.default_rng(list(text.encode())).standard_normal(16) for text in texts])


async def build_and_search(directory: Path, moved: bool) -> tuple[Built, Recall, list[float]]:
    encoder = Encoder(MadeUp(), "made-up", 32)
    solutions = read_texts().stored[:30]
    asked = [Solution(each.question, each.steps[:2]) for each in solutions[:5]]
    if moved:
        base = await Base.encode(solutions, encoder, 12, directory / "base.npy")
        made = await build_moved(directory / "900", base, 900, lambda _: None)
    else:
        made = await build_real(directory / "900", solutions, encoder, 12, lambda _: None)
    assert is_built(directory / "900")
    assert built(directory / "900") == made
    async with running(directory / "900" / "engine") as engine:
        bench = await Bench.connect(900, engine, encoder, encoder)
        recall = await bench.recall(Exact.load(directory / "900"), asked)
        taken = [each for way in WAYS for each in await bench.milliseconds(way, asked)]
        await bench.store.close()
    encoder.close()
    return made, recall, taken


@pytest.mark.parametrize("moved", [False, True])
def test_a_store_is_built_opened_again_and_found_to_answer_as_an_exact_search(tmp_path, moved) -> None:
    made, recall, taken = asyncio.run(build_and_search(tmp_path, moved))
    assert (made.questions, len(made.store_points_per_s) > 0) == ((100, True) if moved else (30, False))
    assert made.memory_peak.rss >= made.memory_peak.pss > made.memory_peak.anonymous > 10
    assert made.disk_mib > 0
    assert recall == Recall(1, 1, 1)
    assert len(taken) == 5 * len(WAYS)
    assert min(taken) > 0


def searched(milliseconds: float, recall: float) -> Searched:
    samples = {way: [[milliseconds] * 5] * 3 for way in WAYS}
    return Searched(Recall(recall, recall, recall), 0.5, Memory(1, 1, 1), Memory(100, 90, 50), samples, samples)


def built_with(memory_mib: float) -> Built:
    peak = Memory(memory_mib, memory_mib, memory_mib)
    return Built(1111, 10_000, (5000.0,), (700.0, 800.0), (630.0, 720.0), 1.5, peak, 40.0)


def test_the_report_judges_each_target_by_its_figure(tmp_path: Path) -> None:
    rounds = Rounds([1.5, 1.7], {10_000: searched(3, 1.0), 100_000: searched(4, 0.98), 1_000_000: searched(7, 1.0)})
    report.write(tmp_path, {10_000: built_with(100), 100_000: built_with(300), 1_000_000: built_with(2500)}, rounds)
    content = json.loads((tmp_path / "retrieval.json").read_text())
    assert [target["met"] for target in content["targets"]] == [False, True, False, True, True]
    assert content["growth"]["1000000/100000"]["search_p50"]["value"] == pytest.approx(1.75)
    page = (tmp_path / "retrieval.md").read_text()
    assert "| p50 of a search ≤ 5 ms at 100,000 steps | 4.00 (4.00 to 4.00) ms | yes |" in page
    assert "| whole ingest, texts/s | 720 | 720 | 720 |" in page
    assert (tmp_path / "retrieval.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("sizes", "said"), [("many", "numbers of steps"), ("10,100000", "at least 10000")])
def test_sizes_that_cannot_be_are_refused_by_name(sizes, said) -> None:
    result = CliRunner().invoke(main, ["--sizes", sizes])
    assert result.exit_code == 2
    assert said in result.output
