"""The score cache in memory, and what is shared while it is computed; test_redis_cache has what gateways share.

`Bench` computes only when the test says so.
"""

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepreward.cache import ScoreCache, Shared, Values
from stepreward.errors import WorkerUnavailable
from stepreward.metrics import Metrics
from stepreward.redis_cache import RedisCache
from stepreward.schema import ReferenceResult
from stepreward.values import Verdict


@dataclass(frozen=True)
class Judged:
    """Has the parts of a step's judgement. The text says which computation made it."""

    verdicts: tuple[Verdict, ...]
    references: tuple[ReferenceResult, ...] = ()
    degraded: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.verdicts[0].text


def judged(text: str) -> Judged:
    reference = ReferenceResult(
        question_id=f"q of {text}", step_id=None, for_step=None, similarity=0.75, source="starter", sha256="0" * 64
    )
    return Judged((Verdict(0.25, forced=True, text=text), Verdict(None)), (reference,))


VALUES = Values.of(Judged, keep=lambda value: not value.degraded)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Call:
    """One call of `compute`, which ends when the test says how."""

    keys: list[str]
    positions: list[int]
    ends: asyncio.Future[list[Judged]]
    cancelled: bool = False
    name: str = ""

    def succeed(self) -> None:
        self.ends.set_result([judged(f"{key} by {self.name}") for key in self.keys])

    def degrade(self) -> None:
        self.ends.set_result([Judged((Verdict(0.5, text=key),), degraded=("retrieval",)) for key in self.keys])

    def fail(self, error: Exception) -> None:
        self.ends.set_exception(error)


@dataclass
class Bench:
    """One gateway's cache, and callers that run beside the test."""

    max_bytes: int = 1 << 20
    ttl_s: float = 60
    redis: RedisCache | None = None
    clock: Clock = field(default_factory=Clock)
    metrics: Metrics = field(default_factory=Metrics)
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cache: ScoreCache[Judged] = ScoreCache(
            VALUES, self.max_bytes, self.ttl_s, self.metrics, redis=self.redis, clock=self.clock
        )

    async def ask(self, *keys: str) -> "asyncio.Task[list[Shared[Judged]]]":
        """A caller that has got as far as it can without its computation."""
        task = asyncio.create_task(self.cache.get_or_compute(keys, lambda at: self._compute(keys, at)))
        await settled()
        return task

    async def know(self, *keys: str) -> list[Shared[Judged]]:
        """Each key's value, computed where it has to be."""

        async def compute(positions: Sequence[int]) -> list[Judged]:
            return [judged(f"{keys[position]} here") for position in positions]

        return await self.cache.get_or_compute(keys, compute)

    def count(self, sample: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(sample, labels) or 0

    def steps(self) -> dict[str, float]:
        origins = ("computed", "joined", "cached_memory", "cached_redis")
        counts = {origin: self.count("stepreward_cache_steps_total", origin=origin) for origin in origins}
        return {origin: count for origin, count in counts.items() if count}

    def redis_errors(self, kind: str) -> float:
        return self.count("stepreward_cache_redis_errors_total", kind=kind)

    async def _compute(self, keys: Sequence[str], positions: Sequence[int]) -> list[Judged]:
        wanted = [keys[position] for position in positions]
        call = Call(wanted, list(positions), asyncio.get_running_loop().create_future())
        call.name = f"call {len(self.calls)}"
        self.calls.append(call)
        try:
            return await call.ends
        except asyncio.CancelledError:
            call.cancelled = True
            raise


async def settled() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


def on_bench(use: Callable[[Bench], Awaitable[None]], bench: Bench | None = None, **how: object) -> None:
    """Run it, close the cache, and see that it left no task behind and lost no exception."""
    bench = bench or Bench(**how)

    async def run() -> None:
        lost: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: lost.append(context))
        async with asyncio.timeout(60):
            await use(bench)
            await bench.cache.close()
        await settled()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not lost

    asyncio.run(run())


def texts(answers: Sequence[Shared[Judged]]) -> list[str]:
    return [answer.judgement.text for answer in answers]


