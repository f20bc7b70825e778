"""Rows in the shape in which the data sets are published, in each container, into labelled solutions."""

import csv
import gzip
import importlib.util
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from stepreward.commands.corpus import command
from stepreward.corpus.readers import FORMATS, Format, HubDataset, LabelledSolution, read_solutions
from stepreward.corpus.readers.hub import hub_rows
from stepreward.corpus.survey import read_corpus, solutions_of
from stepreward.errors import ConfigurationError
from stepreward.files import BadRow, UnpackedFrames

SHARED = Path(__file__).parents[2] / "shared"
needs_shared = pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="../shared is absent: no published data sets")


def needs(module: str) -> pytest.MarkDecorator:
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"{module} is not installed (extra corpus)")


def without(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(module) is not None, reason=f"{module} is installed")


def completion(text: str, rating: int | None, flagged: bool | None = None) -> dict[str, Any]:
    return {"text": text, "rating": rating, "flagged": flagged}


def step(*completions: dict[str, Any], chosen: int | None = 0, human: object = None) -> dict[str, Any]:
    return {"completions": list(completions), "human_completion": human, "chosen_completion": chosen}


def prm800k(*steps: dict[str, Any], finish_reason: str = "solution", generation: int | None = None) -> dict[str, Any]:
    return {
        "labeler": "340d89bc-f5b7-45e9-b272-909ba68ee363",
        "timestamp": "2023-01-22T04:34:27.052924",
        "generation": generation,
        "is_quality_control_question": False,
        "is_initial_screening_question": False,
        "question": {"problem": "What is $1+1$?", "ground_truth_answer": "2"},
        "label": {"steps": list(steps), "total_time": 278270, "finish_reason": finish_reason},
    }


SHEPHERD_INPUT = (
    "Janet pays $40/hour for 3 hours. How much does she pay, plus $2? "
    "Step 1: 3 * 40 = <<3*40=120>>120 + 0. ки\nStep 2: 120 + 2 = <<120+2=122>>122.\nSo -122 + 244. ки\n"
    "Step 3: The answer is: 123 ки"
)
SHEPHERD = {
    "input": SHEPHERD_INPUT,
    "label": SHEPHERD_INPUT.replace("ки", "+", 2).replace("ки", "-"),
    "task": "GSM8K",
}
PRMBENCH = {
    "idx": "circular_prm_test_p2_0",
    "question": "What is 2 + 3 + 4?",
    "steps": ["2 + 3 = 6.", "6 + 4 = 10.", "Check.", "So 11."],
    "error_steps": [1, 4],
    "classification": "circular",
    "original_question": "What is 2 + 3 + 4?",
    "original_steps": ["2 + 3 = 5.", "5 + 4 = 9."],
    "rprm_votes_k10": [0.1, 0.2, 0.3, 0.4],
}
PROCESSBENCH = {
    "id": "gsm8k-0",
    "generator": "Qwen2-7B-Instruct",
    "problem": "What is 2 + 3?",
    "steps": ["First.", "Second.", "Third.", "Fourth."],
    "final_answer_correct": False,
    "label": 1,
}
PLAIN = {"question": "q,\n“1”?", "steps": ['a "b"\nc', "d"], "labels": [True, None], "source": "mine"}


