"""The examples, as their first lines say, beside a service that scores."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

from conftest import PYTHON, ROOT

EXAMPLES = ROOT / "examples"


def ran(*command: object, **environment: str) -> str:
    """What it printed."""
    whole = [str(part) for part in command]
    done = subprocess.run(
        whole, env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_trl_trains_two_steps(url):
    lines = ran(sys.executable, EXAMPLES / "trl" / "run.py", url).splitlines()
    logged = [ast.literal_eval(line) for line in lines if line.startswith("{'loss'")]
    assert [0 < float(one["rewards/StepReward/mean"]) < 1 for one in logged] == [True, True]


def test_verl_rewards_a_sample(url):
    [told] = ran(sys.executable, EXAMPLES / "verl" / "run.py", url).splitlines()[-1:]
    assert "'prm_fallback': 0" in told


def test_openrlhf_rewards_a_rollout(url):
    told = json.loads(ran(EXAMPLES / "openrlhf" / "run.sh", STEPREWARD_URL=url))
    assert 0 < told["rewards"][0] < 1
    assert told["extra_logs"]["prm_fallback"] == [0]


def test_best_of_n_chooses(url):
    command = Path(PYTHON).with_name("stepreward")
    lines = ran(EXAMPLES / "best_of_n" / "run.sh", "--url", url, STEPREWARD=str(command)).splitlines()
    assert all(json.loads(line)["best"] is not None for line in lines)
