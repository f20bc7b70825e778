"""What stands in the log: no text that was sent and no key, whatever goes wrong; all of it where that is asked for."""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from loadtests.scripted_worker import Fault, ScriptedWorker
from serving import serving
from stepreward import logs
from stepreward.access import Gate
from stepreward.policies import Policy
from stepreward.values import Prompt, References, Solution, TokenCount
from test_access import SCORE, write
from test_pipeline import long_item
from test_retrieval import NO_PAYLOAD_INDEX

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

MARK = "Zebrafinch"
ITEM = {"question": f"How many {MARK}s?", "steps": [f"There are 2 {MARK}s.", f"So 2 {MARK}s."]}
ONE = {"items": [ITEM]}


class Bug:
    """A judge that says in its exception what it was given."""

    version = revision = "bug-1"

    def render(self, solution: Solution, references: References, indexes: Sequence[int]) -> list[Prompt]:
        try:
            prompts: dict[str, list[Prompt]] = {}
            return prompts[solution.question]
        except KeyError as error:
            raise RuntimeError(f"cannot render {solution.steps}") from error

    async def judge(self, prompts: Sequence[Prompt], policy: Policy, seed: int, spent: TokenCount) -> list[object]:
        raise AssertionError("never asked")


@pytest.fixture
def kept_loggers() -> Iterator[None]:
    """`configure` is for a process: here others come after it."""
    root, names = logging.getLogger(), ("stepreward", "uvicorn.error", "stepreward.text")
    before = root.level, root.handlers[:], [logging.getLogger(name).level for name in names]
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for name, level in zip(names, before[2], strict=True):
        logging.getLogger(name).setLevel(level)


def ask_everything(folder: Path) -> list[int]:
    """Scores and refusals with the mark in every text, and with the key; the statuses."""
    gate = Gate(write(folder / "keys.json"))
    bodies: list[object] = [
        ONE,
        {**ONE, "method": "rprm", "trajectories": {"k": 2}, "include": ["trajectories", "references"]},
        {"items": [{**ITEM, MARK: 1}]},
        {"items": [{**ITEM, "id": MARK * 100}]},
        {"items": [{**ITEM, "steps": [f"{MARK}\u202e"]}]},
        {"items": [ITEM | {"id": "a"}, ITEM | {"id": "a"}]},
        {"items": [ITEM | {"question": f"{MARK} {long_item()['steps'][1]}" * 3}]},
        f'{{"items": "{MARK}'.encode(),
        f"{MARK}\xff".encode("latin-1"),
    ]
    statuses = []
    for worker, parts in (
        (ScriptedWorker(), {}),
        (ScriptedWorker(faults=dict.fromkeys(range(1, 99), Fault.TRUNCATED_JSON)), {}),
        (ScriptedWorker(faults=dict.fromkeys(range(1, 99), Fault.STATUS_500)), {}),
        (ScriptedWorker(), {"judges": {"retsp": Bug(), "rprm": Bug()}}),
    ):
        with serving(worker, gate=gate, **parts) as served, httpx.Client(base_url=served.url, timeout=60) as http:
            http.headers["Content-Type"] = "application/json"
            for body in bodies:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                for key in (f"Bearer {SCORE}", f"Bearer {SCORE}{MARK}"):
                    answer = http.post("/score", content=content, headers={"Authorization": key})
                    statuses.append(answer.status_code)
            statuses.append(http.get(f"/{MARK}?run={MARK}!", headers={"Authorization": f"Bearer {SCORE}"}).status_code)
            with served.connect() as sock:
                sock.sendall(f"{MARK} {SCORE}\r\n\r\n".encode())
                sock.recv(4096)
    return statuses


def test_no_text_and_no_key_is_in_the_log_whatever_goes_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kept_loggers: None
) -> None:
    logs.configure("debug")
    statuses = set(ask_everything(tmp_path))
    told = capsys.readouterr().err
    assert {200, 400, 401, 422, 500} <= statuses
    assert statuses & {502, 503}
    assert "internal_error" in told
    assert "RuntimeError" in told
    assert MARK not in told
    assert SCORE not in told


def test_where_it_is_asked_for_the_log_has_the_texts_and_says_so_in_red_at_start_but_never_a_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kept_loggers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    logs.configure("info", log_text=True)
    started = capsys.readouterr().err
    ask_everything(tmp_path)
    told = capsys.readouterr().err
    assert "STEPREWARD_LOG_TEXT" in started
    assert "\x1b[1;31m" in started
    assert MARK in told
    assert SCORE not in told
