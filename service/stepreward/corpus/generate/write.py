# ruff: noqa: S311
"""Generate solutions without end, and write them as JSON lines."""

import gzip
import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import IO

from stepreward.corpus.generate.draw import Draw
from stepreward.corpus.generate.errors import draw_flaw
from stepreward.corpus.generate.model import Problem, Solution
from stepreward.corpus.generate.templates import FAMILIES
from stepreward.corpus.generate.wording import ask, tell
from stepreward.corpus.generate.work import moves_of, work


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

    Three questions in four come with two solutions, a right one and a wrong one, the others with one of them. No
    question comes twice.
    Raises ConfigurationError without reasoning-gym.
    """
    return islice(_solutions(seed), count)


def _solutions(seed: int) -> Iterator[Solution]:
    rng = random.Random(seed)
    seen: set[bytes] = set()
    while True:
        (family,) = rng.choices(list(FAMILIES), [share for share, _ in FAMILIES.values()])
        template = rng.choice(FAMILIES[family][1])
        problem = template(Draw(rng))
        if not _natural(problem):
            continue
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


def _natural(problem: Problem) -> bool:
    """Whether no quantity is zero or negative, and no count is one, which would need another wording."""
    if problem.fractional:
        return True
    known = work(problem, problem.moves, None)[-1].true
    counts = {name: value for name, value in known.items() if name not in problem.constants}
    return all(
        value > 0 and (value != 1 or name in problem.money)
        for name, value in counts.items()
        if isinstance(value, Fraction)
    )


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
