"""A response's steps, as spans of it. Pure.

The spans, in characters, are a partition: joined in order they are the response, so that each character of it, and
each token, belongs to one step. A step's text is what stands in its span, without the white space around it and without
the tags or the separator that end it. Nothing else is left out: what stands before the first "Step 1:" or outside of
tags is a step too, and white space belongs to the step before it.

Formulas and code are never cut apart (`whole.py`). A line that states the final answer begins a step of its own where
the splitter is `blank_line`, `step_prefix` or `sentence`; `tag` and `regex` cut where they are told.

Takes time linear in the response's length, up to a logarithm, whatever stands in it. A pattern that a client brings
runs in RE2, whose time is linear too, with so little memory that it cannot grow large.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import re2

from stepreward.schema import BLANK, SplitterKind
from stepreward.splitting.whole import Wholes

_PATTERN_MEMORY_BYTES = 1 << 15
# Bounded where two of them could share one run of spaces: else a long run takes time that is its square.
_INDENT = r"[^\S\n]{0,16}[*_#>]{0,8}[^\S\n]{0,16}"
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")
_STEP_PREFIX = re.compile(
    rf"^{_INDENT}step[^\S\n]{{0,8}}\d{{1,4}}[*_]{{0,4}}[^\S\n]{{0,8}}(?:[.:)\u2013\u2014-]|$)",
    re.IGNORECASE | re.MULTILINE,
)
_FINAL_ANSWER = re.compile(
    rf"^{_INDENT}(?:(?<=####)\s|(?:(?:thus|so|therefore|hence),?[^\S\n])?(?:the[^\S\n])?"
    r"(?:final[^\S\n]answer\b|answer(?:[^\S\n]is\b|[*_]{0,4}:)))",
    re.IGNORECASE | re.MULTILINE,
)
# Full stop, exclamation and question mark as Chinese and Japanese write them: no space follows.
_WIDE_MARKS = "\u3002\uff01\uff1f"
_SENTENCE_END = re.compile(
    rf"[.!?][\"'\u201d\u2019\u00bb)\]*_$]{{0,4}}\s+|[{_WIDE_MARKS}][\"'\u201d\u2019\uff09\u300d\u300f]{{0,4}}\s*"
)
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|cf|vs|approx|resp|figs?|eqs?|thm|mrs?|ms|dr|prof|st)\Z", re.IGNORECASE)
_NUMBER_OF_ENTRY = re.compile(r"(?:\A|\n)[^\S\n]{0,8}[*_#>]{0,4}\d{1,3}\Z")
_WINDOW_CHARS = 24
_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")


class UnusableSplitter(ValueError):
    """The pattern is missing, not of this kind, or cannot be used. The message says what to do."""


class TooManySteps(ValueError):
    """There are more than `most`."""

    def __init__(self, most: int) -> None:
        super().__init__(f"splits into more than the {most} steps allowed")


@dataclass(frozen=True)
class Piece:
    """A step: `response[begin:end]`, and its text, which is not blank."""

    begin: int
    end: int
    text: str


# From a response and what is whole in it to its pieces in order, blank ones too; they cover it without a gap.
_Cut = Callable[[str, Wholes], Iterator[Piece]]


@dataclass(frozen=True)
class Splitter:
    """Made by `Splitter.of`."""

    kind: SplitterKind
    pattern: str | None
    _cut: _Cut

    @classmethod
    def of(cls, kind: SplitterKind, pattern: str | None = None) -> "Splitter":
        """`pattern` is RE2's syntax for what separates steps (`regex`), or the tag's name (`tag`, "step" if None).

        Raises UnusableSplitter.
        """
        if kind == "regex":
            return cls(kind, pattern, _at_separators(pattern))
        if kind == "tag":
            return cls(kind, pattern, _at_tags("step" if pattern is None else pattern))
        if pattern is not None:
            raise UnusableSplitter(f"{kind} takes no pattern")
        return cls(kind, None, _CUTS[kind])

    def split(self, response: str, most: int) -> list[Piece]:
        """At least one piece, for a response that is not blank. Raises TooManySteps."""
        pieces: list[Piece] = []
        for piece in self._cut(response, Wholes.of(response)):
            if not pieces or not (BLANK.fullmatch(piece.text) or BLANK.fullmatch(pieces[-1].text)):
                pieces.append(piece)
            else:
                text = pieces[-1].text if BLANK.fullmatch(piece.text) else piece.text
                pieces[-1] = replace(pieces[-1], end=piece.end, text=text)
            if len(pieces) > most:
                raise TooManySteps(most)
        if BLANK.fullmatch(pieces[0].text):
            return [Piece(0, len(response), response.strip())]
        return pieces


def _at_positions(find: Callable[[str], Iterator[int]]) -> _Cut:
    def cut(response: str, wholes: Wholes) -> Iterator[Piece]:
        inside = sorted({at for at in find(response) if 0 < at < len(response) and not wholes.cuts(at)})
        for begin, end in pairwise([0, *inside, len(response)]):
            yield Piece(begin, end, response[begin:end].strip())

    return cut


def _blank_lines(response: str) -> Iterator[int]:
    return (found.end() for found in _BLANK_LINE.finditer(response))


def _final_answers(response: str) -> Iterator[int]:
    return (found.start() for found in _FINAL_ANSWER.finditer(response))


def _paragraphs(response: str) -> Iterator[int]:
    yield from _blank_lines(response)
    yield from _final_answers(response)


def _prefixed(response: str) -> Iterator[int]:
    yield from (found.start() for found in _STEP_PREFIX.finditer(response))
    yield from _final_answers(response)


def _sentences(response: str) -> Iterator[int]:
    yield from _paragraphs(response)
    for found in _SENTENCE_END.finditer(response):
        if _ends_a_sentence(response, found.start(), found.end()):
            yield found.end()


def _ends_a_sentence(response: str, mark: int, following: int) -> bool:
    """Not after an abbreviation or the number of a list's entry, and not before a small letter."""
    if response[mark] in _WIDE_MARKS:
        return True
    if response[following : following + 1].islower():
        return False
    before = response[max(0, mark - _WINDOW_CHARS) : mark]
    return response[mark] != "." or not (_ABBREVIATION.search(before) or _NUMBER_OF_ENTRY.search(before))


