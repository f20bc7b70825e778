"""The reliability plot: what was predicted against what was the case, before and after."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stepreward.calibrate.fit import Fitted
from stepreward.reliability import BINS, Floats, Labels, bin_means, bins_of_equal_mass


def draw(fitted: Fitted, path: Path) -> None:
    """A PNG. Raises OSError."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    for axes, title, p, measured in zip(
        figure.subplots(1, 2),
        ("before", "after, cross-validated"),
        (fitted.before, fitted.after),
        (fitted.calibration.before, fitted.calibration.after),
        strict=True,
    ):
        _reliability(axes, p, fitted.labels)
        axes.set_title(
            f"{title}: ECE {measured.ece.value:.3f} ({measured.ece.low:.3f} to {measured.ece.high:.3f})",
            fontsize="medium",
        )
    figure.savefig(path, format="png", dpi=110)


def _reliability(axes: Axes, p: Floats, labels: Labels) -> None:
    """Bins of equal mass over the diagonal, on a histogram of equal widths."""
    _, predicted, observed = bin_means(p, labels, bins_of_equal_mass(p))
    axes.hist(p, bins=BINS, range=(0, 1), weights=[1 / len(p)] * len(p), color="0.85", label="share of steps")
    axes.plot([0, 1], [0, 1], color="0.5", linewidth=1, linestyle="--")
    axes.plot(predicted, observed, marker="o", label=f"steps in {len(predicted)} bins of equal mass")
    axes.set(xlabel="p(correct)", ylabel="correct", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left")