def write_lines(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read(tmp_path: Path, form: Format, *rows: object) -> list[LabelledSolution | BadRow]:
    return list(read_solutions(write_lines(tmp_path / "rows.jsonl", rows), form))


def solution(tmp_path: Path, form: Format, row: object) -> LabelledSolution:
    [found] = read(tmp_path, form, row)
    assert isinstance(found, LabelledSolution), found
    return found


# PRM800K


def test_prm800k_takes_the_chosen_completions_and_counts_neutral_as_correct(tmp_path) -> None:
    row = prm800k(
        step(completion("bad", -1), completion("I add.", 0), chosen=1),
        step(completion("$1+1=2$.", 1, False)),
        step(completion("So 3.", -1), completion("So 2.", 1)),
    )
    assert solution(tmp_path, "prm800k", row) == LabelledSolution(
        "What is $1+1$?", ("I add.", "$1+1=2$.", "So 3."), (True, True, False), "prm800k/phase1"
    )


@pytest.mark.parametrize(
    ("human", "label"),
    [
        ({"text": "By hand.", "rating": None, "source": "human", "flagged": False, "corrected_rating": None}, None),
        ({"text": "By hand.", "rating": 1}, True),
        ("By hand.", None),
    ],
)
def test_prm800k_takes_the_human_completion_where_none_is_chosen(tmp_path, human, label) -> None:
    row = prm800k(step(completion("bad", -1), chosen=None, human=human), step(completion("Then 2.", 1)))
    found = solution(tmp_path, "prm800k", row)
    assert (found.steps, found.labels) == (("By hand.", "Then 2."), (label, True))


def test_prm800k_ends_with_the_first_completion_where_nothing_is_chosen(tmp_path) -> None:
    row = prm800k(
        step(completion("Right.", 1)),
        step(completion("Wrong.", -1), completion("Another.", 0), chosen=None),
        finish_reason="found_error",
        generation=9,
    )
    found = solution(tmp_path, "prm800k", row)
    assert (found.steps, found.labels, found.source) == (("Right.", "Wrong."), (True, False), "prm800k/phase2")


@pytest.mark.parametrize("finish_reason", ["bad_problem", "give_up", "solution"])
def test_prm800k_keeps_a_step_without_a_rating_unlabelled_whatever_the_finish_reason(tmp_path, finish_reason) -> None:
    row = prm800k(
        step(completion("Right.", 1)), step(completion("Open.", None), chosen=None), finish_reason=finish_reason
    )
    assert solution(tmp_path, "prm800k", row).labels == (True, None)


def test_prm800k_without_completions_ends_before_that_step(tmp_path) -> None:
    nothing = {"completions": None, "human_completion": None, "chosen_completion": None}
    assert solution(tmp_path, "prm800k", prm800k(step(completion("Right.", 1)), nothing)).steps == ("Right.",)


# Math-Shepherd


def test_math_shepherd_splits_at_its_marks_and_reads_their_signs_only(tmp_path) -> None:
    assert solution(tmp_path, "math-shepherd", SHEPHERD) == LabelledSolution(
        "Janet pays $40/hour for 3 hours. How much does she pay, plus $2?",
        ("3 * 40 = <<3*40=120>>120 + 0.", "120 + 2 = <<120+2=122>>122.\nSo -122 + 244.", "The answer is: 123"),
        (True, True, False),
        "math-shepherd/gsm8k",
    )


def test_math_shepherd_drops_a_mark_in_the_question_with_its_label(tmp_path) -> None:
    row = {"input": "Simplify ки it. step 1: Done. ки", "label": "Simplify - it. step 1: Done. +", "task": "MATH"}
    found = solution(tmp_path, "math-shepherd", row)
    assert (found.question, found.steps, found.labels) == ("Simplify it.", ("Done.",), (True,))


def test_math_shepherd_leaves_text_after_the_last_mark_unlabelled(tmp_path) -> None:
    row = {"input": "Q? Step 1: A. ки\nStep 2: B", "label": "Q? Step 1: A. -\nStep 2: B", "task": "MATH"}
    found = solution(tmp_path, "math-shepherd", row)
    assert (found.steps, found.labels, found.source) == (("A.", "B"), (False, None), "math-shepherd/math")


# PRMBench


def test_prmbench_gives_the_modified_and_the_original_solution(tmp_path) -> None:
    modified, original = read(tmp_path, "prmbench", PRMBENCH)
    assert modified == LabelledSolution(
        "What is 2 + 3 + 4?", tuple(PRMBENCH["steps"]), (False, True, True, False), "prmbench/circular"
    )
    assert original == LabelledSolution(
        "What is 2 + 3 + 4?", ("2 + 3 = 5.", "5 + 4 = 9."), (True, True), "prmbench/original"
    )


def test_prmbench_reads_the_names_of_the_published_file_too(tmp_path) -> None:
    renamed = {"steps": "modified_process", "original_steps": "original_process"}
    row = {renamed.get(name, name): value for name, value in PRMBENCH.items()}
    row |= {"modified_question": "What is 3 + 3 + 4?", "question": "passed over", "modified_steps": [1], "reason": "r"}
    modified, original = read(tmp_path, "prmbench", row)
    assert (modified.question, original.question) == ("What is 3 + 3 + 4?", "What is 2 + 3 + 4?")
    assert (modified.labels, len(original.steps)) == ((False, True, True, False), 2)


def test_prmbench_without_error_steps_is_all_correct(tmp_path) -> None:
    modified, _ = read(tmp_path, "prmbench", PRMBENCH | {"error_steps": [], "classification": "multi_solutions"})
    assert modified.labels == (True,) * 4


def test_prmbench_with_error_steps_past_the_end_labels_only_the_wrong_ones(tmp_path) -> None:
    modified, original = read(tmp_path, "prmbench", PRMBENCH | {"error_steps": [2, 7]})
    assert modified.labels == (None, False, None, None)
    assert original.labels == (True, True)


def test_prmbench_counts_error_steps_before_blank_steps_are_taken_out(tmp_path) -> None:
    modified, _ = read(tmp_path, "prmbench", PRMBENCH | {"steps": ["a", "", "b", "c"], "error_steps": [3]})
    assert (modified.steps, modified.labels) == (("a", "b", "c"), (True, False, True))


def test_prmbench_without_an_original_is_one_solution(tmp_path) -> None:
    row = {name: value for name, value in PRMBENCH.items() if not name.startswith("original")}
    assert len(read(tmp_path, "prmbench", row)) == 1


# ProcessBench


@pytest.mark.parametrize(
    ("label", "labels"),
    [
        (-1, (True, True, True, True)),
        (0, (False, None, None, None)),
        (1, (True, False, None, None)),
        (3, (True, True, True, False)),
    ],
)
def test_processbench_knows_nothing_after_the_first_wrong_step(tmp_path, label, labels) -> None:
    found = solution(tmp_path, "processbench", PROCESSBENCH | {"label": label})
    assert found == LabelledSolution("What is 2 + 3?", tuple(PROCESSBENCH["steps"]), labels, "processbench/gsm8k")


# damaged rows

GOOD: dict[Format, Mapping[str, Any]] = {
    "plain": PLAIN,
    "prm800k": prm800k(step(completion("Right.", 1))),
    "math-shepherd": SHEPHERD,
    "prmbench": PRMBENCH,
    "processbench": PROCESSBENCH,
}
DAMAGED: list[tuple[Format, object, str]] = [
    ("plain", PLAIN | {"labels": [True]}, "1 labels for 2 steps"),
    ("prm800k", prm800k(finish_reason="bad_problem"), "no step was labelled (finish_reason bad_problem)"),
    ("prm800k", prm800k(step(completion("a", 1), chosen=3)), "chosen_completion 3 of 1 completions"),
    ("prm800k", prm800k(step(completion("a", 1), chosen=-1)), "label.steps.0.chosen_completion"),
    ("prm800k", prm800k(step(completion("a", 2))), "label.steps.0.completions.0.rating"),
    ("prm800k", prm800k(step(completion(" ", 1))), "steps.0: Value error, must not be blank"),
    ("prm800k", {"label": {"steps": []}}, "question: Field required"),
    ("math-shepherd", SHEPHERD | {"label": SHEPHERD_INPUT}, "label: differs from input before its sign 1"),
    ("math-shepherd", SHEPHERD | {"label": SHEPHERD["label"][:-1]}, "label: differs from input before its sign 3"),
    ("math-shepherd", SHEPHERD | {"label": SHEPHERD["label"] + "x"}, "label: differs from input after its last sign"),
    ("math-shepherd", SHEPHERD | {"input": "Q? ки", "label": "Q? +"}, "input: no 'Step 1:'"),
    ("math-shepherd", SHEPHERD | {"input": "Step 1: a ки", "label": "Step 1: a +"}, "question"),
    ("math-shepherd", SHEPHERD | {"input": "Q? Step 1: ки", "label": "Q? Step 1: +"}, "steps.0"),
    ("prmbench", PRMBENCH | {"error_steps": [0]}, "error_steps.0"),
    ("prmbench", PRMBENCH | {"steps": []}, "steps"),
    ("prmbench", PRMBENCH | {"original_steps": ["a", "\u202e"]}, "steps.1"),
    ("processbench", PROCESSBENCH | {"label": 4}, "label 4 of 4 steps"),
    ("processbench", PROCESSBENCH | {"label": -2}, "label"),
    ("processbench", PROCESSBENCH | {"label": True}, "label"),
    ("processbench", ["not", "an", "object"], "valid dictionary"),
]


@pytest.mark.parametrize(("form", "row", "reason"), DAMAGED)
def test_a_damaged_row_is_named_with_its_line_and_the_rows_around_it_are_kept(tmp_path, form, row, reason) -> None:
    good = read(tmp_path, form, GOOD[form])
    found = read(tmp_path, form, GOOD[form], row, GOOD[form])
    [bad] = [each for each in found if isinstance(each, BadRow)]
    assert bad.line == 2
    assert reason in bad.reason
    assert found == [*good, bad, *good]


@pytest.mark.parametrize("form", FORMATS)
def test_a_line_that_is_no_json_is_a_bad_row_in_every_format(tmp_path, form) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\n{"input": "\xff"}\n{"a":\n' + json.dumps(GOOD[form]).encode())
    first, second, *good = read_solutions(path, form)
    assert [(bad.line, bad.reason[:12]) for bad in (first, second)] == [(2, "Invalid JSON"), (3, "Invalid JSON")]
    assert all(isinstance(each, LabelledSolution) for each in good)


# containers


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], encoding: str = "utf-8") -> Path:
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(rows[0])
    table.writerows([cell if isinstance(cell, str) else json.dumps(cell) for cell in row.values()] for row in rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.csv", "rows.csv.gz"])
def test_every_container_gives_the_rows_of_the_json_lines(tmp_path, form, name) -> None:
    rows = [GOOD[form], GOOD[form]]
    expected = read(tmp_path, form, *rows)
    write = write_csv if ".csv" in name else write_lines
    path = write(tmp_path / name.removesuffix(".gz"), rows)
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress(path.read_bytes()))
    assert list(read_solutions(tmp_path / name, form)) == expected
    assert not any(isinstance(each, BadRow) for each in expected)


