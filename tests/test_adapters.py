"""Reward functions for configuration strings, called as their frameworks call them, over the real application."""

import asyncio
import pickle
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import pytest

from loadtests.scripted_worker import ScriptedWorker
from stepreward.adapters import areal, trl, verl
from stepreward.adapters.asking import URL_VARIABLE
from stepreward.client import Client, Item, Refused
from stepreward.errors import ConfigurationError, StepRewardError
from test_bulk import application
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

QUESTION = "How many clips did Natalia sell?"
RESPONSE = "In May she sold 48 / 2 = 24 clips.\n\nThe answer is 72."
PROMPT = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
MESSAGES = [{"role": "user", "content": QUESTION}]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with application() as running:
        yield running


@pytest.fixture(scope="module")
def short(request: pytest.FixtureRequest) -> Iterator[str]:
    """A service whose model has no room for any solution."""
    with application(ScriptedWorker(context_tokens=300)) as running:
        yield running


@pytest.fixture(scope="module")
def expected(url: str) -> float:
    with Client(url) as client:
        [result] = client.score_items([Item(question=QUESTION, response=RESPONSE)])
    assert result.score is not None
    return result.score


# TRL


def test_trl_gets_a_float_a_completion_for_texts_and_for_messages(url, expected):
    rewards = trl.StepReward(url)(
        prompts=[PROMPT, MESSAGES],
        completions=[f"{RESPONSE}<|im_end|>", [{"role": "assistant", "content": RESPONSE}]],
        completion_ids=[[1], [2]],
        trainer_state=None,
    )
    assert rewards == [expected, expected]


def test_trl_gets_none_for_a_completion_without_a_score(url, expected):
    told: dict[str, float] = {}
    rewards = trl.StepReward(url)(
        prompts=[QUESTION] * 3, completions=[RESPONSE, " ", "a\x00"], log_metric=told.__setitem__
    )
    assert rewards == [expected, None, None]
    assert told["stepreward/failed"] == pytest.approx(2 / 3)
    assert told["stepreward/steps"] == 2


def test_trl_s_command_line_names_a_function_and_the_environment_the_address(url, expected, monkeypatch):
    monkeypatch.setenv(URL_VARIABLE, url)
    reward = getattr(import_module("stepreward.adapters.trl"), "reward")  # noqa: B009  (as TRL does it)
    assert reward(prompts=[QUESTION], completions=[RESPONSE]) == [expected]


def test_trl_s_reward_function_can_be_pickled(url, expected):
    reward = pickle.loads(pickle.dumps(trl.StepReward(url, method="retsp")))
    assert reward(prompts=[QUESTION], completions=[RESPONSE]) == [expected]


def test_options_that_are_refused_end_the_training(url):
    with pytest.raises(StepRewardError, match="methode"):
        trl.StepReward(url, methode="rprm")(prompts=[QUESTION], completions=[RESPONSE])
    with pytest.raises(Refused, match="retsp samples no trajectories"):
        trl.StepReward(url, trajectories={"k": 3})(prompts=[QUESTION], completions=[RESPONSE])


def test_without_an_address_its_variable_is_named(monkeypatch):
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    with pytest.raises(ConfigurationError, match=URL_VARIABLE):
        trl.reward(prompts=[QUESTION], completions=[RESPONSE])


# verl

EXTRAS = {"score", "prm_min", "prm_mean", "prm_last", "prm_steps", "prm_first_error", "prm_fallback"}


def verl_score(solution: str, sync: bool, **reward_kwargs: Any) -> dict[str, float]:
    asked = ("gsm8k", solution, "72", {"question": QUESTION, "num_turns": None})
    if sync:
        return verl.compute_score_sync(*asked, **reward_kwargs)

    async def run() -> dict[str, float]:
        return await verl.compute_score(*asked, reward_router_address="x", reward_model_tokenizer=None, **reward_kwargs)

    return asyncio.run(run())


@pytest.mark.parametrize("sync", [True, False])
def test_verl_gets_the_same_names_whether_there_is_a_score_or_not(url, expected, sync):
    scored, blank = (verl_score(solution, sync, url=url, fallback_score=0.5) for solution in (RESPONSE, " "))
    assert set(scored) == set(blank) == EXTRAS
    assert (scored["score"], scored["prm_steps"], scored["prm_fallback"]) == (expected, 2, 0)
    assert (blank["score"], blank["prm_steps"], blank["prm_fallback"]) == (0.5, 0, 1)


