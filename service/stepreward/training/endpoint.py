"""A teacher behind an OpenAI-compatible endpoint: asked by rprm's own prompt, its answers kept as they come."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import stamina
from pydantic import BaseModel, ValidationError

from stepreward.errors import ConfigurationError
from stepreward.files import reason_of
from stepreward.prompts.rprm import RPRM
from stepreward.prompts.tokens import Holes, Untrusted
from stepreward.prompts.wording import Chosen
from stepreward.training.rprm import Teacher
from stepreward.training.teacher import Lesson
from stepreward.values import Solution

_TIMEOUT_S = 300.0
_ATTEMPTS = 5


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Message


class _Answer(BaseModel):
    choices: list[_Choice]


class _Kept(BaseModel):
    """A line of the file of answers; `key` is the hash of what was asked."""

    key: str
    content: str


@contextmanager
def endpoint(url: str, model: str, api_key: str | None, analyst: RPRM, kept: Path) -> Iterator[Teacher]:
    """A teacher that gives the analysis up to the marker, None where its verdict is another than the label.

    What stands in `kept` is not asked for again. Raises ConfigurationError where the endpoint refuses, or does not
    answer after retries.
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    answers = _answers(kept)
    with httpx.Client(headers=headers, timeout=_TIMEOUT_S) as client, kept.open("a", encoding="utf-8") as file:

        def teach(lesson: Lesson) -> str | None:
            body = {"model": model, "messages": messages_of(lesson, analyst)}
            key = hashlib.sha256(json.dumps(body).encode()).hexdigest()
            if key not in answers:
                answers[key] = _asked(client, f"{url.rstrip('/')}/chat/completions", body)
                _keep(file, key, answers[key])
            return agreeing(answers[key], lesson.label, analyst.marker)

        yield teach


def messages_of(lesson: Lesson, analyst: RPRM) -> list[dict[str, str]]:
    """As a chat: the words of rprm's prompt for the step."""
    words, holes = analyst.wording, Holes()
    rendered = words.render(Solution(lesson.question, lesson.steps), lesson.index, Chosen((), ()), holes)
    user = "".join(one.text if isinstance(one, Untrusted) else one for one in holes.segments(rendered))
    system = [{"role": "system", "content": words.system}] if words.system else []
    return [*system, {"role": "user", "content": user}]


def agreeing(content: str, label: bool, marker: str) -> str | None:
    """What stands before the first marker, where "Yes" after it means right, "No" wrong, and the label says so."""
    analysis, found, verdict = content.partition(marker)
    said = verdict.strip(" *.\n").partition("\n")[0].strip(" *.").casefold()
    return analysis if found and analysis.strip() and said == ("yes" if label else "no") else None


def _answers(path: Path) -> dict[str, str]:
    """A last line that was cut off, as by a kill, is taken away."""
    if not path.exists():
        return {}
    with path.open("rb+") as file:
        file.truncate(file.read().rfind(b"\n") + 1)
    try:
        found = [_Kept.model_validate_json(line) for line in path.read_bytes().splitlines()]
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {reason_of(error)}") from error
    return {one.key: one.content for one in found}


def _keep(file: IO[str], key: str, content: str) -> None:
    file.write(_Kept(key=key, content=content).model_dump_json() + "\n")
    file.flush()


def _again(error: Exception) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return isinstance(error, httpx.TransportError)


def _asked(client: httpx.Client, url: str, body: Mapping[str, object]) -> str:
    try:
        for attempt in stamina.retry_context(on=_again, attempts=_ATTEMPTS, timeout=None):
            with attempt:
                response = client.post(url, json=body).raise_for_status()
        return _Answer.model_validate_json(response.content).choices[0].message.content
    except httpx.HTTPError as error:
        raise ConfigurationError(f"--teacher {url}: {error}") from error
    except (ValidationError, IndexError) as error:
        raise ConfigurationError(f"--teacher {url}: answers in another form than chat completions") from error
