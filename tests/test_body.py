"""Bytes to a checked request: what is taken is taken unchanged; what is refused is refused briefly, with its place."""

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from stepreward.body import Limits, parse, read_request, structure
from stepreward.concurrency import Turns
from stepreward.errors import BodyTooLarge, InvalidRequest, MalformedBody, RequestError, UnsupportedEncoding
from stepreward.schema import ErrorBody, ScoreRequest

LIMITS = Limits(body_bytes=4096, items=4, steps=8, text_chars=100)
WIDE = Limits(body_bytes=32 * 2**20, items=4096, steps=256, text_chars=20_000)
QUESTION = "Natalia sold clips to 48 friends."
STEPS = ["In May she sold 24 clips.", "Altogether she sold 72 clips."]
CONTROLS = [code for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\r"]
BIDI = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
# White space that is no control character, of any script.
SPACES = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace() and code not in CONTROLS]


def item(**fields: object) -> dict[str, object]:
    return {"question": QUESTION, "steps": STEPS, **fields}


def body(**fields: object) -> bytes:
    return orjson.dumps({"items": [item()], **fields})


def with_literal(literal: bytes) -> bytes:
    """A body whose question is this JSON text."""
    return b'{"items":[{"question":' + literal + b',"steps":["a"]}]}'


def message_of(error: RequestError) -> str:
    """Its message, once the whole answer has been seen to be short and to hold nothing of the texts sent."""
    answer = ErrorBody(code=error.code, message=error.message, retryable=error.retryable, request_id="f" * 32)
    assert len(orjson.dumps(answer.model_dump())) <= 1000
    assert 400 <= error.status < 500
    assert not error.retryable
    assert not any(word in error.message for word in ("Natalia", "clips", "Altogether"))
    return error.message


def refusal(content: bytes, error: type[RequestError], limits: Limits = WIDE) -> str:
    with pytest.raises(RequestError) as caught:
        parse(content, limits)
    assert type(caught.value) is error
    return message_of(caught.value)