@pytest.mark.parametrize("sync", [True, False])
def test_verl_can_be_told_to_raise(url, sync):
    with pytest.raises(StepRewardError, match="invalid_request: response"):
        verl_score(" ", sync, url=url, on_error="raise")
    with pytest.raises(ConfigurationError, match="on_error"):
        verl_score(RESPONSE, sync, url=url, on_error="ignore")


def test_many_samples_of_verl_are_asked_for_at_once(url, expected):
    async def run() -> list[dict[str, float]]:
        asked = ("gsm8k", RESPONSE, "72", {"question": QUESTION})
        return await asyncio.gather(*(verl.compute_score(*asked, url=url) for _ in range(100)))

    assert {one["score"] for one in asyncio.run(run())} == {expected}


def test_a_verl_data_set_without_questions_is_named():
    with pytest.raises(ConfigurationError, match="question"):
        verl.compute_score_sync("gsm8k", RESPONSE, "72", {})


# AReaL


def areal_score(solution: str, **changed: Any) -> float:
    reward = partial(areal.reward_fn, **changed)
    return pickle.loads(pickle.dumps(reward))(PROMPT, solution, [1, 2], [3], answer="72", messages=MESSAGES)


def test_areal_gets_the_score(url, expected):
    assert areal_score(RESPONSE, url=url) == expected
    assert areal_score(RESPONSE, url=url, options={"aggregate": "mean"}) > expected


def test_areal_gets_an_error_and_no_0_where_there_is_no_score(short):
    with pytest.raises(StepRewardError, match="room for"):
        areal_score(RESPONSE, url=short)
    assert areal_score(RESPONSE, url=short, fallback_score=0.25) == 0.25


def test_areal_hears_of_a_slow_service_before_it_stops_waiting(monkeypatch):
    assert areal.DEADLINE_S < 12
    monkeypatch.setattr(areal, "DEADLINE_S", 0.5)
    with application(ScriptedWorker(latency_s=60)) as slow, pytest.raises(StepRewardError, match="not ready in time"):
        areal_score(RESPONSE, url=slow)


# SkyRL


@dataclass
class _Characters:
    """One token a character."""

    text: str

    def decode(self, token_ids: list[int], **_: bool) -> str:
        return self.text[: len(token_ids)]


@pytest.fixture
def skyrl(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The adapter, with SkyRL's own base where it is installed, and what is used of it in its place where not."""
    try:
        import_module("skyrl_gym")
    except ModuleNotFoundError:
        base = types.ModuleType("skyrl_gym.envs.base_text_env")
        base.BaseTextEnv = type("BaseTextEnv", (), {"__init__": lambda self: None})  # type: ignore[attr-defined]
        base.BaseTextEnvStepOutput = dict  # type: ignore[attr-defined]
        for name in ("skyrl_gym", "skyrl_gym.envs"):
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        monkeypatch.setitem(sys.modules, "skyrl_gym.envs.base_text_env", base)
    return import_module("stepreward.adapters.skyrl")


def test_skyrl_s_environment_ends_with_the_score_and_the_steps(skyrl, url, expected):
    env = skyrl.StepRewardEnv({"url": url}, {})
    env.init(MESSAGES)
    said = env.step(RESPONSE)
    assert (said["reward"], said["done"], said["observations"]) == (expected, True, [])
    assert len(said["metadata"]["step_scores"]) == len(said["metadata"]["step_spans"]) == 2


def test_skyrl_s_dense_rewards_stand_where_the_steps_end(skyrl, url):
    env = skyrl.StepRewardEnv({"url": url}, {"question": QUESTION})
    told = [env.step(RESPONSE)["metadata"], env.step(" ")["metadata"]]
    first, nothing = skyrl.dense_rewards(told, [list(range(len(RESPONSE))), [1, 2]], _Characters(RESPONSE))
    assert {index: reward for index, reward in enumerate(first) if reward} == {
        end - 1: score for (_, end), score in zip(told[0]["step_spans"], told[0]["step_scores"], strict=True)
    }
    assert nothing == [0, 0]
