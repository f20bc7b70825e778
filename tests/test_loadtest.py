"""Two load tests compared: by the ratios of their seconds, and not at all where there are too few."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest

from loadtests.compare import comparison, ratio, table

_STATS = ["Name", "Request Count", "Failure Count", "Requests/s", "50%", "95%", "99%"]


def run(folder: Path, name: str, milliseconds: Sequence[float]) -> Path:
    """A run with a request a second, of these times, as locust writes it."""
    rows = [["Aggregated", 1, 0, 1, time, time, time] for time in milliseconds]
    with (folder / f"{name}_stats_history.csv").open("w", newline="") as file:
        csv.writer(file).writerows([_STATS, ["Aggregated", 0, 0, 0, "N/A", "N/A", "N/A"], *rows])
    with (folder / f"{name}_stats.csv").open("w", newline="") as file:
        csv.writer(file).writerows([_STATS, ["rerank", len(rows), 0, 1.25, 10, 20, 30]])
    return folder / name


def test_a_run_that_takes_twice_as_long_has_changed(tmp_path: Path) -> None:
    saved = run(tmp_path, "saved", [10, 11, 12, 10, 11, 12, 10, 11])
    now = run(tmp_path, "now", [20, 22, 25, 20, 21, 24, 20, 22])
    found = ratio(now, saved, "50%")
    assert found
    middle, low, high = found
    assert middle == pytest.approx(2, abs=0.1)
    assert 1 < low <= middle <= high
    assert any(line.startswith("median") and line.endswith("changed") for line in comparison(now, saved))


def test_the_same_run_has_not_changed(tmp_path: Path) -> None:
    saved = run(tmp_path, "saved", [10, 11, 12, 10, 11, 12])
    assert ratio(saved, saved, "99%") == (1, 1, 1)
    assert not any("changed" in line for line in comparison(saved, saved))


def test_what_was_too_short_is_not_compared(tmp_path: Path) -> None:
    saved, now = run(tmp_path, "saved", [10] * 4), run(tmp_path, "now", [20] * 9)
    assert ratio(now, saved, "50%") is None
    assert comparison(now, saved) == ["nothing to compare: fewer than five seconds in common"]


def test_the_table_has_a_line_for_each_kind_of_request(tmp_path: Path) -> None:
    lines = table(run(tmp_path, "now", [10] * 5))
    assert len(lines) == 2
    assert lines[1].split() == ["rerank", "5", "0", "1.2", "10", "20", "30"]