def origins(answers: Sequence[Shared[Judged]]) -> list[str]:
    return [answer.origin for answer in answers]


# memory


def test_what_was_computed_is_found_again_and_each_origin_is_counted() -> None:
    async def use(bench: Bench):
        asked = await bench.ask("a", "b")
        bench.calls[0].succeed()
        assert origins(await asked) == ["computed", "computed"]
        again = await bench.ask("b", "c", "a")
        assert (bench.calls[1].keys, bench.calls[1].positions) == (["c"], [1])
        bench.calls[1].succeed()
        assert texts(await again) == ["b by call 0", "c by call 1", "a by call 0"]
        assert origins(await again) == ["cached", "computed", "cached"]
        assert bench.steps() == {"computed": 3, "cached_memory": 2}

    on_bench(use)


def test_a_look_finds_what_is_there_and_computes_nothing() -> None:
    async def use(bench: Bench):
        [known] = await bench.know("a")
        assert await bench.cache.get(["x", "a", "a"]) == [None, known.judgement, known.judgement]
        assert bench.steps() == {"computed": 1, "cached_memory": 2}

    on_bench(use)


def test_nothing_asked_is_nothing_answered() -> None:
    async def use(bench: Bench):
        assert await bench.cache.get([]) == []
        assert await bench.know() == []

    on_bench(use)


def test_equal_keys_are_computed_once_at_the_first_position() -> None:
    async def use(bench: Bench):
        asked = await bench.ask("a", "b", "a", "b", "a")
        assert [call.positions for call in bench.calls] == [[0, 1]]
        bench.calls[0].succeed()
        assert origins(await asked) == ["computed", "computed", "joined", "joined", "joined"]
        assert texts(await asked) == [f"{key} by call 0" for key in "ababa"]

    on_bench(use)


def test_a_value_is_forgotten_when_its_time_is_over() -> None:
    async def use(bench: Bench):
        await bench.know("a")
        bench.clock.now_s += 59
        assert await bench.cache.get(["a"]) != [None]
        bench.clock.now_s += 2
        assert await bench.cache.get(["a"]) == [None]

    on_bench(use, ttl_s=60)


def test_the_least_used_goes_when_the_bytes_are_full_and_the_size_is_told() -> None:
    async def use(bench: Bench):
        for number in range(100):
            await bench.know("hot", str(number))
        assert 0 < bench.count("stepreward_cache_bytes") <= bench.max_bytes
        assert bench.count("stepreward_cache_evictions_total") > 50
        hot, old, new = await bench.cache.get(["hot", "0", "99"])
        assert (hot is not None, old, new is not None) == (True, None, True)

    on_bench(use, max_bytes=50_000)


def test_the_estimated_bytes_are_near_those_that_python_takes() -> None:
    async def use(bench: Bench):
        keys = [f"{number:064}" for number in range(500)]
        tracemalloc.start()
        await bench.know(*keys)
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert 0.5 < bench.count("stepreward_cache_bytes") / taken < 2

    on_bench(use, max_bytes=100 << 20)


@pytest.mark.parametrize("max_bytes", [0, 100])
def test_a_cache_without_room_still_shares_what_is_being_computed(max_bytes) -> None:
    async def use(bench: Bench):
        first, second = await bench.ask("a"), await bench.ask("a")
        bench.calls[0].succeed()
        assert origins([*await first, *await second]) == ["computed", "joined"]
        third = await bench.ask("a")
        bench.calls[1].succeed()
        assert origins(await third) == ["computed"]

    on_bench(use, max_bytes=max_bytes)


def test_what_may_not_be_kept_is_shared_and_then_forgotten() -> None:
    async def use(bench: Bench):
        first, second = await bench.ask("a"), await bench.ask("a", "b")
        bench.calls[0].degrade()
        bench.calls[1].succeed()
        assert (await first)[0].judgement.degraded == ("retrieval",)
        assert [answer.judgement.degraded for answer in await second] == [("retrieval",), ()]
        assert [value is not None for value in await bench.cache.get(["a", "b"])] == [False, True]

    on_bench(use)