def _at_separators(pattern: str | None) -> _Cut:
    if not pattern:
        raise UnusableSplitter("regex needs a pattern: what separates steps")
    options = re2.Options()
    options.max_mem = _PATTERN_MEMORY_BYTES
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0]
        raise UnusableSplitter(said.decode(errors="replace") if isinstance(said, bytes) else str(said)) from None
    if compiled.search("") is not None:
        raise UnusableSplitter("matches the empty text")

    def cut(response: str, wholes: Wholes) -> Iterator[Piece]:
        begin = 0
        for found in compiled.finditer(response):
            if found.start() < found.end() and not (wholes.cuts(found.start()) or wholes.cuts(found.end())):
                yield Piece(begin, found.end(), response[begin : found.start()].strip())
                begin = found.end()
        yield Piece(begin, len(response), response[begin:].strip())

    return cut


def _at_tags(name: str) -> _Cut:
    """Cuts before each opening and after each closing tag."""
    if not _TAG_NAME.fullmatch(name):
        raise UnusableSplitter("tag takes a tag's name: a letter, then letters, digits, - and _, 32 at most")
    tag = re.compile(rf"<{name}(?:\s[^<>]{{0,200}})?>|</{name}\s{{0,8}}>", re.IGNORECASE)

    def cut(response: str, wholes: Wholes) -> Iterator[Piece]:
        begin = 0
        for found in tag.finditer(response):
            at = found.end() if found[0].startswith("</") else found.start()
            if begin < at and not wholes.cuts(at):
                yield Piece(begin, at, tag.sub("", response[begin:at]).strip())
                begin = at
        yield Piece(begin, len(response), tag.sub("", response[begin:]).strip())

    return cut


_CUTS: dict[SplitterKind, _Cut] = {
    "blank_line": _at_positions(_paragraphs),
    "step_prefix": _at_positions(_prefixed),
    "sentence": _at_positions(_sentences),
}