class Sent:
    """A request as it arrives: headers, and chunks that are counted as they are drawn."""

    def __init__(self, chunks: Iterable[bytes], headers: Mapping[str, str] | None = None) -> None:
        self._chunks = chunks
        self._headers = Headers({"content-type": "application/json", **(headers or {})})
        self.drawn = 0

    def read(self, limits: Limits = LIMITS) -> ScoreRequest:
        return asyncio.run(read_request(self._headers, self._stream(), limits, Turns()))

    def refusal(self, error: type[RequestError], limits: Limits = LIMITS) -> str:
        with pytest.raises(RequestError) as caught:
            self.read(limits)
        assert type(caught.value) is error
        return message_of(caught.value)

    async def _stream(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            self.drawn += 1
            yield chunk


# what is taken


READABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n\r"), min_size=1, max_size=30)
# Ends in a letter: there are characters beside white space that show nothing.
TEXT = READABLE.filter(lambda text: not any(ord(char) in BIDI for char in text)).map(lambda text: text + "a")
REQUESTS = st.fixed_dictionaries(
    {
        "items": st.lists(
            st.fixed_dictionaries(
                {"question": TEXT, "steps": st.lists(TEXT, min_size=1, max_size=4)}, optional={"id": TEXT}
            ),
            min_size=1,
            max_size=3,
        )
    },
    optional={
        "method": st.sampled_from(["retsp", "rprm", None]),
        "trajectories": st.fixed_dictionaries({}, optional={"k": st.integers(1, 64), "policy": st.just("fixed")}),
        "retrieval": st.fixed_dictionaries(
            {},
            optional={
                "questions": st.integers(0, 16),
                "steps": st.integers(0, 16),
                "min_similarity": st.floats(-1, 1) | st.integers(-1, 1),
                "mode": st.sampled_from(["retrieved", "none", "question_only", "step_only", "random", None]),
                "exclude_duplicates": st.booleans() | st.none(),
            },
        ),
        "aggregate": st.sampled_from(["min", "prod", "mean", "last"]),
        "seed": st.integers(0, 2**63 - 1),
        "include": st.lists(st.sampled_from(["references", "trajectories", "usage"]), unique=True),
    },
)


@given(document=REQUESTS, escaped=st.booleans())
def test_a_valid_request_is_taken_and_nothing_in_it_is_altered(document, escaped):
    content = json.dumps(document).encode() if escaped else orjson.dumps(document)
    taken = parse(content, WIDE)
    assert taken.model_dump(exclude_unset=True) == document
    assert [given.question for given in taken.items] == [sent["question"] for sent in document["items"]]


@pytest.mark.parametrize(
    "text", ["  a  ", "\ta\n", "a\r\nb", "e\u0301 \u00e9", "\uff0b", "<|im_end|>", "a\u200db", "\\u0000"]
)
def test_no_text_is_trimmed_or_normalised(text):
    taken = parse(body(items=[item(question=text, steps=[text])]), WIDE)
    assert (taken.items[0].question, taken.items[0].steps) == (text, [text])


def test_what_is_left_out_has_the_documented_defaults():
    taken = parse(body(), WIDE)
    assert (taken.method, taken.aggregate, taken.seed, taken.include) == (None, "min", 0, [])


@pytest.mark.parametrize(
    "fields",
    [
        {"items": [item()] * 4},
        {"items": [item(steps=["a"] * 8)]},
        {"items": [item(question="x" * 100, steps=["é" * 100])]},
        {"items": [item(id="x" * 256)]},
    ],
)
def test_a_request_exactly_at_a_limit_is_taken(fields):
    assert parse(body(**fields), LIMITS)


# unknown fields


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"deadline_s": 30}, "deadline_s"),
        ({"deadline": 3}, "deadline"),
        ({"priority": "urgent"}, "priority"),
        ({"items": [item(solution="Natalia sold clips")]}, "items[0].solution"),
        ({"items": [item(), item(label=1)]}, "items[1].label"),
        ({"trajectories": {"n": 3}}, "trajectories.n"),
        ({"retrieval": {"reranker": "lexical"}}, "retrieval.reranker"),
        ({"": 1}, "body"),
    ],
)
def test_an_unknown_field_is_refused_by_its_place(fields, place):
    assert refusal(body(**fields), InvalidRequest).startswith(f"{place}: ")


@pytest.mark.parametrize("char", ["x", "\U0001d4b3", '"', "\\", "\u202e", "\n", "."])
def test_an_unknown_field_with_a_long_name_is_named_by_its_beginning(char):
    name = char * 10_000
    assert name[:300] not in refusal(body(**{name: 1}), InvalidRequest)
    assert "items[0]" in refusal(body(items=[item(**{name: 1})]), InvalidRequest)


def test_the_name_of_an_unknown_field_cannot_write_control_characters_into_the_message():
    assert refusal(body(**{"a\u202e\n\x1b[31mb": 1}), InvalidRequest).startswith("a???[31mb: ")


@pytest.mark.parametrize(
    "content",
    [
        b'{"items":[],"items":[{"question":"q","steps":["a"]}]}',
        b'{"items":[{"question":"q","question":"r","steps":["a"]}]}',
        b'{"items":[{"question":"q","steps":["a"],"steps":["b"]}]}',
        b'{"items":[{"question":"q","steps":["a"]}],"seed":1,"seed":2}',
    ],
)
def test_a_field_that_stands_twice_is_refused(content):
    refusal(content, InvalidRequest)


# empty, blank, missing


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"items": []}, "items"),
        ({"items": [item(steps=[])]}, "items[0].steps"),
        ({"items": [item(), item(steps=[])]}, "items[1].steps"),
        ({"items": [item(question="")]}, "items[0].question"),
        ({"items": [item(steps=["a", ""])]}, "items[0].steps[1]"),
        ({"items": [item(id="")]}, "items[0].id"),
        ({"items": [{"steps": STEPS}]}, "items[0].question"),
        ({"items": [{"question": QUESTION}]}, "items[0]"),
        ({"items": [{}]}, "items[0].question"),
    ],
)
def test_what_is_empty_or_missing_is_refused_by_its_place(fields, place):
    assert refusal(body(**fields), InvalidRequest).startswith(f"{place}: ")


