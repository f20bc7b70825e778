"""The score cache of gateways that share a real Redis, started on a port of its own; and what that Redis may do.

The clock of the pauses is the test's. A Redis that is well has half a minute to answer here: machines are slow.
"""

import asyncio
import logging
import shutil
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.process import free_port
from stepreward.errors import ConfigurationError
from stepreward.metrics import Metrics
from stepreward.redis_cache import PAUSE_S, RedisCache
from stepreward.values import Verdict
from test_cache import VALUES, Bench, Clock, Judged, judged, on_bench, origins, settled, texts

pytestmark = pytest.mark.timeout(120)

PATIENT_S, IMPATIENT_S = 30.0, 0.2


@dataclass
class Server:
    """A Redis that keeps nothing on disk."""

    port: int
    directory: Path
    password: str | None = None
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        secret = ["--requirepass", self.password] if self.password else []
        self.process = subprocess.Popen([*command, *secret], stdout=subprocess.DEVNULL, cwd=self.directory)
        deadline_s = time.monotonic() + 30
        while not self._answers():
            assert self.process.poll() is None, "redis-server ended while starting"
            assert time.monotonic() < deadline_s, "redis-server was not ready in time"
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def admin(self) -> "redis.Redis":
        return redis.Redis(port=self.port, password=self.password)

    def stored(self) -> list[str]:
        with self.admin() as admin:
            return sorted(key.decode().removeprefix(VALUES.prefix) for key in admin.scan_iter())

    def _answers(self) -> bool:
        try:
            with self.admin() as admin:
                return bool(admin.ping())
        except redis.ConnectionError:
            return False


@contextmanager
def running(directory: Path, password: str | None = None) -> Iterator[Server]:
    if shutil.which("redis-server") is None:
        pytest.skip("needs redis-server (Debian: apt-get install redis-server)")
    server = Server(free_port(), directory, password)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    """Well, and empty."""
    with shared_server.admin() as admin:
        admin.config_set("maxmemory", 0)
        admin.flushall()
    return shared_server


def gateway(url: str, timeout_s: float = PATIENT_S, ttl_s: float = 60, **how: object) -> Bench:
    """A gateway's cache over the Redis at `url`."""
    metrics, clock = Metrics(), Clock()
    shared = RedisCache.connect(url, VALUES.prefix, ttl_s, metrics, timeout_s=timeout_s, clock=clock)
    return Bench(redis=shared, metrics=metrics, clock=clock, **how)


def on_gateways(use: Callable[..., Awaitable[None]], *benches: Bench) -> None:
    """Run it with all of them in one loop, each closed and checked as `on_bench` does."""
    first, *others = benches

    async def run(_: Bench) -> None:
        await use(*benches)
        for other in others:
            await other.cache.close()

    on_bench(run, first)


async def eventually(holds: Callable[[], bool]) -> None:
    """Look, without stopping the loop, until it holds."""
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110  (it may hold in another process)
            await asyncio.sleep(0.01)


async def found(bench: Bench, key: str) -> None:
    """Pause after pause, until it comes from Redis."""
    async with asyncio.timeout(30):
        while await bench.cache.get([key]) == [None]:
            bench.clock.now_s += PAUSE_S
            await asyncio.sleep(0.01)


# sharing


def test_what_one_gateway_computed_another_finds(server) -> None:
    async def use(one: Bench, other: Bench):
        await one.know("a", "b")
        await eventually(lambda: server.stored() == ["a", "b"])
        asked = await other.cache.get(["b", "x"])
        assert asked == [judged("b here"), None]
        answers = await other.know("a", "x", "b")
        assert origins(answers) == ["cached", "computed", "cached"]
        assert other.steps() == {"cached_redis": 2, "computed": 1, "cached_memory": 1}

    on_gateways(use, gateway(server.url), gateway(server.url))


def test_gateways_without_memory_share_through_redis_alone(server) -> None:
    async def use(one: Bench, other: Bench):
        await one.know("a")
        await eventually(lambda: server.stored() == ["a"])
        assert origins(await other.know("a", "a")) == ["cached", "cached"]
        assert other.steps() == {"cached_redis": 2}

    on_gateways(use, gateway(server.url, max_bytes=0), gateway(server.url, max_bytes=0))


