"""Corpus in, references out: over Qdrant's in-memory mode or the server that STEPREWARD_QDRANT_URL names, with a bag of
words where the sentence model stands.

The in-memory mode has no payload indexes and warns about the one that `begin` asks for; that warning alone is let pass.
"""

import asyncio
import gzip
import hashlib
import json
import socket
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ApiException

from qdrant_process import GIVEN, cleaned
from stepreward.corpus.ingest import Ingest
from stepreward.corpus.points import content_sha256, stored_texts
from stepreward.corpus.readers import read_solutions
from stepreward.corpus.rejected import Rejected
from stepreward.corpus.survey import Survey, read_corpus, solutions_of, survey
from stepreward.corpus.vectors import TextEncoder
from stepreward.errors import ConfigurationError, DimensionMismatch, RetrievalUnavailable
from stepreward.files import BadRow
from stepreward.metrics import Metrics
from stepreward.retrieval.duplicates import normalised
from stepreward.retrieval.encoder import Encoder, Vectors, encoder_name
from stepreward.retrieval.manifest import SCHEMA_VERSION, Manifest
from stepreward.retrieval.pca import PCA, Reduction, StoredPCA
from stepreward.retrieval.qdrant import Address, connect
from stepreward.retrieval.search import Retriever, SearchOptions
from stepreward.retrieval.store import Point, Snapshot, Store, StoreOptions
from stepreward.values import LabelledSolution, References, Solution

NO_PAYLOAD_INDEX = "ignore:Payload indexes have no effect in the local Qdrant:UserWarning"
pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

T = TypeVar("T")
DIMENSIONS = 12
EVERYTHING = -1.0


# stand-ins


@dataclass
class BagOfWords:
    """Has the face of a SentenceTransformer: a text is the sum of its words' directions, of any length but zero."""

    dimensions: int = 40
    batches: list[list[str]] = field(default_factory=list)

    def get_embedding_dimension(self) -> int:
        return self.dimensions

    def encode(self, texts: Sequence[str], batch_size: int, convert_to_numpy: bool, show_progress_bar: bool) -> Vectors:
        assert convert_to_numpy
        assert not show_progress_bar
        self.batches.append(list(texts))
        return np.stack([sum(self._word(word) for word in ["", *text.lower().split()]) for text in texts])

    def _word(self, word: str) -> Vectors:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
        return np.random.default_rng(seed).normal(size=self.dimensions)


def bag_encoder(model: BagOfWords | None = None, name: str = "bag-of-words") -> Encoder:
    return Encoder(model or BagOfWords(), name, batch_size=4)


_THINGS = ["apples", "marbles", "stamps", "candles", "ribbons", "pencils", "coins", "shells"]


def row(number: int, **changed: object) -> dict[str, Any]:
    """A row of the plain form: question `number` with three steps, the last one unlabelled in every third row."""
    thing, more = _THINGS[number % len(_THINGS)], number + 2
    return {
        "question": f"Ann{number} has {number} {thing} and buys {more} of them. How many {thing} are there?",
        "steps": [
            f"Ann{number} starts with {number} {thing}.",
            f"Adding {number} + {more} gives {number + more} {thing}.",
            f"So there are {number + more + number % 2} {thing} for Ann{number}.",
        ],
        "labels": [True, True, None if number % 3 == 0 else number % 2 == 0],
        "source": f"test/{number % 2}",
    } | changed


ROWS = [row(number) for number in range(18)]


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in rows), encoding="utf-8")
    return path


def corpus_of(rows: Sequence[Mapping[str, Any]] = ROWS) -> list[LabelledSolution]:
    return [LabelledSolution(r["question"], tuple(r["steps"]), tuple(r["labels"]), r["source"]) for r in rows]


def surveyed(solutions: Sequence[LabelledSolution]) -> Survey:
    return survey([solutions], _refuse)


def _refuse(row: Rejected) -> None:
    raise AssertionError(row)


async def build(
    store: Store, solutions: Sequence[LabelledSolution], encoder: Encoder, dimensions: int = DIMENSIONS
) -> Manifest:
    reduction = Reduction(dimensions)
    ingest = Ingest(store, TextEncoder.of(encoder), surveyed(solutions), reduction, lambda stage, done, total: None)
    return (await ingest.run(solutions)).manifest


@dataclass(frozen=True)
class Library:
    """A built and active corpus, and what searches it."""

    client: AsyncQdrantClient
    store: Store
    prefix: str
    encoder: Encoder
    manifest: Manifest
    retriever: Retriever


@asynccontextmanager
async def empty_store() -> AsyncIterator[tuple[AsyncQdrantClient, Store, str]]:
    """With the prefix of its names, under which nothing is left on a server."""
    prefix = f"test{uuid.uuid4().hex[:12]}"
    async with cleaned(GIVEN, prefix) if GIVEN else _in_memory() as client:
        yield client, Store(client, 30, StoreOptions(prefix)), prefix


@asynccontextmanager
async def _in_memory() -> AsyncIterator[AsyncQdrantClient]:
    client = AsyncQdrantClient(":memory:")
    yield client
    await client.close()


