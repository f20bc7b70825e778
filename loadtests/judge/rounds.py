"""All ways in turn, again and again: A B C … A B C …, each turn with solutions and a salt that were never seen."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

from loadtests.judge.counting import Cost, Counter
from loadtests.judge.items import VotedSolution
from loadtests.judge.votes import Door
from loadtests.judge.ways import SERVICE_WAYS, Raw, Reference, Service, salted
from stepreward.values import Solution

# The service's ways with the model's own verdicts instead of recorded votes.
OWN = " (own verdicts)"
_SCORES_KEPT_FROM_VOTES = ("service",)

Work = Callable[[Sequence[Solution]], Awaitable[int]]
Costs = dict[str, list[Cost]]


@dataclass(frozen=True)
class Bench:
    """What is measured. `reference` is None where no second copy is to be loaded, `door` where the service was not
    started here: then all verdicts are the model's own."""

    counter: Counter
    raw: Raw
    service: Service
    reference: Reference | None
    door: Door | None

    def ways(self) -> dict[str, tuple[Work, bool]]:
        """By name: what to run, and whether votes are given in the place of verdicts."""
        ways: dict[str, tuple[Work, bool]] = {}
        if self.reference:
            ways["reference"] = (self.reference.judge, False)
        ways["raw"] = (self._raw, False)
        for name in SERVICE_WAYS:
            voted = self.door is not None and name not in _SCORES_KEPT_FROM_VOTES
            ways[name] = (partial(self._served, name), voted)
        if self.door:
            ways["both" + OWN] = (partial(self._served, "both"), False)
        return ways

    async def _raw(self, solutions: Sequence[Solution]) -> int:
        await self.raw.judge(solutions)
        return 0

    async def _served(self, name: str, solutions: Sequence[Solution]) -> int:
        await self.service.judge(solutions, **SERVICE_WAYS[name])
        return 0

    def votes(self, voted: Sequence[VotedSolution], solutions: Sequence[Solution], k: int, seed: int) -> None:
        """Gives the door the votes of `voted`, whose salted forms are `solutions`."""
        assert self.door is not None
        self.door.give(
            {
                prompt.token_ids: one.votes(index, k, seed)
                for one, solution in zip(voted, solutions, strict=True)
                for index, prompt in enumerate(self.raw.prompts(solution))
            }
        )


async def measure(
    bench: Bench, batches: Sequence[Sequence[VotedSolution]], k: int, say: Callable[[str], None]
) -> Costs:
    """The costs of every way, one for each batch."""
    ways = bench.ways()
    costs: Costs = {name: [] for name in ways}
    salts = count(1)
    for repeat, voted in enumerate(batches):
        for name, (work, with_votes) in ways.items():
            salt = next(salts)
            solutions = [salted(one.solution, salt) for one in voted]
            if with_votes:
                bench.votes(voted, solutions, k, repeat)
            elif bench.door:
                bench.door.give({})
            cost = await bench.counter.measure(partial(work, solutions))
            costs[name].append(cost)
            say(f"{repeat + 1}/{len(batches)} {name}: {cost.wall_s:.1f} s, {cost.processed:,} tokens")
    return costs


def wall_s(costs: Mapping[str, Sequence[Cost]], name: str) -> list[float]:
    return [cost.wall_s for cost in costs[name]]


def processed(costs: Mapping[str, Sequence[Cost]], name: str) -> list[int]:
    return [cost.processed for cost in costs[name]]


def generated_per_s(costs: Mapping[str, Sequence[Cost]], name: str) -> list[float]:
    return [cost.tokens.generated / cost.wall_s for cost in costs[name]]