def test_a_body_without_items_is_refused_by_its_place():
    assert refusal(b"{}", InvalidRequest).startswith("items: ")


@pytest.mark.parametrize("blank", [*SPACES, "".join(SPACES), " \t\r\n " * 20])
def test_a_text_of_white_space_of_any_script_is_blank(blank):
    assert refusal(body(items=[item(question=blank)]), InvalidRequest) == "items[0].question: must not be blank"
    assert refusal(body(items=[item(steps=["a", blank])]), InvalidRequest) == "items[0].steps[1]: must not be blank"


# limits


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"items": [item()] * 5}, "items"),
        ({"items": [item(), item(steps=["a"] * 9)]}, "items[1].steps"),
        ({"items": [item(question="x" * 101)]}, "items[0].question"),
        ({"items": [item(), item(steps=["a", "é" * 101])]}, "items[1].steps[1]"),
    ],
)
def test_what_is_over_a_limit_is_refused_by_its_place_with_both_numbers(fields, place):
    message = refusal(body(**fields), InvalidRequest, LIMITS)
    assert re.match(rf"{re.escape(place)}: (\d+) .*than the (\d+) allowed$", message)


def test_ten_thousand_steps_are_refused():
    message = refusal(body(items=[item(steps=["a"] * 10_000)]), InvalidRequest)
    assert message.startswith("items[0].steps: 10000 ")


def test_a_step_of_a_million_characters_is_refused():
    message = refusal(body(items=[item(steps=["a", "clips " * 170_000])]), InvalidRequest)
    assert message.startswith("items[0].steps[1]: 1020000 characters")


def test_an_id_over_its_length_is_refused_by_its_place():
    assert refusal(body(items=[item(id="clips" * 52)]), InvalidRequest).startswith("items[0].id: ")


# unreadable characters


@pytest.mark.parametrize("code", [*CONTROLS, *BIDI], ids=lambda code: f"U+{code:04X}")
def test_a_control_or_bidirectional_character_is_refused_by_its_place_and_code_point(code):
    text = f"In {chr(code)}May"
    expected = f"character U+{code:04X} at position 3 is not allowed"
    assert refusal(body(items=[item(question=text)]), InvalidRequest) == f"items[0].question: {expected}"
    assert refusal(body(items=[item(steps=["a", text])]), InvalidRequest) == f"items[0].steps[1]: {expected}"


@pytest.mark.parametrize("code", [0x00, 0x1B, 0x7F, 0x85, 0x202E, 0x2066], ids=lambda code: f"U+{code:04X}")
def test_a_control_or_bidirectional_character_in_an_id_is_refused_by_its_place(code):
    assert refusal(body(items=[item(id=f"a{chr(code)}")]), InvalidRequest).startswith("items[0].id: ")


@pytest.mark.parametrize("literal", [b'"a\x00b"', b'"a\nb"', b'"a\x1bb"'])
def test_a_raw_control_character_is_not_json(literal):
    assert "character 24" in refusal(with_literal(literal), MalformedBody)


# what is not JSON


@pytest.mark.parametrize("literal", [rb'"ab\ud800"', rb'"ab\udc00"', rb'"ab\ud800\ud800"', rb'"ab\udc00\ud800"'])
def test_a_lone_surrogate_is_not_json_and_its_place_is_told(literal):
    found = re.search(r"at character (\d+)$", refusal(with_literal(literal), MalformedBody))
    assert 22 <= int(found[1]) <= 22 + len(literal)


def test_a_pair_of_surrogates_is_one_character():
    assert parse(with_literal(rb'"\ud83d\ude00"'), WIDE).items[0].question == "\U0001f600"


BAD_UTF8 = [b"\xff", b"\xc3\x28", b"\xc0\xaf", b"\xed\xa0\x80", b"\xe2\x82", b"\xe9t\xe9", b"\xf5\x80\x80\x80", b"\x80"]


@pytest.mark.parametrize("sequence", BAD_UTF8)
def test_bad_utf8_is_refused(sequence):
    refusal(with_literal(b'"ab' + sequence + b'"'), MalformedBody)