def test_a_value_in_redis_expires_and_one_that_may_not_be_kept_is_not_written(server) -> None:
    async def use(bench: Bench):
        degraded = await bench.ask("degraded")
        await eventually(lambda: bool(bench.calls))
        bench.calls[0].degrade()
        await degraded
        await bench.know("a")
        await eventually(lambda: server.stored() == ["a"])
        with server.admin() as admin:
            assert 50_000 < admin.pttl(VALUES.prefix + "a") <= 60_000

    on_gateways(use, gateway(server.url))


def test_a_caller_who_left_while_redis_was_asked_leaves_no_answer_to_the_next(server) -> None:
    async def use(one: Bench, other: Bench):
        await one.know("a", "b")
        await eventually(lambda: server.stored() == ["a", "b"])
        assert await other.cache.get(["x"]) == [None]
        server.freeze()
        asked = asyncio.create_task(other.cache.get(["a"]))
        await asyncio.sleep(0.05)
        asked.cancel()
        await asyncio.wait([asked])
        server.thaw()
        assert await other.cache.get(["b"]) == [judged("b here")]

    on_gateways(use, gateway(server.url), gateway(server.url))


@settings(deadline=None)
@given(
    st.builds(
        Judged,
        st.lists(st.builds(Verdict, st.none() | st.floats(0, 1), st.booleans(), st.text()), max_size=3).map(tuple),
        degraded=st.lists(st.text()).map(tuple),
    )
)
def test_a_value_reads_as_it_was_written(value) -> None:
    assert VALUES.decode(VALUES.encode(value)) == value


def test_a_text_that_json_cannot_hold_is_answered_but_not_written(server) -> None:
    async def use(bench: Bench):
        async def compute(_: object) -> list[Judged]:
            return [judged("\ud800"), judged("well")]

        assert texts(await bench.cache.get_or_compute(["a", "b"], compute)) == ["\ud800", "well"]
        await eventually(lambda: server.stored() == ["b"])
        assert bench.redis_errors("damaged") == 1

    on_gateways(use, gateway(server.url))


def test_a_caller_who_leaves_at_whatever_moment_has_left(server) -> None:
    async def use(_: Bench):
        for turns in range(30):
            bench = gateway(server.url)
            caller = asyncio.create_task(bench.cache.get_or_compute(["a"], lambda _: asyncio.sleep(3600)))
            for _ in range(turns):
                await asyncio.sleep(0)
            caller.cancel()
            await asyncio.wait([caller])
            assert caller.cancelled()
            await bench.cache.close()

    on_gateways(use, gateway(server.url))


# a Redis that is not well


@pytest.mark.parametrize(
    "damage", [b"", b"garbage", b"[]", b'{"verdicts": 1}', VALUES.encode(judged("a"))[:-9], b"\xff"]
)
def test_a_damaged_value_is_a_miss_and_is_written_anew(server, damage) -> None:
    async def use(bench: Bench):
        with server.admin() as admin:
            admin.set(VALUES.prefix + "a", damage)
            assert origins(await bench.know("a")) == ["computed"]
            assert bench.redis_errors("damaged") == 1
            await eventually(lambda: admin.get(VALUES.prefix + "a") == VALUES.encode(judged("a here")))

    on_gateways(use, gateway(server.url))


def test_a_redis_that_dies_and_comes_back_costs_one_error_for_each_pause(tmp_path) -> None:
    async def use(server: Server, one: Bench, other: Bench):
        await one.know("a")
        await eventually(lambda: server.stored() == ["a"])
        await found(other, "a")
        server.kill()
        assert origins(await one.know("b", "c", "d")) == ["computed"] * 3
        for number in range(20):
            await one.know(f"more {number}")
        assert one.redis_errors("read") == 1
        one.clock.now_s += PAUSE_S
        await asyncio.gather(*(one.cache.get([f"at once {number}"]) for number in range(20)))
        assert one.redis_errors("read") == 2
        server.start()
        one.clock.now_s += PAUSE_S
        await one.know("e")
        await eventually(lambda: "e" in server.stored())
        await found(other, "e")

    with running(tmp_path) as server:
        benches = gateway(server.url), gateway(server.url)
        on_gateways(lambda *given: use(server, *given), *benches)


