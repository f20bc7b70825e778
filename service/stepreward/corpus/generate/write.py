# ruff: noqa: S311
"""Generate solutions without end, and write them as JSON lines.

The shipped file `corpus/data/starter.jsonl.gz` is `write_corpus(Path("starter.jsonl.gz"), 4600, 20)`.
"""

import gzip
import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO

from stepreward.corpus.generate import (
    equations,
    expressions,
    geometry,
    gym,
    number,
    word_counts,
    word_measures,
    word_money,
    word_unknowns,
)
from stepreward.corpus.generate.draw import Draw
from stepreward.corpus.generate.errors import draw_flaw
from stepreward.corpus.generate.model import Problem, Solution
from stepreward.corpus.generate.wording import ask, tell
from stepreward.corpus.generate.work import moves_of

Template = Callable[[Draw], Problem]

# The families with their shares: multi-step word problems foremost.
FAMILIES: dict[str, tuple[float, tuple[Template, ...]]] = {
    "word": (
        0.52,
        (*word_money.TEMPLATES, *word_counts.TEMPLATES, *word_measures.TEMPLATES, *word_unknowns.TEMPLATES),
    ),
    "algebra": (0.18, (*equations.TEMPLATES, *expressions.TEMPLATES, *gym.ALGEBRA_TEMPLATES)),
    "number": (0.16, (*number.TEMPLATES, *gym.NUMBER_TEMPLATES)),
    "geometry": (0.14, (*geometry.TEMPLATES, *gym.GEOMETRY_TEMPLATES)),
}


@dataclass(frozen=True)
class Summary:
    """What was written. `kinds` counts the solutions by their injected error, under "correct" those without."""

    path: Path
    solutions: int
    questions: int
    steps: int
    families: dict[str, int]
    kinds: dict[str, int]
    size_bytes: int


def generate(count: int, seed: int) -> Iterator[Solution]:
    """`count` solutions, always the same for a seed; a longer run begins with the shorter one.

    Two solutions of three questions in four, one right and one wrong; of the others only one of both. No question comes twice.
    Raises ConfigurationError without reasoning-gym.
    """
    made = 0
    for solution in _solutions(seed):
        if made == count:
            return
        made += 1
        yield solution


def _solutions(seed: int) -> Iterator[Solution]:
    rng = random.Random(seed)
    seen: set[bytes] = set()
    while True:
        (family,) = rng.choices(list(FAMILIES), [share for share, _ in FAMILIES.values()])
        template = rng.choice(FAMILIES[family][1])
        problem = template(Draw(rng))
        question = ask(problem, rng)
        key = hashlib.blake2b(normalised(question).encode(), digest_size=12).digest()
        if key in seen:
            continue
        seen.add(key)
        flaw = draw_flaw(problem, moves_of(problem), rng)
        told = rng.choices(((True, False), (True,), (False,)), (0.74, 0.13, 0.13))[0]
        for correct in rng.sample(told, len(told)):
            if correct or flaw is not None:
                yield tell(problem, None if correct else flaw, question, (family, template.__name__), rng)


def normalised(question: str) -> str:
    """For comparing questions: small letters, single spaces."""
    return " ".join(question.lower().split())


def write_corpus(path: Path, count: int, seed: int) -> Summary:
    """JSON lines in the product's plain form; compressed where the name ends in .gz, the same bytes every time."""
    questions: set[str] = set()
    families: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    steps = 0
    with path.open("wb") as file, _text(file, compressed=path.suffix == ".gz") as text:
        for solution in generate(count, seed):
            text.write(json.dumps(solution.row(), ensure_ascii=False, separators=(",", ":")) + "\n")
            questions.add(solution.question)
            families[solution.family] += 1
            kinds[solution.error.kind if solution.error else "correct"] += 1
            steps += len(solution.steps)
    return Summary(path, count, len(questions), steps, dict(families), dict(kinds), path.stat().st_size)


def _text(file: IO[bytes], *, compressed: bool) -> TextIOWrapper:
    # A gzip header holds the time and the name of the file: both are left out.
    binary = gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=file, mtime=0) if compressed else file
    return TextIOWrapper(binary, encoding="utf-8", newline="\n")