@needs("zstandard")
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_a_zst_of_several_frames_gives_the_rows_of_the_json_lines(tmp_path, name) -> None:
    import zstandard

    path = (write_csv if name.endswith("csv") else write_lines)(tmp_path / name, [PLAIN, PLAIN])
    content, pack = path.read_bytes(), zstandard.ZstdCompressor().compress
    packed = tmp_path / f"{name}.zst"
    packed.write_bytes(pack(content[:30]) + pack(content[30:]))
    assert list(read_solutions(packed)) == list(read_solutions(path))
    packed.write_bytes(packed.read_bytes()[:-5])
    with pytest.raises(OSError, match="cut off"):
        list(read_solutions(packed))
    packed.write_bytes(b"no zst")
    with pytest.raises(ConfigurationError, match=r"rows.*\.zst"):
        list(read_corpus([packed]))


@needs("pyarrow")
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("as_text", [False, True], ids=["lists", "json-text"])
def test_parquet_gives_the_rows_of_the_json_lines(tmp_path, form, as_text) -> None:
    import pyarrow
    from pyarrow import parquet

    row = GOOD[form]
    if as_text:
        row = {name: json.dumps(cell) if isinstance(cell, list | dict) else cell for name, cell in row.items()}
    path = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([dict(row)] * 300), path)
    assert list(read_solutions(path, form)) == read(tmp_path, form, *[GOOD[form]] * 300)


