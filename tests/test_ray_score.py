"""`score --engine ray`: one result for every row, on a cluster of two nodes, whatever is lost on the way."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from stepreward.cli import main
from stepreward.errors import ConfigurationError
from stepreward.ray_cluster import RayOptions
from stepreward.ray_scoring import Job, Outputs, ScoringFailed, identity, score_file
from test_bulk import REQUEST, Scripted, read, row, scripted, write  # noqa: F401
from test_ray_ingest import RAY_NOISE, cluster  # noqa: F401

pytest.importorskip("ray", reason="the extra ray is not installed")

pytestmark = RAY_NOISE

# 32 rows a chunk.
SMALL = ["--items-per-request", "2", "--concurrency", "2"]
ROWS: list[dict[str, object] | str] = [
    *(row(str(number)) for number in range(200)),
    "no JSON",
    "",
    row("refuse"),
    row("fail"),
    *(row(f"slow {number}") for number in range(100)),
]

HERE = ["-o", "here.jsonl", "--bad-rows", "here.bad.jsonl"]
THERE = ["-o", "there.jsonl", "--bad-rows", "there.bad.jsonl", "--engine", "ray"]

Score = Callable[..., int]


@pytest.fixture
def score(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scripted: Scripted) -> Score:  # noqa: F811
    """`stepreward score` as its entry point runs it, in an empty directory; its exit code."""

    def run(*arguments: object) -> int:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["stepreward", "score", "--url", scripted.url, *SMALL, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run


def when_held(scripted: Scripted, do: Callable[[], object]) -> Thread:  # noqa: F811
    """Lets the service answer some chunks more and then nothing until it is done."""
    script = scripted.script
    script.held_from = len(script.requests) + 40

    def run() -> None:
        while len(script.requests) <= script.held_from:
            time.sleep(0.01)
        do()
        script.released.set()

    thread = Thread(target=run, daemon=True)
    thread.start()
    return thread


def check_same(folder: Path) -> None:
    """What a cluster wrote is what one process wrote, byte for byte."""
    for name in ("{}.jsonl", "{}.bad.jsonl"):
        assert (folder / name.format("there")).read_text() == (folder / name.format("here")).read_text()
    assert len(read(folder / "there.jsonl")) == 301
    assert [bad["line"] for bad in read(folder / "there.bad.jsonl")] == [201, 203]


def test_a_node_that_is_lost_midway_takes_no_row_with_it(
    score: Score,
    cluster: Any,  # noqa: F811
    scripted: Scripted,  # noqa: F811
    tmp_path: Path,
) -> None:
    file = write(tmp_path / "in.jsonl", ROWS)
    assert score(file, *HERE) == 3
    [node] = cluster.worker_nodes
    lost = when_held(scripted, lambda: cluster.remove_node(node))
    assert score(file, *THERE, "--ray-address", cluster.address) == 3
    lost.join()
    check_same(tmp_path)


def test_a_run_that_was_killed_goes_on_and_one_that_is_done_asks_nothing(
    score: Score,
    cluster: Any,  # noqa: F811
    scripted: Scripted,  # noqa: F811
    tmp_path: Path,
) -> None:
    file = write(tmp_path / "in.jsonl", ROWS)
    assert score(file, *HERE) == 3
    all_asked = len(scripted.script.requests)
    argv = [sys.executable, "-m", "stepreward", "score", "--url", scripted.url, str(file), *SMALL, *THERE]
    killed = subprocess.Popen([*argv, "--ray-address", cluster.address], cwd=tmp_path, stderr=subprocess.DEVNULL)
    progress = tmp_path / "there.jsonl.progress"

    def kill() -> None:
        while not progress.exists():
            time.sleep(0.01)
        killed.kill()
        killed.wait()

    when_held(scripted, kill).join()
    written = json.loads(progress.read_text())["rows"]
    assert 0 < written < len(ROWS) - 1
    with (tmp_path / "there.jsonl").open("a") as torn:
        torn.write('{"id": "half a li')

    before = len(scripted.script.requests)
    assert score(file, *THERE, "--ray-address", cluster.address) == 3
    check_same(tmp_path)
    assert len(scripted.script.requests) - before < all_asked
    before = len(scripted.script.requests)
    assert score(file, *THERE, "--ray-address", cluster.address) == 0
    assert len(scripted.script.requests) == before
    check_same(tmp_path)


def test_a_service_that_dies_ends_the_run_and_what_was_written_stays(
    cluster: Any,  # noqa: F811
    scripted: Scripted,  # noqa: F811
    tmp_path: Path,
) -> None:
    scripted.script.gone_from = 30
    job = job_of(write(tmp_path / "in.jsonl", ROWS[:100]), scripted.url)
    with ExitStack() as stack:
        outputs = outputs_of(stack, job)
        with pytest.raises(ScoringFailed, match=r"^http://127\.0\.0\.1:\d+: [^\n]*$"):
            score_file(job, RayOptions(cluster.address), outputs, lambda _: None)
    names = [result["id"] for result in read(tmp_path / "out.jsonl")]
    assert names == [str(number) for number in range(outputs.written.rows)]


def job_of(file: Path, url: str, **changed: Any) -> Job:
    asked: dict[str, Any] = {"limit": None, "api_key": None, "request": REQUEST, "question_key": "question"}
    return Job(file, url=url, items_per_request=2, concurrency=2, attempts=1, **(asked | changed))


def outputs_of(stack: ExitStack, job: Job) -> Outputs:
    return Outputs(stack, job.file.with_name("out.jsonl"), job.file.with_name("out.bad.jsonl"), identity(job))


def test_a_run_of_another_file_or_with_other_options_is_not_gone_on_with(tmp_path: Path) -> None:
    job = job_of(write(tmp_path / "in.jsonl", ROWS[:3]), "http://127.0.0.1:1")
    with ExitStack() as stack:
        outputs_of(stack, job).add(1, "first\n", "")
    others = [replace(job, limit=2), replace(job, question_key="problem")]
    for other in others:
        with ExitStack() as stack, pytest.raises(ConfigurationError, match=r"out\.jsonl: begun with another"):
            outputs_of(stack, other)
    write(job.file, ROWS[:4])
    with ExitStack() as stack, pytest.raises(ConfigurationError, match=r"out\.jsonl: begun with another"):
        outputs_of(stack, job)


def test_outputs_go_on_after_what_was_written_and_take_back_the_rest(tmp_path: Path) -> None:
    job = job_of(write(tmp_path / "in.jsonl", ROWS[:3]), "http://127.0.0.1:1")
    with ExitStack() as stack:
        outputs_of(stack, job).add(2, "first\n", "bad\n")
    for name in ("out.jsonl", "out.bad.jsonl"):
        with (tmp_path / name).open("a") as torn:
            torn.write("torn")
    with ExitStack() as stack:
        outputs = outputs_of(stack, job)
        assert outputs.written.rows == 2
        outputs.add(1, "second\n", "")
    assert (tmp_path / "out.jsonl").read_text() == "first\nsecond\n"
    assert (tmp_path / "out.bad.jsonl").read_text() == "bad\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["in.jsonl", "--engine", "ray"], "--engine ray: needs a FILE and an --output"),
        (["-", "-o", "out.jsonl", "--engine", "ray"], "--engine ray: needs a FILE and an --output"),
        (["in.jsonl", "--ray-workers", "2"], "--ray-workers: only for --engine ray"),
        (["in.jsonl", "--api-key-env", "NO_SUCH_VARIABLE"], "--api-key-env: the environment variable NO_SUCH_VARIABLE"),
        (["in.jsonl", "-o", "out.jsonl", "--engine", "ray", "--ray-address", "127.0.0.1:1"], "--ray-address: no Ray"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    score: Score, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], said: str
) -> None:
    write(tmp_path / "in.jsonl", ROWS[:3])
    assert score(*arguments) == 2
    [line] = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith(f"stepreward: {said}")