@pytest.mark.parametrize("sequence", BAD_UTF8)
def test_the_place_of_bad_utf8_is_told(sequence):
    message = refusal(with_literal(b'"ab' + sequence + b'"'), MalformedBody)
    found = re.search(r"at (?:character|byte) (\d+)", message)
    assert 24 <= int(found[1]) <= 26


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_another_encoding_or_a_byte_order_mark_is_refused(encoding):
    refusal(body().decode().encode(encoding), MalformedBody)


@pytest.mark.parametrize("number", [b"NaN", b"nan", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"9" * 5000, b"01"])
@pytest.mark.parametrize("field", [b"seed", b"retrieval"])
def test_a_number_that_json_has_not_is_refused_at_its_place(field, number):
    value = number if field == b"seed" else b'{"min_similarity":' + number + b"}"
    content = b'{"items":[{"question":"q","steps":["a"]}],"' + field + b'":' + value + b"}"
    message = refusal(content, MalformedBody)
    start = content.index(number, content.index(field))
    assert start <= int(re.search(r"at character (\d+)$", message)[1]) <= start + len(number)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b"not json",
        b"{'items':[]}",
        b'{"items":[],}',
        b'{"items":[]}{}',
        b'{"items":[]} x',
        b"// c\n{}",
        b"\x1f\x8b\x08\x00",
    ],
)
def test_what_is_not_json_is_refused(content):
    assert "not JSON" in refusal(content, MalformedBody)