@needs("pyarrow")
def test_a_bad_row_of_parquet_is_named_by_its_number_and_a_damaged_file_by_its_name(tmp_path) -> None:
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([PLAIN, PLAIN | {"labels": [True]}]), path)
    good, bad = read_solutions(path)
    assert isinstance(good, LabelledSolution)
    assert bad == BadRow(2, "Value error, 1 labels for 2 steps")
    path.write_bytes(b"PAR1 no Parquet")
    with pytest.raises(ConfigurationError, match=r"rows\.parquet"):
        list(read_corpus([path]))


@pytest.mark.parametrize(("module", "name"), [("zstandard", "rows.jsonl.zst"), ("pyarrow", "rows.parquet")])
def test_a_container_without_its_library_says_what_to_install(tmp_path, module, name) -> None:
    if importlib.util.find_spec(module):
        pytest.skip(f"{module} is installed")
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ConfigurationError, match=rf"{module}: pip install stepreward\[corpus\]"):
        list(read_corpus([tmp_path / name]))


def test_csv_names_bad_rows_by_the_line_on_which_they_begin(tmp_path) -> None:
    path = write_csv(tmp_path / "rows.csv", [PLAIN, PLAIN], encoding="utf-8-sig")
    path.write_bytes(path.read_bytes() + b'\r\nq,[1\r\nq,"[""a""]",[tru,s\r\n')
    found = list(read_solutions(path))
    assert found[:2] == read(tmp_path, "plain", PLAIN, PLAIN)
    assert isinstance(found[2], BadRow)
    assert (found[2].line, found[2].reason) == (7, "2 cells for 4 columns")
    assert isinstance(found[3], BadRow)
    assert found[3].line == 8
    assert found[3].reason.startswith("labels: Invalid JSON")


