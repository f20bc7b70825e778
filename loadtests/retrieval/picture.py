"""The picture of the report: time, recall and memory by size."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

from loadtests.figures import percentile
from loadtests.retrieval.build import Built
from loadtests.retrieval.rounds import Searched
from loadtests.retrieval.search import Way

mpl.use("agg")
from matplotlib import pyplot as plt


def draw(file: Path, built: Mapping[int, Built], searched: Mapping[int, Searched]) -> None:
    sizes = list(searched)
    figure, (times, memory) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    lines: list[tuple[Way, int]] = [("search", 50), ("search", 99), ("new_texts", 50)]
    for way, percent in lines:
        found = [percentile(each.milliseconds[way], percent) for each in searched.values()]
        spread = [[each.value - each.low for each in found], [each.high - each.value for each in found]]
        label = f"{way.replace('_', ' ')}, p{percent}"
        times.errorbar(sizes, [each.value for each in found], spread, marker="o", capsize=3, label=label)
    times.axhline(5, color="grey", linestyle=":", label="target of the search's p50 at 100,000")
    times.set(xscale="log", yscale="log", xlabel="stored steps", ylabel="milliseconds", title="one item of six steps")
    memory.plot(sizes, [each.memory_peak.pss for each in built.values()], marker="o", label="while storing, most")
    memory.plot(sizes, [each.memory_searched.pss for each in searched.values()], marker="o", label="after searching")
    memory.plot(sizes, [each.disk_mib for each in built.values()], marker="o", label="disk")
    memory.axhline(3e9 / 2**20, color="grey", linestyle=":", label="target at 1,000,000")
    memory.set(xscale="log", yscale="log", xlabel="stored steps", ylabel="MiB", title="the engine")
    for axes in (times, memory):
        axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=120)
    plt.close(figure)