@asynccontextmanager
async def library(
    rows: Sequence[Mapping[str, Any]] = ROWS, pool_questions: int = 16, model: BagOfWords | None = None
) -> AsyncIterator[Library]:
    encoder = bag_encoder(model)
    try:
        async with empty_store() as (client, store, prefix):
            manifest = await build(store, corpus_of(rows), encoder)
            await store.activate(manifest.id)
            retriever = Retriever(encoder, store, pool_questions, Metrics())
            yield Library(client, store, prefix, encoder, manifest, retriever)
    finally:
        encoder.close()


def with_library(use: Callable[[Library], Awaitable[T]], **how: Any) -> T:
    async def run() -> T:
        async with library(**how) as lib:
            return await use(lib)

    return asyncio.run(run())


def search(
    solutions: Sequence[Solution],
    questions: int = 1,
    steps: int = 1,
    min_similarity: float = EVERYTHING,
    **how: Any,
) -> list[References]:
    async def use(lib: Library) -> list[References]:
        snapshot = await lib.retriever.active()
        references = await lib.retriever.search(snapshot, solutions, SearchOptions(questions, steps, min_similarity))
        assert snapshot.id == lib.manifest.id
        return references

    return with_library(use, **how)


def target(number: int) -> Solution:
    """The solution of a stored row, as a client would send it."""
    return Solution(ROWS[number]["question"], tuple(ROWS[number]["steps"]))


NEW = Solution("Bob has 7 coins and finds 4 shells. How many coins?", ("Bob starts with 7 coins.", "He finds shells."))


async def points_of(lib: Library, kind: str) -> dict[str, Mapping[str, Any]]:
    records, _ = await lib.client.scroll(f"{lib.prefix}_{kind}_{lib.manifest.id}", limit=1000)
    return {str(record.id): record.payload or {} for record in records}


# searching


@pytest.mark.parametrize("number", [0, 5, 17])
def test_an_identical_question_is_found_first_with_similarity_one(number) -> None:
    [found] = search([target(number)], questions=3)
    assert [reference.solution.question for reference in found.questions[:1]] == [ROWS[number]["question"]]
    assert found.questions[0].similarity == pytest.approx(1, abs=1e-5)
    assert found.questions[1].similarity < 0.999


def test_a_reference_question_carries_its_whole_labelled_solution() -> None:
    [found] = search([target(3)])
    [solution] = corpus_of([ROWS[3]])
    assert found.questions[0].solution == solution
    assert found.questions[0].sha256 == content_sha256(solution)


def test_each_step_gets_the_nearest_labelled_step_of_its_own() -> None:
    [found] = search([target(4)])
    assert [[step.text for step in of_step] for of_step in found.steps] == [[text] for text in ROWS[4]["steps"]]
    assert [of_step[0].label for of_step in found.steps] == ROWS[4]["labels"]
    assert all(of_step[0].question_id == found.questions[0].id for of_step in found.steps)


def _shape(found: References) -> tuple[list[str], list[list[str]]]:
    return [question.id for question in found.questions], [[step.id for step in of_step] for of_step in found.steps]


def test_references_stay_with_their_solutions_in_a_request_of_many() -> None:
    solutions = [target(5), NEW, target(2), target(5)]
    how = {"questions": 2, "steps": 2, "pool_questions": 2}
    together = search(solutions, **how)
    alone = [search([solution], **how)[0] for solution in solutions]
    assert [_shape(found) for found in together] == [_shape(found) for found in alone]
    assert [len(found.steps) for found in together] == [3, 2, 3, 3]
    similar = [[question.similarity for question in found.questions] for found in together]
    assert similar == pytest.approx(np.array([[q.similarity for q in found.questions] for found in alone]), abs=1e-6)


def _unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _by_hand(texts: Sequence[str]) -> Vectors:
    """What the texts are in the reduced space, by numpy alone (PCA by singular values)."""
    bag = BagOfWords()

    def encode(what: Sequence[str]) -> Vectors:
        return _unit(bag.encode(what, 1, True, False))

    stored = encode(list(dict.fromkeys(text for solution in corpus_of() for text in stored_texts(solution))))
    mean = stored.mean(axis=0)
    components = np.linalg.svd(stored - mean, full_matrices=False)[2][:DIMENSIONS]
    return _unit((encode(texts) - mean) @ components.T)


@pytest.mark.parametrize("solution", [NEW, target(8), target(11)])
def test_both_stages_find_what_an_exact_search_finds(solution) -> None:
    m, count = 4, 3
    [found] = search([solution], questions=2, steps=count, pool_questions=m)
    near = _by_hand([r["question"] for r in ROWS]) @ _by_hand([solution.question])[0]
    order = np.argsort(-near)
    assert [q.solution.question for q in found.questions] == [ROWS[i]["question"] for i in order[:2]]
    assert [q.similarity for q in found.questions] == pytest.approx(near[order[:2]].tolist(), abs=1e-4)
    pool = [
        text
        for i in order[:m]
        for text, label in zip(ROWS[i]["steps"], ROWS[i]["labels"], strict=True)
        if label is not None
    ]
    for of_step, text in zip(found.steps, solution.steps, strict=True):
        similar = _by_hand(pool) @ _by_hand([text])[0]
        best = np.argsort(-similar)[:count]
        assert [step.text for step in of_step] == [pool[i] for i in best]
        assert [step.similarity for step in of_step] == pytest.approx(similar[best].tolist(), abs=1e-4)