def test_a_csv_cell_that_is_no_utf8_or_never_ends_is_a_bad_row(tmp_path) -> None:
    path = tmp_path / "rows.csv"
    row = b',"[""a""]",[true],s\n'
    path.write_bytes(b"question,steps,labels,source\nq\xff" + row + b"q" + row + b'"q' + row)
    strange, good, open_ended = read_solutions(path)
    assert isinstance(strange, BadRow)
    assert (strange.line, strange.reason.partition(":")[0]) == (2, "question")
    assert good == LabelledSolution("q", ("a",), (True,), "s")
    assert isinstance(open_ended, BadRow)
    assert (open_ended.line, open_ended.reason.partition(":")[0]) == (4, "Invalid CSV")


# zlib's decompression objects stand where zstandard's do
new_gzip_frame = partial(zlib.decompressobj, 31)


class Named(io.BytesIO):
    name = "rows.zst"


def test_frames_are_unpacked_one_after_the_other() -> None:
    parts = [b"one\ntw", b"", b"o\n" * 50_000, b"three"]
    packed = Named(b"".join(gzip.compress(part) for part in parts))
    assert io.BufferedReader(UnpackedFrames(packed, new_gzip_frame)).readlines() == b"".join(parts).splitlines(True)


@pytest.mark.parametrize("cut", [1, 9, 30])
def test_a_cut_frame_is_an_error_and_not_the_end(cut) -> None:
    packed = Named(gzip.compress(b"whole\n") + gzip.compress(bytes(range(256)))[:-cut])
    with pytest.raises(OSError, match="cut off"):
        io.BufferedReader(UnpackedFrames(packed, new_gzip_frame)).read()


@pytest.mark.parametrize("write", [write_lines, write_csv])
def test_the_first_row_comes_before_the_end_of_the_file_is_read(tmp_path, write) -> None:
    whole = write(tmp_path / "rows.txt", [PLAIN] * 3000)
    cut = tmp_path / ("rows.csv.gz" if write is write_csv else "rows.jsonl.gz")
    # Incompressible enough to be read in several pieces, and broken at the end: whoever reads that far fails.
    cut.write_bytes(gzip.compress(whole.read_bytes(), compresslevel=0)[:-20])
    rows = read_solutions(cut)
    assert isinstance(next(rows), LabelledSolution)
    with pytest.raises(OSError, match="damaged gzip"):
        list(rows)


# the hub


def test_rows_of_the_hub_come_as_they_are_asked_for() -> None:
    asked: list[tuple[str, str]] = []
    given: list[int] = []

    def load(name: str, split: str) -> Iterator[object]:
        asked.append((name, split))
        for number in range(5):
            given.append(number)
            yield PROCESSBENCH

    rows = hub_rows(HubDataset.parse("hf:Qwen/ProcessBench:gsm8k"), load)
    first = next(rows)
    assert (first.line, first.value) == (1, PROCESSBENCH)
    assert (asked, given) == ([("Qwen/ProcessBench", "gsm8k")], [0])
    assert [row.line for row in rows] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    "error", [ConnectionError("offline"), FileNotFoundError("no such"), ValueError("Unknown split")]
)
def test_a_hub_that_gives_nothing_is_a_configuration_error(error) -> None:
    def load(name: str, split: str) -> Iterator[object]:
        raise error

    with pytest.raises(ConfigurationError, match=f"hf:a/b:train: the hub gave no rows: .*{error}"):
        next(hub_rows(HubDataset("a/b"), load))


