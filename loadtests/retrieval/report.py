"""The files of the report: retrieval.json, retrieval.md, retrieval.png."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from loadtests.figures import percentile, ratio
from loadtests.retrieval.build import Built
from loadtests.retrieval.picture import draw
from loadtests.retrieval.rounds import Rounds, Searched
from loadtests.retrieval.search import Way
from loadtests.retrieval.texts import STORED_STEPS

_INTRO = """# Retrieval by the number of stored steps

Written by `make bench-retrieval`. A *search* is `Retriever.search` for one item with six steps: the 16 nearest
questions, then for each step the nearest one among their steps; all texts are in the encoder's cache. *New texts* is
the same with the encoder computing all seven of them. *No duplicates* leaves near-duplicates of the question out, as
the service does by default. *Active* is the look at which snapshot answers, once a request. *While storing*: another
process stores steps meanwhile. Milliseconds, median or 99th percentile of all rounds, with a 95% interval.

{steps:,} steps are texts of the starter corpus; more are made of their vectors (`loadtests/retrieval/vectors.py`). The
asked questions are others than the stored ones. Recall is against exact search.
"""


@dataclass(frozen=True)
class Target:
    what: str
    measured: str
    met: bool


def write(out: Path, built: Mapping[int, Built], rounds: Rounds) -> None:
    out.mkdir(parents=True, exist_ok=True)
    targets = _targets(built, rounds.searched)
    content = {
        "searched_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "load_average": rounds.load_average,
        "targets": [asdict(target) for target in targets],
        "sizes": {size: _size(built[size], searched) for size, searched in rounds.searched.items()},
        "growth": {
            f"{larger}/{smaller}": _growth(built, rounds.searched, smaller, larger)
            for smaller, larger in pairwise(built)
        },
    }
    (out / "retrieval.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (out / "retrieval.md").write_text(_page(built, rounds, targets), encoding="utf-8")
    draw(out / "retrieval.png", built, rounds.searched)


def _machine() -> dict[str, object]:
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {"cores": os.cpu_count(), "memory_gib": round(pages * page_bytes / 2**30, 1), "kernel": platform.release()}


def _size(built: Built, searched: Searched) -> dict[str, object]:
    shown = asdict(searched)
    shown["milliseconds"] = {
        way: {f"p{percent}": asdict(percentile(samples, percent)) for percent in (50, 99)}
        for way, samples in searched.milliseconds.items()
    }
    shown["cpu_milliseconds"] = {
        way: asdict(percentile(samples, 50)) for way, samples in searched.cpu_milliseconds.items()
    }
    return {"built": asdict(built), **shown}


def _growth(
    built: Mapping[int, Built], searched: Mapping[int, Searched], smaller: int, larger: int
) -> dict[str, object]:
    """How many times as much at the larger size."""
    of, to = searched[larger], searched[smaller]
    return {
        **{
            f"{way}_p{percent}": asdict(ratio(of.milliseconds[way], to.milliseconds[way], percent))
            for way in of.milliseconds
            for percent in (50, 99)
        },
        "memory_searched": of.memory_searched.pss / to.memory_searched.pss,
        "memory_peak": built[larger].memory_peak.pss / built[smaller].memory_peak.pss,
        "disk": built[larger].disk_mib / built[smaller].disk_mib,
    }


def _targets(built: Mapping[int, Built], searched: Mapping[int, Searched]) -> list[Target]:
    """Those that the sizes searched can tell of."""
    targets = []
    least = min(each.recall.questions_at_1 for each in searched.values())
    targets.append(Target("recall@1 of questions ≥ 0.99 at each size", f"{least:.3f}", least >= 0.99))
    if at_100k := searched.get(100_000):
        p50 = percentile(at_100k.milliseconds["search"], 50)
        targets.append(Target("p50 of a search ≤ 5 ms at 100,000 steps", f"{p50} ms", p50.value <= 5))
    if (at_1m := searched.get(1_000_000)) and at_100k:
        times = ratio(at_1m.milliseconds["search"], at_100k.milliseconds["search"], 50)
        targets.append(Target("p50 at 1,000,000 steps ≤ 1.5 times that at 100,000", str(times), times.value <= 1.5))
    if at_1m:
        peak = max(built[1_000_000].memory_peak.pss, at_1m.memory_searched.pss)
        targets.append(
            Target("memory at 1,000,000 steps ≤ 3 GB", f"{peak * 2**20 / 1e9:.2f} GB at most", peak <= 3e9 / 2**20)
        )
    if real := built.get(STORED_STEPS):
        share = real.ingest_share
        targets.append(Target("ingest ≥ 0.85 of the encoder's own rate", f"{share:.2f}", share >= 0.85))
    return targets


def _page(built: Mapping[int, Built], rounds: Rounds, targets: Sequence[Target]) -> str:
    machine, load, searched = _machine(), rounds.load_average, rounds.searched
    sizes = ["steps", *map("{:,}".format, searched)]
    judged = [[target.what, target.measured, "yes" if target.met else "no"] for target in targets]
    return "\n".join(
        [
            _INTRO.format(steps=STORED_STEPS),
            f"{machine['cores']} cores, {machine['memory_gib']} GiB, {len(load)} rounds. Load average "
            f"{min(load):.1f} to {max(load):.1f}: more than 2 means that others used the machine.\n",
            _table(["target", "measured", "met"], judged),
            "## Search\n",
            _table(sizes, _search_rows(searched)),
            "## Storing\n",
            _table(sizes, _storing_rows(built, searched)),
        ]
    )


_WAYS: dict[Way, str] = {
    "search": "search",
    "no_duplicates": "no duplicates",
    "new_texts": "new texts",
    "active": "active",
    "while_storing": "while storing",
}


def _search_rows(searched: Mapping[int, Searched]) -> list[list[str]]:
    each = list(searched.values())
    return [
        *(
            [f"{name}, p{percent}, ms", *(str(percentile(one.milliseconds[way], percent)) for one in each)]
            for way, name in _WAYS.items()
            for percent in (50, 99)
        ),
        [
            "search, both processes on a processor, ms",
            *(str(percentile(one.cpu_milliseconds["search"], 50)) for one in each),
        ],
        ["recall@1 of questions", *(f"{one.recall.questions_at_1:.3f}" for one in each)],
        ["recall@10 of questions", *(f"{one.recall.questions_at_10:.3f}" for one in each)],
        ["recall@1 of steps", *(f"{one.recall.steps_at_1:.3f}" for one in each)],
    ]


def _storing_rows(built: Mapping[int, Built], searched: Mapping[int, Searched]) -> list[list[str]]:
    each, opened = list(built.values()), list(searched.values())
    return [
        ["questions", *(f"{one.questions:,}" for one in each)],
        ["encoder alone, texts/s", *(_median(one.encoder_texts_per_s) for one in each)],
        ["whole ingest, texts/s", *(_median(one.ingest_texts_per_s) for one in each)],
        ["stored, points/s", *(_median(one.store_points_per_s) for one in each)],
        ["wait for the index, s", *(f"{one.index_s:.1f}" for one in each)],
        ["memory while storing, most, MiB", *(f"{one.memory_peak.pss:.0f}" for one in each)],
        ["memory opened again, MiB", *(f"{one.memory_opened.pss:.0f}" for one in opened)],
        ["memory after searching, MiB", *(f"{one.memory_searched.pss:.0f}" for one in opened)],
        ["of it not in the page cache, MiB", *(f"{one.memory_searched.anonymous:.0f}" for one in opened)],
        ["disk, MiB", *(f"{one.disk_mib:.0f}" for one in each)],
        ["start of the engine, s", *(f"{one.start_s:.1f}" for one in opened)],
    ]


def _median(rates: Sequence[float]) -> str:
    return f"{sorted(rates)[len(rates) // 2]:,.0f}" if rates else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
