"""A second order for what retrieval found: more candidates than wanted are looked at, and the best of them are used.

A reranker orders; it finds nothing and drops nothing. A reference keeps its `similarity`, the cosine it was found by.
"""

import asyncio
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol

from stepreward.retrieval.candidates import Candidates
from stepreward.retrieval.store import Hit
from stepreward.values import Solution

_RANKINGS_AT_ONCE = 256
_K1, _B = 1.2, 0.75
_WORD, _NUMBER, _SIGN, _SHAPE = 1.0, 2.0, 2.0, 3.0

_TOKEN = re.compile(
    r"(?P<number>\d+(?:,\d{3})*(?:\.\d+)?)|(?P<word>[^\W\d_]{2,}|a(?=\s+[^\W\d_]{2}))|(?P<variable>[^\W\d_])"
    r"|(?P<sign>\\[a-z]+|[-+*/^%√=<>≤≥≠])"
)
# With an operand and an operator.
_FORMULA = re.compile(r"(?=.*[nv])(?=.*[^nv]).*")
# Signs of multiplication (four), division and subtraction (two).
_SAME_SIGN = str.maketrans("\u00d7\u00b7\u2219\u22c5\u00f7\u2212\u2013", "****/--")
_COMMANDS = {r"\times": "*", r"\cdot": "*", r"\div": "/", r"\le": "≤", r"\leq": "≤", r"\ge": "≥", r"\geq": "≥"}
_RELATIONS = frozenset("=<>≤≥≠")

Term = tuple[float, str]


@dataclass(frozen=True)
class Ranking:
    """Texts to be ordered by how near they are to `query`."""

    query: str
    candidates: Sequence[str]


class Scorer(Protocol):
    """Says how near candidates are to their query: more is nearer, and only the order within a ranking counts."""

    name: str

    async def scores(self, rankings: Sequence[Ranking]) -> list[list[float]]:
        """A score for each candidate of each ranking. Raises EncoderFailed."""
        ...

    def close(self) -> None: ...


async def reordered(scorer: Scorer, solutions: Sequence[Solution], found: Sequence[Candidates]) -> list[Candidates]:
    """The candidates of each solution by their scores, those with equal scores in the order they had."""
    rankings = []
    for solution, candidates in zip(solutions, found, strict=True):
        rankings.append(Ranking(solution.question, [str(hit.payload["question"]) for hit in candidates.questions]))
        for step, hits in zip(solution.steps, candidates.steps, strict=True):
            rankings.append(Ranking(step, [str(hit.payload["text"]) for hit in hits]))
    scores = iter(await scorer.scores(rankings))
    return [
        Candidates(
            _by_score(candidates.questions, next(scores)),
            [_by_score(hits, next(scores)) for hits in candidates.steps],
        )
        for candidates in found
    ]


def _by_score(hits: Sequence[Hit], scores: Sequence[float]) -> list[Hit]:
    order = sorted(range(len(hits)), key=lambda position: -scores[position])
    return [hits[position] for position in order]


class Lexical:
    r"""BM25 (Robertson and Zaragoza 2009) over terms that know what counts in mathematics. No model, no state.

    A text's terms, and what each weighs:

        word            1   two or more letters, without case, and the article a
        number          2   by value: 1,200 is 1200, and 3.50 is 3.5
        sign, variable  2   operators and relations (\times is *), LaTeX commands, single letters
        shape           3   one side of a formula without its values: 48 / 2 = 24 and 30 / 5 = 6 both have n/n;
                            variables are alike too, and parentheses are not seen

    A candidate's score is the sum over the terms t that it shares with the query, each counted once there:

        weight(t) · idf(t) · tf (k1 + 1) / (tf + k1 (1 - b + b · length / mean length)),   k1 = 1.2, b = 0.75
        idf(t) = ln(1 + (N - df(t) + 0.5) / (df(t) + 0.5))

    tf and length are the candidate's; N, df and the mean are of the query's candidates alone: what all of them share
    tells nothing.
    """

    name = "lexical"

    async def scores(self, rankings: Sequence[Ranking]) -> list[list[float]]:
        scores: list[list[float]] = []
        for start in range(0, len(rankings), _RANKINGS_AT_ONCE):
            scores += await asyncio.to_thread(_all_scores, rankings[start : start + _RANKINGS_AT_ONCE])
        return scores

    def close(self) -> None:
        """Holds nothing."""


def _all_scores(rankings: Sequence[Ranking]) -> list[list[float]]:
    return [lexical_scores(ranking.query, ranking.candidates) for ranking in rankings]


def lexical_scores(query: str, candidates: Sequence[str]) -> list[float]:
    """A score of 0 or more for each candidate; the same for the same texts."""
    if not candidates:
        return []
    asked = set(terms(query))
    counts = [Counter(terms(text)) for text in candidates]
    mean_length = fmean(found.total() for found in counts) or 1
    held = Counter(term for found in counts for term in found)
    idf = {term: math.log(1 + (len(counts) - held[term] + 0.5) / (held[term] + 0.5)) for term in asked}
    return [_bm25(asked & found.keys(), found, idf, found.total() / mean_length) for found in counts]


def _bm25(shared: Set[Term], counts: Mapping[Term, int], idf: Mapping[Term, float], length: float) -> float:
    saturation = _K1 * (1 - _B + _B * length)
    # fsum is exact: the order of a set, which differs between runs, moves no digit.
    return math.fsum(term[0] * idf[term] * counts[term] * (_K1 + 1) / (counts[term] + saturation) for term in shared)


def terms(text: str) -> list[Term]:
    """Weight and name of each term, as often as it stands in the text."""
    found: list[Term] = []
    masked = ""
    for token in _TOKEN.finditer(text.casefold().translate(_SAME_SIGN)):
        kind, said = token.lastgroup, token.group()
        if kind == "number":
            found.append((_NUMBER, str(float(said.replace(",", "")))))
            masked += "n"
        elif kind == "word":
            found.append((_WORD, said))
            masked += " "
        else:
            sign = _COMMANDS.get(said, said)
            found.append((_SIGN, sign))
            masked += "v" if kind == "variable" else " " if sign in _RELATIONS else sign
    return found + [(_SHAPE, side) for side in masked.split() if _FORMULA.fullmatch(side)]
