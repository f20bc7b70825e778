"""Which questions of an evaluation set stand in a corpus, word for word or nearly: its contamination, exactly.

Every question of the corpus is compared with every one of the set, a page of the snapshot at a time. A question is

    verbatim   equal to one on the other side after `normalised` (retrieval/duplicates.py);
    near       not verbatim, but with a cosine of at least `similarity` in the snapshot's space.

What is held: the set's vectors, and the pairs found. Memory does not grow with the corpus, but with the overlap.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from stepreward.corpus.questions import NamedQuestion
from stepreward.retrieval.duplicates import normalised
from stepreward.retrieval.encoder import Encoder, Vectors
from stepreward.retrieval.search import reduced
from stepreward.retrieval.store import Point, Snapshot, Store

# Cosines held at once: 64 MB.
_COSINES = 1 << 24


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Counts(_Frozen):
    """Of so many questions, so many are verbatim and so many near; none is both."""

    questions: int
    verbatim: int
    near: int


class SourceCounts(Counts):
    """Of one source of the corpus; `found` counts the set's questions that are verbatim or near in it."""

    found: int


class NearQuestion(_Frozen):
    id: str
    similarity: float


class Match(_Frozen):
    """One question of the set: the rows in which it stands, and its like in the corpus by id, the nearest first."""

    rows: list[str]
    verbatim: list[str]
    near: list[NearQuestion]


class Overlap(_Frozen):
    """`rows` and `contaminated_rows` count the set's rows, `of_set` its different texts, `of_corpus` stored questions.

    `matches` holds the set's questions that have any, in the order of the set.
    """

    snapshot: str
    similarity: float
    rows: int
    contaminated_rows: int
    of_set: Counts
    of_corpus: Counts
    sources: dict[str, SourceCounts]
    matches: list[Match]


class _Tally:
    """What has been found so far. A question of the set is known by its position, one of the corpus by its id."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.verbatim: dict[int, list[str]] = defaultdict(list)
        self.near: dict[int, list[NearQuestion]] = defaultdict(list)
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.found: dict[str, set[int]] = defaultdict(set)
        self._positions: dict[str, list[int]] = defaultdict(list)
        for position, text in enumerate(texts):
            self._positions[normalised(text)].append(position)

    def add(self, point: Point, near: Mapping[int, float]) -> None:
        """`near`: the cosines, by position, of those of the set that are near enough."""
        source = str(point.payload["source"])
        same = self._positions.get(normalised(str(point.payload["question"])), [])
        others = near.keys() - set(same)
        for position in same:
            self.verbatim[position].append(point.id)
        for position in others:
            self.near[position].append(NearQuestion(id=point.id, similarity=min(near[position], 1.0)))
        self.found[source] |= {*same, *others}
        self.counts[source]["questions"] += 1
        self.counts[source]["verbatim" if same else "near" if others else "neither"] += 1

    def match(self, position: int, asked: Sequence[NamedQuestion]) -> Match:
        near = sorted(self.near.get(position, []), key=lambda one: (-one.similarity, one.id))
        verbatim = sorted(self.verbatim.get(position, []))
        return Match(rows=[question.row for question in asked], verbatim=verbatim, near=near)


async def find_overlap(
    questions: Iterable[NamedQuestion], store: Store, snapshot: Snapshot, encoder: Encoder, similarity: float
) -> Overlap:
    """Raises ConfigurationError for another encoder than the snapshot's, RetrievalUnavailable, EncoderFailed."""
    asked: dict[str, list[NamedQuestion]] = defaultdict(list)
    for question in questions:
        asked[question.text].append(question)
    texts = list(asked)
    vectors = await reduced(texts, encoder, snapshot, remember=False)
    tally = _Tally(texts)
    points_at_once = max(_COSINES // max(len(texts), 1), 1)
    async for page in store.scan(snapshot.id, "questions", with_vectors=True):
        for start in range(0, len(page), points_at_once):
            _compare(page[start : start + points_at_once], vectors, similarity, tally)
    return _overlap(snapshot.id, similarity, list(asked.values()), tally)


def _compare(points: Sequence[Point], vectors: Vectors, similarity: float, tally: _Tally) -> None:
    stored = np.asarray([point.vector for point in points], dtype=np.float32)
    cosines = stored @ vectors.T
    near: dict[int, dict[int, float]] = defaultdict(dict)
    for row, position in np.argwhere(cosines >= similarity).tolist():
        near[row][position] = float(cosines[row, position])
    for row, point in enumerate(points):
        tally.add(point, near.get(row, {}))


def _overlap(snapshot_id: str, similarity: float, asked: Sequence[Sequence[NamedQuestion]], tally: _Tally) -> Overlap:
    """`asked[i]`: where the text at position i stands."""
    found = sorted(tally.verbatim.keys() | tally.near.keys())
    matches = [tally.match(position, asked[position]) for position in found]
    total = sum(tally.counts.values(), Counter[str]())
    verbatim = sum(bool(match.verbatim) for match in matches)
    return Overlap(
        snapshot=snapshot_id,
        similarity=similarity,
        rows=_lines(asked),
        contaminated_rows=_lines(asked[position] for position in found),
        of_set=Counts(questions=len(asked), verbatim=verbatim, near=len(matches) - verbatim),
        of_corpus=Counts(questions=total["questions"], verbatim=total["verbatim"], near=total["near"]),
        sources={
            source: SourceCounts(
                questions=counts["questions"],
                verbatim=counts["verbatim"],
                near=counts["near"],
                found=len(tally.found[source]),
            )
            for source, counts in sorted(tally.counts.items())
        },
        matches=matches,
    )


def _lines(asked: Iterable[Sequence[NamedQuestion]]) -> int:
    return len({question.line for questions in asked for question in questions})
