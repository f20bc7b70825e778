"""`stepreward train rprm-pairs`: sampled analyses, the better before the worse."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console

from stepreward.client import Client
from stepreward.commands.bars import counted
from stepreward.errors import ConfigurationError
from stepreward.prompts.rprm import MARKER
from stepreward.schema import Item, ItemResult
from stepreward.training.groups import Group, read_groups
from stepreward.training.pairs import pairs_of

_ITEMS_AT_ONCE = 8


@click.command("rprm-pairs")
@click.argument("data", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), required=True, help="JSON lines")
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="the service, with the SFT judge")
@click.option("--k", type=click.IntRange(2, 64), default=8, show_default=True, help="analyses sampled of each step")
@click.option("--most", type=click.IntRange(1), default=2, show_default=True, help="pairs of a step")
@click.option("--limit", type=click.IntRange(1), help="solutions, from the beginning")
@click.option("--marker", default=MARKER, show_default=True, help="of the template that the service has")
def command(data: Path, *, output: Path, url: str, k: int, most: int, limit: int | None, marker: str) -> None:
    """Let a running service write K analyses of each labelled step in DATA, and pair right verdicts with wrong ones.

    What stands in OUTPUT is kept: an interrupted command goes on where it was.
    """
    console = Console(stderr=True)
    solutions = list(_solutions(data))[:limit]
    counter = output.with_name(output.name + ".done")
    done = int(counter.read_text()) if counter.exists() and output.exists() else 0
    found = 0
    with Client(url) as client, output.open("a" if done else "w", encoding="utf-8") as file, counted(console) as bar:
        task = bar.add_task("solutions", total=len(solutions), completed=done)
        for start in range(done, len(solutions), _ITEMS_AT_ONCE):
            page = solutions[start : start + _ITEMS_AT_ONCE]
            for (group, number), result in zip(page, _sampled(client, page, k), strict=True):
                for pair in pairs_of(group, number, result, marker, most) if result.status == "ok" else ():
                    file.write(pair.model_dump_json() + "\n")
                    found += 1
            file.flush()
            counter.write_text(str(start + len(page)), encoding="utf-8")
            bar.advance(task, len(page))
    if not output.stat().st_size:
        raise ConfigurationError(f"{output}: no step had analyses of both verdicts")
    console.print(f"{output}: {found} pairs added, of {len(solutions)} solutions", highlight=False, soft_wrap=True)


def _solutions(data: Path) -> Iterator[tuple[Group, int]]:
    for group in read_groups(data):
        if not group.held_out:
            yield from ((group, number) for number in range(len(group.solutions)))


def _sampled(client: Client, page: Sequence[tuple[Group, int]], k: int) -> list[ItemResult]:
    items = [Item(question=group.question, steps=list(group.solutions[number].steps)) for group, number in page]
    return client.score_items(items, method="rprm", trajectories={"k": k}, include=["trajectories"])
