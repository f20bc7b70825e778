"""Template files of both forms: what they give, and what is said at start of one that is wrong."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.scripted_worker import byte_tokenizer
from stepreward.embedded.serve import check
from stepreward.errors import ConfigurationError
from stepreward.prompts import retsp, rprm
from stepreward.prompts.retsp import RetSP
from stepreward.prompts.rprm import MARKER, RPRM
from stepreward.prompts.template import StepTemplate
from stepreward.prompts.tokens import Holes, Untrusted
from stepreward.prompts.wording import Chosen, Wording, of_published_form
from stepreward.settings import Settings
from stepreward.values import LabelledSolution, ReferenceQuestion, References, ReferenceStep, Solution

ROOMY = 100_000
FIRST = "Nothing came before."
PUBLISHED = f"Look hard at the Now Step.\n\nQ: {{}}\nBefore: {{}}\nNow: {{}}\nClose with: {MARKER} X\nReply: "
OURS = f"[[system]]\nGrade.\n[[user]]\n{{{{ question }}}} / {{{{ step }}}}\n{MARKER} X\n"
REFERENCED = (
    "{% for r in reference_questions %}R: {{ r.question }}{% endfor %}"
    "{% for r in reference_steps %}S: {{ r.text }}{% endfor %}"
)
SOLUTION = Solution("What is 2 + 3?", ("2 + 3 is 5.", "So it is 5.", "Done: 5."))
REFERENCES = References(
    (ReferenceQuestion("q", LabelledSolution("What is 1 + 1?", ("2",), (True,), "made"), 0.9, "0"),),
    ((ReferenceStep("s", "q", "1 + 1 = 2", True, 0.9, "made", "1"),),) * 3,
)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def published(template: str = PUBLISHED, **further: object) -> str:
    return json.dumps({"examples": [], "template": template, **further})


def texts(words: Wording, solution: Solution = SOLUTION, references: References | None = None) -> list[str]:
    tokens = byte_tokenizer()
    found = references or References((), ((),) * len(solution.steps))
    prompts = StepTemplate(words, tokens).fit(solution, found, ROOMY)
    return [tokens.decode(prompt.token_ids) for prompt in prompts]


def chat(user: str, system: str = "") -> str:
    turn = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
    return f"{turn}<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"


# the published form


def test_the_published_form_holds_question_previous_steps_a_line_each_and_now_step(write):
    words = rprm.wording(write("p.json", published()), FIRST)
    assert texts(words)[2] == chat(PUBLISHED.format("What is 2 + 3?", "2 + 3 is 5.\nSo it is 5.", "Done: 5."))


def test_the_first_step_of_the_published_form_has_the_phrase_in_the_place_of_previous_steps(write):
    words = rprm.wording(write("p.json", published()), FIRST)
    assert texts(words)[0] == chat(PUBLISHED.format("What is 2 + 3?", FIRST, "2 + 3 is 5."))


def test_the_published_form_may_bring_a_system_prompt(write):
    words = rprm.wording(write("p.json", published(**{"system-prompt": "You check."})), FIRST)
    assert texts(words)[0].startswith("<|im_start|>system\nYou check.<|im_end|>\n<|im_start|>user\nLook hard")


def test_braces_that_stand_twice_in_the_published_form_are_one_each(write):
    words = rprm.wording(write("p.json", published("\\boxed{{x}} " + PUBLISHED)), FIRST)
    assert texts(words)[0].startswith("<|im_start|>user\n\\boxed{x} Look hard")


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.sampled_from("{}\ue000\ue0010 a<|im_end|>\\n\n"), min_size=1, max_size=20))
def test_no_text_in_a_hole_of_the_published_form_changes_anything_around_it(text):
    words = of_published_form(published(), "STEPREWARD_RPRM_TEMPLATE", FIRST)
    holes = Holes()
    segments = holes.segments(words.render(Solution(text, (text, text)), 1, Chosen((), ()), holes))
    assert [segment for segment in segments if isinstance(segment, Untrusted)] == [Untrusted(f" {text}")] * 3
    joined = "".join(s.text if isinstance(s, Untrusted) else s for s in segments)
    head, before, now, tail = PUBLISHED.split("{}")
    assert joined == head + text + before + text + now + text + tail


def test_the_version_of_the_published_form_follows_file_and_phrase(write):
    path, other = write("p.json", published()), write("o.json", published(PUBLISHED + " "))
    shas = [rprm.wording(path, FIRST).sha256, rprm.wording(path, "None.").sha256, rprm.wording(other, FIRST).sha256]
    assert len(set(shas)) == 3
    tokens = byte_tokenizer()
    judge = RPRM(StepTemplate(rprm.wording(path, FIRST), tokens), tokens, ROOMY, 64)
    assert judge.version == f"rprm-{shas[0][:12]}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "JSON"),
        ("[]", "JSON"),
        ("{}", "template: "),
        (json.dumps({"template": 3}), "template: "),
        (published(prompt="x"), "prompt: "),
        (published(examples=[{"question": "a", "answer": "b"}]), "examples: "),
        (published("Q: {}\nNow: {}\n" + MARKER), "three times"),
        (published(PUBLISHED + "\\boxed{}"), "three times"),
        (published(PUBLISHED.replace("{}", "{question}", 1)), "three times"),
        (published(PUBLISHED + "{"), "stands twice"),
        (published(PUBLISHED + "}"), "stands twice"),
        (published(PUBLISHED.replace(MARKER, "Verdict?")), "marker"),
    ],
)
def test_a_file_that_is_not_of_the_published_form_names_the_setting_and_what_is_wrong(write, text, said):
    with pytest.raises(ConfigurationError, match="STEPREWARD_RPRM_TEMPLATE") as caught:
        rprm.wording(write("p.json", text), FIRST)
    assert said in caught.value.message


def test_the_published_form_needs_its_phrase_for_a_first_step(write):
    with pytest.raises(ConfigurationError, match="STEPREWARD_RPRM_NO_PREVIOUS_STEPS"):
        rprm.wording(write("p.json", published()), None)


@pytest.mark.parametrize("text", [OURS, None])
def test_the_phrase_is_refused_where_nothing_would_show_it(write, text):
    path = write("p.txt", text) if text else None
    with pytest.raises(ConfigurationError, match="STEPREWARD_RPRM_NO_PREVIOUS_STEPS"):
        rprm.wording(path, FIRST)


# our form


def test_a_file_of_our_form_is_the_prompt_of_both_methods(write):
    expected = chat(f"What is 2 + 3? / 2 + 3 is 5.\n{MARKER} X", "Grade.")
    assert texts(rprm.wording(write("p.txt", OURS), None))[0] == expected
    assert texts(retsp.wording(write("p.txt", OURS)))[0] == expected


@pytest.mark.parametrize("system", ["", "\n", "  \n\n"])
def test_an_empty_system_part_is_no_system_turn(write, system):
    text = OURS.replace("Grade.\n", system)
    assert texts(rprm.wording(write("p.txt", text), None))[0].startswith("<|im_start|>user\nWhat")


def test_numbers_and_joints_of_previous_steps_are_as_the_file_says(write):
    text = OURS.replace(
        "{{ step }}", "{% for s in previous_steps %}<{{ loop.index0 }}> {{ s }};{% else %}-{% endfor %} {{ step }}"
    )
    words = retsp.wording(write("p.txt", text))
    assert "/ - 2 + 3 is 5." in texts(words)[0]
    assert "/ <0> 2 + 3 is 5.;<1> So it is 5.; Done" in texts(words)[2]


def test_a_marker_and_labels_of_the_file_are_the_ones_that_are_read(write):
    text = f'[[marker]]\nFinal grade:\n[[labels]]\n" Yes" "+"\n{OURS}Then write Final grade: Yes or +.\n'
    tokens = byte_tokenizer()
    judge = RPRM(StepTemplate(rprm.wording(write("p.txt", text), None), tokens), tokens, ROOMY, 64)
    assert judge.marker == "Final grade:"
    assert [tokens.decode([label]) for label in judge.labels] == [" Yes", "+"]
    ids, forced = judge.verdict_prompt((), tokens.trusted(f"{MARKER} No\nFinal grade: Yes"))
    assert (tokens.decode(ids), forced) == (f"{MARKER} No\nFinal grade:", False)
    ids, forced = judge.verdict_prompt((), tokens.trusted(f"{MARKER} No"))
    assert (tokens.decode(ids), forced) == (f"{MARKER} No\n\nFinal grade:", True)


def test_labels_of_a_retsp_file_are_the_ones_that_are_read(write):
    tokens = byte_tokenizer()
    words = retsp.wording(write("p.txt", f'[[labels]]\n" Yes" " No"\n{OURS}'))
    assert [tokens.decode([label]) for label in RetSP(StepTemplate(words, tokens), tokens, ROOMY).labels] == [
        " Yes",
        " No",
    ]


@pytest.mark.parametrize("labels", ['" Yes" "Perhaps"', '"Perhaps" " No"', '"+" "+"'])
@pytest.mark.parametrize("name", ["retsp", "rprm"])
def test_labels_that_are_not_two_single_tokens_name_the_setting(write, name, labels):
    tokens, path = byte_tokenizer(), write("p.txt", f"[[labels]]\n{labels}\n{OURS}")
    words = retsp.wording(path) if name == "retsp" else rprm.wording(path, None)
    with pytest.raises(ConfigurationError, match=rf"STEPREWARD_{name.upper()}_TEMPLATE: \[\[labels\]\]"):
        StepTemplate(words, tokens).labels("+", "-")


@pytest.mark.parametrize("labels", ["Yes No", '" Yes"', '"" "-"', '" Yes" " No" " Perhaps"'])
def test_a_label_line_of_another_form_names_the_setting(write, labels):
    with pytest.raises(ConfigurationError, match=r"STEPREWARD_RETSP_TEMPLATE.*\[\[labels\]\]"):
        retsp.wording(write("p.txt", f"[[labels]]\n{labels}\n{OURS}"))


def test_a_retsp_file_with_a_marker_is_refused_because_nothing_would_read_it(write):
    with pytest.raises(ConfigurationError, match=r"STEPREWARD_RETSP_TEMPLATE: \[\[marker\]\]"):
        retsp.wording(write("p.txt", f"[[marker]]\n{MARKER}\n{OURS}"))


@pytest.mark.parametrize("text", [OURS.replace(MARKER, "Verdict:"), f"[[marker]]\nVerdict:\n{OURS}"])
def test_an_rprm_file_that_does_not_ask_for_the_marker_names_the_setting(write, text):
    with pytest.raises(ConfigurationError, match=r"STEPREWARD_RPRM_TEMPLATE.*\[\[marker\]\]"):
        rprm.wording(write("p.txt", text), None)


@pytest.mark.parametrize("name", ["question", "step"])
def test_a_file_that_shows_no_question_or_no_step_is_refused(write, name):
    with pytest.raises(ConfigurationError, match=f"STEPREWARD_RETSP_TEMPLATE: template: shows no {name}"):
        retsp.wording(write("p.txt", OURS.replace(f"{{{{ {name} }}}}", "")))


@pytest.mark.parametrize("read", [retsp.wording, lambda path: rprm.wording(path, None)])
def test_a_file_that_cannot_be_read_names_the_setting_and_the_file(tmp_path, read):
    latin = tmp_path / "latin.txt"
    latin.write_bytes(OURS.replace("Grade", "Grüße").encode("latin-1"))
    for path in (tmp_path / "missing.txt", tmp_path, latin):
        with pytest.raises(ConfigurationError, match=r"STEPREWARD_R[A-Z]+_TEMPLATE") as caught:
            read(path)
        assert str(path) in caught.value.message


def test_the_version_of_a_file_is_the_hash_of_its_bytes(write):
    words = retsp.wording(write("p.txt", OURS))
    assert words.sha256 == hashlib.sha256(OURS.encode()).hexdigest()
    assert RetSP(StepTemplate(words, byte_tokenizer()), byte_tokenizer(), ROOMY).version == f"retsp-{words.sha256[:12]}"


def test_the_file_in_the_documentation_is_one(write):
    page = (Path(__file__).parents[1] / "docs" / "checkpoints.md").read_text(encoding="utf-8")
    example = "[[marker]]" + page.split("```\n[[marker]]")[1].split("```")[0]
    first, *_, last = texts(rprm.wording(write("p.txt", example), None))
    assert "No step before.\nStep 1: 2 + 3 is 5.\n" in first
    assert "Step 2: So it is 5.\nStep 3: Done: 5.\n" in last


# references


@pytest.mark.parametrize(
    ("name", "text", "held"),
    [
        ("p.txt", OURS, (0, 0)),
        ("p.txt", OURS + REFERENCED, (1, 1)),
        ("p.txt", OURS + "{% for r in reference_steps %}{{ r.text }}{% endfor %}", (0, 1)),
        ("p.txt", OURS + "{% if reference_steps %}There are some.{% endif %}", (0, 0)),
        ("p.json", published(), (0, 0)),
    ],
)
def test_a_prompt_counts_only_references_that_its_file_has_a_place_for(write, name, text, held):
    words = rprm.wording(write(name, text), FIRST if name == "p.json" else None)
    for prompt in StepTemplate(words, byte_tokenizer()).fit(SOLUTION, REFERENCES, ROOMY):
        assert (prompt.questions, prompt.steps) == held


# at start


@pytest.mark.parametrize("setting", ["retsp_template", "rprm_template"])
def test_serve_refuses_a_wrong_file_before_it_starts_anything(tmp_path, setting):
    path = tmp_path / "p.txt"
    path.write_text("Grade this.", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"STEPREWARD_{setting.upper()}: needs the lines"):
        check(Settings(data_dir=tmp_path / "data", **{setting: path}))
    assert not (tmp_path / "data").exists()
