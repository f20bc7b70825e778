"""The supervisor with real processes: readiness, restarts, and that nothing is left, however it ends."""

import asyncio
import io
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from stepreward.concurrency import run_all
from stepreward.embedded.child import Child, ChildFailed, http_ready, rotate_log
from stepreward.embedded.stages import Stages
from stepreward.embedded.supervisor import Backoff, Supervisor

MARK = "SUPERVISOR_TEST_MARK"
QUICK = Backoff(first_s=0.05, longest_s=0.2, healthy_s=60)

# Ready at once; says so with a file. Ends politely on SIGTERM.
PLAIN = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
# Like PLAIN, but it and a grandchild of its own ignore SIGTERM.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    open(sys.argv[1], 'w').write(str(os.getpid()))
time.sleep(60)
"""
# A grandchild, too, but only the child itself ends on SIGTERM.
WITH_GRANDCHILD = """
import os, signal, sys, time
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
open(sys.argv[1], 'w').write(str(os.getpid()))
time.sleep(60)
"""

# `supervise.py DIRECTORY NAME=SOURCE …`: a supervisor in a process of its own, to be signalled from outside.
DRIVER = """
import asyncio, sys
from pathlib import Path
from rich.console import Console
from stepreward.embedded.child import Child
from stepreward.embedded.supervisor import Supervisor

async def serve():
    directory, grace_s, *children = sys.argv[1:]
    async with Supervisor(Console(), grace_s=float(grace_s)) as supervisor:
        for number, source in enumerate(children):
            flag = Path(directory) / f"flag{number}"
            async def ready(flag=flag):
                return flag.exists()
            await supervisor.start(
                Child(f"c{number}", (sys.executable, "-S", "-c", source, str(flag)), ready, flag.with_suffix(".log"))
            )
        print("all ready", flush=True)
        await supervisor.watch()
    return supervisor.exit_code