def _asked_elsewhere() -> Solution:
    """The question of row 1 with the second step of row 9, which is about other things."""
    return Solution(ROWS[1]["question"], (ROWS[8]["steps"][1],))


@pytest.mark.parametrize(("m", "found_elsewhere"), [(1, False), (18, True)])
def test_steps_come_only_from_the_nearest_m_questions(m, found_elsewhere) -> None:
    [found] = search([_asked_elsewhere()], steps=16, pool_questions=m)
    [of_step] = found.steps
    assert (of_step[0].text == ROWS[8]["steps"][1]) is found_elsewhere
    if m == 1:
        assert {step.question_id for step in of_step} == {found.questions[0].id}
        assert len(of_step) == 3


def test_asking_for_more_reference_questions_does_not_widen_the_pool_of_steps() -> None:
    [narrow] = search([_asked_elsewhere()], questions=1, steps=16, pool_questions=1)
    [wide] = search([_asked_elsewhere()], questions=16, steps=16, pool_questions=1)
    assert len(wide.questions) == 16
    assert wide.steps == narrow.steps


def test_nothing_below_the_least_similarity_is_used() -> None:
    [found] = search([target(4)], questions=16, steps=16, min_similarity=0.9999)
    assert [reference.solution.question for reference in found.questions] == [ROWS[4]["question"]]
    assert [[step.text for step in of_step] for of_step in found.steps] == [[text] for text in ROWS[4]["steps"]]


def test_the_least_similarity_cuts_the_ranking_and_changes_nothing_above_it() -> None:
    [everything] = search([NEW], questions=16, steps=16)
    [some] = search([NEW], questions=16, steps=16, min_similarity=0.2)
    assert 0 < len(some.questions) < len(everything.questions)
    assert some.questions == tuple(q for q in everything.questions if q.similarity >= 0.2)
    assert some.steps == tuple(tuple(s for s in of_step if s.similarity >= 0.2) for of_step in everything.steps)


def test_an_unrelated_question_gets_no_reference_at_all() -> None:
    [found] = search([Solution("zyx wvu tsr", ("qpo nml",))], min_similarity=0.95)
    assert found == References((), ((),))


def test_steps_are_found_without_reference_questions() -> None:
    [found] = search([target(4)], questions=0, steps=1)
    assert found.questions == ()
    assert [of_step[0].text for of_step in found.steps] == ROWS[4]["steps"]


def test_questions_are_found_without_reference_steps() -> None:
    [found] = search([target(4)], questions=2, steps=0)
    assert len(found.questions) == 2
    assert found.steps == ((), (), ())


@pytest.mark.parametrize(
    ("encoder", "error", "said"),
    [
        (lambda: bag_encoder(name="other-model"), ConfigurationError, r"STEPREWARD_ENCODER_MODEL.*other-model.*bag-of"),
        (lambda: bag_encoder(BagOfWords(dimensions=39)), DimensionMismatch, r"STEPREWARD_ENCODER_MODEL.*39 .*40"),
    ],
    ids=["name", "length"],
)
def test_a_corpus_of_another_encoder_is_told_by_the_probe_and_not_searched(encoder, error, said) -> None:
    async def use(lib: Library):
        other = Retriever(encoder(), lib.store, 16, Metrics())
        with pytest.raises(error, match=said):
            await other.probe()
        with pytest.raises(RetrievalUnavailable, match=said):
            await other.active()

    with_library(use)


def test_a_collection_with_vectors_of_another_length_is_told_by_the_probe_and_not_searched() -> None:
    async def use(lib: Library):
        await lib.retriever.probe()
        name = f"{lib.prefix}_steps_{lib.manifest.id}"
        await lib.client.delete_collection(name)
        await lib.client.create_collection(name, models.VectorParams(size=5, distance=models.Distance.COSINE))
        with pytest.raises(DimensionMismatch, match=rf"STEPREWARD_PCA_DIMENSIONS: {name} holds .* 5 .* {DIMENSIONS}"):
            await lib.retriever.probe()

    with_library(use)


# near-duplicates of the target question

COPIED = ROWS[4]["question"].upper().replace("RIBBONS", "$RIBBONS$").replace(". ", " .  ")
AGAIN = [row(4, question=COPIED, steps=[f"Copy {n}.", *ROWS[4]["steps"][1:]], source="copy") for n in range(40)]


def search_without_duplicates(
    solutions: Sequence[Solution], questions: int, steps: int, rows: Sequence[Mapping[str, Any]] = ROWS, **how: Any
) -> tuple[list[References], float | None]:
    """What is found, and what the metric counts."""

    async def use(lib: Library) -> tuple[list[References], float | None]:
        metrics = Metrics()
        retriever = Retriever(lib.encoder, lib.store, how.get("pool_questions", 16), metrics, how.get("similarity", 1))
        options = SearchOptions(questions, steps, EVERYTHING, exclude_duplicates=True)
        found = await retriever.search(await retriever.active(), solutions, options)
        return found, metrics.registry.get_sample_value("stepreward_duplicates_dropped_total")

    return with_library(use, rows=rows)


