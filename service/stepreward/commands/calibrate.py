"""`stepreward calibrate`: make probabilities of retsp's scores."""

import asyncio
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console
from rich.table import Table

from stepreward.calibrate.collect import collect, read_labelled
from stepreward.calibrate.fit import fit
from stepreward.calibrate.plot import draw
from stepreward.calibrate.steps import LabelledStep, read_steps
from stepreward.calibration import Calibration, Figure
from stepreward.commands.bars import counted
from stepreward.corpus.readers import FORMATS, Format
from stepreward.errors import ConfigurationError

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("calibrate")
@click.option("--data", type=_FILE, multiple=True, help="labelled solutions to score; may be given more than once")
@click.option("--format", "form", type=click.Choice(FORMATS), default="plain", show_default=True, help="what rows hold")
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="the running service")
@click.option("--concurrency", type=click.IntRange(1), default=4, show_default=True, help="requests under way at once")
@click.option(
    "--recorded", type=_FILE, help="steps scored before, JSON lines with `score` and `label`; asks no service"
)
@click.option("--bias/--no-bias", default=False, show_default=True, help="fit a bias too, not only a temperature")
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 1, max_open=True),
    default=0.95,
    show_default=True,
    help="share of right decisions outside the uncertain band",
)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), default="calibration.json", show_default=True
)
def command(
    data: tuple[Path, ...], recorded: Path | None, bias: bool, confidence: float, output: Path, **service: Any
) -> None:
    """Fit a temperature to labelled steps, and find the band in which retsp's decisions are not to be trusted.

    The steps are scored by a running service, without references that are near-duplicates of their question; their
    scores go to OUTPUT.steps.jsonl as they come, so that a run that was broken off goes on where it was. Writes OUTPUT
    and a reliability plot beside it.
    """
    if bool(data) == bool(recorded):
        raise ConfigurationError("calibrate: give either --data or --recorded")
    console = Console(stderr=True)
    try:
        steps = list(read_steps(recorded)) if recorded else _scored(data, output, console, **service)
        fitted = fit(steps, bias=bias, confidence=confidence)
        draw(fitted, output.with_suffix(".png"))
        output.write_text(fitted.calibration.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{error.filename or 'calibrate'}: {error.strerror or error}") from error
    _show(fitted.calibration, output, console)


def _scored(
    data: tuple[Path, ...], output: Path, console: Console, *, form: str, url: str, concurrency: int
) -> list[LabelledStep]:
    record = output.with_suffix(".steps.jsonl")
    solutions = read_labelled(
        data,
        cast("Format", form),
        lambda line: console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True),
    )
    with counted(console) as progress:
        task = progress.add_task("scoring", total=len(solutions))
        steps = asyncio.run(collect(solutions, url, record, concurrency, lambda done: progress.advance(task, done)))
    without = sum(step.score is None for step in steps)
    if without:
        console.print(
            f"{without} of {len(steps)} labelled steps got no score and are left out", style="yellow", soft_wrap=True
        )
    return steps


def _show(calibration: Calibration, output: Path, console: Console) -> None:
    scale = calibration.scale
    table = Table(title=f"{calibration.n} steps, {calibration.method}: a = {scale.a:.4g}, b = {scale.b:.4g}")
    for heading in ("", "ECE", "ECE, equal width", "NLL", "Brier"):
        table.add_column(heading)
    for name, measured in (("before", calibration.before), ("after", calibration.after)):
        table.add_row(
            name, *(_with_interval(one) for one in (measured.ece, measured.ece_width, measured.nll, measured.brier))
        )
    console.print(table)
    band = calibration.band
    if band.reached:
        told = f"uncertain from {band.low:.3f} to {band.high:.3f}: {band.share_inside:.1%} of the steps"
    else:
        told = f"no band: nowhere are {band.confidence:.0%} of the decisions right, so that every step is uncertain"
    console.print(told, highlight=False, soft_wrap=True)
    console.print(f"wrong below {calibration.wrong_below:.3f}", highlight=False)
    console.print(f"written: {output}", highlight=False, soft_wrap=True)


def _with_interval(figure: Figure) -> str:
    return f"{figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f})"
