"""SkyRL's own environment; slime and AReaL by what their clients do: PyPI has another slime, and AReaL needs a GPU."""

import asyncio
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import httpx
import skyrl_gym
import tiny
from sample import QUESTION, RESPONSE
from skyrl_gym.envs.registration import register

from stepreward.adapters import areal
from stepreward.adapters.skyrl import dense_rewards

MESSAGES = [{"role": "user", "content": QUESTION}]


def test_skyrl_makes_the_environment_by_its_name(url, expected):
    register(id="stepreward", entry_point="stepreward.adapters.skyrl:StepRewardEnv")
    env = skyrl_gym.make("stepreward", env_config={"url": url}, extras={})
    env.init(MESSAGES)
    said = env.step(RESPONSE)
    assert (said["reward"], said["done"]) == (expected, True)
    tokenizer = tiny.tokenizer()
    ids = tokenizer(f"{RESPONSE}<|im_end|>")["input_ids"]
    [rewards] = dense_rewards([said["metadata"]], [ids], tokenizer)
    assert [reward for reward in rewards if reward] == said["metadata"]["step_scores"]
    assert len(rewards) == len(ids)


async def slime_reward(url: str, sample: dict[str, Any], reward_key: str | None) -> Any:
    """As `--rm-type remote_rm` does it: up to ten attempts, the reward or the whole answer."""
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=64), timeout=120) as client:
        for attempt in range(10):
            answer = await client.post(url, json=sample)
            if answer.is_success:
                return answer.json()[reward_key] if reward_key else answer.json()
            await asyncio.sleep(attempt)
    raise RuntimeError("no reward after ten attempts")


def test_slime_gets_a_number_with_a_reward_key_and_without(url, expected):
    sample = {"prompt": MESSAGES, "response": RESPONSE, "label": "72"}
    assert asyncio.run(slime_reward(f"{url}/compat/slime", sample, "score")) == expected
    assert asyncio.run(slime_reward(f"{url}/compat/slime?bare=1", sample, None)) == expected


async def areal_reward(reward: partial[float]) -> float:
    """As AReaL's wrapper does it: in another process, 15 s an attempt, four attempts, then 0."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        for _ in range(4):
            asked = partial(reward, QUESTION, RESPONSE, [1], [2], answer="72")
            try:
                return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(processes, asked), 15)
            except TimeoutError:
                continue
    return 0


def test_areal_gets_the_score_within_its_time_from_another_process(url, expected):
    assert asyncio.run(areal_reward(partial(areal.reward_fn, url=url))) == expected
