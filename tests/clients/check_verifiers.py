"""A verifiers task whose resource server is the service."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sample import QUESTION, RESPONSE
from verifiers.v1.graph import MessageNode
from verifiers.v1.tasksets.nemo_gym.taskset import NeMoGymConfig, NeMoGymTask, NeMoGymTaskConfig, NeMoGymTaskset
from verifiers.v1.tasksets.nemo_gym.toolset import NeMoGymState
from verifiers.v1.trace import Trace
from verifiers.v1.types import AssistantMessage, UserMessage

ROW = {"responses_create_params": {"input": [{"role": "user", "content": QUESTION}]}, "answer": "72"}


def task(url: str, folder: Path) -> NeMoGymTask:
    """As a data set of one row gives it."""
    dataset = folder / "rows.jsonl"
    dataset.write_text(json.dumps(ROW), encoding="utf-8")
    [loaded] = NeMoGymTaskset(NeMoGymConfig(dataset=dataset, task=NeMoGymTaskConfig(resources_url=url))).load()
    return loaded


def verified(task: NeMoGymTask, response: str) -> tuple[float, Trace]:
    async def run() -> tuple[float, Trace]:
        nodes = [
            MessageNode(message=UserMessage(content=QUESTION)),
            MessageNode(message=AssistantMessage(content=response), parent=0, sampled=True),
        ]
        # What a run would write of the task and the agent is of no use here.
        trace: Any = Trace.model_construct(
            id="t", nodes=nodes, metrics={}, info={}, state=NeMoGymState(), task=SimpleNamespace(data=task.data)
        )
        await task.setup(trace, None)
        return await task.nemo_gym(trace), trace

    return asyncio.run(run())


def test_a_task_is_rewarded_with_the_score_and_its_metrics(url, expected, tmp_path):
    reward, trace = verified(task(url, tmp_path), RESPONSE)
    assert reward == expected
    assert trace.metrics["prm_steps"] == 3
    assert trace.metrics["prm_fallback"] == 0
    assert trace.info["nemo_gym"]["answer"] == "72"


def test_a_rollout_without_a_score_is_told_by_its_failure_and_is_no_error(scoreless, tmp_path):
    reward, trace = verified(task(scoreless, tmp_path), RESPONSE)
    assert reward == 0
    assert trace.metrics["prm_fallback"] == 1
    assert trace.info["nemo_gym"]["_ng_failure_class"] == "context_overflow"


def test_an_address_that_is_not_served_is_an_error_and_no_reward(url, tmp_path):
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        verified(task(f"{url}/nowhere", tmp_path), RESPONSE)