# single-flight


def test_a_key_under_way_is_joined_and_only_the_rest_is_computed() -> None:
    async def use(bench: Bench):
        first, second = await bench.ask("a", "b"), await bench.ask("c", "b", "a")
        third = await bench.ask("c", "a")
        assert [call.keys for call in bench.calls] == [["a", "b"], ["c"]]
        bench.calls[1].succeed()
        bench.calls[0].succeed()
        assert texts(await second) == ["c by call 1", "b by call 0", "a by call 0"]
        assert origins(await second) == ["computed", "joined", "joined"]
        assert origins(await third) == ["joined", "joined"]
        assert origins(await first) == ["computed", "computed"]
        assert bench.steps() == {"computed": 3, "joined": 4}

    on_bench(use)


def test_two_callers_may_each_wait_for_what_the_other_computes() -> None:
    async def use(bench: Bench):
        first = await bench.ask("a")
        crossed = await bench.ask("b", "a")
        back = await bench.ask("a", "b")
        for call in bench.calls:
            call.succeed()
        assert [len(await one) for one in (first, crossed, back)] == [1, 2, 2]

    on_bench(use)


def test_the_first_caller_s_cancellation_does_not_hurt_those_who_joined() -> None:
    async def use(bench: Bench):
        first, second = await bench.ask("a", "b"), await bench.ask("b")
        first.cancel()
        await settled()
        assert first.cancelled()
        assert not bench.calls[0].cancelled
        bench.calls[0].succeed()
        assert texts(await second) == ["b by call 0"]
        assert await bench.cache.get(["a"]) != [None]

    on_bench(use)


def test_a_computation_is_cancelled_when_its_last_caller_leaves_and_begun_anew_by_the_next() -> None:
    async def use(bench: Bench):
        callers = [await bench.ask("a", "b"), await bench.ask("b", "c"), await bench.ask("a")]
        for caller in callers[:2]:
            caller.cancel()
        await settled()
        assert [call.cancelled for call in bench.calls] == [False, True]
        callers[2].cancel()
        # Before the cancellation has gone through: it must not be joined.
        again = await bench.ask("a")
        assert [call.cancelled for call in bench.calls] == [True, True, False]
        bench.calls[2].succeed()
        assert texts(await again) == ["a by call 2"]

    on_bench(use)


def test_an_error_reaches_all_who_wait_and_the_next_call_computes_again() -> None:
    async def use(bench: Bench):
        callers = [await bench.ask("a"), await bench.ask("a"), await bench.ask("b", "a")]
        bench.calls[0].fail(WorkerUnavailable("gone"))
        for caller in callers:
            with pytest.raises(WorkerUnavailable, match="gone"):
                await caller
        await settled()
        assert bench.calls[1].cancelled  # b: its only caller has its answer
        again = await bench.ask("a")
        bench.calls[2].succeed()
        assert origins(await again) == ["computed"]
        assert bench.steps() == {"computed": 1}

    on_bench(use)


def test_an_error_s_traceback_does_not_grow_with_those_who_wait() -> None:
    async def use(bench: Bench):
        callers = [await bench.ask("a") for _ in range(50)]
        bench.calls[0].fail(WorkerUnavailable("gone"))
        depths = []
        for error in await asyncio.gather(*callers, return_exceptions=True):
            assert isinstance(error, WorkerUnavailable)
            trace, depth = error.__traceback__, 0
            while trace:
                trace, depth = trace.tb_next, depth + 1
            depths.append(depth)
        assert max(depths) < 20

    on_bench(use)


def test_an_error_after_everyone_left_is_not_reported_as_lost() -> None:
    async def use(bench: Bench):
        async def fails_while_cancelled(_: Sequence[int]) -> list[Judged]:
            try:
                await asyncio.Event().wait()
            finally:
                raise WorkerUnavailable("while cleaning up")

        caller = asyncio.create_task(bench.cache.get_or_compute(["a"], fails_while_cancelled))
        await settled()
        caller.cancel()
        await settled()
        assert caller.cancelled()
        del caller
        gc.collect()  # which is when a task tells of an error that nobody took

    on_bench(use)


