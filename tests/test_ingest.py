"""A corpus into a snapshot: in passes, resumed where it was killed, with what cannot be used told apart."""

import asyncio
import json
import random
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient

from stepreward.corpus.ingest import Ingest, Ingested, Stage
from stepreward.corpus.points import stored_texts
from stepreward.corpus.rejected import DeadLetters, Rejected
from stepreward.corpus.sample import SmallestDigests
from stepreward.corpus.survey import read_corpus, survey
from stepreward.corpus.vectors import TextEncoder
from stepreward.errors import ConfigurationError, RetrievalUnavailable
from stepreward.retrieval.encoder import Vectors
from stepreward.retrieval.manifest import Manifest
from stepreward.retrieval.pca import PCA, Reduction
from stepreward.retrieval.store import Point, Store
from stepreward.settings import Settings
from stepreward.values import LabelledSolution
from test_retrieval import NO_PAYLOAD_INDEX, ROWS, BagOfWords, corpus_of, row, surveyed

pytestmark = pytest.mark.filterwarnings(NO_PAYLOAD_INDEX)

T = TypeVar("T")
REDUCTION = Reduction(12)
Told = list[tuple[Stage, int, int | None]]


def counting_encoder(asked: list[str]) -> TextEncoder:
    """A bag of words; `asked` gets every text that it is given."""
    bag = BagOfWords()

    async def encode(texts: Sequence[str]) -> Vectors:
        asked.extend(texts)
        vectors = bag.encode(texts, 1, True, False)
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    return TextEncoder("bag-of-words", bag.dimensions, encode)


async def ingested(
    store: Store,
    solutions: Sequence[LabelledSolution],
    asked: list[str] | None = None,
    *,
    told: Told | None = None,
    reduction: Reduction = REDUCTION,
    batch: int = 12,
) -> Ingested:
    """`batch`: texts in one, of which each row has four."""
    heard: Told = [] if told is None else told
    ingest = Ingest(
        store,
        counting_encoder([] if asked is None else asked),
        surveyed(solutions),
        reduction,
        lambda *progress: heard.append(progress),
        texts_per_batch=batch,
    )
    return await ingest.run(solutions)


def with_client(use: Callable[[AsyncQdrantClient], Awaitable[T]]) -> T:
    async def run() -> T:
        client = AsyncQdrantClient(":memory:")
        try:
            return await use(client)
        finally:
            await client.close()

    return asyncio.run(run())


async def everything(store: Store, snapshot_id: str) -> dict[str, Any]:
    return {
        point.id: point.payload
        for kind in ("questions", "steps")
        async for page in store.scan(snapshot_id, kind, with_vectors=False)
        for point in page
    }


def test_progress_tells_the_texts_of_the_sample_and_the_solutions_stored() -> None:
    told: Told = []
    with_client(lambda client: ingested(Store(client), corpus_of(ROWS[:9]), told=told))
    texts = len({text for solution in corpus_of(ROWS[:9]) for text in stored_texts(solution)})
    assert told == [("fit", texts, texts), ("store", 3, 9), ("store", 6, 9), ("store", 9, 9)]


def test_every_stored_text_is_encoded_once_and_an_unlabelled_step_never() -> None:
    asked: list[str] = []
    done = with_client(lambda client: ingested(Store(client), corpus_of(), asked))
    assert sorted(asked) == sorted({text for solution in corpus_of() for text in stored_texts(solution)})
    assert ROWS[0]["steps"][2] not in asked
    assert (done.texts, done.added, done.resumed) == (len(asked), 18, False)


def test_a_finished_ingest_run_again_encodes_and_adds_nothing() -> None:
    async def use(client: AsyncQdrantClient) -> tuple[Ingested, Ingested, list[str]]:
        first, asked = await ingested(Store(client), corpus_of()), []
        return first, await ingested(Store(client), corpus_of(), asked), asked

    first, again, asked = with_client(use)
    assert asked == []
    assert (again.manifest, again.added, again.texts) == (first.manifest, 0, 0)


