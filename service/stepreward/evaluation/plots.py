"""The plots of the reports, each as an SVG document. Drawn without a display and without pyplot's global state."""

import io
from collections.abc import Mapping, Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from sklearn.metrics import roc_curve

from stepreward.evaluation.intervals import Interval
from stepreward.evaluation.step_quality import ReliabilityBin


def shares(of: Mapping[str, tuple[float | None, Interval | None]], label: str) -> bytes:
    """A bar for each share in [0, 1], in percent, with its interval; what is not there has no bar."""
    known = {name: (share, interval) for name, (share, interval) in of.items() if share is not None}
    canvas, axes = _canvas(width_in=max(5.0, 0.8 * len(known) + 1))
    heights = [share * 100 for share, _ in known.values()]
    axes.bar(list(known), heights, color="#4c78a8")
    for position, (share, interval) in enumerate(known.values()):
        if interval:
            below, above = (share - interval.low) * 100, (interval.high - share) * 100
            axes.errorbar(position, share * 100, [[max(below, 0)], [max(above, 0)]], color="black", capsize=4)
    axes.set(ylabel=label)
    axes.tick_params(axis="x", rotation=30 if len(known) > 5 else 0)
    return _svg(canvas)


def reliability(bins: Sequence[ReliabilityBin]) -> bytes:
    """Share of right steps against the score; a dot's area is its number of steps."""
    canvas, axes = _canvas(width_in=5)
    most = max((one.steps for one in bins), default=1)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    axes.scatter(
        [one.mean_score for one in bins],
        [one.share_right for one in bins],
        [100 * one.steps / most for one in bins],
    )
    axes.set(xlabel="score", ylabel="share of right steps", xlim=(0, 1), ylim=(-0.05, 1.05))
    return _svg(canvas)


def roc(scores: Sequence[float], right: Sequence[bool]) -> bytes:
    """Receiver operating characteristic of the steps; needs right and wrong ones."""
    canvas, axes = _canvas(width_in=5)
    false_positives, true_positives, _ = roc_curve(right, scores)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    axes.plot(false_positives, true_positives)
    axes.set(xlabel="wrong steps passed", ylabel="right steps passed")
    return _svg(canvas)


def lines(of: Mapping[str, Sequence[tuple[float, float]]], x_label: str, y_label: str) -> bytes:
    """A line through the points (x, y) of each name."""
    canvas, axes = _canvas(width_in=6)
    for name, points in of.items():
        axes.plot([x for x, _ in points], [y for _, y in points], marker=".", label=name)
    axes.set(xlabel=x_label, ylabel=y_label)
    if len(of) > 1:
        axes.legend()
    return _svg(canvas)


def histogram(of: Mapping[str, Sequence[float]], label: str) -> bytes:
    """How often which value comes, on a logarithmic count."""
    canvas, axes = _canvas(width_in=6)
    axes.hist(list(of.values()), bins=30, label=list(of), log=True)
    axes.set(xlabel=label, ylabel="steps")
    axes.legend()
    return _svg(canvas)


def _canvas(width_in: float) -> tuple[Canvas, Axes]:
    canvas = Canvas(figsize=(width_in, 3.6), layout="constrained")
    return canvas, canvas.add_subplot()


def _svg(canvas: Canvas) -> bytes:
    """The same bytes for the same plot; its letters stay letters."""
    out = io.BytesIO()
    with rc_context({"svg.hashsalt": "stepreward", "svg.fonttype": "none"}):
        canvas.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()
