"""Two steps of TRL's GRPO with a few thousand random weights, rewarded by the service, beside `make serve`.

    make test-clients                                   # once: it brings TRL
    .tools/clients/bin/python examples/trl/run.py

In real use, in a script of your own:
    GRPOTrainer(reward_funcs=StepReward("http://HOST:8080", method="rprm", trajectories={"k": 4}), ...)
or on TRL's command line, with STEPREWARD_CLIENT_URL=http://HOST:8080 in the environment:
    trl grpo --reward_funcs stepreward.adapters.trl.reward --model_name_or_path MODEL --dataset_name DATA
"""

import sys
import tempfile
from collections.abc import Callable, Sequence

import tiny
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from stepreward.adapters.trl import StepReward

QUESTION = "Natalia sold clips to 48 friends in April, and half as many in May. How many clips in all?"


def train(reward: Callable[..., object], prompts: Sequence[object], folder: str) -> list[dict[str, float]]:
    """What TRL logs of each step."""
    tokenizer = tiny.tokenizer()
    config = GRPOConfig(
        output_dir=folder,
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
        train_dataset=Dataset.from_dict({"prompt": list(prompts)}),
        processing_class=tokenizer,
    )
    trainer.train()
    return [line for line in trainer.state.log_history if "reward" in line]


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    with tempfile.TemporaryDirectory() as folder:
        train(StepReward(url), [QUESTION] * 4, folder)  # TRL itself prints what it logs
