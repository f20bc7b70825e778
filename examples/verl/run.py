"""The reward of one sample, as verl's own loader gets it from the configuration, beside `make serve`.

    make test-clients                                   # once: it brings verl
    .tools/clients/bin/python examples/verl/run.py

In real use, on verl's command line:
    reward.custom_reward_function.path=pkg://stepreward.adapters.verl
    reward.custom_reward_function.name=compute_score
    +reward.custom_reward_function.reward_kwargs.url=http://HOST:8080
"""

import asyncio
import sys

from omegaconf import OmegaConf
from verl.trainer.ppo.reward import get_custom_reward_fn

URL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
FUNCTION = {"path": "pkg://stepreward.adapters.verl", "name": "compute_score", "reward_kwargs": {"url": URL}}

if __name__ == "__main__":
    compute_score = get_custom_reward_fn(OmegaConf.create({"reward": {"custom_reward_function": FUNCTION}}))
    sample = {
        "data_source": "example",
        "solution_str": "12 * 17 = 12 * 10 + 12 * 7.\n\nSo it is 120 + 84 = 204.",
        "ground_truth": "204",
        "extra_info": {"question": "What is 12 * 17?"},
    }
    sys.stdout.write(f"{asyncio.run(compute_score(**sample))}\n")