sys.exit(asyncio.run(serve()))
"""


def marked(mark: str) -> list[int]:
    """Pids of the living that carry the mark, as all do that descend from one. (A zombie has no environment.)"""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}".encode() in environ.read_bytes():
                found.append(int(environ.parent.name))
        except OSError:
            continue
    return found


def nothing_left(mark: str, within_s: float) -> bool:
    deadline_s = time.monotonic() + within_s
    while marked(mark):
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def mark() -> Iterator[str]:
    mark = uuid.uuid4().hex
    yield mark
    left = marked(mark)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == []


class Scene:
    """Children whose readiness is a file, and a console whose text can be read."""

    def __init__(self, directory: Path, mark: str) -> None:
        self.directory = directory
        self.mark = mark
        self.text = io.StringIO()
        self.console = Console(file=self.text, width=40)

    def child(self, name: str, source: str = PLAIN, *, ready_timeout_s: float = 10) -> Child:
        flag = self.directory / name
        return Child(
            name,
            (sys.executable, "-S", "-c", source, str(flag)),
            self.exists(flag),
            self.directory / "logs" / f"{name}.log",
            env={MARK: self.mark},
            ready_timeout_s=ready_timeout_s,
        )

    @staticmethod
    def exists(flag: Path) -> Callable[[], Awaitable[bool]]:
        async def ready() -> bool:
            return flag.exists() and flag.read_text() != ""  # noqa: ASYNC240

        return ready

    def pid(self, name: str) -> int:
        return int((self.directory / name).read_text())

    async def until(self, true: Callable[[], bool], within_s: float = 5) -> None:
        async with asyncio.timeout(within_s):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture
def scene(tmp_path: Path, mark: str) -> Scene:
    return Scene(tmp_path, mark)


def test_start_waits_until_the_child_is_ready_and_the_end_of_the_block_stops_it(scene: Scene) -> None:
    async def story() -> None:
        async with Supervisor(scene.console) as supervisor:
            await supervisor.start(scene.child("one"))
            assert scene.pid("one") in marked(scene.mark)
        assert supervisor.exit_code == 0

    asyncio.run(story())
    assert marked(scene.mark) == []


def test_an_early_exit_gives_name_code_and_the_end_of_the_log(scene: Scene) -> None:
    source = "print('x' * 20000)\nfor n in range(100): print('line', n)\nraise SystemExit(3)"

    async def story() -> None:
        async with Supervisor(scene.console) as supervisor:
            await supervisor.start(scene.child("worker", source))

    with pytest.raises(ChildFailed) as excinfo:
        asyncio.run(story())
    head, *tail = excinfo.value.message.splitlines()
    assert head == f"worker exited with code 3 before it was ready (log: {scene.directory}/logs/worker.log)"
    assert tail == [f"    line {n}" for n in range(88, 100)]


def test_a_program_that_is_not_there_is_named(scene: Scene) -> None:
    async def never() -> bool:
        return False

    async def story() -> None:
        async with Supervisor(scene.console) as supervisor:
            await supervisor.start(Child("engine", ("/no/such/program",), never, scene.directory / "engine.log"))

    with pytest.raises(
        ChildFailed, match=r"engine exited with code 127(.|\n)*cannot run /no/such/program: No such file"
    ):
        asyncio.run(story())


def test_a_log_that_cannot_be_written_is_a_failed_start(scene: Scene) -> None:
    (scene.directory / "logs").write_text("in the way")

    async def story() -> None:
        async with Supervisor(scene.console) as supervisor:
            await supervisor.start(scene.child("one"))

    with pytest.raises(ChildFailed, match=r"one cannot be started: .*logs"):
        asyncio.run(story())


def test_a_child_that_is_not_ready_in_time_is_ended_with_its_group(scene: Scene) -> None:
    async def story() -> None:
        async with Supervisor(scene.console) as supervisor:
            with pytest.raises(ChildFailed, match=r"slow was not ready within 0\.3 s"):
                await supervisor.start(
                    scene.child("slow", STUBBORN.replace("str(os.getpid())", "''"), ready_timeout_s=0.3)
                )
            assert marked(scene.mark) == []

    asyncio.run(story())


def test_a_failure_of_one_stage_stops_all_others(scene: Scene) -> None:
    async def story() -> None:
        async with Supervisor(scene.console) as supervisor:
            await supervisor.start(scene.child("first"))
            failing = scene.child("second", "raise SystemExit('no memory')")
            await run_all([supervisor.start(failing), supervisor.start(scene.child("third", "while True: pass"))])

    with pytest.raises(ChildFailed, match=r"second exited with code 1(.|\n)*no memory"):
        asyncio.run(story())
    assert marked(scene.mark) == []


def test_a_child_that_dies_is_named_and_restarted_with_its_group_ended_first(scene: Scene) -> None:
    async def story() -> None:
        async with Supervisor(scene.console, backoff=QUICK) as supervisor:
            await supervisor.start(scene.child("worker", WITH_GRANDCHILD))
            first, before = scene.pid("worker"), marked(scene.mark)
            os.kill(first, signal.SIGKILL)
            await scene.until(lambda: scene.text.getvalue().endswith("worker is ready again\n"))
            await scene.until(lambda: scene.pid("worker") != first)
            assert not set(before) & set(marked(scene.mark))

    asyncio.run(story())
    assert "worker was killed by SIGKILL (log: " in scene.text.getvalue()
    assert "; restart in 0.05 s\n" in scene.text.getvalue()


def test_the_pause_before_a_restart_doubles_up_to_its_longest(scene: Scene) -> None:
    dies_the_second_time = f"import os, sys\nif os.path.exists(sys.argv[1]): raise SystemExit(7)\n{PLAIN}"

    async def story() -> None:
        async with Supervisor(scene.console, backoff=QUICK) as supervisor:
            await supervisor.start(scene.child("worker", dies_the_second_time))
            os.kill(scene.pid("worker"), signal.SIGTERM)
            await scene.until(lambda: scene.text.getvalue().count("restart in") >= 5)

    asyncio.run(story())
    assert re.findall(r"restart in (\S+) s", scene.text.getvalue())[:5] == ["0.05", "0.1", "0.2", "0.2", "0.2"]
    assert "worker was killed by SIGTERM" in scene.text.getvalue()
    assert "worker exited with code 7" in scene.text.getvalue()


def test_a_child_that_was_healthy_for_long_is_restarted_after_the_first_pause(scene: Scene) -> None:
    async def story() -> None:
        async with Supervisor(scene.console, backoff=Backoff(first_s=0.01, longest_s=9, healthy_s=0)) as supervisor:
            await supervisor.start(scene.child("worker"))
            for restarts in (1, 2, 3):
                os.kill(scene.pid("worker"), signal.SIGKILL)
                (scene.directory / "worker").unlink()
                await scene.until(lambda: scene.text.getvalue().count("ready again") == restarts)  # noqa: B023

    asyncio.run(story())
    assert re.findall(r"restart in (\S+) s", scene.text.getvalue()) == ["0.01"] * 3


def test_children_are_stopped_last_started_first_and_the_stubborn_are_killed_within_the_grace(scene: Scene) -> None:
    politely = f"""
