"""TRL's GRPO trainer, with its rewards over HTTP."""

import math
from pathlib import Path

import tiny
from datasets import Dataset
from sample import QUESTION
from trl import GRPOConfig, GRPOTrainer

from stepreward.adapters.trl import StepReward


def train(reward: StepReward, prompts: list[object], folder: Path) -> list[dict[str, float]]:
    """Two steps; what was logged."""
    tokenizer = tiny.tokenizer()
    config = GRPOConfig(
        output_dir=str(folder),
        max_steps=2,
        per_device_train_batch_size=4,
        num_generations=4,
        max_completion_length=16,
        logging_steps=1,
        report_to=[],
        use_cpu=True,
        bf16=False,
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = GRPOTrainer(
        model=tiny.model(len(tokenizer)),
        reward_funcs=reward,
        args=config,
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        processing_class=tokenizer,
    )
    trainer.train()
    return [line for line in trainer.state.log_history if "reward" in line]


def test_two_steps_of_grpo_are_rewarded_by_the_service(url, tmp_path):
    lines = train(StepReward(url), [QUESTION] * 4, tmp_path)
    assert len(lines) == 2
    for line in lines:
        assert 0 < line["rewards/StepReward/mean"] < 1
        assert math.isfinite(line["loss"])
        assert line["stepreward/steps"] >= 1


def test_two_steps_of_grpo_with_messages(url, tmp_path):
    lines = train(StepReward(url, method="rprm"), [[{"role": "user", "content": QUESTION}]] * 4, tmp_path)
    assert [0 < line["rewards/StepReward/mean"] < 1 for line in lines] == [True, True]


def test_completions_without_a_score_are_left_out_and_not_0(scoreless, tmp_path):
    for line in train(StepReward(scoreless), [QUESTION] * 4, tmp_path):
        assert line["rewards/StepReward/mean"] is None
        assert line["stepreward/failed"] == 1
