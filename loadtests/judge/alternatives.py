"""The tables beside the main one: one pass, retsp's prefixes by block size and order, label slots."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import httpx

from loadtests.judge.counting import Cost, Counter
from loadtests.judge.items import VotedSolution
from loadtests.judge.one_pass import OnePass, Pass
from loadtests.judge.prefix import ORDERS, PrefixBench, Prompts, Sending
from loadtests.judge.slots import Slots, read_slots
from loadtests.judge.votes import Door
from loadtests.judge.ways import Raw, Service, salted
from stepreward.prompts.tokens import PromptTokenizer
from stepreward.values import Solution

_SALT = 90_000


@dataclass(frozen=True)
class Block:
    """One worker with this many tokens in a block of its cache: retsp's sendings, and `raw` on one solution."""

    block_tokens: int
    sendings: list[Sending]
    rprm: Cost


@dataclass(frozen=True)
class Served:
    """retsp by the service: its prompts as the worker got them, and its scores."""

    prompts: Prompts
    scores: list[float | None]


async def passes(one_pass: OnePass, raw: Raw, voted: Sequence[VotedSolution]) -> dict[str, list[Pass]]:
    found: dict[str, list[Pass]] = {"read again": [], "at once": []}
    for turn, one in enumerate(voted):
        prompts = raw.prompts(salted(one.solution, _SALT + turn))
        found["read again"].append(await one_pass.read_again(prompts, f"again {turn}"))
        found["at once"].append(await one_pass.at_once(prompts, f"once {turn}"))
    return found


async def served_retsp(service: Service, door: Door, voted: Sequence[VotedSolution]) -> list[Served]:
    """With references, as the service is set."""
    served = []
    for one in voted:
        door.give({})
        said = await service.retsp([one.solution])
        served.append(Served(list(door.prompts), [step.score for step in said.items[0].steps]))
    return served


async def bare_retsp(service: Service, solutions: Sequence[Solution]) -> list[list[float | None]]:
    """Scores without references, to hold against slots."""
    said = await service.retsp(solutions, retrieval={"mode": "none"})
    return [[step.score for step in item.steps] for item in said.items]


async def slots(
    http: httpx.AsyncClient,
    model: str,
    tokenizer: PromptTokenizer,
    labels: tuple[int, int],
    voted: Sequence[VotedSolution],
) -> list[Slots]:
    return [await read_slots(http, model, tokenizer, labels, one.solution) for one in voted]


class Blocks:
    """Measures workers of several block sizes with the same prompts."""

    def __init__(self, served: Sequence[Served], solution: Solution, labels: tuple[int, int]) -> None:
        self._served = served
        self._solution = solution
        self._labels = labels

    async def of(self, block_tokens: int, http: httpx.AsyncClient, model: str, raw: Raw) -> Block:
        """`http` is a worker's with this block size; `raw` asks it."""
        bench = PrefixBench(http, model, self._labels)
        sendings = [
            await bench.send(one.prompts, order, f"{order} {position}")
            for position, one in enumerate(self._served)
            for order in ORDERS
        ]

        async def judge() -> int:
            await raw.judge([salted(self._solution, _SALT + block_tokens)])
            return 0

        return Block(block_tokens, sendings, await Counter(http).measure(judge))


def computed_per_unique(sendings: Sequence[Sending], order: str) -> float:
    """The median over solutions."""
    return median(one.computed / one.unique for one in sendings if one.order == order)