@pytest.mark.parametrize(
    "text",
    ["What  is\n$3 + 4$?", "what is 3+4", "What is \\(3 + 4\\) ?", "WHAT IS: 3 + 4.", "“What” is, $$3+4$$"],
)
def test_case_space_punctuation_and_marks_of_a_formula_do_not_make_another_question(text) -> None:
    assert normalised(text) == normalised("What is 3 + 4?")


@pytest.mark.parametrize(
    "text", ["What is 3 - 4?", "What is 34?", "What is 3 + 4!", "What is 3.4?", "What is 3 + 45?", "What is 3 4?"]
)
def test_another_number_or_sign_makes_another_question(text) -> None:
    assert normalised(text) != normalised("What is 3 + 4?")


def test_the_target_question_itself_is_left_out_with_all_its_steps_and_counted() -> None:
    [found], counted = search_without_duplicates([target(4)], questions=3, steps=3)
    [everything] = search([target(4)], questions=4, steps=3)
    assert (found.dropped_duplicates, counted) == (1, 1)
    assert _shape(found)[0] == _shape(everything)[0][1:]
    assert all(step.question_id != everything.questions[0].id for of_step in found.steps for step in of_step)
    assert [len(of_step) for of_step in found.steps] == [3, 3, 3]


def test_copies_in_another_spelling_are_left_out_however_many_and_the_rest_is_still_found() -> None:
    [found], counted = search_without_duplicates([target(4)], questions=2, steps=2, rows=[*ROWS, *AGAIN])
    [clean], _ = search_without_duplicates([target(4)], questions=2, steps=2)
    assert (found.dropped_duplicates, counted) == (41, 41)
    assert [len(found.questions), *map(len, found.steps)] == [2, 2, 2, 2]
    assert {q.solution.source for q in found.questions} <= {"test/0", "test/1"}
    assert not any(step.source == "copy" for of_step in found.steps for step in of_step)
    assert len(clean.questions) == 2


def test_a_question_as_similar_as_the_limit_is_a_duplicate_and_one_below_is_not() -> None:
    [everything] = search([NEW], questions=3)
    first, second = (question.similarity for question in everything.questions[:2])
    between = (first + second) / 2
    [found], _ = search_without_duplicates([NEW], questions=1, steps=0, similarity=between)
    assert (found.dropped_duplicates, _shape(found)[0]) == (1, _shape(everything)[0][1:2])
    [found], _ = search_without_duplicates([NEW], questions=1, steps=0, similarity=first + 1e-4)
    assert (found.dropped_duplicates, _shape(found)[0]) == (0, _shape(everything)[0][:1])


def test_where_all_questions_are_duplicates_nothing_is_found() -> None:
    [found], _ = search_without_duplicates([target(4)], questions=2, steps=2, rows=[ROWS[4], *AGAIN[:20]])
    assert (found.questions, found.steps, found.dropped_duplicates) == ((), ((), (), ()), 21)


def test_what_is_left_out_for_one_solution_is_not_for_another_of_the_request() -> None:
    together, counted = search_without_duplicates([target(4), NEW, target(7)], questions=2, steps=1)
    alone = [
        search_without_duplicates([solution], questions=2, steps=1)[0][0] for solution in (target(4), NEW, target(7))
    ]
    assert [found.dropped_duplicates for found in together] == [1, 0, 1]
    assert [_shape(found) for found in together] == [_shape(found) for found in alone]
    assert counted == 2


# references drawn at random


def draw(
    solutions: Sequence[Solution], seed: int = 0, exclude_duplicates: bool = False, **how: Any
) -> list[References]:
    async def use(lib: Library) -> list[References]:
        options = SearchOptions(how.get("questions", 2), how.get("steps", 2), 0.99, exclude_duplicates, seed)
        return await lib.retriever.search(await lib.retriever.active(), solutions, options)

    return with_library(use, rows=how.get("rows", ROWS))


def test_random_references_are_as_many_as_asked_for_whatever_their_similarity() -> None:
    [found] = draw([NEW], questions=3, steps=4)
    assert [len(found.questions), *map(len, found.steps)] == [3, 4, 4]
    assert len({question.id for question in found.questions}) == 3
    assert min(question.similarity for question in found.questions) < 0.5


def test_the_same_seed_and_item_draw_the_same_references_beside_any_others() -> None:
    alone = _shape(draw([NEW], seed=5)[0])
    assert _shape(draw([target(1), target(2), NEW], seed=5)[2]) == alone
    assert _shape(draw([NEW], seed=6)[0]) != alone
    assert _shape(draw([Solution(NEW.question, (*NEW.steps, "One more."))], seed=5)[0])[0] != alone[0]


def test_a_random_reference_carries_the_cosine_it_has() -> None:
    [everything] = search([NEW], questions=16, steps=16)
    known = {question.id: question.similarity for question in everything.questions}
    [found] = draw([NEW], questions=16)
    shared = [question for question in found.questions if question.id in known]
    assert shared
    assert all(question.similarity == pytest.approx(known[question.id], abs=1e-4) for question in shared)


def test_every_question_of_a_small_corpus_is_drawn_about_as_often() -> None:
    solutions = [Solution("Which?", (f"This is number {number}.",)) for number in range(900)]
    counts = Counter(found.questions[0].id for found in draw(solutions, questions=1, steps=0))
    assert len(counts) == len(ROWS)
    # 50 expected; 17 degrees of freedom: a chi-squared above 40.8 has probability 0.001. The seeds are fixed.
    assert sum((count - 50) ** 2 / 50 for count in counts.values()) < 40.8


