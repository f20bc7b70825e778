"""Who a piece of work is done for: told by logs, metrics and traces, and used for nothing that decides anything.

It travels beside the calls, in a context variable, so that a function need not carry what it has no use for. A
computation that several callers share is done for the one that came first.
"""

import re
from contextvars import ContextVar
from dataclasses import dataclass

from stepreward.errors import InvalidRequest

RUN_HEADER = "X-Stepreward-Run"
RUN_PARAMETER = "run"

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Caller:
    """`run` is the client's name for its training run, None where it gave none."""

    request_id: str
    run: str | None = None


current: ContextVar[Caller | None] = ContextVar("caller", default=None)


def checked_run(name: str | None) -> str | None:
    """The name of a run as a client sent it. Raises InvalidRequest."""
    if name is None or _RUN.fullmatch(name):
        return name
    raise InvalidRequest(f"{RUN_HEADER}: a name of up to 64 letters, digits, dots, hyphens and underscores")
