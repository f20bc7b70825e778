"""The command; see the package."""

import asyncio
import json
import os
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from loadtests.chaos.workers import Fault, Poison, faulty, frozen, killed, poisoned
from loadtests.stack import Stack, stack

_INTRO = """# Faults under load

Written by `make chaos`: the real gateway over three scripted workers, and 32 clients, each with its next request when
the last one is answered. *Recovery*: from the fault until the last answer that failed, or took more than three times as
long as the slowest hundredth had taken before.
"""
_SCENARIOS: dict[str, Callable[[Stack], Awaitable[Fault | Poison]]] = {
    "a worker killed with kill -9, another in its place after 3 s": killed,
    "a worker frozen for 5 s": frozen,
    "a worker that answers 500": faulty,
    "a request that kills workers": poisoned,
}


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("docs/bench"),
    show_default=True,
    help="where chaos.json and .md go",
)
def main(out: Path) -> None:
    """Two minutes. Loads this machine alone, by 127.0.0.1."""
    told = Console(stderr=True)
    found: dict[str, Fault | Poison] = {}
    for name, scenario in _SCENARIOS.items():
        told.print(f"{name} …")
        with tempfile.TemporaryDirectory() as folder, stack(Path(folder)) as built:
            found[name] = asyncio.run(_run(scenario, built))
    table = "\n".join(
        ["| fault | found |", "| --- | --- |", *(f"| {name} | {_said(one)} |" for name, one in found.items())]
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "chaos.md").write_text(f"{_INTRO}\n{os.cpu_count()} cores.\n\n{table}\n", encoding="utf-8")
    content: dict[str, Any] = {name: asdict(one) for name, one in found.items()}
    content["measured_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    (out / "chaos.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    told.print(table)


async def _run(scenario: Callable[[Stack], Awaitable[Fault | Poison]], built: Stack) -> Fault | Poison:
    return await scenario(built)


def _said(found: Fault | Poison) -> str:
    if isinstance(found, Poison):
        return (
            f"{found.deaths} workers of 3 died; the request was answered {_counts(found.poison)}, bystanders "
            f"{_counts(found.bystanders)}"
        )
    return (
        f"{sum(found.errors.values())} of {found.requests:,} requests failed; recovery {found.recovery_s:.1f} s, the "
        f"longest answer {found.longest_s:.1f} s"
    )


def _counts(statuses: dict[int, int]) -> str:
    return ", ".join(f"{status} {count} times" for status, count in sorted(statuses.items()))


if __name__ == "__main__":
    main()