def test_duplicates_are_not_drawn_where_they_are_excluded() -> None:
    rows = [ROWS[4], *AGAIN[:10], ROWS[7]]
    [free] = draw([target(4)], questions=12, steps=16, rows=rows)
    [found] = draw([target(4)], questions=12, steps=16, rows=rows, exclude_duplicates=True)
    assert (len(free.questions), free.dropped_duplicates) == (12, 0)
    assert [question.solution.question for question in found.questions] == [ROWS[7]["question"]]
    assert {step.question_id for of_step in found.steps for step in of_step} == {found.questions[0].id}
    assert found.dropped_duplicates == 11


# signals of drift


def test_every_similarity_found_is_told_and_those_below_the_threshold_are_counted() -> None:
    async def use(lib: Library) -> Callable[..., float | None]:
        metrics = Metrics()
        retriever = Retriever(lib.encoder, lib.store, 16, metrics)
        [found] = await retriever.search(await retriever.active(), [NEW], SearchOptions(3, 2, 0.6))
        told = metrics.registry.get_sample_value
        unused = 3 - len(found.questions), 4 - sum(map(len, found.steps))
        assert sum(unused) > 0
        for kind, count, below in [("question", 3, unused[0]), ("step", 4, unused[1])]:
            assert told(f"stepreward_{kind}_similarity_count") == count
            assert told("stepreward_references_below_threshold_total", {"kind": kind}) == below
        await retriever.search(await retriever.active(), [NEW], SearchOptions(3, 2, 0.6, random_seed=1))
        return told

    told = with_library(use)
    assert told("stepreward_question_similarity_count") == 3


def test_a_similarity_of_one_falls_in_the_last_bucket_that_has_a_bound() -> None:
    async def use(lib: Library) -> float | None:
        metrics = Metrics()
        retriever = Retriever(lib.encoder, lib.store, 16, metrics)
        await retriever.search(await retriever.active(), [target(4)], SearchOptions(1, 0, 0.3))
        return metrics.registry.get_sample_value("stepreward_question_similarity_bucket", {"le": "1.0"})

    assert with_library(use) == 1


# building


def test_a_second_build_of_the_same_corpus_has_the_same_ids_and_as_many_points() -> None:
    async def use(lib: Library):
        before = await points_of(lib, "questions"), await points_of(lib, "steps")
        again = await build(lib.store, corpus_of(), lib.encoder)
        assert again == lib.manifest
        return before, (await points_of(lib, "questions"), await points_of(lib, "steps"))

    before, after = with_library(use)
    assert before == after
    assert (len(after[0]), len(after[1])) == (18, 18 * 3 - 6)


def test_the_same_corpus_in_another_store_has_the_same_ids() -> None:
    def ids():
        async def use(lib: Library):
            return lib.manifest.id, set(await points_of(lib, "questions")), set(await points_of(lib, "steps"))

        return with_library(use)

    assert ids() == ids()


def test_an_unlabelled_step_is_not_stored() -> None:
    async def use(lib: Library):
        return await points_of(lib, "steps"), lib.manifest

    stored, manifest = with_library(use)
    labelled = [t for r in ROWS for t, label in zip(r["steps"], r["labels"], strict=True) if label is not None]
    assert sorted(payload["text"] for payload in stored.values()) == sorted(labelled)
    assert (manifest.questions, manifest.steps) == (len(ROWS), len(labelled))


def test_the_manifest_says_how_the_snapshot_was_made() -> None:
    manifest = with_library(lambda lib: lib.store.active()).manifest
    assert (manifest.encoder, manifest.corpus_sha256) == ("bag-of-words", surveyed(corpus_of()).sha256)
    assert (manifest.pca.dimensions_in, manifest.pca.dimensions_out) == (40, DIMENSIONS)
    assert manifest.id == snapshot_id(corpus_of(), "bag-of-words", Reduction(DIMENSIONS))
    assert manifest.schema_version == SCHEMA_VERSION
    assert manifest.sources == {"test/0": 9, "test/1": 9}
    assert manifest.created_at.utcoffset() == timedelta(0)


def snapshot_id(solutions: Sequence[LabelledSolution], encoder: str, reduction: Reduction) -> str:
    return surveyed(solutions).snapshot_id(encoder, reduction)


def test_a_snapshot_has_another_id_when_anything_it_depends_on_differs() -> None:
    corpus = corpus_of()
    ids = {
        snapshot_id(corpus, "bag-of-words", Reduction(12)),
        snapshot_id(corpus, "bag-of-words", Reduction(13)),
        snapshot_id(corpus, "bag-of-words", Reduction(0)),
        snapshot_id(corpus, "bag-of-words", Reduction(None, 0.9)),
        snapshot_id(corpus, "bag-of-words", Reduction(None, 0.8)),
        snapshot_id(corpus, "other", Reduction(12)),
        snapshot_id(corpus_of(ROWS[::-1]), "bag-of-words", Reduction(12)),
        snapshot_id(corpus_of(ROWS[:-1]), "bag-of-words", Reduction(12)),
    }
    assert len(ids) == 8


