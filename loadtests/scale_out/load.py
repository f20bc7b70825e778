"""Best of N as an RL step asks for it: the rollouts of many questions, all different, in no order.

Of the sizes of docs/capacity.md: a third of a prompt are the instructions, a third is the solved question that is
referred to, and the rest is the question itself and steps before.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import httpx

from stepreward.best_of_n import narrowed
from stepreward.client import AsyncClient, ScoreOptions

ROLLOUTS = 8
STEPS = 6

Body = dict[str, object]

_TOPICS = 400
_RETRIEVAL = {"questions": 1, "min_similarity": 0, "exclude_duplicates": False}
_HALVING = ScoreOptions(method="retsp", retrieval=_RETRIEVAL)


def _topic(number: int) -> str:
    """Words that the scripted encoder knows the questions of a topic by."""
    return " ".join([f"kind-{number % 20}"] * 4 + [f"colour-{number // 20}"] * 4)


# What is referred to: a solved question for each topic.
CORPUS: list[dict[str, object]] = [
    {
        "question": f"A shop sells {n + 2} boxes of {n + 4} pens: {_topic(n)}. How many pens is that?",
        "steps": [
            f"{number}. There are {n + 2} boxes with {n + 4} pens in each of them, and so part {number} of the boxes "
            f"holds {(n + 2) * (n + 4) // (number + 1)} pens ({n * 104729 + number})."
            for number in range(8)
        ],
        "labels": [True] * 8,
        "source": "shop",
    }
    for n in range(_TOPICS)
]


@dataclass
class Done:
    """Answers so far, and why some have no score."""

    rollouts: int = 0
    failed: Counter[str] = field(default_factory=Counter)


async def halving_loop(gateway: str, rng: random.Random, ends_s: float, at_once: int, done: Done) -> None:
    """The best of eight by halves, as `best-of-n --halving` asks for it: so many questions at once, until a time."""
    async with AsyncClient(gateway, concurrency=at_once) as client, asyncio.TaskGroup() as group:

        async def choose() -> None:
            while time.monotonic() < ends_s:
                question, candidates = _question(rng)
                found = await narrowed(client, question, candidates, **_HALVING)
                done.rollouts += len(found)
                done.failed["no score"] += sum(one.score is None for one in found)

        for _ in range(at_once):
            group.create_task(choose())


def burst(rng: random.Random, questions: int, k: int) -> list[Body]:
    """Eight rollouts of each question, one a request, shuffled."""
    bodies = [body for _ in range(questions) for body in _rollouts_of_a_question(rng, k)]
    rng.shuffle(bodies)
    return bodies


def bursts(rng: random.Random, questions: int, k: int) -> Iterator[Body]:
    """One after the other, without end."""
    while True:
        yield from burst(rng, questions, k)


async def closed_loop(
    gateway: str, bodies: Iterable[Body], at_once: int, done: Done, told: Callable[[], object] = int
) -> None:
    """As many requests under way as `at_once`, until there are no more; `told` after each."""
    left = iter(bodies)

    async def client(http: httpx.AsyncClient) -> None:
        for body in left:
            answer = await http.post("/score", json=body)
            failure = answer.json()["items"][0]["failure"] if answer.is_success else answer.json()
            done.rollouts += 1
            if failure:
                done.failed[failure["code"]] += 1
            told()

    limits = httpx.Limits(max_connections=at_once)
    async with (
        httpx.AsyncClient(base_url=gateway, timeout=600, limits=limits) as http,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(at_once):
            group.create_task(client(http))


def until(ends_s: float, bodies: Iterable[Body]) -> Iterator[Body]:
    """Those that are asked for before this time of the monotonic clock."""
    for body in bodies:
        if time.monotonic() > ends_s:
            return
        yield body


def _rollouts_of_a_question(rng: random.Random, k: int) -> Iterator[Body]:
    question, candidates = _question(rng)
    for steps in candidates:
        item = {"question": question, "steps": steps}
        retrieval = _RETRIEVAL | {"steps": 0}
        yield {"items": [item], "method": "rprm", "trajectories": {"k": k}, "retrieval": retrieval, "cache": False}


def _question(rng: random.Random) -> tuple[str, list[list[str]]]:
    """And eight solutions of it."""
    boxes, pencils = rng.randint(10**5, 10**6), rng.randint(10**5, 10**6)
    story = " ".join(f"On day {day} there came {rng.randint(10, 99)} customers to look." for day in range(10))
    topic = _topic(rng.randrange(_TOPICS))
    return f"A shop sells {boxes} boxes of {pencils} pencils: {topic}. {story} How many pencils is that?", [
        [
            f"{number}. We have {boxes} boxes of {pencils} pencils each, and look at part {rng.random()} of them: "
            f"that makes {boxes * pencils // (number + 1)} pencils, as one can check by counting them one by one."
            for number in range(STEPS)
        ]
        for _ in range(ROLLOUTS)
    ]
