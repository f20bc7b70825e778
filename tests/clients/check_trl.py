"""TRL's GRPO trainer, with its rewards over HTTP."""

import math

from run import train
from sample import QUESTION

from stepreward.adapters.trl import StepReward


def test_two_steps_of_grpo_are_rewarded_by_the_service(url, tmp_path):
    lines = train(StepReward(url), [QUESTION] * 4, str(tmp_path))
    assert len(lines) == 2
    for line in lines:
        assert 0 < line["rewards/StepReward/mean"] < 1
        assert math.isfinite(line["loss"])
        assert line["stepreward/steps"] >= 1


def test_two_steps_of_grpo_with_messages(url, tmp_path):
    lines = train(StepReward(url, method="rprm"), [[{"role": "user", "content": QUESTION}]] * 4, str(tmp_path))
    assert [0 < line["rewards/StepReward/mean"] < 1 for line in lines] == [True, True]


def test_completions_without_a_score_are_left_out_and_not_0(scoreless, tmp_path):
    for line in train(StepReward(scoreless), [QUESTION] * 4, str(tmp_path)):
        assert line["rewards/StepReward/mean"] is None
        assert line["stepreward/failed"] == 1
