"""The sizes searched in turn, A B C A B C: what disturbs the machine for a while disturbs all of them alike."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.progress import Progress

from loadtests.retrieval.build import Exact
from loadtests.retrieval.engine import Memory
from loadtests.retrieval.search import Bench, Recall, Way
from loadtests.retrieval.storing import storing
from stepreward.values import Solution

# Searches of one size in one round.
_SEARCHES: dict[Way, int] = {"search": 100, "no_duplicates": 50, "active": 50, "new_texts": 20}
_SEARCHES_WHILE_STORING = 20


@dataclass(frozen=True)
class Searched:
    """What searching one size gave. For each way one list for each round: the milliseconds of each search, and the
    mean time that the engine and this process together were on a processor, which says more than the former where
    others use the machine."""

    recall: Recall
    start_s: float
    memory_opened: Memory
    memory_searched: Memory
    milliseconds: Mapping[Way, list[list[float]]]
    cpu_milliseconds: Mapping[Way, list[list[float]]]


@dataclass
class Rounds:
    """`load_average`: the kernel's, of a minute, at the end of each round."""

    load_average: list[float] = field(default_factory=list)
    searched: dict[int, Searched] = field(default_factory=dict)


async def search_all(
    benches: Sequence[Bench], exact: Mapping[int, Exact], asked: Sequence[Solution], rounds: int, progress: Progress
) -> Rounds:
    result = Rounds()
    for bench in benches:
        opened = bench.engine.memory()
        recall = await bench.recall(exact[bench.steps], asked)  # which warms up, too
        result.searched[bench.steps] = Searched(
            recall=recall,
            start_s=bench.engine.start_s,
            memory_opened=opened,
            memory_searched=bench.engine.memory(),
            milliseconds={way: [] for way in (*_SEARCHES, "while_storing")},
            cpu_milliseconds={way: [] for way in _SEARCHES},
        )
    for turn in progress.track(range(rounds), description="searching"):
        for bench in benches:
            for way, searches in _SEARCHES.items():
                started_s = bench.cpu_s()
                taken = await bench.milliseconds(way, _some(asked, turn, searches))
                found = result.searched[bench.steps]
                found.milliseconds[way].append(taken)
                found.cpu_milliseconds[way].append([(bench.cpu_s() - started_s) * 1e3 / searches])
        result.load_average.append(os.getloadavg()[0])
    for bench in progress.track(benches, description="searching while storing"):
        async with storing(bench.engine.url):
            for turn in range(rounds):
                some = _some(asked, turn, _SEARCHES_WHILE_STORING)
                taken = await bench.milliseconds("while_storing", some)
                result.searched[bench.steps].milliseconds["while_storing"].append(taken)
    return result


def _some(asked: Sequence[Solution], turn: int, count: int) -> list[Solution]:
    """Others in each turn, until all have been."""
    return [asked[(turn * count + index) % len(asked)] for index in range(count)]