def test_a_solution_that_stands_twice_is_stored_once() -> None:
    async def use(client: AsyncQdrantClient) -> Manifest:
        twice = corpus_of([*ROWS[:9], ROWS[1], *ROWS[9:], ROWS[17]])
        return (await ingested(Store(client), twice)).manifest

    manifest = with_client(use)
    assert (manifest.questions, manifest.steps, manifest.sources) == (18, 48, {"test/0": 9, "test/1": 9})


class Interrupted(Exception):
    pass


class StopsAt(Store):
    """A store whose ingest is killed at a call of one kind: `before` so many of them were answered."""

    def __init__(self, client: AsyncQdrantClient, call: str, before: int) -> None:
        super().__init__(client)
        self._call = call
        self._left = before

    async def begin(self, manifest: Manifest) -> None:
        self._pass("begin")
        await super().begin(manifest)

    async def add_steps(self, snapshot_id: str, points: Sequence[Point]) -> None:
        self._pass("add_steps")
        await super().add_steps(snapshot_id, points)

    async def add_questions(self, snapshot_id: str, points: Sequence[Point]) -> None:
        self._pass("add_questions")
        await super().add_questions(snapshot_id, points)

    async def finish(self, manifest: Manifest) -> None:
        self._pass("finish")
        await super().finish(manifest)

    def _pass(self, call: str) -> None:
        if call == self._call:
            if not self._left:
                raise Interrupted
            self._left -= 1


@pytest.mark.parametrize(
    ("call", "before", "stored_solutions"),
    [("begin", 0, 0), ("add_steps", 0, 0), ("add_steps", 2, 6), ("add_questions", 2, 6), ("finish", 0, 18)],
)
def test_an_interrupted_ingest_goes_on_and_encodes_nothing_that_is_stored(call, before, stored_solutions) -> None:
    async def use(client: AsyncQdrantClient) -> None:
        store, told, asked = Store(client), [], []
        with pytest.raises(Interrupted):
            await ingested(StopsAt(client, call, before), corpus_of(), told=told)
        assert max((done for stage, done, _ in told if stage == "store"), default=0) == stored_solutions
        left = [snapshot.manifest for snapshot in await store.registered() if snapshot.manifest]
        assert [manifest.complete for manifest in left] == ([] if call == "begin" else [False])
        done = await ingested(store, corpus_of(), asked)
        assert done.manifest.complete
        assert done.resumed is (call != "begin")
        if left:
            assert done.manifest.pca == left[0].pca
            assert set(asked) == {
                text for solution in corpus_of()[stored_solutions:] for text in stored_texts(solution)
            }
        whole = AsyncQdrantClient(":memory:")
        uninterrupted = (await ingested(Store(whole), corpus_of())).manifest
        assert done.manifest == uninterrupted.model_copy(update={"created_at": done.manifest.created_at})
        assert await everything(store, done.manifest.id) == await everything(Store(whole), uninterrupted.id)
        await whole.close()

    with_client(use)


def test_a_snapshot_that_is_not_complete_neither_is_activated_nor_answers() -> None:
    async def use(client: AsyncQdrantClient) -> None:
        with pytest.raises(Interrupted):
            await ingested(StopsAt(client, "finish", 0), corpus_of())
        store = Store(client)
        [left] = await store.registered()
        with pytest.raises(ConfigurationError, match="not complete"):
            await store.activate(left.id)
        with pytest.raises(RetrievalUnavailable, match="no corpus is active"):
            await store.active()

    with_client(use)


def test_a_step_that_was_lost_is_stored_again_when_the_ingest_goes_on() -> None:
    async def use(client: AsyncQdrantClient) -> tuple[Manifest, list[str]]:
        with pytest.raises(Interrupted):
            await ingested(StopsAt(client, "finish", 0), corpus_of())
        [left] = await Store(client).registered()
        [lost, *_], _ = await client.scroll(f"stepreward_steps_{left.id}", limit=1)
        await client.delete(f"stepreward_steps_{left.id}", [lost.id])
        asked: list[str] = []
        return (await ingested(Store(client), corpus_of(), asked)).manifest, asked

    manifest, asked = with_client(use)
    assert manifest.steps == 48
    assert len(asked) in (3, 4)  # of the one solution


