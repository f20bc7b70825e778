"""Activate one snapshot after another while a running service scores: `python -m loadtests.activate_under_load A B`.

Every answer must be whole, and all its references must be of the snapshot that it names. Prints one line of JSON.
"""

import asyncio
import itertools
import json
from collections import Counter

import click

from stepreward import parts
from stepreward.client import AsyncClient
from stepreward.schema import Item, ReferenceResult, RetrievalOptions, ScoreRequest, ScoreResponse
from stepreward.settings import Settings

# Distinct, for what was judged before needs no references: nothing would be searched.
_QUESTION = "A shop sells {} boxes of {} pencils. How many pencils are that?"


class _Watch:
    """What the answers said. `members`: the question ids of each snapshot."""

    def __init__(self, members: dict[str, set[str]]) -> None:
        self._members = members
        self.answers: Counter[str] = Counter()
        self.failed = 0
        self.mixed = 0

    def note(self, answer: ScoreResponse) -> None:
        [item] = answer.items
        references: list[ReferenceResult] = item.references or []
        snapshot = answer.corpus_snapshot or ""
        self.answers[snapshot] += 1
        self.failed += item.status != "ok" or not references
        self.mixed += any(reference.question_id not in self._members[snapshot] for reference in references)


@click.command()
@click.argument("snapshots", nargs=-1, required=True)
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="the running service")
@click.option("--seconds", type=float, default=60, show_default=True)
@click.option("--clients", type=int, default=4, show_default=True)
@click.option("--pause-s", type=float, default=2, show_default=True, help="between two activations")
def main(snapshots: tuple[str, ...], url: str, seconds: float, clients: int, pause_s: float) -> None:
    """SNAPSHOTS are whole ids; the vector store is the one of the settings in the environment."""
    click.echo(json.dumps(asyncio.run(_run(snapshots, url, seconds, clients, pause_s))))


async def _run(snapshots: tuple[str, ...], url: str, seconds: float, clients: int, pause_s: float) -> dict[str, object]:
    store = parts.open_store(Settings())
    members = {
        identity: {point.id async for page in store.scan(identity, "questions", False) for point in page}
        for identity in snapshots
    }
    watch, numbers = _Watch(members), itertools.count(2)
    await store.activate(snapshots[0])
    end_s = asyncio.get_running_loop().time() + seconds
    activations = 0

    async def ask(client: AsyncClient) -> None:
        while asyncio.get_running_loop().time() < end_s:
            number = next(numbers)
            item = Item(question=_QUESTION.format(number, 7 + number % 5), steps=[f"{number} boxes.", "So many."])
            retrieval = RetrievalOptions(questions=1, steps=1, min_similarity=-1.0)
            watch.note(await client.score(ScoreRequest(items=[item], retrieval=retrieval, include=["references"])))

    async def activate() -> int:
        done = 0
        for identity in itertools.cycle(snapshots):
            if asyncio.get_running_loop().time() >= end_s:
                return done
            await store.activate(identity)
            done += 1
            await asyncio.sleep(pause_s)
        return done

    async with AsyncClient(url) as client:
        activations, *_ = await asyncio.gather(activate(), *(ask(client) for _ in range(clients)))
    await store.close()
    return {
        "activations": activations,
        "answers": dict(watch.answers),
        "failed": watch.failed,
        "mixed": watch.mixed,
    }


if __name__ == "__main__":
    main()
