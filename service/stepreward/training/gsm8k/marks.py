"""GSM8K's answers (Cobbe et al. 2021): sentences with marked calculations, `48/2 = <<48/2=24>>24`, then `#### 24`.

A calculation whose visible text is what its mark says can be told in other ways and gone wrong in; what is not is text.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

_MARK = re.compile(r"<<(?P<formula>[^<>=]*)=(?P<result>[^<>=]*)>>")
_NUMBER = r"\d[\d,]*(?:\.\d+)?|\.\d+"
_BEFORE = re.compile(rf"(?:(?:{_NUMBER})|[-+*/x\u00d7\u00f7()$ ]|(?<=\d)%)+=\s*(?P<sign>\$?)\s*$")
_AFTER = re.compile(rf"\s*(?:{_NUMBER})")
_OPERATOR = re.compile(r"[-+*/]\Z")
_TOKEN = re.compile(rf"{_NUMBER}|[-+*/()]")
_OPERATIONS: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


@dataclass(frozen=True)
class Calculation:
    """`tokens`: numbers, operators and brackets in order; `money`: whether its result is told with a "$"."""

    tokens: tuple[str, ...]
    result: Fraction
    money: bool

    @property
    def numbers(self) -> tuple[int, ...]:
        """Where in `tokens` the numbers stand."""
        return tuple(place for place, token in enumerate(self.tokens) if token[-1].isdigit())

    @property
    def operations(self) -> tuple[int, ...]:
        return tuple(place for place, token in enumerate(self.tokens) if _OPERATOR.match(token))


Piece = str | Calculation
Sentence = tuple[Piece, ...]


@dataclass(frozen=True)
class MarkedAnswer:
    """The sentences of an answer, and its last number."""

    sentences: tuple[Sentence, ...]
    answer: Fraction

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for a text that is not of this form."""
        said, mark, answer = text.rpartition("####")
        if not mark:
            raise ValueError('answer: no "####"')
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        if not lines:
            raise ValueError('answer: nothing before "####"')
        return cls(tuple(_sentence(line) for line in lines), number(answer))


def number(text: str) -> Fraction:
    """Raises ValueError."""
    return Fraction(text.strip().replace(",", "").removeprefix("$").removesuffix("%"))


def evaluated(tokens: tuple[str, ...]) -> Fraction:
    """Raises ValueError for what is no formula or divides by zero."""
    try:
        return _value(
            ast.parse("".join(token.replace(",", "").lstrip("0") or "0" for token in tokens), mode="eval").body
        )
    except (SyntaxError, ZeroDivisionError) as error:
        raise ValueError(f"{' '.join(tokens)}: {error}") from error


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as value):
            return Fraction(str(value))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=op, right=right):
            first, second = _value(left), _value(right)
            match _OPERATIONS.get(type(op)):
                case "+":
                    return first + second
                case "-":
                    return first - second
                case "*":
                    return first * second
                case "/":
                    return first / second
    raise ValueError("neither a number nor a sum, difference, product or quotient")


def _sentence(line: str) -> Sentence:
    """The line's texts and calculations; a mark that its surroundings do not repeat is taken out."""
    pieces: list[Piece] = []
    text, rest = "", line
    while mark := _MARK.search(rest):
        text += rest[: mark.start()]
        rest = rest[mark.end() :]
        shown, after = _BEFORE.search(text), _AFTER.match(rest)
        found = _calculation(mark, shown, after)
        if found is not None and shown is not None and after is not None:
            before = text[: shown.start()]
            space = shown[0][: len(shown[0]) - len(shown[0].lstrip())]
            pieces += [before + space, found]
            text, rest = "", rest[after.end() :]
    return tuple(piece for piece in (*pieces, text + rest) if piece != "")


def _calculation(mark: re.Match[str], shown: re.Match[str] | None, after: re.Match[str] | None) -> Calculation | None:
    """None where the visible text does not say the same, or the mark is wrong."""
    if shown is None or after is None:
        return None
    tokens = tuple(_TOKEN.findall(mark["formula"]))
    visible = shown[0].translate(str.maketrans("x\u00d7\u00f7", "**/"))
    try:
        result = evaluated(tokens)
        same = tuple(_TOKEN.findall(visible)) == tokens and result == number(mark["result"]) == number(after[0])
    except ValueError:
        return None
    if not same or not any(_OPERATOR.match(one) for one in tokens):
        return None
    return Calculation(tokens, result, bool(shown["sign"]))
