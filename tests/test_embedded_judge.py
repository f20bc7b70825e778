"""The judge that ships, on right and wrong versions of steps, of questions that it never saw."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from stepreward.corpus.readers.rows import file_rows
from stepreward.evaluation.labelled import LabelledItem
from stepreward.evaluation.pairs import Pair
from stepreward.files import BadRow
from stepreward.prompts.retsp import RetSP, wording
from stepreward.prompts.template import StepTemplate
from stepreward.prompts.tokens import PromptTokenizer
from stepreward.settings import JUDGE
from stepreward.training.groups import grouped, is_held_out
from stepreward.training.gsm8k.marks import MarkedAnswer
from stepreward.training.gsm8k.solutions import solutions
from stepreward.training.learner import SCORES_ONLY, Learner
from stepreward.training.packing import Example, divided, pack
from stepreward.training.versions import versions
from stepreward.values import References, Solution

GSM8K = Path(__file__).parents[2] / "shared" / "data" / "gsm8k_train.jsonl.gz"
# What `train data` held out for the judge's training: a twentieth of the questions, by this seed.
HELD_OUT, SEED = 0.05, 11
ERRORS_SEED = 1
PAIRS = 200
PACK_TOKENS = 768


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two that wait for each other take minutes on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_the_judge_orders_four_in_five_right_and_wrong_versions_of_a_step(embedded_model: Path) -> None:
    if not GSM8K.exists():
        pytest.skip("needs ../shared/data/gsm8k_train.jsonl.gz, which is not beside this checkout")
    tokenizer = PromptTokenizer.load(str(embedded_model))
    grader = RetSP(StepTemplate(wording(JUDGE / "retsp.txt"), tokenizer), tokenizer, 4096)
    learner = Learner.create(str(embedded_model), SCORES_ONLY, device="cpu", adapter=JUDGE, seed=0)
    pairs = unseen()
    assert len(pairs) == PAIRS
    prompts = [example(version, grader) for pair in pairs for version in (pair.right, pair.wrong)]
    packs = [pack(part) for part in divided(prompts, PACK_TOKENS)]
    scores = [score for of_pack in learner.scores(packs) for score in of_pack]
    ordered = sum(right > wrong for right, wrong in zip(scores[::2], scores[1::2], strict=True))
    assert ordered >= 0.8 * PAIRS


def unseen() -> list[Pair]:
    """Of questions that were held out, with errors drawn anew: one of each question."""
    found = []
    for row in file_rows(GSM8K):
        assert not isinstance(row, BadRow)
        assert isinstance(row.value, dict)
        question, answer = row.value["question"], row.value["answer"]
        if is_held_out(question, HELD_OUT, SEED):
            found += list(solutions(question, MarkedAnswer.parse(answer), ERRORS_SEED))
    return versions(grouped(found, 1.0, 0)[0], ERRORS_SEED)[:PAIRS]


def example(item: LabelledItem, grader: RetSP) -> Example:
    nothing = References((), ((),) * len(item.steps))
    [prompt] = grader.render(Solution(item.question, item.steps), nothing, [len(item.steps) - 1])
    return Example(prompt.token_ids, bool(item.labels[-1]), grader.labels)
