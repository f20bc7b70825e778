"""Formulas over named quantities: read once, evaluated exactly, shown with numbers, and bent into wrong ones.

`"weekly * weeks - spent"` is what a template writes. Operators: `+ - * / **`; functions: `sum` and `count` of a list,
`sqrt` of a perfect square. A list is added to (or multiplied by) a number item by item.
"""

import ast
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

Value = Fraction | tuple[Fraction, ...]
Env = Mapping[str, Value]


@dataclass(frozen=True)
class Name:
    id: str


@dataclass(frozen=True)
class Number:
    value: Fraction


@dataclass(frozen=True)
class Binary:
    op: str
    left: "Formula"
    right: "Formula"


@dataclass(frozen=True)
class Call:
    function: str
    argument: str


Formula = Name | Number | Binary | Call

_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "^"}
_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 3}
_INSTEAD = {"+": "-*", "-": "+", "*": "+/", "/": "*-", "^": "*"}


@lru_cache(maxsize=4096)
def parse(text: str) -> Formula:
    """Raises ValueError for anything but names, numbers, the operators and functions above. Cached: texts repeat."""
    return _convert(ast.parse(text, mode="eval").body)


def _convert(node: ast.expr) -> Formula:
    match node:
        case ast.Name(id=name):
            return Name(name)
        case ast.Constant(value=int() as value):
            return Number(Fraction(value))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return Binary(_OPERATORS[type(op)], _convert(left), _convert(right))
        case ast.Call(func=ast.Name(id="sum" | "count" | "sqrt" as function), args=[ast.Name(id=name)]):
            return Call(function, name)
    raise ValueError(f"not a formula: {ast.unparse(node)}")


def evaluate(formula: Formula, env: Env) -> Value:
    """Exact. Raises ZeroDivisionError, and ValueError for a root or power that is not rational."""
    match formula:
        case Name(id=name):
            return env[name]
        case Number(value=value):
            return value
        case Call(function=function, argument=name):
            return _call(function, env[name])
        case Binary(op=op, left=left, right=right):
            a, b = evaluate(left, env), evaluate(right, env)
            if isinstance(a, tuple):
                return tuple(_apply(op, item, single(b)) for item in a)
            if isinstance(b, tuple):
                return tuple(_apply(op, a, item) for item in b)
            return _apply(op, a, b)


def single(value: Value) -> Fraction:
    """The value of a quantity that is no list."""
    if isinstance(value, tuple):
        raise TypeError("a list stands where a number is needed. This is a bug.")
    return value


def _apply(op: str, a: Fraction, b: Fraction) -> Fraction:
    match op:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return a / b
    if b.denominator != 1 or abs(b) > 64:
        raise ValueError("only small whole powers")
    return a ** int(b)


def _call(function: str, value: Value) -> Fraction:
    if function == "sqrt":
        root = single(value)
        top, bottom = math.isqrt(max(root.numerator, 0)), math.isqrt(root.denominator)
        if Fraction(top, bottom) ** 2 != root:
            raise ValueError("not a perfect square")
        return Fraction(top, bottom)
    return sum(items(value), Fraction()) if function == "sum" else Fraction(len(items(value)))


def names(formula: Formula) -> Iterator[str]:
    """From left to right, repeated as often as they stand there."""
    match formula:
        case Name(id=name) | Call(argument=name):
            yield name
        case Binary(left=left, right=right):
            yield from names(left)
            yield from names(right)


def show(formula: Formula, spell: Callable[[str | None, Value], str], env: Env) -> str:
    """The formula with numbers for names, `48 / 2`. `spell` writes one number, given its name (None for a literal)."""

    def write(part: Formula, least: int) -> str:
        match part:
            case Name(id=name):
                return _guard(spell(name, env[name]), least)
            case Number(value=value):
                return _guard(spell(None, value), least)
            case Call(function="sqrt", argument=name):
                return f"√({spell(name, env[name])})"
            case Call(argument=name):
                shown = [spell(name, item) for item in items(env[name])]
                text = " + ".join(_guard(item, 2) if index else item for index, item in enumerate(shown))
                return f"({text})" if least > 1 and len(shown) > 1 else text
            case Binary(op=op, left=left, right=right):
                strength = _STRENGTH[op]
                tighter = strength + 1 if op in "-/^" else strength
                if op == "+" and isinstance(right, Name | Number):
                    tighter = 2  # a negative number after "+" is put in brackets
                joint = "^" if op == "^" else f" {op} "
                text = write(left, strength + (op == "^")) + joint + write(right, max(tighter, 2))
                return f"({text})" if strength < least else text

    return write(formula, 0)


def _guard(number: str, least: int) -> str:
    """Brackets round a number that would not read as one thing where it stands: -3, 25/3."""
    loose = number.startswith("-") or ("/" in number and least > 1)
    return f"({number})" if loose and least > 1 else number


def other_operations(formula: Formula) -> Iterator[tuple[Formula, str, str]]:
    """Every formula with exactly one operator exchanged, with the right and the wrong operator."""
    for index, part in enumerate(_binaries(formula)):
        for op in _INSTEAD[part.op]:
            yield _replace_binary(formula, [index], op), part.op, op


def _binaries(formula: Formula) -> Iterator[Binary]:
    if isinstance(formula, Binary):
        yield formula
        yield from _binaries(formula.left)
        yield from _binaries(formula.right)


def _replace_binary(formula: Formula, left_to_go: list[int], op: str) -> Formula:
    """Exchange the operator of the binary number `left_to_go[0]` in the order of `_binaries`."""
    if not isinstance(formula, Binary):
        return formula
    if left_to_go[0] == 0:
        left_to_go[0] = -1
        return replace(formula, op=op)
    left_to_go[0] -= 1
    left = _replace_binary(formula.left, left_to_go, op)
    return replace(formula, left=left, right=_replace_binary(formula.right, left_to_go, op))


def with_name(formula: Formula, old: str, new: str) -> Formula:
    """The first `old` exchanged for `new`."""
    done = False

    def walk(part: Formula) -> Formula:
        nonlocal done
        match part:
            case Name(id=name) if name == old and not done:
                done = True
                return Name(new)
            case Binary(left=left, right=right):
                return replace(part, left=walk(left), right=walk(right))
        return part

    return walk(formula)


def terms(formula: Formula) -> list[Formula]:
    """The summands of a sum; one item when it is no sum."""
    if isinstance(formula, Binary) and formula.op == "+":
        return [*terms(formula.left), *terms(formula.right)]
    return [formula]


def total(parts: list[Formula]) -> Formula:
    result = parts[0]
    for part in parts[1:]:
        result = Binary("+", result, part)
    return result


def spoken(formula: Formula) -> str:
    """With the names in words: `weekly * weeks - spent`; for explanations."""
    return show(formula, lambda name, value: words(name) if name else str(value), _NamesOnly())


class _NamesOnly(dict[str, Value]):
    def __missing__(self, key: str) -> Value:
        return Fraction()


def plain(value: Value) -> str:
    """For explanations: 48, 1.5, 25/3, and lists of these."""
    if isinstance(value, tuple):
        return ", ".join(map(plain, value))
    if value.denominator != 1 and 10**4 % value.denominator == 0:
        return f"{float(value):g}" if abs(value) < 10**5 else f"{float(value):.2f}"
    return str(value)


def words(name: str) -> str:
    return name.replace("_", " ")


def items(value: Value) -> tuple[Fraction, ...]:
    """A list as it is; a number as a list of one."""
    return value if isinstance(value, tuple) else (value,)