def test_a_corpus_that_changes_between_the_passes_is_refused_and_nothing_of_it_stays() -> None:
    async def use(client: AsyncQdrantClient) -> list[Any]:
        store = Store(client)
        ingest = Ingest(store, counting_encoder([]), surveyed(corpus_of()), REDUCTION, lambda *progress: None)
        with pytest.raises(ConfigurationError, match="changed while it was ingested"):
            await ingest.run(corpus_of(ROWS[:-1]))
        return await store.registered()

    assert with_client(use) == []


def test_another_ingest_that_began_the_same_snapshot_anew_is_noticed() -> None:
    class BeginsAnew(Store):
        async def add_steps(self, snapshot_id: str, points: Sequence[Point]) -> None:
            begun = await self.begun(snapshot_id)
            assert begun
            other = PCA.fit(np.random.default_rng(1).normal(size=(30, 40)).astype(np.float32), REDUCTION)
            await self.begin(begun.model_copy(update={"pca": other.stored()}))
            await super().add_steps(snapshot_id, points)

    async def use(client: AsyncQdrantClient) -> None:
        with pytest.raises(ConfigurationError, match="changed while it was built"):
            await ingested(BeginsAnew(client), corpus_of())

    with_client(use)


def test_a_batch_is_encoded_while_the_one_before_it_is_stored() -> None:
    encoding = asyncio.Event()
    calls: list[int] = []

    async def encode(texts: Sequence[str]) -> Vectors:
        calls.append(len(texts))
        if len(calls) == 2:
            encoding.set()
        return np.eye(len(texts), 40, dtype=np.float32)

    class WaitsForTheEncoder(Store):
        async def add_questions(self, snapshot_id: str, points: Sequence[Point]) -> None:
            await asyncio.wait_for(encoding.wait(), 60)
            await super().add_questions(snapshot_id, points)

    async def use(client: AsyncQdrantClient) -> Ingested:
        off = Reduction(0)
        encoder = TextEncoder("eye", 40, encode)
        store = WaitsForTheEncoder(client)
        solutions = corpus_of()
        ingest = Ingest(store, encoder, surveyed(solutions), off, lambda *progress: None, texts_per_batch=12)
        return await ingest.run(solutions)

    done = with_client(use)
    assert len(calls) == 6
    assert done.texts == sum(calls)
    assert done.manifest.pca.dimensions_out == 40


# what is kept of a corpus


def _many(count: int) -> Iterator[list[LabelledSolution]]:
    return (corpus_of([row(number)]) for number in range(count))


def test_a_survey_keeps_no_more_of_a_longer_corpus() -> None:
    peaks = []
    for count in (500, 5000):
        tracemalloc.start()
        survey(_many(count), _refuse, sample_texts=100)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 100_000


def _refuse(row: Rejected) -> None:
    raise AssertionError(row)


def test_the_sample_does_not_depend_on_the_order_and_holds_each_text_once() -> None:
    texts = [f"text {number}" for number in range(200)]
    shuffled = [*texts, *texts[:50]]
    random.Random(1).shuffle(shuffled)
    samples = []
    for order in (texts, shuffled):
        sample = SmallestDigests[None](20)
        for text in order:
            sample.offer(text, None)
        samples.append(list(sample.items()))
    assert samples[0] == samples[1]
    assert len(set(samples[0])) == 20
    other = SmallestDigests[None](20, seed=1)
    for text in texts:
        other.offer(text, None)
    assert list(other.items()) != samples[0]


def test_a_pipe_is_refused_for_it_cannot_be_read_twice(tmp_path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigurationError, match=r"pipe.*no regular file"):
        list(read_corpus([tmp_path / "pipe"]))


# rows that cannot be used

BAD = [Rejected("a.jsonl", 3, "labels: wrong"), Rejected("b.csv", 1, "2 cells for 4 columns")]