def test_no_active_corpus_is_retrieval_unavailable() -> None:
    async def run():
        async with empty_store() as (_, store, _):
            with pytest.raises(RetrievalUnavailable, match="no corpus is active"):
                await store.active()

    asyncio.run(run())


def test_a_built_corpus_answers_only_once_it_is_activated() -> None:
    async def use(lib: Library):
        other = await build(lib.store, corpus_of(ROWS[:9]), lib.encoder)
        assert (await lib.store.active()).id == lib.manifest.id
        await lib.store.activate(other.id)
        assert (await lib.store.active()).id == other.id
        await lib.store.activate(lib.manifest.id)
        assert (await lib.store.active()).id == lib.manifest.id

    with_library(use)


def test_an_active_corpus_that_is_not_registered_is_retrieval_unavailable() -> None:
    async def use(lib: Library):
        await lib.client.delete(f"{lib.prefix}_snapshots", models.FilterSelector(filter=models.Filter()))
        with pytest.raises(RetrievalUnavailable, match=lib.manifest.id):
            await Store(lib.client, 30, StoreOptions(lib.prefix)).active()

    with_library(use)


def test_a_corpus_of_another_version_is_retrieval_unavailable() -> None:
    async def use(lib: Library):
        [record] = (await lib.client.scroll(f"{lib.prefix}_snapshots"))[0]
        changed = models.PointStruct(id=record.id, vector=[1.0], payload=record.payload | {"shards": 2})
        await lib.client.upsert(f"{lib.prefix}_snapshots", [changed], wait=True)
        with pytest.raises(RetrievalUnavailable, match="another version"):
            await Store(lib.client, 30, StoreOptions(lib.prefix)).active()

    with_library(use)


def test_fewer_texts_than_components_name_the_setting() -> None:
    async def run():
        encoder = bag_encoder()
        try:
            async with empty_store() as (_, store, _):
                await build(store, corpus_of(ROWS[:2]), encoder, dimensions=9)
        finally:
            encoder.close()

    with pytest.raises(ConfigurationError, match=r"STEPREWARD_PCA_DIMENSIONS: 9 .* 7 of 40"):
        asyncio.run(run())


# a Qdrant that does not answer


def _closed_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


VECTORS = np.ones((1, DIMENSIONS), dtype=np.float32)
POINT = Point("00000000-0000-0000-0000-000000000001", [1.0], {})


def some_manifest(identity: str = "abc") -> Manifest:
    pca = PCA(np.zeros(40, dtype=np.float32), np.eye(DIMENSIONS, 40, dtype=np.float32), 1.0)
    return Manifest(
        id=identity,
        schema_version=SCHEMA_VERSION,
        corpus_sha256="0",
        encoder="bag",
        pca=pca.stored(),
        questions=1,
        steps=1,
        sources={"a": 1},
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        complete=True,
    )


def _snapshot() -> Snapshot:
    return Snapshot(some_manifest(), PCA.from_stored(some_manifest().pca))


CALLS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "active": lambda store: store.active(),
    "nearest_questions": lambda store: store.nearest_questions(_snapshot(), VECTORS, 1),
    "nearest_steps": lambda store: store.nearest_steps(_snapshot(), VECTORS, [["a"]], 1),
    "points_from": lambda store: store.points_from(_snapshot(), "steps", POINT.id, 1),
    "points": lambda store: store.points("abc", "steps", [POINT.id], with_payload=True),
    "count": lambda store: store.count("abc", "questions", "a"),
    "registered": lambda store: store.registered(),
    "manifest": lambda store: store.manifest("abc"),
    "begun": lambda store: store.begun("abc"),
    "begin": lambda store: store.begin(some_manifest()),
    "add_questions": lambda store: store.add_questions("abc", [POINT]),
    "add_steps": lambda store: store.add_steps("abc", [POINT]),
    "finish": lambda store: store.finish(some_manifest()),
    "activate": lambda store: store.activate("abc"),
    "drop": lambda store: store.drop("abc"),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_qdrant_that_is_gone_is_retrieval_unavailable(call) -> None:
    async def run():
        store = Store(connect(Address(f"http://127.0.0.1:{_closed_port()}"), 1), 1)
        try:
            await CALLS[call](store)
        finally:
            await store.close()

    with pytest.raises(RetrievalUnavailable) as caught:
        asyncio.run(run())
    assert isinstance(caught.value.__cause__, ApiException)
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, text="x" * 5000),
        httpx.Response(401, json={"status": {"error": "Unauthorized"}}),
        httpx.Response(404, json={"status": {"error": "Not found: Collection"}}),
        httpx.Response(429, json={"status": {"error": "Rate limit"}}),
        httpx.Response(429, json={"status": {"error": "Rate limit"}}, headers={"Retry-After": "3"}),
        httpx.Response(200, text="<html>a proxy</html>"),
        httpx.Response(200, json={"result": {"aliases": 3}}),
    ],
    ids=["500", "401", "404", "429", "429-retry-after", "html", "other-json"],
)
def test_an_error_of_qdrant_is_retrieval_unavailable(answer) -> None:
    async def run():
        transport = httpx.MockTransport(lambda request: answer)
        store = Store(AsyncQdrantClient(url="http://qdrant:6333", check_compatibility=False, transport=transport))
        try:
            await store.active()
        finally:
            await store.close()

    with pytest.raises(RetrievalUnavailable) as caught:
        asyncio.run(run())
    assert len(caught.value.message) < 300