def test_a_frozen_redis_is_a_miss_after_its_time_and_is_used_again_when_it_thaws(server) -> None:
    async def use(patient: Bench, bench: Bench):
        await patient.know("a")
        await eventually(lambda: server.stored() == ["a"])
        server.freeze()
        try:
            assert await bench.cache.get(["a"]) == [None]
            assert bench.redis_errors("read") == 1
            assert origins(await bench.know("a")) == ["computed"]
        finally:
            server.thaw()
        fresh = gateway(server.url, IMPATIENT_S)
        await found(fresh, "a")
        await fresh.cache.close()

    on_gateways(use, gateway(server.url), gateway(server.url, IMPATIENT_S))


def test_writing_delays_neither_the_answer_nor_closing(server) -> None:
    async def use(bench: Bench):
        asked = await bench.ask("a")
        await eventually(lambda: bool(bench.calls))
        server.freeze()
        try:
            bench.calls[0].succeed()
            async with asyncio.timeout(PATIENT_S / 2):
                await asked
                await settled()
                await bench.cache.close()
        finally:
            server.thaw()

    on_gateways(use, gateway(server.url))


def test_closing_gives_the_writes_under_way_their_time(server) -> None:
    async def use(bench: Bench):
        await bench.know(*(str(number) for number in range(300)))
        await bench.cache.close()
        assert len(server.stored()) == 300

    on_gateways(use, gateway(server.url))


def test_what_waits_to_be_written_is_bounded(server) -> None:
    async def use(bench: Bench):
        server.freeze()
        try:
            for number in range(40):
                bench.redis.put([(str(number), b"x" * (1 << 20))])
            assert bench.redis_errors("dropped") > 20
            assert len(asyncio.all_tasks()) < 5
        finally:
            server.thaw()
        await eventually(lambda: len(server.stored()) == 15)

    on_gateways(use, gateway(server.url))


def test_a_full_redis_refuses_writes_and_is_still_read(server) -> None:
    async def use(one: Bench, other: Bench):
        await one.know("a")
        await eventually(lambda: server.stored() == ["a"])
        with server.admin() as admin:
            admin.config_set("maxmemory", 1)
        await one.know("b")
        await eventually(lambda: one.redis_errors("write") == 1)
        for number in range(10):
            await one.know(f"more {number}")
        assert await other.cache.get(["a", "b"]) == [judged("a here"), None]
        assert (one.redis_errors("write"), one.redis_errors("read"), other.redis_errors("read")) == (1, 0, 0)

    on_gateways(use, gateway(server.url), gateway(server.url))


def test_a_wrong_password_is_a_miss_and_stands_in_no_log(tmp_path, caplog) -> None:
    async def use(bench: Bench):
        for number in range(10):
            await bench.know(str(number))
        await eventually(lambda: bench.redis_errors("write") > 0)
        assert (bench.redis_errors("read"), bench.redis_errors("write")) == (1, 1)

    with running(tmp_path, password="right") as server, caplog.at_level(logging.DEBUG):
        on_gateways(use, gateway(f"redis://:not-the-one@127.0.0.1:{server.port}"))
    assert "cache_redis_failed" in caplog.text
    assert "not-the-one" not in str([vars(record) for record in caplog.records])


def test_failures_at_once_are_counted_each_and_logged_once(caplog) -> None:
    async def use(bench: Bench):
        await asyncio.gather(*(bench.cache.get([str(number)]) for number in range(10)))
        assert bench.redis_errors("read") == 10

    on_gateways(use, gateway(f"redis://127.0.0.1:{free_port()}"))
    assert [record.getMessage() for record in caplog.records].count("cache_redis_failed") == 1


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:6379", "http://:s3cret@host", "redis://:s3cret@host:0x1", "redis://:s3cret@host?color=red", ""],
)
def test_an_address_that_is_none_is_named_without_its_password(url) -> None:
    with pytest.raises(ConfigurationError, match="STEPREWARD_CACHE_REDIS_URL") as caught:
        RedisCache.connect(url, VALUES.prefix, 60, Metrics())
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__
