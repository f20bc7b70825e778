"""The files of the report: overload.json, overload.md, overload.png."""

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import matplotlib as mpl
from pydantic import TypeAdapter

from loadtests.figures import Figure, ratio
from loadtests.overload.scenarios import Abuse, Alone, Goodput, Priorities, Refusal, Storm

mpl.use("agg")
from matplotlib import pyplot as plt

_INTRO = """# A gateway with more to do than it can

Written by `make bench-overload`: the real gateway as a process over scripted workers, whose every call takes the same
time. *Goodput*: answers within the deadline of one second, for each second of an open loop of requests; the worker can
do 40 a second. *Unshed*: the same without deadlines and bounds, so that nothing is refused. Ratios compare turns of one
run; with a 95% interval over turns.
"""


@dataclass
class Found:
    """What the scenarios found."""

    alone: Alone | None = None
    refusal: Refusal | None = None
    goodput: Goodput | None = None
    priorities: Priorities | None = None
    storm: Storm | None = None
    abuse: Abuse | None = None


@dataclass(frozen=True)
class Target:
    what: str
    measured: str
    met: bool


def read(out: Path) -> Found:
    """What the last run wrote there; nothing where there was none."""
    file = out / "overload.json"
    return TypeAdapter(Found).validate_python(json.loads(file.read_bytes())["found"]) if file.exists() else Found()


def write(found: Found, out: Path, rounds: int) -> str:
    """The table of targets, which is in the page too."""
    out.mkdir(parents=True, exist_ok=True)
    targets = _targets(found)
    rows = [f"| {target.what} | {target.measured} | {'yes' if target.met else 'no'} |" for target in targets]
    table = "\n".join(["| target | measured | met |", "| --- | --- | --- |", *rows])
    machine = f"{os.cpu_count()} cores, {rounds} turns. Load average at the end {os.getloadavg()[1]:.1f}."
    (out / "overload.md").write_text(
        f"{_INTRO}\n{machine}\n\n{table}\n\n![goodput and latencies](overload.png)\n", encoding="utf-8"
    )
    content = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "targets": [asdict(target) for target in targets],
        "found": asdict(found),
    }
    (out / "overload.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    _draw(found, out / "overload.png")
    return table


def _targets(found: Found) -> list[Target]:
    """Of the scenarios that were run."""
    parts = (
        _of_goodput(found.goodput) if found.goodput else [],
        _of_refusal(found.refusal) if found.refusal else [],
        _of_gateway(found.alone) if found.alone else [],
        _of_priorities(found.priorities) if found.priorities else [],
        _of_storm(found.storm) if found.storm else [],
        _of_abuse(found.abuse) if found.abuse else [],
    )
    return [target for part in parts for target in part]


def _of_goodput(goodput: Goodput) -> list[Target]:
    unshed = _share(goodput.unshed_per_s, 2)
    least = {2: 0.95, 5: 0.90, 10: 0.80}
    return [
        *(
            _at_least(
                f"goodput at {times}x of capacity ≥ {share:.2f} of that at 1x", _share(goodput.per_s, times), share
            )
            for times, share in least.items()
        ),
        Target("unshed at 2x < 0.3 of that at 1x", str(unshed), unshed.value < 0.3),
        _livez("overload", goodput.livez_s),
    ]


def _of_refusal(refusal: Refusal) -> list[Target]:
    share = ratio([[one] for one in refusal.refused_ms], [[one] for one in refusal.accepted_ms], 50)
    cost = f"{share} ({median(refusal.refused_ms):.2f} of {median(refusal.accepted_ms):.2f} ms)"
    return [Target("processor time of a refusal ≤ 10% of that of one taken on", cost, share.value <= 0.1)]


def _of_gateway(alone: Alone) -> list[Target]:
    p50, p99, per_cpu_s = alone.added(50), alone.added(99), median(alone.steps_per_cpu_s)
    rate = f"{per_cpu_s:,.0f} for a second of a processor, {median(alone.steps_per_s):,.0f} as the machine was used"
    return [
        Target("p50 through the gateway ≤ 1.05 times the worker's", str(p50), p50.value <= 1.05),
        Target("p99 through the gateway ≤ 1.2 times the worker's", str(p99), p99.value <= 1.2),
        Target("≥ 2,000 step scores a second on one core", rate, per_cpu_s >= 2000),
    ]


def _of_priorities(found: Priorities) -> list[Target]:
    slower, share = ratio(found.beside_s, found.solo_s, 99), median(found.bulk_per_s) / found.capacity_per_s
    return [
        Target("p99 of interactive requests beside bulk ≤ 1.5 times alone", str(slower), slower.value <= 1.5),
        Target("bulk keeps ≥ 20% of the workers", f"{share:.0%}", share >= 0.2),
    ]


def _of_storm(storm: Storm) -> list[Target]:
    each, equal = storm.attempts_per_request, storm.attempts_per_equal_request
    return [
        Target("calls for each request, 30% of the answers being 500, ≤ 1.1", f"{each:.3f}", each <= 1.1),
        Target("calls for each of 2,000 equal requests ≤ 1.1", f"{equal:.3f}", equal <= 1.1),
        _livez("a storm of retries", storm.livez_s),
    ]


def _of_abuse(abuse: Abuse) -> list[Target]:
    grown = abuse.mib_per_100
    return [
        Target("memory for 100 abusive requests ≤ 1 MiB", f"{grown:.2f} MiB", grown <= 1),
        _livez("abuse", abuse.livez_s),
    ]


def _livez(during: str, seconds: float) -> Target:
    return Target(f"/livez ≤ 100 ms through {during}", f"{seconds * 1000:.0f} ms", seconds <= 0.1)


def _at_least(what: str, figure: Figure, least: float) -> Target:
    return Target(what, str(figure), figure.value >= least)


def _share(per_s: dict[int, list[float]], times: int) -> Figure:
    return ratio([[one] for one in per_s[times]], [[one] for one in per_s[1]], 50)


def _draw(found: Found, file: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    if goodput := found.goodput:
        for name, per_s in (("refusing", goodput.per_s), ("unshed", goodput.unshed_per_s)):
            left.plot(list(per_s), [median(values) for values in per_s.values()], marker="o", label=name)
        left.axhline(40, color="grey", linestyle=":", label="what the worker can do")
        left.set(xscale="log", xlabel="requests, times the capacity", ylabel="in time, per s", title="goodput")
        left.set_ylim(bottom=0)
        left.legend()
    if beside := found.priorities:
        for name, turns in (("alone", beside.solo_s), ("beside bulk", beside.beside_s)):
            right.ecdf([one * 1000 for turn in turns for one in turn], label=name)
        right.set(xlabel="milliseconds", ylabel="share of interactive requests", title="latency")
        right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=120)
    plt.close(figure)
