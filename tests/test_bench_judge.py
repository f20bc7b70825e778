"""The arithmetic of `make bench-judge`, and the door that gives recorded votes. No model runs here."""

import asyncio
import json

import httpx
import pytest

from loadtests.judge.figures import ratio_of_medians, unique_tokens
from loadtests.judge.items import VotedSolution, voted_solutions
from loadtests.judge.votes import Door
from loadtests.process import free_port
from stepreward.values import Solution


def test_tokens_of_a_shared_prefix_count_once_in_whatever_order_the_prompts_stand() -> None:
    prompts = [[1, 2, 3, 4], [1, 2, 5], [1, 2, 3, 6, 7], [8], [1, 2, 5]]
    assert unique_tokens(prompts) == unique_tokens(prompts[::-1]) == 4 + 1 + 2 + 1
    assert unique_tokens([[1, 2], [1, 2, 3]]) == 3
    assert unique_tokens([]) == 0


def test_a_ratio_of_medians_draws_the_repeats_in_pairs() -> None:
    ratio = ratio_of_medians([20, 40, 60], [2, 4, 6])
    assert ratio.value == 10
    assert ratio.interval is not None and ratio.interval.low == pytest.approx(10) == ratio.interval.high
    wide = ratio_of_medians([1, 2, 9], [1, 1, 1])
    assert wide.interval is not None and wide.interval.low < wide.value == 2 < wide.interval.high
    assert ratio_of_medians([3], [2]).interval is None


def test_votes_have_the_recorded_share_and_an_order_of_their_own_for_each_seed() -> None:
    voted = VotedSolution(Solution("Q?", ("a", "b", "c")), (1.0, 0.7, 0.2))
    assert voted.skipped_share == 0
    assert [sum(voted.votes(index, 10, seed=3)) for index in range(3)] == [10, 7, 2]
    assert voted.votes(1, 10, seed=3) == voted.votes(1, 10, seed=3)
    assert len({tuple(voted.votes(1, 10, seed)) for seed in range(5)}) > 1


def test_solutions_of_the_starter_corpus_have_an_error_in_the_middle() -> None:
    chosen = voted_solutions(3, 4, None)
    assert len({one.solution.question for one in chosen}) == 3
    assert all(len(one.solution.steps) == 4 and 0.25 <= one.skipped_share <= 0.5 for one in chosen)


def test_the_door_gives_votes_for_the_steps_it_knows_and_passes_on_everything_else() -> None:
    def worker(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"data": []})
        prompts = json.loads(request.content)["prompt"]
        own = {"token_id:7": -1.0, "token_id:8": -2.0}
        choices = [{"index": index, "logprobs": {"top_logprobs": [own]}} for index in range(len(prompts))]
        return httpx.Response(200, json={"choices": choices})

    async def ask() -> tuple[int, list[float]]:
        port = free_port()
        async with httpx.AsyncClient(transport=httpx.MockTransport(worker), base_url="http://worker") as behind:
            door = Door(behind)
            door.give({(1, 2): [True, False]})
            async with door.open(port), httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
                models = await _when_open(http)
                body = {"prompt": [[1, 2, 3], [5, 6], [1, 2, 4]], "logprob_token_ids": [7, 8]}
                said = (await http.post("/v1/completions", json=body)).json()
            assert door.prompts == body["prompt"]
        return models, [choice["logprobs"]["top_logprobs"][0]["token_id:7"] for choice in said["choices"]]

    status, yes = asyncio.run(ask())
    assert status == 200
    assert yes == [pytest.approx(0, abs=1e-3), -1.0, pytest.approx(-9.2)]


async def _when_open(http: httpx.AsyncClient) -> int:
    for _ in range(200):
        try:
            return (await http.get("/v1/models")).status_code
        except httpx.ConnectError:
            await asyncio.sleep(0.05)
    raise AssertionError("the door did not open within 10 s")
