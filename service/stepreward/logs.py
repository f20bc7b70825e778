"""Logs: one line of JSON a record, an event name and its fields. No text of a prompt and no key is passed in.

An exception is told by its types and where it was raised: its message may hold what a client sent. `log_text` lifts
both, for debugging: then `text` takes the texts of requests, too.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

from rich.console import Console

from stepreward import caller

_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {
    "message",
    "taskName",
    "color_message",
}
_OFF = logging.CRITICAL + 1

text = logging.getLogger("stepreward.text")
text.setLevel(_OFF)


class _Json(logging.Formatter):
    def __init__(self, *, log_text: bool) -> None:
        super().__init__()
        self._log_text = log_text

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if asker := caller.current.get():
            line["request_id"] = asker.request_id
        line |= {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if record.exc_info and record.exc_info[1]:
            line["exception"] = self.formatException(record.exc_info) if self._log_text else _told(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(level: str, *, log_text: bool = False) -> None:
    """Send everything at or above `level` to stderr; libraries only from warning on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(log_text=log_text))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("stepreward").setLevel(level.upper())
    logging.getLogger("uvicorn.error").setLevel(level.upper())
    text.setLevel(logging.INFO if log_text else _OFF)
    if log_text:
        warning = "STEPREWARD_LOG_TEXT is set: what clients send to be scored stands in this log"
        Console(stderr=True).print(warning, style="bold red", soft_wrap=True)


def _told(error: BaseException) -> str:
    """Where it was raised, and what it is, with what caused it first; the source lines are ours."""
    lines = traceback.format_tb(error.__traceback__)
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    earlier = [_told(before)] if before else []
    return "\n".join([*earlier, "".join(lines) + type(error).__name__])
