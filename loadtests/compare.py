"""A table of a locust run, and what became of each figure since a saved one.

    python -m loadtests.compare RUN [SAVED]        # prefixes of locust's --csv

The two runs' histories are paired second by second, so that warming up is compared with warming up; what is told is the
median of the seconds' ratios, with its bootstrapped interval. An interval without 1: it changed.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap

_FIGURES = {"Requests/s": "requests a second", "50%": "median, ms", "95%": "p95, ms", "99%": "p99, ms"}
_LEAST_SECONDS = 5


def table(run: Path) -> list[str]:
    """One line for each kind of request."""
    with run.with_name(run.name + "_stats.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    head = f"{'':12} {'requests':>9} {'failed':>8} {'a second':>9} {'median':>8} {'p95':>8} {'p99':>8}  ms"
    return [head] + [
        f"{row['Name']:12} {row['Request Count']:>9} {row['Failure Count']:>8} {float(row['Requests/s']):>9.1f} "
        f"{row['50%']:>8} {row['95%']:>8} {row['99%']:>8}"
        for row in rows
    ]


def history(run: Path, figure: str) -> np.ndarray:
    """Of all requests together, a number for each second from the first with a request on."""
    with run.with_name(run.name + "_stats_history.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["Name"] == "Aggregated"]
    numbers = [row[figure] for row in rows if float(row["Requests/s"]) > 0]
    return np.array([float(number) for number in numbers if number not in ("", "N/A")])


def ratio(run: Path, saved: Path, figure: str) -> tuple[float, float, float] | None:
    """Of the run to the saved one, with its 95% interval; None where the two share less than five seconds."""
    now, then = history(run, figure), history(saved, figure)
    seconds = min(len(now), len(then))
    now, then = now[:seconds], then[:seconds]
    usable = then > 0
    if usable.sum() < _LEAST_SECONDS:
        return None
    pairs = now[usable] / then[usable]
    if np.ptp(pairs) == 0:
        return float(pairs[0]), float(pairs[0]), float(pairs[0])
    found = bootstrap((pairs,), np.median, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    return float(np.median(pairs)), float(found.low), float(found.high)


def comparison(run: Path, saved: Path) -> list[str]:
    told = []
    for figure, name in _FIGURES.items():
        if found := ratio(run, saved, figure):
            middle, low, high = found
            sure = "" if low <= 1 <= high else "  changed"
            told.append(f"{name:20} {middle:6.3f} times {saved.name}'s  ({low:.3f} to {high:.3f}){sure}")
    return told or ["nothing to compare: fewer than five seconds in common"]


if __name__ == "__main__":
    paths = [Path(argument) for argument in sys.argv[1:]]
    print("\n".join(table(paths[0]) + (comparison(*paths) if len(paths) > 1 else [])))  # noqa: T201