import os, signal, sys, time
def end(*_):
    with open({str(scene.directory / "order")!r}, "a") as order: order.write(os.path.basename(sys.argv[1]) + " ")
    sys.exit()
signal.signal(signal.SIGTERM, end)
{PLAIN}
"""
    durations_s = []

    async def story() -> None:
        async with Supervisor(scene.console, grace_s=0.8) as supervisor:
            for name, source in [("a", politely), ("b", STUBBORN), ("c", politely)]:
                await supervisor.start(scene.child(name, source))
            durations_s.append(-time.monotonic())
        durations_s[0] += time.monotonic()

    asyncio.run(story())
    assert (scene.directory / "order").read_text() == "c a "
    assert "killed after 0.8 s: b\n" in scene.text.getvalue()
    assert 0.7 < durations_s[0] < 2
    assert marked(scene.mark) == []


def test_http_ready_follows_the_status_of_a_real_server(scene: Scene) -> None:
    source = """
import http.server, pathlib, sys
class Handler(http.server.BaseHTTPRequestHandler):
    statuses = [503, 500, 200]
    def do_GET(self):
        self.send_response(self.statuses.pop(0)); self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
pathlib.Path(sys.argv[1]).write_text(str(server.server_port))
server.serve_forever()
"""

    async def story() -> None:
        async with Supervisor(scene.console) as supervisor:
            await supervisor.start(scene.child("server", source))
            ready = http_ready(f"http://127.0.0.1:{scene.pid('server')}/health")
            assert [await ready() for _ in range(3)] == [False, False, True]
        assert await ready() is False

    asyncio.run(story())


class Driver:
    """The supervisor as a process of its own, with its children marked."""

    def __init__(self, directory: Path, mark: str, grace_s: float, *sources: str, script: str = DRIVER) -> None:
        self.mark = mark
        self.popen = subprocess.Popen(
            [sys.executable, "-c", script, str(directory), str(grace_s), *sources],
            env={**os.environ, MARK: mark},
            stdout=subprocess.PIPE,
            text=True,
        )

    def until_ready(self) -> None:
        assert self.popen.stdout is not None
        assert self.popen.stdout.readline() == "all ready\n"

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def ended(self) -> tuple[int, str]:
        text, _ = self.popen.communicate(timeout=10)
        return self.popen.returncode, text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything_with_exit_code_0(tmp_path: Path, mark: str, number: signal.Signals) -> None:
    driver = Driver(tmp_path, mark, 0.5, PLAIN, WITH_GRANDCHILD, STUBBORN)
    driver.until_ready()
    assert len(marked(mark)) == 1 + 3 * 2 + 2  # itself, children with their watchers, grandchildren
    driver.signal(number)
    code, text = driver.ended()
    assert marked(mark) == []
    assert code == 0
    assert f"{number.name}: stopping" in text
    assert "stopped in" in text


def test_a_signal_while_a_child_is_not_ready_yet_stops_everything_with_its_exit_code(tmp_path: Path, mark: str) -> None:
    driver = Driver(tmp_path, mark, 0.5, PLAIN, "while True: pass")
    while not (tmp_path / "flag1.log").exists():
        time.sleep(0.02)
    driver.signal(signal.SIGTERM)
    assert driver.ended()[0] == 128 + signal.SIGTERM
    assert marked(mark) == []


def test_a_second_ctrl_c_kills_at_once_but_not_the_same_one_delivered_twice(tmp_path: Path, mark: str) -> None:
    driver = Driver(tmp_path, mark, 30, STUBBORN)
    driver.until_ready()
    driver.signal(signal.SIGINT)
    time.sleep(0.1)
    driver.signal(signal.SIGINT)
    driver.signal(signal.SIGTERM)
    time.sleep(0.6)
    assert driver.popen.poll() is None
    driver.signal(signal.SIGINT)
    assert driver.ended()[0] == 128 + signal.SIGINT
    assert nothing_left(mark, within_s=2)


def test_kill_9_of_the_supervisor_leaves_no_orphan(tmp_path: Path, mark: str) -> None:
    driver = Driver(tmp_path, mark, 8, PLAIN, STUBBORN, WITH_GRANDCHILD)
    driver.until_ready()
    driver.signal(signal.SIGKILL)
    driver.ended()
    assert nothing_left(mark, within_s=3)


def test_kill_9_of_supervisor_and_watchers_still_ends_the_children_themselves(tmp_path: Path, mark: str) -> None:
    driver = Driver(tmp_path, mark, 8, PLAIN)
    driver.until_ready()
    child = int((tmp_path / "flag0").read_text())
    (watcher,) = set(marked(mark)) - {child, driver.popen.pid}
    os.kill(watcher, signal.SIGKILL)
    driver.signal(signal.SIGKILL)
    driver.ended()
    assert nothing_left(mark, within_s=3)


def test_a_stop_leaves_nothing_to_reap(tmp_path: Path, mark: str) -> None:
    no_child_is_left = "import os\ntry: os.waitpid(-1, os.WNOHANG)\nexcept ChildProcessError: print('none left')\n"
    script = DRIVER.replace("sys.exit(asyncio.run(serve()))", f"asyncio.run(serve())\n{no_child_is_left}")
    driver = Driver(tmp_path, mark, 0.5, WITH_GRANDCHILD, STUBBORN, script=script)
    driver.until_ready()
    driver.signal(signal.SIGTERM)
    assert driver.ended()[1].endswith("none left\n")


def test_the_log_of_the_start_before_is_kept_beside(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    rotate_log(log)
    log.write_text("first")
    rotate_log(log, kept_bytes=5)
    assert log.read_text() == "first"
    rotate_log(log)
    log.write_text("second")
    rotate_log(log)
    assert [path.name for path in tmp_path.iterdir()] == ["worker.log.1"]
    assert (tmp_path / "worker.log.1").read_text() == "second"


def test_each_stage_is_a_line_at_its_start_and_one_at_its_end_where_there_is_no_terminal() -> None:
    text = io.StringIO()
    stages = Stages(Console(file=text, width=20))
    with pytest.raises(ZeroDivisionError), stages.stage("a stage with a long name [x]"), stages.stage("inner"):
        raise ZeroDivisionError
    with stages.stage("next"):
        time.sleep(0.1)
    assert re.sub(r"0\.0 s", "T", text.getvalue()).splitlines() == [
        "a stage with a long name [x]: started",
        "inner: started",
        "inner: failed after T",
        "a stage with a long name [x]: failed after T",
        "next: started",
        "next: ready in 0.1 s",
    ]


def test_on_a_terminal_overlapping_stages_share_the_spinner_and_leave_one_line_each() -> None:
    text = io.StringIO()
    stages = Stages(Console(file=text, force_terminal=True, force_interactive=True, width=60))

    async def run(name: str, duration_s: float, ending: BaseException | None = None) -> None:
        with stages.stage(name):
            await asyncio.sleep(duration_s)
            if ending:
                raise ending

    async def story() -> None:
        await asyncio.gather(
            run("one", 0.15), run("two", 0.3), run("three", 0, asyncio.CancelledError()), return_exceptions=True
        )

    asyncio.run(story())
    for line in ("one: ready in 0.", "two: ready in 0.", "three: stopped after 0.0 s"):
        assert text.getvalue().count(line) == 1
    assert text.getvalue().count("\x1b[?25l") == text.getvalue().count("\x1b[?25h") == 1  # the cursor is back
