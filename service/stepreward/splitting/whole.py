"""What is not cut apart in a response: fenced code, formulas, LaTeX environments, code within a line.

What is opened and never closed is none of these. A dollar that stands for money is none: one that opens a formula has
no space after it, one that closes it has none before it and no digit after it, and no dollar stands between them.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

_MARK = re.compile(
    r"\\\\|\\[$`]|(?P<bracket>\\[\[\]()])|(?P<environment>\\(?:begin|end)\{)|(?P<fence>`{3,}|~{3,})|(?P<dollar>\${1,2})|`"
)
_CLOSING = {"\\[": "\\]", "\\(": "\\)", "$$": "$$", "$": "$", "`": "`", "```": "```", "~~~": "~~~"}
# These end with their paragraph: one that is not closed there was something else.
_WITHIN_PARAGRAPH = frozenset({"$", "\\(", "`"})
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")


@dataclass(frozen=True)
class Wholes:
    """Stretches of a text, in order and apart: the n-th is `text[begins[n]:ends[n]]`."""

    begins: tuple[int, ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Self:
        found = list(_stretches(text))
        return cls(tuple(begin for begin, _ in found), tuple(end for _, end in found))

    def cuts(self, at: int) -> bool:
        """Whether a cut there would go through one of them."""
        number = bisect_left(self.begins, at) - 1
        return number >= 0 and at < self.ends[number]


@dataclass(frozen=True)
class _Mark:
    """`kind` is a key or a value of _CLOSING, or "begin" or "end" of an environment."""

    kind: str
    begin: int
    end: int
    opens: bool = True
    closes: bool = True


def _stretches(text: str) -> Iterator[tuple[int, int]]:
    marks = list(_marks(text))
    closers: dict[str, list[int]] = {}
    for number, mark in enumerate(marks):
        if mark.closes or mark.kind == "$":
            closers.setdefault(mark.kind, []).append(number)
    environments = _environments(marks)
    blank_lines = [found.start() for found in _BLANK_LINE.finditer(text)]
    number = 0
    while number < len(marks):
        mark = marks[number]
        last = environments.get(number) if mark.kind == "begin" else _closer(number, marks, closers, blank_lines)
        if last is None:
            number += 1
        else:
            yield mark.begin, marks[last].end
            number = last + 1


def _closer(number: int, marks: list[_Mark], closers: dict[str, list[int]], blank_lines: list[int]) -> int | None:
    """The mark that closes this one."""
    mark = marks[number]
    if not mark.opens or mark.kind not in _CLOSING:
        return None
    candidates = closers.get(_CLOSING[mark.kind], [])
    position = bisect_right(candidates, number)
    if position == len(candidates):
        return None
    closer = candidates[position]
    if not marks[closer].closes:
        return None
    if mark.kind in _WITHIN_PARAGRAPH:
        blank = bisect_left(blank_lines, mark.end)
        if blank < len(blank_lines) and blank_lines[blank] < marks[closer].begin:
            return None
    return closer


def _marks(text: str) -> Iterator[_Mark]:
    for found in _MARK.finditer(text):
        begin, end = found.span()
        if found["environment"]:
            yield _Mark(found["environment"][1:-1], begin, end)
        elif found["fence"]:
            yield _Mark(found["fence"][:3], begin, end)
        elif found["dollar"] == "$":
            before, after = text[max(0, begin - 1) : begin], text[end : end + 1]
            opens = bool(after) and not after.isspace()
            yield _Mark("$", begin, end, opens, bool(before) and not before.isspace() and not after.isdigit())
        elif found[0] in _CLOSING or found["bracket"]:
            yield _Mark(found[0], begin, end)


def _environments(marks: list[_Mark]) -> dict[int, int]:
    r"""The \end of each \begin, by their numbers among the marks."""
    found: dict[int, int] = {}
    open_: list[int] = []
    for number, mark in enumerate(marks):
        if mark.kind == "begin":
            open_.append(number)
        elif mark.kind == "end" and open_:
            found[open_.pop()] = number
    return found
