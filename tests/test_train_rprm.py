"""R-PRM's chain: the procedural teacher, one behind an endpoint, and learning to write and to grade at once."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file

from loadtests.scripted_worker import byte_tokenizer
from stepreward.cli import cli
from stepreward.errors import ConfigurationError
from stepreward.prompts.rprm import MARKER, RPRM
from stepreward.prompts.template import StepTemplate
from stepreward.schema import Aggregates, ItemResult, StepResult, TrajectoryResult
from stepreward.training.adapter import WEIGHTS
from stepreward.training.endpoint import agreeing
from stepreward.training.groups import Group, grouped, read_groups, write_groups
from stepreward.training.gsm8k.marks import MarkedAnswer
from stepreward.training.gsm8k.solutions import solutions
from stepreward.training.packing import pack
from stepreward.training.pairs import Pair, pairs_of
from stepreward.training.rprm import analysed, lessons_of, taught
from stepreward.training.teacher import Lesson, analysis, calculations
from stepreward.values import LabelledSolution
from tiny_model import write_tiny_model

QUESTION = "Ann has 6 boxes with 4 pens each, and gives 5 pens away. How many are left?"
STEPS = ("She has 6 * 4 = 24 pens.", "She keeps 24 - 5 = 19 pens.")
PARTS = ("Previous steps:", "Now step:", "Data source:", "Consistency:", "Calculation:", "Conclusion:")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two that wait for each other after every small product take minutes on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def group() -> Group:
    answer = "She has 6 * 4 = <<6*4=24>>24 pens.\nShe keeps 24 - 5 = <<24-5=19>>19 pens.\n#### 19"
    [found], _ = grouped(solutions(QUESTION, MarkedAnswer.parse(answer), 2), 0.0, 0)
    return found


def analyst() -> tuple[RPRM, StepTemplate]:
    tokenizer = byte_tokenizer()
    template = StepTemplate.built_in("rprm", tokenizer)
    return RPRM(template, tokenizer, 8192, 512), template


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("so 6 * 4 = 24 pens", [("6 * 4", True)]),
        (r"\(6 \times 4 = 25\)", [("6 * 4", False)]),
        ("1,200 / 3 = $400 and 2 + 2 = 5", [("1,200 / 3", True), ("2 + 2", False)]),
        ("10 / 3 = 3.33", [("10 / 3", True)]),
        ("10 / 3 = 3.34", [("10 / 3", False)]),
        ("4 / 0 = 1 and x = 3", []),
    ],
)
def test_the_calculations_of_a_text_are_redone(text: str, told: list[tuple[str, bool]]) -> None:
    assert [(one.formula, one.holds) for one in calculations(text)] == told


def test_an_analysis_has_its_five_parts_and_says_where_numbers_come_from() -> None:
    written = analysis(Lesson(QUESTION, STEPS, 1, label=True), seed=1)
    assert [line.split(":")[0] + ":" for line in written.splitlines()] == list(PARTS)
    assert "24 is from step 1" in written
    assert "5 is in the question" in written
    assert "24 - 5 = 19, as stated" in written
    assert MARKER not in written


def test_an_analysis_of_a_wrong_step_says_what_is_right() -> None:
    wrong = (STEPS[0], "She keeps 24 + 5 = 29 pens.")
    assert "it should be 24 - 5 = 19" in analysis(Lesson(QUESTION, wrong, 1, label=False, right=STEPS[1]), seed=1)
    slip = (STEPS[0], "She keeps 24 - 5 = 18 pens.")
    assert "24 - 5 = 19, not 18" in analysis(Lesson(QUESTION, slip, 1, label=False), seed=1)
    said = analysis(Lesson("Who?", ("It was Ann.",), 0, label=False, why="It was Ben."), seed=1)
    assert "no; it was Ben." in said


def test_analyses_differ_with_the_seed_and_not_without() -> None:
    lesson = Lesson(QUESTION, STEPS, 1, label=True)
    assert analysis(lesson, 3) == analysis(lesson, 3)
    assert len({analysis(lesson, seed) for seed in range(20)}) > 5


def test_every_labelled_step_is_one_lesson_and_wrong_ones_know_the_right_step() -> None:
    lessons = [lesson for _, lesson in lessons_of(group())]
    prefixes = [lesson.steps[: lesson.index + 1] for lesson in lessons]
    assert len(prefixes) == len(set(prefixes))
    wrong = [lesson for lesson in lessons if not lesson.label]
    assert wrong
    assert all(lesson.right is not None and lesson.why for lesson in wrong)


def test_only_what_the_teacher_gives_is_kept_and_it_ends_where_the_verdict_is_read() -> None:
    def teacher(lesson: Lesson) -> str | None:
        return "It is so.\n" if lesson.label else None

    judge, _ = analyst()
    examples = analysed(taught(group(), teacher, 100, 0), judge, byte_tokenizer())
    assert examples
    assert all(example.label for example in examples)
    for example in examples:
        text = byte_tokenizer().decode(example.token_ids)
        assert text.endswith(f"It is so.\n{MARKER}")
        assert byte_tokenizer().decode(example.token_ids[-example.written :]) == f"It is so.\n{MARKER}"
        assert example.choices == judge.labels


def test_every_token_of_an_analysis_is_learned_after_what_stands_before_it() -> None:
    judge, _ = analyst()
    examples = analysed(taught(group(), lambda lesson: analysis(lesson, 0), 3, 0), judge, byte_tokenizer())
    packed = pack(examples)
    assert len(packed.written) == sum(example.written for example in examples)
    start = 0
    for example in examples:
        places = packed.writes[start : start + example.written]
        wanted = packed.written[start : start + example.written]
        for place, token, known in zip(places.tolist(), wanted.tolist(), range(example.written), strict=True):
            before = example.token_ids[: len(example.token_ids) - example.written + known]
            assert tuple(packed.token_ids[packed.sees[place]].tolist()) == before
            assert token == example.token_ids[len(before)]
        start += example.written


@pytest.mark.parametrize(
    ("content", "label", "kept"),
    [
        (f"So it is.\n{MARKER} Yes", True, "So it is.\n"),
        (f"So it is.\n{MARKER} **No**.", False, "So it is.\n"),
        (f"So it is.\n{MARKER} Yes", False, None),
        (f"So it is.\n{MARKER} Perhaps", True, None),
        ("So it is. Yes", True, None),
        (f"{MARKER} Yes", True, None),
    ],
)
def test_an_answer_is_kept_where_its_verdict_agrees_with_the_label(content: str, label: bool, kept: str | None) -> None:
    assert agreeing(content, label, MARKER) == kept


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl.gz"
    other = LabelledSolution("What is 2 + 2?", ("2 + 2 = 4.",), (True,), "made")
    write_groups(path, [group(), *grouped([other], 0.0, 0)[0]])
    return path


class _Teacher(BaseHTTPRequestHandler):
    """Says Yes to every step."""

    asked: list[dict[str, object]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        answer = json.dumps({"choices": [{"message": {"content": f"I think so.\n{MARKER} Yes"}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def teacher() -> Iterator[tuple[str, list[dict[str, object]]]]:
    asked: list[dict[str, object]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Scripted", (_Teacher,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", asked
    server.shutdown()
    thread.join()
    server.server_close()


def seeded(data: Path, output: Path, tmp_path: Path, *more: str) -> Result:
    model = tmp_path / "model"
    if not model.exists():
        write_tiny_model(model)
    arguments = ["train", "rprm-seed", str(data), "-o", str(output), "--steps", "4", "--model", str(model)]
    return CliRunner().invoke(cli, [*arguments, *more])


def test_a_teacher_behind_an_endpoint_is_asked_once_and_its_wrong_verdicts_are_dropped(
    data: Path, tmp_path: Path, teacher: tuple[str, list[dict[str, object]]]
) -> None:
    url, asked = teacher
    output = tmp_path / "seed.jsonl.gz"
    for _ in range(2):
        result = seeded(data, output, tmp_path, "--teacher", url, "--teacher-model", "big")
        assert result.exception is None
    count = len(asked)
    assert count > 1
    assert {str(body["model"]) for body in asked} == {"big"}
    assert QUESTION in json.dumps(asked[0]["messages"])
    kept = [
        (label, text)
        for found in read_groups(output)
        for one in found.solutions
        for label, text in zip(one.labels, one.analyses or (), strict=False)
        if text is not None
    ]
    assert kept
    assert set(kept) == {(True, "I think so.\n")}
    assert f"of {count} steps asked for" in result.output.replace("\n", " ")


def test_seeds_are_learned_together_with_grades(data: Path, tmp_path: Path) -> None:
    output, run = tmp_path / "seed.jsonl.gz", tmp_path / "run"
    assert seeded(data, output, tmp_path).exception is None
    arguments = ["train", "rprm-sft", str(output), "-o", str(run), "--model", str(tmp_path / "model"), "--grades"]
    fast = ["--batch-tokens", "500", "--tokens", "20000", "--warmup-tokens", "0", "--learning-rate", "0.02"]
    result = CliRunner().invoke(cli, [*arguments, *fast, "--pack-tokens", "4000", "--device", "cpu"])
    assert result.exception is None
    losses = [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines() if '"step"' in line]
    assert losses[-1] < losses[0]
    assert " retsp-" in json.loads((run / "run.json").read_text())["prompt_version"]


def test_data_without_analyses_is_refused(data: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["train", "rprm-sft", str(data), "-o", str(tmp_path / "run")])
    assert isinstance(result.exception, ConfigurationError)
    assert "holds no analyses" in result.exception.message


def trajectory(p_correct: float | None, text: str, *, forced: bool = False) -> TrajectoryResult:
    return TrajectoryResult(p_correct=p_correct, forced=forced, text=text)


def test_pairs_put_the_verdict_of_the_label_first_and_leave_out_what_says_nothing() -> None:
    [found] = grouped([LabelledSolution("Q", ("a", "b"), (True, False), "made")], 0.0, 0)[0]
    said = [
        trajectory(0.9, f"Good.\n{MARKER}"),
        trajectory(0.2, f"Bad.\n{MARKER}"),
        trajectory(0.5, f"Even.\n{MARKER}"),
        trajectory(None, "Nothing."),
        trajectory(0.1, "Asked for.", forced=True),
    ]
    step = StepResult(method="rprm", score=0.5, stderr=0.1, k_used=5, k_valid=4, forced=1, trajectories=said)
    none = Aggregates(min=None, prod=None, mean=None, last=None, weighted=None)
    result = ItemResult(
        id="0", status="ok", score=0.5, aggregates=none, first_error=-1, steps=[step, step], degraded=[]
    )
    pairs = list(pairs_of(found, 0, result, MARKER, most=2))
    assert [(pair.index, pair.chosen.split(".")[0], pair.rejected.split(".")[0]) for pair in pairs] == [
        (0, "Good", "Bad"),
        (1, "Bad", "Good"),
    ]


def test_preferences_are_learned_by_trl_from_the_adapters_that_wrote_them(data: Path, tmp_path: Path) -> None:
    seeds, run, adapter = tmp_path / "seed.jsonl.gz", tmp_path / "run", tmp_path / "adapter"
    assert seeded(data, seeds, tmp_path).exception is None
    model = ["--model", str(tmp_path / "model"), "--device", "cpu"]
    sft = ["train", "rprm-sft", str(seeds), "-o", str(run), "--tokens", "100", "--pack-tokens", "4000"]
    assert CliRunner().invoke(cli, [*sft, *model]).exception is None
    assert CliRunner().invoke(cli, ["train", "adapter", str(run), "-o", str(adapter)]).exception is None
    pairs = tmp_path / "pairs.jsonl"
    one = Pair(
        question=QUESTION,
        steps=STEPS,
        index=0,
        label=True,
        chosen=f"Good.\n{MARKER}",
        rejected=f"Bad.\n{MARKER}",
    )
    pairs.write_text("".join(one.model_dump_json() + "\n" for _ in range(4)))
    dpo = ["train", "rprm-dpo", str(pairs), "-o", str(tmp_path / "dpo"), "--adapter", str(adapter)]
    result = CliRunner().invoke(cli, [*dpo, "--batch", "2", "--epochs", "4", "--learning-rate", "0.01", *model])
    assert result.exception is None, result.exception
    before, after = load_file(adapter / WEIGHTS), load_file(tmp_path / "dpo" / "final" / WEIGHTS)
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name].to(torch.bfloat16)) for name in before)


def test_pairs_that_are_none_are_refused(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("")
    (tmp_path / "adapter").mkdir()
    arguments = ["train", "rprm-dpo", str(pairs), "-o", str(tmp_path / "dpo"), "--adapter", str(tmp_path / "adapter")]
    result = CliRunner().invoke(cli, [*arguments, "--model", str(write_tiny_model(tmp_path / "model"))])
    assert isinstance(result.exception, ConfigurationError)
    assert "holds no pair" in result.exception.message