def scripted_store(
    answer: Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]], timeout_s: float = 5
) -> Store:
    client = AsyncQdrantClient(
        url="http://qdrant:6333", check_compatibility=False, transport=httpx.MockTransport(answer)
    )
    return Store(client, timeout_s)


async def timed(store: Store) -> float:
    """Seconds until the store is found unavailable."""
    started_s = time.perf_counter()
    try:
        with pytest.raises(RetrievalUnavailable):
            await store.active()
    finally:
        await store.close()
    return time.perf_counter() - started_s


@pytest.mark.parametrize(
    ("error", "tries"),
    [(httpx.ConnectError, 3), (httpx.RemoteProtocolError, 3), (httpx.ReadError, 3), (httpx.ReadTimeout, 1)],
)
def test_a_read_is_tried_three_times_where_the_connection_fails_and_once_where_the_answer_is_late(error, tries) -> None:
    asked: list[str] = []

    def fail(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        raise error("scripted", request=request)

    assert asyncio.run(timed(scripted_store(fail))) < 3
    assert len(asked) == tries


def test_an_error_that_was_answered_is_not_tried_again() -> None:
    asked: list[str] = []

    def fail(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(500, text="broken")

    asyncio.run(timed(scripted_store(fail)))
    assert len(asked) == 1


def test_a_connection_that_fails_once_is_not_noticed() -> None:
    asked: list[str] = []

    def once(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if len(asked) == 1:
            raise httpx.ConnectError("scripted", request=request)
        return httpx.Response(200, json={"result": {"aliases": []}, "status": "ok", "time": 0.0})

    with pytest.raises(RetrievalUnavailable, match="no corpus is active"):
        asyncio.run(scripted_store(once).active())
    assert len(asked) == 2


def test_one_request_after_the_other_goes_over_the_same_connection() -> None:
    connections: list[str] = []
    answer = b'{"result": {"aliases": []}, "status": "ok", "time": 0.0}'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n".encode()

    async def serve(ended: asyncio.Event, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append("opened")
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head + answer)
        writer.close()
        await writer.wait_closed()
        ended.set()

    async def ask() -> None:
        ended = asyncio.Event()
        async with await asyncio.start_server(partial(serve, ended), "127.0.0.1", 0) as server:
            store = Store(connect(Address(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), 20), 20)
            for _ in range(3):
                with pytest.raises(RetrievalUnavailable, match="no corpus is active"):
                    await store.active()
            await store.close()
            await ended.wait()

    asyncio.run(ask())
    assert connections == ["opened"]


def test_a_frozen_store_is_given_up_when_its_time_is_over_retries_and_all() -> None:
    async def freeze(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError("waited for")

    assert 0.2 <= asyncio.run(timed(scripted_store(freeze, timeout_s=0.2))) < 2


# reading


def read(path: Path) -> tuple[list[LabelledSolution], list[Rejected]]:
    rows = list(read_corpus([path]))
    return list(solutions_of(rows)), [row for row in rows if isinstance(row, Rejected)]


def test_rows_are_read_in_order(tmp_path) -> None:
    assert read(write_rows(tmp_path / "rows.jsonl", [*ROWS, ROWS[3]])) == (corpus_of([*ROWS, ROWS[3]]), [])


def test_a_gzipped_file_reads_like_a_plain_one(tmp_path) -> None:
    plain = write_rows(tmp_path / "rows.jsonl", ROWS)
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read(packed) == read(plain)


def test_keys_that_say_more_about_a_row_are_passed_over(tmp_path) -> None:
    [solution] = read_solutions(write_rows(tmp_path / "rows.jsonl", [row(1, id="a", answer="4", error=None)]))
    assert solution == corpus_of([ROWS[1]])[0]


BAD_LINES = {
    "{": "Invalid JSON",
    "[]": "",
    "\x00": "Invalid JSON",
    '{"question": "q"}': "steps",
    json.dumps(row(1, question=" ")): "question: Value error, must not be blank",
    json.dumps(row(1, question=5)): "question",
    json.dumps(row(1, steps=[])): "steps",
    json.dumps(row(1, steps=["a", "\u202e", "c"])): "steps.1: Value error, character U+202E at position 0",
    json.dumps(row(1, labels=[True])): "1 labels for 3 steps",
    json.dumps(row(1, labels=[1, 0, 1])): "labels.0",
    json.dumps(row(1, labels=["+", "-", "+"])): "labels.0",
    json.dumps(row(1, source="")): "source",
}


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.items())
def test_a_bad_row_is_named_with_its_line_and_the_rows_around_it_are_kept(tmp_path, line, reason) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n\n".join([json.dumps(ROWS[0]), line, json.dumps(ROWS[1])]), encoding="utf-8")
    solutions, [bad] = read(path)
    assert solutions == corpus_of(ROWS[:2])
    assert (bad.source, bad.line) == (str(path), 3)
    assert reason in bad.reason


def test_bad_utf8_is_a_bad_row(tmp_path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"question": "\xff"}\n' + json.dumps(ROWS[0]).encode())
    bad, good = read_solutions(path)
    assert isinstance(bad, BadRow)
    assert bad.line == 1
    assert isinstance(good, LabelledSolution)


def test_a_file_without_a_usable_row_is_refused(tmp_path) -> None:
    rows = read_corpus([write_rows(tmp_path / "rows.jsonl", [{"question": "q"}])])
    with pytest.raises(ConfigurationError, match="no usable row among 1"):
        survey(rows, lambda row: None)


def _not_gzip(path: Path) -> None:
    path.write_bytes(b"plain text")


def _cut_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(json.dumps(ROWS).encode())[:-20])


def _broken_gzip(path: Path) -> None:
    packed = bytearray(gzip.compress(json.dumps(ROWS).encode()))
    packed[len(packed) // 2] ^= 0xFF
    path.write_bytes(packed)


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir, _not_gzip, _cut_gzip, _broken_gzip])
def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path, make) -> None:
    path = tmp_path / "rows.jsonl.gz"
    make(path)
    with pytest.raises(ConfigurationError, match=r"rows\.jsonl\.gz"):
        read(path)