@given(end=st.integers(0, len(body()) - 1))
def test_json_cut_off_anywhere_is_refused(end):
    refusal(body()[:end], MalformedBody)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"items":', b'{"items":[{"question":', b'{"items":[{"steps":['])
@pytest.mark.parametrize("depth", [100_000, 1_000_000])
def test_deep_nesting_is_refused(opening, depth):
    refusal(opening * depth, MalformedBody)


@pytest.mark.parametrize("depth", [1, 10, 100, 500, 900, 950, 1000, 1020, 1023, 1024, 1025, 5000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_that_is_closed_is_refused_at_any_depth(opening, closing, depth):
    with pytest.raises((InvalidRequest, MalformedBody)) as caught:
        parse(b'{"items":' + opening * depth + b"1" + closing * depth + b"}", WIDE)
    message_of(caught.value)


def test_deep_nesting_that_is_closed_is_refused():
    refusal(b'{"items":' + b"[" * 100_000 + b"]" * 100_000 + b"}", MalformedBody)


# wrong types


@pytest.mark.parametrize("content", [b"null", b"[]", b"1", b'"Natalia"', b"true", b"[[]]", b"1.5"])
def test_a_body_that_is_no_object_is_refused(content):
    assert refusal(content, InvalidRequest).startswith("body: ")


WRONG: list[tuple[str, list[object]]] = [
    ("items", [None, {}, "Natalia", 1, True]),
    ("items[0]", [None, [], "Natalia", 1]),
    ("items[0].question", [None, 1, True, [], {}, [QUESTION]]),
    ("items[0].steps", [None, "Natalia", 1, {}, {"0": "a"}]),
    ("items[0].steps[0]", [None, 1, 1.5, True, ["Natalia"], {}]),
    ("items[0].id", [1, True, [], {}]),
    ("method", ["", "RETSP", "both", 1, []]),
    ("trajectories", [None, [], 4, "fixed"]),
    ("trajectories.k", [0, 65, -1, 1.0, 1.5, "4", True, [], 2**64 - 1]),
    ("trajectories.policy", ["eager", "", None, 1]),
    ("retrieval", [None, [], True, "off"]),
    ("retrieval.questions", [-1, 17, 1.0, "1", True]),
    ("retrieval.steps", [-1, 17, 0.5, "1", False]),
    ("retrieval.mode", ["wishful", "", "Random", True, 1, []]),
    ("retrieval.exclude_duplicates", [0, 1, "true", [], {}]),
    ("retrieval.min_similarity", [-1.01, 1.01, "0.3", True, [], 1e300]),
    ("aggregate", ["sum", "", None, 1]),
    ("seed", [-1, 2**63, 1.0, "7", True, None, []]),
    ("include", [None, "usage", {}, ["references", "trajectories", "usage", "usage"]]),
    ("include[0]", [["scores"], [1], [None]]),
]


def placed(place: str, value: object) -> dict[str, object]:
    """A request with `value` at `place`."""
    outer, _, inner = place.partition(".")
    inner_value = [value] if inner.endswith("[0]") else value
    if place.startswith("items[0]"):
        return {"items": [item(**{inner.removesuffix("[0]"): inner_value}) if inner else value]}
    if place.endswith("[0]"):
        return {"items": [item()], outer.removesuffix("[0]"): [value]}
    return {"items": [item()], outer: {inner: value} if inner else value}


@pytest.mark.parametrize(("place", "value"), [(place, value) for place, values in WRONG for value in values])
def test_a_wrong_type_or_value_is_refused_by_its_place(place, value):
    assert refusal(orjson.dumps(placed(place, value)), InvalidRequest).startswith(f"{place}: ")


def test_the_first_wrong_step_of_many_is_named():
    steps = ["a", "b", 3, 4, "c"]
    assert refusal(body(items=[item(), item(steps=steps)]), InvalidRequest).startswith("items[1].steps[2]: ")


# how long a refusal takes


def seconds(content: bytes) -> float:
    """Of the processor, so that a busy machine does not count."""
    start = time.process_time()
    refusal(content, InvalidRequest)
    return time.process_time() - start


@pytest.mark.parametrize(
    "fields",
    [
        {"items": [item(steps=[1] * 150_000)]},
        {"items": [item(steps=[{}] * 100_000)]},
        {"items": [item(steps=[["a"]] * 60_000)]},
        {"items": [1] * 150_000},
        {"items": [{}] * 4096},
        {"items": [{"steps": []}] * 4096},
        {"items": [item(steps=[""] * 1000)] * 4},
        {"include": ["scores"] * 30_000},
        {"include": [1] * 150_000},
        {f"field{number}": 1 for number in range(25_000)},
        {"items": [item(**{f"field{number}": 1 for number in range(25_000)})]},
    ],
    ids=lambda fields: "-".join(list(fields)[:1]),
)
def test_a_third_of_a_megabyte_of_wrong_input_is_refused_within_a_second(fields):
    assert seconds(body(**fields)) < 1


@pytest.mark.parametrize(
    "fields",
    [
        {"items": [item(steps=[1] * 3_000_000)]},
        {"items": [item(question=" " * 6_000_000)]},
        {f"field{number}": 1 for number in range(400_000)},
    ],
    ids=["steps", "blank", "unknown fields"],
)
def test_megabytes_of_wrong_input_are_refused_within_a_second(fields):
    assert seconds(body(**fields)) < 1


def reference_structure(content: bytes) -> tuple[int, int]:
    """Opening brackets and commas outside of texts, one character after the other."""
    opened = commas = 0
    inside = escapes = False
    for char in content.decode():
        if escapes and char in '"\\':
            escapes = False
            continue
        escapes = char == "\\"
        if char == '"':
            inside = not inside
        elif not inside:
            opened += char in "[{"
            commas += char == ","
    return opened, commas


@pytest.mark.parametrize("piece_bytes", [1, 2, 7, 2**20])
@given(content=st.text(alphabet='\\"[{,a', max_size=60))
def test_the_structure_of_a_body_is_counted_outside_of_its_texts_alone(piece_bytes, content):
    encoded = content.encode()
    assert structure(encoded, piece_bytes) == reference_structure(encoded)


@pytest.mark.parametrize("content", [b'{"items":[' + b"[]," * 2_000_000, b'{"x":[' + b"1," * 4_000_000])
def test_megabytes_of_brackets_or_values_are_refused_before_anything_is_built_of_them(content):
    with pytest.raises(RequestError, match=r"more (objects and lists|values) than"):
        Sent([content]).read(WIDE)


def test_the_largest_request_that_the_limits_allow_passes_the_look_at_its_structure():
    steps = ["[1, 2], {3}"] * WIDE.steps
    content = body(items=[item(steps=steps)] * 1000)
    assert len(Sent([content]).read(WIDE).items) == 1000


# the request around the body


def test_a_body_in_many_chunks_is_read_whole():
    content = body()
    sent = Sent([content[at : at + 1] for at in range(len(content))] + [b""])
    assert sent.read() == parse(content, LIMITS)


def test_a_body_of_exactly_the_cap_is_read():
    content = body()
    exact = Limits(len(content), LIMITS.items, LIMITS.steps, LIMITS.text_chars)
    assert Sent([content], {"content-length": str(len(content))}).read(exact)


def test_a_declared_length_over_the_cap_is_refused_before_anything_is_read():
    sent = Sent([body()], {"content-length": str(LIMITS.body_bytes + 1)})
    assert str(LIMITS.body_bytes) in sent.refusal(BodyTooLarge)
    assert sent.drawn == 0


def test_a_length_over_the_cap_that_was_not_declared_is_refused_as_soon_as_it_is_passed():
    sent = Sent(b" " * 1024 for _ in range(1_000_000))
    sent.refusal(BodyTooLarge)
    assert sent.drawn == LIMITS.body_bytes // 1024 + 1


def test_a_length_declared_too_small_does_not_open_the_cap():
    sent = Sent((b" " * 1024 for _ in range(1_000_000)), {"content-length": "10"})
    sent.refusal(BodyTooLarge)
    assert sent.drawn == LIMITS.body_bytes // 1024 + 1


@pytest.mark.parametrize("length", ["many", "", "12.5", "5, 5", "0x10", "\u00b2"])
def test_a_declared_length_that_is_no_number_is_refused_by_its_name(length):
    assert "content-length" in Sent([body()], {"content-length": length}).refusal(MalformedBody)


def test_a_declared_length_of_thousands_of_digits_is_refused():
    Sent([body()], {"content-length": "9" * 5000}).refusal(BodyTooLarge)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "br", "zstd", "identity, gzip", "nonsense"])
def test_a_compressed_body_is_refused_unread(encoding):
    sent = Sent([b"\x1f\x8b\x08\x00" * 10], {"content-encoding": encoding})
    assert sent.refusal(UnsupportedEncoding).startswith("content-encoding: ")
    assert sent.drawn == 0


def test_an_encoding_that_changes_nothing_is_taken():
    assert Sent([body()], {"content-encoding": "identity"}).read()


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/x-ndjson",
        "json",
    ],
)
def test_another_content_type_is_refused_unread(content_type):
    sent = Sent([body()], {"content-type": content_type})
    assert sent.refusal(UnsupportedEncoding).startswith("content-type: ")
    assert sent.drawn == 0


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON ;x=y"]
)
def test_json_by_any_spelling_of_its_content_type_is_taken(content_type):
    assert Sent([body()], {"content-type": content_type}).read()


def test_no_header_of_a_refused_request_is_repeated():
    secret = "Natalia" * 1000
    for header in ("content-type", "content-encoding"):
        Sent([body()], {header: secret}).refusal(UnsupportedEncoding)


# whatever comes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def outcome(content: bytes) -> ScoreRequest | None:
    """A request, or nothing where it was refused as it should be."""
    try:
        return parse(content, LIMITS)
    except RequestError as error:
        message_of(error)
        return None


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_by_an_error_of_the_tree(content):
    assert outcome(content) is None


@given(document=JSON)
def test_any_json_is_refused_by_an_error_of_the_tree(document):
    assert outcome(json.dumps(document).encode()) is None


@given(place=st.sampled_from([place for place, _ in WRONG]), value=JSON)
def test_any_json_in_any_place_is_taken_or_refused_by_an_error_of_the_tree(place, value):
    outcome(json.dumps(placed(place, value)).encode())


@given(at=st.integers(0, len(body())), splice=st.binary(min_size=1, max_size=4), cut=st.integers(0, 4))
def test_a_body_with_damaged_bytes_is_taken_or_refused_by_an_error_of_the_tree(at, splice, cut):
    outcome(body()[:at] + splice + body()[at + cut :])
