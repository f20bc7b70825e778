"""What is written: judge.json with every figure, judge.md with the tables, judge.png."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import matplotlib as mpl
from scipy.stats import spearmanr

from loadtests.judge.alternatives import Block, computed_per_unique
from loadtests.judge.figures import Ratio, ratio_of_medians
from loadtests.judge.prefix import ORDERS
from loadtests.judge.rounds import OWN, Costs, generated_per_s, processed, wall_s
from loadtests.judge.run import Measured, Options

mpl.use("agg")
from matplotlib import pyplot as plt

_WAYS = {
    "reference": "(a) the reference's: generated, then read again by a second copy of the model",
    "raw": "(b) plain vLLM: K in one call a step, then one call that reads",
    "service": "(c) the service, K fixed",
    "adaptive": "(d) the service, K adaptive",
    "first_error": "(e) the service, until the first error",
    "both": "(d+e) both",
    f"both{OWN}": "(d+e) both, by the untrained model's own verdicts",
}


@dataclass(frozen=True)
class Target:
    what: str
    measured: Ratio | float
    met: bool


def targets(measured: Measured) -> list[Target]:
    """Those that this run can tell of."""
    costs, found = measured.costs, []
    if "reference" in costs:
        tokens = ratio_of_medians(processed(costs, "reference"), processed(costs, "both"))
        time = ratio_of_medians(wall_s(costs, "reference"), wall_s(costs, "both"))
        found.append(Target("(d+e): tokens of (a) ≥ 9 times as many", tokens, tokens.value >= 9))
        found.append(Target("(d+e): time of (a) ≥ 5 times as long", time, time.value >= 5))
    share = ratio_of_medians(generated_per_s(costs, "service"), generated_per_s(costs, "raw"))
    found.append(Target("(c): ≥ 0.97 of the throughput of (b)", share, share.value >= 0.97))
    if same := measured.same_scores:
        found.append(Target("(c): scores of (a) within 0.001", same.exact_within, same.exact_within == 1))
    if measured.blocks:
        least = min(computed_per_unique(block.sendings, ORDERS[0]) for block in measured.blocks)
        found.append(Target("retsp: computed ÷ unique tokens ≤ 1.15 where the block size allows", least, least <= 1.15))
    return found


def summary(measured: Measured) -> str:
    """For the terminal."""
    lines = [f"{name}: {_per_run(measured.costs, name)}" for name in measured.costs]
    return "\n".join([*lines, *(f"{each.what}: {_shown(each.measured)}" for each in targets(measured))])


def write(folder: Path, options: Options, measured: Measured) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(_content(options, measured), indent=1, ensure_ascii=False, default=str)
    (folder / "judge.json").write_text(content + "\n", encoding="utf-8")
    (folder / "judge.md").write_text(_page(options, measured), encoding="utf-8")
    _draw(folder / "judge.png", measured.costs)


def _content(options: Options, measured: Measured) -> dict[str, Any]:
    return {
        "options": asdict(options),
        "cores": os.cpu_count(),
        "load_average": measured.load_average,
        "skipped_share_of_votes": [one.skipped_share for one in measured.voted],
        "targets": [asdict(target) for target in targets(measured)],
        "costs": {name: [asdict(cost) for cost in costs] for name, costs in measured.costs.items()},
        "same_scores": measured.same_scores and asdict(measured.same_scores),
        "passes": {name: [asdict(one) for one in passes] for name, passes in measured.passes.items()},
        "slots": _slots(measured),
        "blocks": [asdict(block) for block in measured.blocks],
        "refused_blocks": measured.refused_blocks,
    }


def _page(options: Options, measured: Measured) -> str:
    parts = [
        "# What judging costs\n",
        f"Written by `make bench-judge`; [judge.md](../judge.md) says what is compared. {options.repeats} repeats, "
        f"each with {options.solutions} new solution(s) of {options.steps} steps, K = {options.k}, at most "
        f"{options.max_tokens} tokens. {_votes_said(options, measured)} {os.cpu_count()} cores, load average "
        f"{' to '.join(f'{load:.1f}' for load in measured.load_average)}.\n",
        _table(
            ["target", "measured", "met"],
            [[each.what, _shown(each.measured), "yes" if each.met else "no"] for each in targets(measured)],
        ),
        _ways(measured.costs),
    ]
    if measured.same_scores:
        parts.append(_same_scores(measured))
    if measured.passes:
        parts.append(_passes(measured))
    if measured.blocks:
        parts.append(_blocks(measured.blocks))
    if measured.refused_blocks:
        parts.append(f"With blocks of {measured.refused_blocks} tokens the worker does not start.\n")
    if measured.slots:
        parts.append(_slots_said(measured))
    return "\n".join(parts)


def _votes_said(options: Options, measured: Measured) -> str:
    share = mean(one.skipped_share for one in measured.voted)
    whose = "recorded for R-PRM-7B-DPO on PRMBench" if options.votes else "drawn for the labels of the starter corpus"
    if options.url:
        return "All verdicts are the model's own."
    return f"(d) and (e) stop by votes {whose}, which skip {share:.0%} of the steps."


def _ways(costs: Costs) -> str:
    base = "reference" if "reference" in costs else "raw"
    rows = [
        [
            _WAYS[name],
            f"{median(wall_s(costs, name)):.1f}",
            f"{median(processed(costs, name)):,.0f}",
            f"{median(cost.tokens.computed for cost in costs[name]):,.0f}",
            f"{median(cost.tokens.cached for cost in costs[name]):,.0f}",
            f"{median(cost.tokens.generated for cost in costs[name]):,.0f}",
            f"{median(cost.read_again for cost in costs[name]):,.0f}",
            f"{median(generated_per_s(costs, name)):.0f}",
            str(ratio_of_medians(processed(costs, base), processed(costs, name))),
            str(ratio_of_medians(wall_s(costs, base), wall_s(costs, name))),
        ]
        for name in costs
    ]
    fewer = f"{_WAYS[base][:3]}'s"
    head = ["way", "s", "tokens processed", "prompt, computed", "prompt, cached", "generated", "by the second copy"]
    return "## The ways\n\nMedians; ratios with 95% intervals over the repeats.\n\n" + _table(
        [*head, "generated/s", f"{fewer} tokens ÷", f"{fewer} time ÷"], rows
    )


def _same_scores(measured: Measured) -> str:
    same = measured.same_scores
    assert same is not None
    return (
        "## The same scores\n\n"
        f"{same.trajectories} trajectories of (c), read again by (a)'s second copy in float32. The same token ids: "
        f"{same.exact_within:.1%} within 0.001, the largest distance {same.exact_largest:.1e}. From the answer's text, "
        f"which falls into the same ids in {same.same_ids:.0%}: {same.from_text_within:.1%} within 0.001, the largest "
        f"{same.from_text_largest:.1e}.\n"
    )


def _passes(measured: Measured) -> str:
    names = {"read again": "read again on the cached prefix", "at once": "labels' log-probabilities of every token"}
    rows = [
        [
            said,
            f"{median(one.wall_s for one in measured.passes[name]):.2f}",
            f"{median(one.reading_s for one in measured.passes[name]):.2f}",
            f"{median(one.answer_bytes for one in measured.passes[name]):,.0f}",
            f"{mean(one.unread for one in measured.passes[name]):.0%}",
        ]
        for name, said in names.items()
    ]
    return "## One pass against a second reading\n\n" + _table(
        ["verdict", "s", "of it reading", "bytes of answers", "trajectories still without a verdict"], rows
    )


def _blocks(blocks: Sequence[Block]) -> str:
    rows = [
        [
            str(block.block_tokens),
            *(f"{computed_per_unique(block.sendings, order):.2f}" for order in ORDERS),
            *(f"{_rate(block, order):,.0f}" for order in ORDERS),
            f"{block.rprm.processed:,}",
            f"{block.rprm.wall_s:.1f}",
        ]
        for block in blocks
    ]
    head = ["block size", *(f"computed ÷ unique, {order}" for order in ORDERS)]
    head += [f"prompt tokens/s, {order}" for order in ORDERS]
    return "## The prefixes of retsp, by the block size of the worker's cache\n\n" + _table(
        [*head, "rprm by (b): tokens processed", "s"], rows
    )


def _rate(block: Block, order: str) -> float:
    sendings = [one for one in block.sendings if one.order == order]
    return sum(one.prompt for one in sendings) / sum(one.wall_s for one in sendings)


def _slots(measured: Measured) -> dict[str, Any] | None:
    """One prompt with a slot a step, against a prompt a step, both without references."""
    if not measured.slots:
        return None
    pairs = [
        (slot, bare)
        for slots, scores in zip(measured.slots, measured.bare, strict=True)
        for slot, bare in zip(slots.scores, scores, strict=True)
    ]
    read = [(slot, bare) for slot, bare in pairs if slot is not None and bare is not None]
    return {
        "steps": len(pairs),
        "read": len(read),
        "mean_distance": mean(abs(slot - bare) for slot, bare in read) if read else None,
        "spearman": float(spearmanr(*zip(*read, strict=True)).statistic) if len(read) > 2 else None,
        "computed_tokens": median(one.computed for one in measured.slots),
        "wall_s": median(one.wall_s for one in measured.slots),
        "answer_bytes": median(one.answer_bytes for one in measured.slots),
    }


def _slots_said(measured: Measured) -> str:
    found = _slots(measured)
    assert found is not None
    distance, correlation = (
        "–" if found[name] is None else f"{found[name]:.3f}"  # noqa: RUF001
        for name in ("mean_distance", "spearman")
    )
    return (
        "## One prompt with a label slot after each step\n\n"
        f"Read by prompt log-probabilities; {found['read']} of {found['steps']} steps had both labels among the 20 "
        f"likeliest tokens. Against a prompt for each step, both without references: mean distance {distance}, "
        f"Spearman {correlation}. It computes {found['computed_tokens']:,.0f} tokens in {found['wall_s']:.2f} s and "
        f"answers {found['answer_bytes']:,.0f} bytes for a solution.\n"
    )


def _per_run(costs: Costs, name: str) -> str:
    rate = median(generated_per_s(costs, name))
    return f"{median(wall_s(costs, name)):.1f} s, {median(processed(costs, name)):,.0f} tokens, {rate:.0f} generated/s"


def _shown(value: Ratio | float) -> str:
    return str(value) if isinstance(value, Ratio) else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _draw(file: Path, costs: Costs) -> None:
    figure, (tokens, times) = plt.subplots(1, 2, figsize=(11, 3.5), layout="constrained", sharey=True)
    names = list(costs)[::-1]
    left = [0.0] * len(names)
    parts = {
        "prompt, computed": lambda cost: cost.tokens.computed,
        "generated": lambda cost: cost.tokens.generated,
        "by the second copy": lambda cost: cost.read_again,
    }
    for label, part in parts.items():
        widths = [median(map(part, costs[name])) for name in names]
        tokens.barh(names, widths, left=left, label=label)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    tokens.set(xlabel="tokens processed")
    tokens.legend()
    middles = [median(wall_s(costs, name)) for name in names]
    spread = [
        [middle - min(wall_s(costs, name)) for middle, name in zip(middles, names, strict=True)],
        [max(wall_s(costs, name)) - middle for middle, name in zip(middles, names, strict=True)],
    ]
    times.barh(names, middles, xerr=spread, capsize=3)
    times.set(xlabel="seconds, median and range")
    for axes in (tokens, times):
        axes.grid(axis="x", alpha=0.3)
    figure.savefig(file, dpi=120)
    plt.close(figure)