# PCA


def _random_vectors(count: int, length: int) -> Vectors:
    return np.random.default_rng(3).normal(size=(count, length)).astype(np.float32)


def test_a_stored_pca_comes_back_bit_for_bit() -> None:
    fitted = PCA.fit(_random_vectors(50, 20), Reduction(7))
    back = PCA.from_stored(StoredPCA.model_validate_json(fitted.stored().model_dump_json()))
    assert back.mean.tobytes() == fitted.mean.tobytes()
    assert back.components.tobytes() == fitted.components.tobytes()
    assert back.explained_variance == fitted.explained_variance
    vectors = _random_vectors(4, 20)
    assert back.project(vectors).tobytes() == fitted.project(vectors).tobytes()


def test_projected_vectors_have_length_one() -> None:
    projected = PCA.fit(_random_vectors(50, 20), Reduction(7)).project(_random_vectors(9, 20))
    assert projected.shape == (9, 7)
    assert projected.dtype == np.float32
    assert np.linalg.norm(projected, axis=1) == pytest.approx(np.ones(9), abs=1e-6)


def test_a_text_at_the_mean_of_the_corpus_is_similar_to_nothing() -> None:
    fitted = PCA.fit(_random_vectors(50, 20), Reduction(7))
    assert not fitted.project(fitted.mean[None]).any()


def test_all_components_keep_all_of_the_variance() -> None:
    vectors = _random_vectors(50, 6)
    fitted = PCA.fit(vectors, Reduction(6))
    assert fitted.explained_variance == pytest.approx(1)
    centred = _unit(vectors - vectors.mean(axis=0))
    assert fitted.project(vectors) @ fitted.project(vectors).T == pytest.approx(centred @ centred.T, abs=1e-4)


@pytest.mark.parametrize(("count", "length"), [(6, 20), (20, 6)])
def test_more_components_than_the_vectors_have_name_the_setting(count, length) -> None:
    with pytest.raises(ConfigurationError, match="STEPREWARD_PCA_DIMENSIONS: 7 "):
        PCA.fit(_random_vectors(count, length), Reduction(7))


def test_projecting_vectors_of_another_length_is_refused() -> None:
    with pytest.raises(DimensionMismatch, match=r"19 components.*20"):
        PCA.fit(_random_vectors(50, 20), Reduction(7)).project(_random_vectors(2, 19))


# encoding


def encode(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    try:
        return asyncio.run(encoder.encode(texts))
    finally:
        encoder.close()


def test_rows_come_in_the_order_of_the_texts_with_duplicates_encoded_once() -> None:
    model = BagOfWords()
    texts = ["b a", "a", "b a", "c c c c", "a"]
    vectors = encode(bag_encoder(model), texts)
    alone = np.concatenate([encode(bag_encoder(), [text]) for text in texts])
    assert vectors == pytest.approx(alone, abs=1e-6)
    assert model.batches == [["a", "b a", "c c c c"]]


def test_encoded_rows_are_float32_of_length_one() -> None:
    vectors = encode(bag_encoder(), ["one", "two words", "three words here"])
    assert vectors.shape == (3, 40)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-6)


def test_calls_at_once_each_get_their_own_rows() -> None:
    async def run(encoder: Encoder):
        return await asyncio.gather(*(encoder.encode([f"text {number}", "shared"]) for number in range(8)))

    encoder = bag_encoder()
    together = asyncio.run(run(encoder))
    encoder.close()
    for number, vectors in enumerate(together):
        assert vectors == pytest.approx(encode(bag_encoder(), [f"text {number}", "shared"]), abs=1e-6)


def test_an_encoder_tells_its_dimensions_and_name() -> None:
    encoder = bag_encoder()
    assert (encoder.dimensions, encoder.name) == (40, "bag-of-words")
    encoder.close()


def test_a_directory_is_named_by_its_last_two_parts_and_a_hub_name_as_it_is(tmp_path) -> None:
    (tmp_path / "minilm" / "model").mkdir(parents=True)
    assert encoder_name(str(tmp_path / "minilm" / "model")) == "minilm/model"
    assert encoder_name("sentence-transformers/all-MiniLM-L6-v2") == "sentence-transformers/all-MiniLM-L6-v2"