def test_rejected_rows_are_lines_of_source_line_and_reason(tmp_path) -> None:
    path = tmp_path / "new" / "rejected.jsonl"
    with closing(DeadLetters(path.parent)) as letters:
        for bad in BAD:
            letters.add(bad)
        assert not path.exists()
        letters.keep_as(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"source": bad.source, "line": bad.line, "reason": bad.reason} for bad in BAD]
    assert list(path.parent.iterdir()) == [path]


def test_a_survey_that_fails_leaves_the_rejected_rows_of_the_last_one(tmp_path) -> None:
    path = tmp_path / "rejected.jsonl"
    path.write_text("as it was")
    with closing(DeadLetters(tmp_path)) as letters:
        letters.add(BAD[0])
    assert path.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [path]


def test_rejected_rows_that_cannot_be_written_are_a_wrong_setting(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with closing(DeadLetters(tmp_path / "file")) as letters, pytest.raises(ConfigurationError, match="rejected rows"):
        letters.add(BAD[0])


# how far vectors are reduced


def _vectors() -> Vectors:
    """60 vectors of 20 components, of which each has a variance 0.7 times that of the one before."""
    scales = np.sqrt(0.7 ** np.arange(20))
    return (np.random.default_rng(5).normal(size=(60, 20)) * scales).astype(np.float32)


@pytest.mark.parametrize("variance", [0.3, 0.9, 0.999, 1.0])
def test_the_fewest_components_are_kept_that_keep_the_variance(variance) -> None:
    fitted = PCA.fit(_vectors(), Reduction(None, variance))
    assert fitted.components is not None
    count = len(fitted.components)
    assert fitted.explained_variance >= variance - 1e-6
    assert count == 1 or PCA.fit(_vectors(), Reduction(count - 1)).explained_variance < variance
    assert fitted.explained_variance == pytest.approx(PCA.fit(_vectors(), Reduction(count)).explained_variance)


def test_vectors_that_are_not_reduced_are_stored_as_they_are_with_length_one() -> None:
    off = PCA.from_stored(PCA.fit(_vectors(), Reduction(0)).stored())
    projected = off.project(_vectors())
    assert projected.shape == (60, 20)
    assert projected == pytest.approx(_vectors() / np.linalg.norm(_vectors(), axis=1, keepdims=True), abs=1e-6)
    assert off.explained_variance == 1


@pytest.mark.parametrize(
    "change", [{"mean": ""}, {"dimensions_out": 8}, {"sha256": "0"}, {"components": "AAAA"}, {"dimensions_in": 3}]
)
def test_a_damaged_pca_is_refused(change) -> None:
    stored = PCA.fit(_vectors(), Reduction(7)).stored().model_copy(update=change)
    with pytest.raises(ValueError, match="damaged"):
        PCA.from_stored(stored)


def test_texts_that_are_all_alike_for_the_encoder_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="no two texts"):
        PCA.fit(np.ones((5, 20), dtype=np.float32), Reduction(2))


def test_a_number_of_components_and_a_share_of_the_variance_exclude_each_other(monkeypatch) -> None:
    assert Settings.load({"pca_variance": 0.9}).pca_variance == 0.9
    with pytest.raises(ConfigurationError, match="pca_dimensions or pca_variance"):
        Settings.load({"pca_variance": 0.9, "pca_dimensions": 64})
    monkeypatch.setenv("STEPREWARD_PCA_DIMENSIONS", "64")
    with pytest.raises(ConfigurationError, match="pca_dimensions or pca_variance"):
        Settings.load({"pca_variance": 0.9})


# killed for real


def test_three_kills_lose_nothing_that_was_acknowledged(tmp_path, monkeypatch) -> None:
    pytest.importorskip("qdrant_edge", reason="needs the wheel qdrant-edge-py (make test installs it)")
    root = Path(__file__).parents[1]
    monkeypatch.syspath_prepend(str(root))
    from loadtests.chaos_ingest import Chaos

    figures = Chaos(tmp_path, solutions=200, seed=3, batch_s=0.1, engine_every=2).run(3)
    assert figures.is_sound, figures
    assert (figures.kills_of_the_ingest, figures.kills_of_the_engine) == (2, 1)
    assert figures.kills_after_an_acknowledgement > 0