def test_a_hub_that_stops_midway_is_a_configuration_error() -> None:
    def load(name: str, split: str) -> Iterator[object]:
        yield PLAIN
        raise ConnectionError("gone")

    rows = hub_rows(HubDataset("a/b"), load)
    next(rows)
    with pytest.raises(ConfigurationError, match="gone"):
        next(rows)


@without("datasets")
def test_the_hub_without_its_library_says_what_to_install() -> None:
    with pytest.raises(ConfigurationError, match=r"datasets: pip install stepreward\[corpus\]"):
        list(read_corpus([HubDataset("a/b")]))


@pytest.mark.parametrize(
    ("text", "dataset"),
    [("hf:a/b", HubDataset("a/b", "train")), ("hf:a/b:test", HubDataset("a/b", "test")), ("hf:c", HubDataset("c"))],
)
def test_a_name_on_the_hub_is_parsed(text, dataset) -> None:
    assert HubDataset.parse(text) == dataset


@pytest.mark.parametrize("text", ["hf:", "hf:a:b:c", "hf:a:", "a/b"])
def test_a_malformed_name_on_the_hub_is_refused(text) -> None:
    with pytest.raises(ConfigurationError, match="hf:NAME:SPLIT"):
        HubDataset.parse(text)


# the command, up to the store


def test_ingest_reads_the_format_that_it_is_told(tmp_path) -> None:
    path = write_lines(tmp_path / "rows.jsonl", [PROCESSBENCH])
    refused = CliRunner().invoke(command, ["ingest", str(path), "--data-dir", str(tmp_path)])
    assert isinstance(refused.exception, ConfigurationError)
    assert "no usable row" in str(refused.exception)
    unknown = CliRunner().invoke(command, ["ingest", str(path), "--format", "gsm8k"])
    assert unknown.exit_code == 2
    assert len(list(solutions_of(read_corpus([path], "processbench")))) == 1


@without("datasets")
def test_ingest_takes_a_name_on_the_hub_for_a_path() -> None:
    refused = CliRunner().invoke(command, ["ingest", "hf:Qwen/ProcessBench:gsm8k", "--format", "processbench"])
    assert isinstance(refused.exception, ConfigurationError)
    assert str(refused.exception).startswith("hf:Qwen/ProcessBench:gsm8k: reading from the hub needs")


# the published data


@needs_shared
@pytest.mark.parametrize(("subset", "count"), [("gsm8k", 200), ("math", 250), ("olympiadbench", 99)])
def test_processbench_reads_whole(subset, count) -> None:
    path = SHARED / "data" / "processbench" / f"{subset}.jsonl.gz"
    found = list(read_solutions(path, "processbench"))
    with gzip.open(path) as lines:
        rows = [json.loads(line) for line in lines]
    assert len(found) == count
    for row, each in zip(rows, found, strict=True):
        assert isinstance(each, LabelledSolution), each
        assert each.source == f"processbench/{subset}"
        first_wrong = each.labels.index(False) if False in each.labels else -1
        assert (each.question, list(each.steps), first_wrong) == (row["problem"], row["steps"], row["label"])


@needs_shared
def test_prmbench_reads_whole() -> None:
    path = SHARED / "data" / "prmbench" / "test_with_rprm_votes.jsonl.gz"
    found = list(read_solutions(path, "prmbench"))
    with gzip.open(path) as lines:
        rows = [json.loads(line) for line in lines]
    assert (len(rows), len(found)) == (3008, 2 * 3008)
    past_the_end = 0
    for row, modified, original in zip(rows, found[::2], found[1::2], strict=True):
        assert isinstance(modified, LabelledSolution), modified
        assert isinstance(original, LabelledSolution), original
        assert (modified.source, original.source) == (f"prmbench/{row['classification']}", "prmbench/original")
        assert (modified.question, list(modified.steps)) == (row["question"], [s for s in row["steps"] if s])
        wrong = {step for number, step in enumerate(row["steps"], start=1) if number in row["error_steps"]}
        assert {step for step, label in zip(modified.steps, modified.labels, strict=True) if label is False} == wrong
        within = all(number <= len(row["steps"]) for number in row["error_steps"])
        assert set(modified.labels) <= ({True, False} if within else {None, False})
        past_the_end += not within
        assert (original.question, list(original.steps)) == (
            row["original_question"],
            [s for s in row["original_steps"] if s],
        )
        assert set(original.labels) == {True}
    assert past_the_end == 43