@dataclass
class HeldRedis:
    """A shared cache that has nothing, and says so to the caller whose turn the test says it is."""

    turns: list[asyncio.Event] = field(default_factory=list)

    async def get(self, keys: Sequence[str]) -> list[None]:
        turn = asyncio.Event()
        self.turns.append(turn)
        await turn.wait()
        return [None for _ in keys]

    def put(self, values: object) -> None:
        pass

    async def close(self) -> None:
        pass


def test_what_was_begun_or_finished_while_redis_was_asked_is_not_computed_again() -> None:
    shared = HeldRedis()

    async def use(bench: Bench):
        first, second, third = [await bench.ask("a") for _ in range(3)]
        shared.turns[2].set()
        await settled()
        shared.turns[1].set()
        await settled()
        bench.calls[0].succeed()
        await settled()
        shared.turns[0].set()
        assert origins([*await third, *await second, *await first]) == ["computed", "joined", "cached"]
        assert len(bench.calls) == 1

    on_bench(use, redis=shared)


def test_closing_ends_what_is_still_computed() -> None:
    async def use(bench: Bench):
        caller = await bench.ask("a")
        await bench.cache.close()
        assert bench.calls[0].cancelled
        await asyncio.wait([caller])
        assert caller.exception() is not None

    on_bench(use)


KEYS = st.lists(st.sampled_from("abcd"), min_size=1, max_size=4)
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), KEYS),
        st.tuples(st.sampled_from(["cancel", "succeed", "fail"]), st.integers(0, 30)),
        st.tuples(st.just("turn"), st.integers(1, 4)),
    ),
    max_size=30,
)


@dataclass
class Simulation:
    """Callers that come, leave and get their answers in any order, and what must hold after every move."""

    bench: Bench = field(default_factory=lambda: Bench(max_bytes=0))
    callers: "list[tuple[list[str], asyncio.Task[list[Shared[Judged]]]]]" = field(default_factory=list)
    left: set[int] = field(default_factory=set)

    async def move(self, name: str, given: list[str] | int) -> None:
        if isinstance(given, list):
            compute = self.bench._compute
            task = asyncio.create_task(self.bench.cache.get_or_compute(given, lambda at: compute(given, at)))
            self.callers.append((given, task))
        elif name == "turn":
            for _ in range(given):
                await asyncio.sleep(0)
        elif name == "cancel" and given < len(self.callers):
            self.left.add(given)
            self.callers[given][1].cancel()
        elif name in ("succeed", "fail") and given < len(self.bench.calls):
            self.end(self.bench.calls[given], name)
        running = [key for call in self.bench.calls if not call.ends.done() for key in call.keys]
        assert len(running) == len(set(running)), "a key is computed twice at a time"

    def end(self, call: Call, name: str) -> None:
        if not call.ends.done():
            call.succeed() if name == "succeed" else call.fail(WorkerUnavailable(call.name))

    async def finish(self) -> None:
        """What nobody waits for has been cancelled; all else succeeds now, and gives those who stayed an answer."""
        await settled()
        for call in self.bench.calls:
            wanted = [keys for keys, task in self.callers if not task.done() and set(keys) & set(call.keys)]
            assert wanted or call.ends.done()
            self.end(call, "succeed")
        for number, (keys, task) in enumerate(self.callers):
            await asyncio.wait([task])
            if task.cancelled():
                assert number in self.left
            elif error := task.exception():
                assert set(keys) & set(self.failed(str(error)).keys)
            else:
                assert [text.split()[0] for text in texts(task.result())] == keys

    def failed(self, name: str) -> Call:
        return next(call for call in self.bench.calls if call.name == name)


@settings(max_examples=150, deadline=None)
@given(MOVES)
def test_whatever_the_order_a_key_is_computed_once_at_a_time_and_all_who_stay_get_an_answer(moves) -> None:
    async def use(bench: Bench):
        simulation = Simulation(bench)
        for move in moves:
            await simulation.move(*move)
        await simulation.finish()

    on_bench(use, max_bytes=0)
