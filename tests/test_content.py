"""Which steps carry no content: a list of master keys, short steps that say something, and the real steps at hand."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepreward.content import content_free

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
# `content_free` begins with the ten of arXiv 2507.08794; then come neighbours that its search found, and our own.
LISTED = json.loads(Path(__file__).with_name("master_keys.json").read_text(encoding="utf-8"))
KEYS, SAYING = LISTED["content_free"], LISTED["content"]


@pytest.mark.parametrize("key", KEYS)
def test_a_master_key_is_content_free(key):
    assert content_free(key)
    assert content_free(f"  {key}\n")


@pytest.mark.parametrize("step", SAYING)
def test_a_short_step_that_says_something_is_not(step):
    assert not content_free(step)


@given(
    keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=5),
    step=st.sampled_from(SAYING),
)
def test_keys_in_a_row_are_content_free_until_something_is_said(keys, step):
    assert content_free("\n".join(keys))
    assert not content_free("\n".join([*keys, step]))


@given(st.text(max_size=60))
def test_every_text_is_one_or_the_other(text):
    assert content_free(text) in (True, False)


def steps(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield from json.loads(line)["steps"]


def test_no_step_of_the_starter_corpus_is_content_free():
    corpus = ROOT / "service" / "stepreward" / "corpus" / "data" / "starter.jsonl.gz"
    assert not [step for step in steps(corpus) if content_free(step)]


@pytest.mark.parametrize("name", ["gsm8k", "math", "olympiadbench"])
def test_of_real_steps_only_announcements_are_content_free(name):
    path = DATA / "processbench" / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip("needs ../shared/data/processbench, which is not beside this checkout")
    found = {step.strip() for step in steps(path) if content_free(step)}
    assert found <= {
        "Let's break it down step by step!",
        "Firstly, let's break down the problem into parts to understand the process.",
        "Let's break down the problem step by step:",
        "Let's break this down step by step:",
        "### Final Answer",
    }
