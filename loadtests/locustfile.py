"""Load as clients make it, for locust: `make loadtest PROFILE=rl URL=http://127.0.0.1:8080`.

rl      a training step: bursts of rollouts, eight to a question, one a request, all at once; then the policy is trained
rerank  a user waits: eight candidates of one question in one request, with a deadline
mixed   both, the rollouts as bulk: reranking must not notice them
soak    a quarter of the load of mixed for hours; what grows, shows

It needs locust alone, none of the service's code. Solutions are made up, all different, of the size of GSM8K's.
"""

import os
import random
from typing import Any

from gevent.pool import Group
from locust import FastHttpUser, between, constant, events, task

ROLLOUTS_OF_A_QUESTION = 8
BURST = int(os.environ.get("STEPREWARD_LOAD_BURST", "64"))
DEADLINE_MS = int(os.environ.get("STEPREWARD_LOAD_DEADLINE_MS", "10000"))
METHOD = os.environ.get("STEPREWARD_LOAD_METHOD", "retsp")
PROFILE = os.environ.get("STEPREWARD_LOAD_PROFILE", "mixed")
KEY = os.environ.get("STEPREWARD_LOAD_KEY")

_HEADERS = {"X-Stepreward-Run": f"load-{PROFILE}"} | ({"Authorization": f"Bearer {KEY}"} if KEY else {})


def _rng() -> random.Random:
    return random.Random(random.getrandbits(64))  # noqa: S311


def question(rng: random.Random) -> tuple[str, int, int]:
    boxes, pencils = rng.randint(2, 10**6), rng.randint(2, 10**6)
    return f"A shop sells {boxes} boxes of {pencils} pencils each. How many pencils is that?", boxes, pencils


def solution(rng: random.Random, boxes: int, pencils: int) -> list[str]:
    total = boxes * pencils + rng.choice([0, 0, 0, 10])
    return [
        f"There are {boxes} boxes, and each of them holds {pencils} pencils.",
        f"So the number of pencils is the product {boxes} * {pencils}.",
        f"That is {boxes} * {pencils} = {total}, as one can check in parts ({rng.randint(0, 10**9)}).",
        f"The shop sells {total} pencils.",
    ]


class _Client(FastHttpUser):
    abstract = True
    concurrency = BURST
    network_timeout = 600.0
    connection_timeout = 10.0

    def score(self, name: str, body: dict[str, Any]) -> None:
        """An item without a score is a failure, whatever the status."""
        asked = {"method": METHOD, **body}
        with self.client.post("/score", json=asked, headers=_HEADERS, name=name, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code} {(answer.text or '')[:120]}")
                return
            failed = [item["failure"]["code"] for item in answer.json()["items"] if item["status"] != "ok"]
            if failed:
                answer.failure(f"{len(failed)} items: {failed[0]}")


class Trainer(_Client):
    """One training loop: a burst, and the pause in which gradients are computed."""

    wait_time = between(1, 3)
    fixed_count = 1
    priority = "interactive"

    @task
    def rollouts(self) -> None:
        rng, group = _rng(), Group()
        for _ in range(BURST // ROLLOUTS_OF_A_QUESTION):
            text, boxes, pencils = question(rng)
            for _ in range(ROLLOUTS_OF_A_QUESTION):
                item = {"question": text, "steps": solution(rng, boxes, pencils)}
                group.spawn(self.score, "rollout", {"items": [item], "priority": self.priority})
        group.join()


class Reranker(_Client):
    wait_time = constant(0.2)
    weight = 4

    @task
    def candidates(self) -> None:
        rng = _rng()
        text, boxes, pencils = question(rng)
        items = [{"question": text, "steps": solution(rng, boxes, pencils)} for _ in range(ROLLOUTS_OF_A_QUESTION)]
        self.score("rerank", {"items": items, "deadline_ms": DEADLINE_MS})


class BulkTrainer(Trainer):
    priority = "bulk"


class Idler(Reranker):
    wait_time = constant(1.0)
    weight = 1


_USERS = {"rl": [Trainer], "rerank": [Reranker], "mixed": [BulkTrainer, Reranker], "soak": [BulkTrainer, Idler]}


@events.init.add_listener
def _choose(environment: Any, **_: Any) -> None:
    environment.user_classes = _USERS[PROFILE]
