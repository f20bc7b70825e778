"""verl's reward managers, with the adapter and its options named in the configuration."""

import asyncio
import inspect
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from omegaconf import OmegaConf
from sample import QUESTION, RESPONSE
from tensordict import TensorDict
from verl import DataProto
from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager
from verl.trainer.ppo.reward import get_custom_reward_fn
from verl.workers.reward_manager.naive import NaiveRewardManager as SyncRewardManager

TOKENIZER = tiny.tokenizer()
EXTRAS = {"score", "prm_min", "prm_mean", "prm_last", "prm_steps", "prm_first_error", "prm_fallback"}


def configured(url: str, name: str = "compute_score", **reward_kwargs: object) -> Any:
    """What verl makes of the configuration."""
    function = {
        "path": "pkg://stepreward.adapters.verl",
        "name": name,
        "reward_kwargs": {"url": url, **reward_kwargs},
    }
    return get_custom_reward_fn(OmegaConf.create({"reward": {"custom_reward_function": function}}))


def data(*solutions: str) -> DataProto:
    """As a rollout leaves it: responses padded on the right."""
    width = max(len(TOKENIZER(one)["input_ids"]) for one in solutions)
    pad = TOKENIZER.pad_token_id
    prompt = TOKENIZER(QUESTION)["input_ids"]
    rows = [TOKENIZER(one)["input_ids"] for one in solutions]
    responses = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
    prompts = torch.tensor([prompt] * len(rows))
    mask = torch.tensor([[1] * (len(prompt) + len(row)) + [0] * (width - len(row)) for row in rows])
    batch = TensorDict({"prompts": prompts, "responses": responses, "attention_mask": mask}, batch_size=len(rows))
    other = {
        "data_source": ["gsm8k"] * len(rows),
        "reward_model": [{"ground_truth": "72"} for _ in rows],
        "extra_info": [{"question": QUESTION} for _ in rows],
    }
    return DataProto(
        batch=batch, non_tensor_batch={name: np.array(column, dtype=object) for name, column in other.items()}
    )


def rewarded(reward: Any, solution: str) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        manager = NaiveRewardManager(OmegaConf.create({}), TOKENIZER, reward)
        return await manager.run_single(data(solution))

    return asyncio.run(run())


def test_a_sample_gets_its_score_and_the_extras(url, expected):
    reward = configured(url)
    assert inspect.iscoroutinefunction(reward)
    result = rewarded(reward, RESPONSE)
    assert result["reward_score"] == expected
    assert set(result["reward_extra_info"]) == EXTRAS


def test_reward_kwargs_choose_how_it_is_judged(url, expected):
    result = rewarded(configured(url, aggregate="mean", splitter={"kind": "sentence"}), RESPONSE)
    assert result["reward_score"] == result["reward_extra_info"]["prm_mean"] > expected


def test_a_batch_in_which_some_have_no_score_is_not_ragged(url, expected):
    manager = SyncRewardManager(TOKENIZER, 0, configured(url, "compute_score_sync", fallback_score=0.5))
    result = manager(data(RESPONSE, "   "), return_dict=True)
    length = len(TOKENIZER(RESPONSE)["input_ids"])
    assert result["reward_tensor"][0, length - 1] == pytest.approx(expected)
    assert result["reward_tensor"].sum() == pytest.approx(expected + 0.5)
    assert result["reward_extra_info"]["prm_fallback"] == [0, 1]
    assert {len(values) for values in result["reward_extra_info"].values()} == {2}
