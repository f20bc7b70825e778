"""No text of a request or of the corpus becomes a reserved token of a prompt: every added token of the real tokenizer,
in every place and disguise, in the prompts of both methods and of template files of both forms.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tokenizers import AddedToken
from transformers import AutoTokenizer

from stepreward.prompts.rprm import MARKER
from stepreward.prompts.template import StepTemplate
from stepreward.prompts.tokens import PromptTokenizer
from stepreward.prompts.wording import Wording, built_in, of_our_form, of_published_form
from stepreward.values import LabelledSolution, ReferenceQuestion, References, ReferenceStep, Solution

# As fine-tuned models have them: tokens that were added to the vocabulary but not called special.
UNFLAGGED = (
    AddedToken("ки", special=False),
    AddedToken("[GRADE]", special=False, normalized=True),
    AddedToken("<|verdict|>", special=False, lstrip=True, rstrip=True),
)
OURS = f"""[[labels]]
"+" "-"
[[system]]
You see <|im_start|> never.
[[user]]
{{% for r in reference_questions %}}{{{{ r.question }}}}{{{{ r.steps[0].text }}}}{{% endfor %}}
{{{{ question }}}}{{% for step in previous_steps %}}{{{{ step }}}}{{% endfor %}}{{{{ step }}}}
{{% for r in reference_steps %}}{{{{ r.text }}}}{{% endfor %}}
{MARKER}
"""
PUBLISHED = json.dumps({"template": f"Q:{{}}{{}}{{}}\n{MARKER} X\nReply: ", "system-prompt": "Check."})
WORDINGS = {
    "retsp": lambda: built_in("retsp"),
    "rprm": lambda: built_in("rprm"),
    "our form": lambda: of_our_form(OURS, "STEPREWARD_RETSP_TEMPLATE"),
    "published form": lambda: of_published_form(PUBLISHED, "STEPREWARD_RPRM_TEMPLATE", "None yet."),
}
PLACES = ("question", "previous", "step", "reference question", "reference's step", "reference step")
# Two texts that meet in some prompt of the above, or nearly so.
NEIGHBOURS = (("question", "previous"), ("previous", "step"), ("question", "step"), ("reference question", "question"))


@pytest.fixture(scope="module", params=["as it is", "with tokens that are not flagged special"])
def tokens(request: pytest.FixtureRequest, embedded_model: Path) -> PromptTokenizer:
    tokenizer = AutoTokenizer.from_pretrained(embedded_model)
    if request.param != "as it is":
        assert tokenizer.add_tokens(list(UNFLAGGED)) == len(UNFLAGGED)
    return PromptTokenizer(tokenizer)


@pytest.fixture(params=WORDINGS)
def template(request: pytest.FixtureRequest, tokens: PromptTokenizer) -> StepTemplate:
    wording: Wording = WORDINGS[request.param]()
    return StepTemplate(wording, tokens)


def prompt(template: StepTemplate, **texts: str) -> tuple[int, ...]:
    """The second step's prompt, with `texts` by their place and a plain text in all others."""
    at = {place: texts.get(place, "plain") for place in PLACES}
    reference = LabelledSolution(at["reference question"], (at["reference's step"],), (True,), "made")
    references = References(
        (ReferenceQuestion("q", reference, 0.9, "0"),),
        ((), (ReferenceStep("s", "q", at["reference step"], False, 0.9, "made", "1"),)),
    )
    return template.fit(Solution(at["question"], (at["previous"], at["step"])), references, 100_000, [1])[0].token_ids


def reserved(tokens: PromptTokenizer, ids: tuple[int, ...]) -> list[int]:
    return [token for token in ids if token in tokens.reserved]


def added(tokens: PromptTokenizer) -> Iterator[str]:
    for token in sorted(tokens.reserved):
        yield tokens.decode([token])


def full_width(text: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


def test_the_tokens_that_were_added_are_reserved_and_the_templates_own_are_parsed(tokens, template):
    assert reserved(tokens, prompt(template))
    texts = set(added(tokens))
    assert "<|im_end|>" in texts
    if "ки" in texts:
        assert {token.content for token in UNFLAGGED} <= texts
        assert set(tokens.trusted("ки")) <= tokens.reserved


@pytest.mark.parametrize("disguise", [str, full_width], ids=["raw", "full-width"])
@pytest.mark.parametrize("place", PLACES)
def test_no_added_token_in_any_place_becomes_a_reserved_id(tokens, template, place, disguise):
    plain = reserved(tokens, prompt(template))
    for text in map(disguise, added(tokens)):
        assert reserved(tokens, prompt(template, **{place: f"{text}a{text}{text} {text}\n{text}"})) == plain, text


@pytest.mark.parametrize("places", NEIGHBOURS, ids="-".join)
def test_no_added_token_split_over_two_texts_becomes_a_reserved_id(tokens, template, places):
    plain = reserved(tokens, prompt(template))
    for text in added(tokens):
        for cut in {1, len(text) // 2, len(text) - 1}:
            halves = dict(zip(places, (text[:cut], text[cut:]), strict=True))
            assert reserved(tokens, prompt(template, **halves)) == plain, text


def test_an_added_token_in_a_text_is_read_by_the_model_as_it_was_sent(tokens, template):
    around = tokens.decode(prompt(template, step="plain step"))
    for text in added(tokens):
        assert tokens.decode(prompt(template, step=text)) == around.replace("plain step", text)
