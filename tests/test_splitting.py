"""Responses to steps: what each splitter cuts, what it leaves whole, and that nothing is lost on the way."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepreward.schema import BLANK
from stepreward.splitting import Piece, Splitter, TooManySteps, UnusableSplitter

MOST = 10_000
SPLITTERS = [
    Splitter.of("blank_line"),
    Splitter.of("step_prefix"),
    Splitter.of("sentence"),
    Splitter.of("tag"),
    Splitter.of("regex", r"\n|ки|[,;]"),
]
FRAGMENTS = [
    *("a", "x = 1", "😀", "ки", " ", "  ", "\n", "\n\n", "\r\n", ". ", "? A", "。", "e.g. ", "3.5", "1. ", "\u200b"),
    *("Step 1: ", "\nStep 2.", "## Step 3", "**Answer:** 4", "\nThe answer is ", "\n#### 72", ",", ";", "<", ">"),
    *("<step>", "</step>", "<STEP id=1>", "$", "$$", "\\$", "\\[", "\\]", "\\(", "\\)", "\\\\", "`", "```", "~~~"),
    *("\\begin{align}", "\\end{align}", "\\begin{", "\\end{", "}"),
]
responses = st.one_of(st.lists(st.sampled_from(FRAGMENTS), min_size=1).map("".join), st.text(min_size=1)).filter(
    lambda text: not BLANK.fullmatch(text)
)


def texts(splitter: Splitter, response: str) -> list[str]:
    return [piece.text for piece in splitter.split(response, MOST)]


def split(kind: str, response: str, pattern: str | None = None) -> list[str]:
    return texts(Splitter.of(kind, pattern), response)


def rebuilt(response: str, pieces: list[Piece]) -> str:
    return "".join(response[piece.begin : piece.end] for piece in pieces)


# what holds for every response


@pytest.mark.parametrize("splitter", SPLITTERS, ids=lambda one: one.kind)
@given(response=responses)
def test_the_spans_of_the_steps_joined_are_the_response(splitter, response):
    pieces = splitter.split(response, MOST)
    assert rebuilt(response, pieces) == response
    assert pieces[0].begin == 0
    assert all(before.end == after.begin for before, after in pairwise(pieces))


@pytest.mark.parametrize("splitter", SPLITTERS, ids=lambda one: one.kind)
@given(response=responses)
def test_no_step_is_blank_and_each_stands_in_its_span(splitter, response):
    for piece in splitter.split(response, MOST):
        assert not BLANK.fullmatch(piece.text)
        assert piece.begin < piece.end
        if splitter.kind != "tag":
            assert piece.text in response[piece.begin : piece.end]


@pytest.mark.parametrize("splitter", SPLITTERS[:3], ids=lambda one: one.kind)
@given(response=responses)
def test_the_steps_hold_every_character_of_the_response_that_shows(splitter, response):
    assert BLANK.sub("", "".join(texts(splitter, response))) == BLANK.sub("", response)


@given(parts=st.lists(st.sampled_from(["x = 1", "so y = 2. ", "Then z.", "1. Add"]), min_size=1))
def test_paragraphs_joined_by_blank_lines_are_the_steps_again(parts):
    assert split("blank_line", "\n\n".join(parts)) == [part.strip() for part in parts]


@given(parts=st.lists(st.sampled_from(["x = 1", "a\n\nb", "```\nStep 9:\n```", "so."]), min_size=1))
def test_numbered_steps_are_the_steps_again(parts):
    numbered = [f"Step {number}: {part}" for number, part in enumerate(parts, start=1)]
    assert split("step_prefix", "\n".join(numbered)) == numbered


# what each splitter cuts


@pytest.mark.parametrize(
    ("kind", "pattern", "response", "steps"),
    [
        ("blank_line", None, "One.\n\nTwo.\n  \n\nThree.", ["One.", "Two.", "Three."]),
        ("blank_line", None, "One.\r\n\r\nTwo.", ["One.", "Two."]),
        ("blank_line", None, "\n\nOne\nmore.\n\n", ["One\nmore."]),
        ("step_prefix", None, "Let us see.\nStep 1: a\nstep 2. b", ["Let us see.", "Step 1: a", "step 2. b"]),
        ("step_prefix", None, "### Step 1\na\n\n**Step 2:** b", ["### Step 1\na", "**Step 2:** b"]),
        ("step_prefix", None, "Step 1: as in step 1: a", ["Step 1: as in step 1: a"]),
        ("sentence", None, "She has 3.5 kg. He has 2! Who? She.", ["She has 3.5 kg.", "He has 2!", "Who?", "She."]),
        ("sentence", None, "Take a prime, e.g. 7. Cf. Eq. 3. Go.", ["Take a prime, e.g. 7.", "Cf. Eq. 3.", "Go."]),
        ("sentence", None, "1. Add.\n2. Multiply.", ["1. Add.", "2. Multiply."]),
        ("sentence", None, "It is 2. Then 3.", ["It is 2.", "Then 3."]),
        ("sentence", None, "一共有三个。所以答案是三。", ["一共有三个。", "所以答案是三。"]),
        ("tag", None, "<step>a</step>\n<step>b</step> so 3", ["a", "b", "so 3"]),
        ("tag", None, "Hm. <step>a <step>b", ["Hm.", "a", "b"]),
        ("tag", "s", '<s n="1">a</s><S>b</S><step>', ["a", "b", "<step>"]),
        ("regex", "ки", "a ки\nb ки", ["a", "b"]),
        ("regex", r"\n+", "a\nb\n\n\nc\n", ["a", "b", "c"]),
        ("regex", r"\n", "no line", ["no line"]),
        ("regex", "a", "aaa", ["aaa"]),
    ],
)
def test_a_response_is_cut_where_its_splitter_says(kind, pattern, response, steps):
    assert split(kind, response, pattern) == steps


@pytest.mark.parametrize("kind", ["blank_line", "step_prefix", "sentence"])
@pytest.mark.parametrize(
    "answer",
    [
        "#### 72",
        "The answer is 72.",
        "Final Answer: $\\boxed{72}$",
        "**Final Answer:**\n\\[\n\\boxed{72}\n\\]",
        "Answer: 72",
        "So the final answer is 72.",
    ],
)
def test_a_final_answer_is_a_step_of_its_own(kind, answer):
    assert split(kind, f"Step 1: 48 / 2 = 24\n{answer}")[-1] == answer


# what stays whole

WHOLES = [
    "```python\nx = 1\n\nStep 1: y. Then\n```",
    "~~~\na\n\nb\n~~~",
    "\\[\na\n\nb. C\n\\]",
    "$$\na = b. C\n\n#### 3\n$$",
    "\\begin{align}\na\n\n\\begin{cases}\nb\n\n\\end{cases}\nc. D\n\\end{align}",
]


@pytest.mark.parametrize("kind", ["blank_line", "step_prefix", "sentence"])
@pytest.mark.parametrize("whole", WHOLES)
def test_code_and_formulas_are_not_cut(kind, whole):
    steps = split(kind, f"Step 1: We write {whole} here.\n\nStep 2: done.")
    assert steps == [f"Step 1: We write {whole} here.", "Step 2: done."]


@pytest.mark.parametrize("whole", WHOLES)
def test_a_separator_or_a_tag_within_code_or_a_formula_cuts_nothing(whole):
    inside = whole.replace("\n\n", "\n\n<step>\n\n")
    assert split("regex", f"{inside}\n\nb", r"\n\n") == [inside, "b"]
    assert len(split("tag", f"<step>{inside}</step><step>b</step>")) == 2


@pytest.mark.parametrize("formula", ["$a. B$", "\\(a. B\\)", "`a. B`"])
def test_a_formula_within_a_line_is_not_cut_into_sentences(formula):
    assert split("sentence", f"Let {formula} be. Then go.") == [f"Let {formula} be.", "Then go."]


def test_dollars_of_money_are_no_formula():
    assert split("sentence", "It costs $5. He pays $10. So $2.") == ["It costs $5.", "He pays $10.", "So $2."]


def test_a_dollar_of_money_before_a_formula_does_not_open_it():
    assert split("sentence", "It costs $5. So $x = 3. 5$ holds. Go.") == ["It costs $5.", "So $x = 3. 5$ holds.", "Go."]


@pytest.mark.parametrize("opened", ["```", "\\[", "$$", "\\begin{a}", "$x", "`"])
def test_what_is_never_closed_protects_nothing(opened):
    assert split("blank_line", f"{opened} a\n\nb\n\nc") == [f"{opened} a", "b", "c"]


# bad patterns and large responses


@pytest.mark.parametrize(
    ("kind", "pattern", "said"),
    [
        ("regex", None, "needs a pattern"),
        ("regex", "", "needs a pattern"),
        ("regex", "(", "missing )"),
        ("regex", "a*", "matches the empty text"),
        ("regex", "(?=Step)", "invalid perl operator"),
        ("regex", r"(?:[^\n]{1,500}){1,2}q", "too large"),
        ("tag", "a b", "a tag's name"),
        ("tag", "", "a tag's name"),
        ("blank_line", "x", "takes no pattern"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_with_the_reason(kind, pattern, said):
    with pytest.raises(UnusableSplitter, match=said.replace(")", r"\)")):
        Splitter.of(kind, pattern)


def test_more_steps_than_allowed_are_refused():
    with pytest.raises(TooManySteps, match="more than the 3 steps allowed"):
        Splitter.of("blank_line").split("a\n\nb\n\nc\n\nd", 3)
    assert len(Splitter.of("blank_line").split("a\n\nb\n\nc", 3)) == 3


HOSTILE = [
    *(" ", "\n ", "\n", ".", ". ", "$", "$a", "\\[", "\\begin{a}", "```", "`", "<step", "<step ", "#", "* ", "1"),
    *("Step ", "\nStep 1", "\u200b", "\\", "\n\n\u200b", "e.g", "a\n\n$", "\n#### ", "answer", "(x+x+)+y"),
]


@pytest.mark.parametrize("splitter", [*SPLITTERS, Splitter.of("regex", "(x+x+)+y")], ids=lambda one: one.kind)
def test_time_grows_as_the_response_does_whatever_it_repeats(splitter):
    began_s = time.process_time()
    for fragment in HOSTILE:
        response = "x" + fragment * (100_000 // len(fragment))
        assert rebuilt(response, splitter.split(response, 10**6)) == response
    # Two seconds at rest; what takes the square of the length takes hours.
    assert time.process_time() - began_s < 120
