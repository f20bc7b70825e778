"""POST /score with a `response`: it is split, scored as its steps would be, and answered with their spans."""

from typing import Any

import pytest
from pydantic import ValidationError

from loadtests.scripted_worker import ScriptedWorker
from stepreward.errors import ConfigurationError
from stepreward.schema import Item
from stepreward.settings import Settings
from stepreward.wiring import _splitting
from test_api import assert_is_error, post
from test_pipeline import LIMITS, item, long_item
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

QUESTION = "How many clips did Natalia sell?"
STEPS = ["In May she sold 48 / 2 = 24 clips.", "In all she sold 48 + 24 = 72 clips.", "The answer is 72."]
RESPONSE = f"\n{STEPS[0]}\n\n{STEPS[1]}\n{STEPS[2]}\n"


def scored(*items: dict[str, object], **request: object) -> list[dict[str, Any]]:
    answer = post({"items": list(items), **request})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def test_a_response_is_scored_as_its_steps_are():
    of_response, of_steps = scored(
        {"id": "a", "question": QUESTION, "response": RESPONSE}, {"id": "b", "question": QUESTION, "steps": STEPS}
    )
    assert of_response["steps"] == of_steps["steps"]
    assert of_response["aggregates"] == of_steps["aggregates"]
    assert of_steps["spans"] is None


def test_the_spans_of_the_answer_rebuild_the_response():
    [result] = scored({"question": QUESTION, "response": RESPONSE})
    slices = [RESPONSE[begin:end] for begin, end in result["spans"]]
    assert "".join(slices) == RESPONSE
    assert [one.strip() for one in slices] == STEPS


@pytest.mark.parametrize(
    ("splitter", "steps"),
    [
        ({"kind": "blank_line"}, 3),
        ({"kind": "sentence"}, 3),
        ({"kind": "step_prefix"}, 2),
        ({"kind": "tag"}, 1),
        ({"kind": "regex", "pattern": " she "}, 3),
    ],
)
def test_a_request_names_the_splitter(splitter, steps):
    [result] = scored({"question": QUESTION, "response": RESPONSE}, splitter=splitter)
    assert len(result["steps"]) == len(result["spans"]) == steps


def test_steps_and_responses_stand_side_by_side():
    results = scored(item(0), {"question": QUESTION, "response": "a\n\nb"}, item(1))
    assert [result["spans"] for result in results] == [None, [[0, 3], [3, 4]], None]


def test_an_item_that_fails_has_its_spans():
    long = long_item()["steps"]
    answer = post(
        {"items": [{"question": QUESTION, "response": "\n\n".join(long)}, item(0)]}, ScriptedWorker(context_tokens=3000)
    )
    failed, _ = answer.json()["items"]
    assert failed["failure"]["code"] == "context_overflow"
    assert len(failed["spans"]) == 3


def test_a_response_of_many_characters_is_split_too():
    items = [{"question": QUESTION, "response": f"{number}\n\n" + "x " * 1500} for number in range(40)]
    results = scored(*items, retrieval={"questions": 0, "steps": 0})
    assert [result["spans"] for result in results] == [[[0, cut], [cut, cut + 3000]] for cut in [3] * 10 + [4] * 30]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"items": [{"question": QUESTION}]}, "items[0]: give one of steps and response"),
        ({"items": [item(0, response="a")]}, "items[0]: give one of steps and response"),
        ({"items": [{"question": QUESTION, "response": " \n"}]}, "items[0].response: must not be blank"),
        ({"items": [{"question": QUESTION, "response": "a\x00"}]}, "items[0].response: character U+0000"),
        ({"items": [item(0)], "splitter": {"kind": "tag"}}, "splitter: no item has a response"),
        ({"items": [{"question": QUESTION, "response": "a"}], "splitter": {"kind": "word"}}, "splitter.kind"),
        ({"items": [{"question": QUESTION, "response": "a"}], "splitter": {}}, "splitter.kind"),
        (
            {"items": [{"question": QUESTION, "response": "a"}], "splitter": {"kind": "regex", "pattern": "("}},
            "splitter.pattern: missing )",
        ),
        (
            {"items": [{"question": QUESTION, "response": "a"}], "splitter": {"kind": "regex", "pattern": "a" * 201}},
            "splitter.pattern",
        ),
        (
            {"items": [item(0), {"question": QUESTION, "response": "a\n\n" * (LIMITS.steps + 300)}]},
            "items[1].response: splits into more than the 256 steps",
        ),
        (
            {"items": [{"question": QUESTION, "response": "a\n\n" + "b" * 20_001}]},
            "items[0].response: its step at character 3 has 20001 characters",
        ),
    ],
)
def test_what_cannot_be_split_is_refused_with_its_place(body, place):
    worker = ScriptedWorker()
    assert place in assert_is_error(post(body, worker), 422, "invalid_request")["message"]
    assert worker.requests == []


def test_an_item_has_steps_or_a_response():
    with pytest.raises(ValidationError, match="give one of steps and response"):
        Item(question=QUESTION)
    assert Item(question=QUESTION, response="a").steps == []


@pytest.mark.parametrize(
    ("splitter", "pattern", "said"), [("regex", None, "needs a pattern"), ("sentence", "x", "takes no pattern")]
)
def test_a_splitter_of_the_settings_that_cannot_be_used_is_named(splitter, pattern, said):
    with pytest.raises(ConfigurationError, match=f"STEPREWARD_SPLITTER_PATTERN: .*{said}"):
        _splitting(Settings(splitter=splitter, splitter_pattern=pattern))
