"""Several workers as one: who gets a call, who is left alone, and what becomes of a call that failed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

import pytest

from loadtests.scripted_worker import Fault, ScriptedWorker, byte_tokenizer, p_first
from stepreward.errors import PoisonRequest, WorkerAnswerInvalid, WorkerUnavailable
from stepreward.metrics import Metrics
from stepreward.schema import Priority
from stepreward.urgency import Urgency
from stepreward.values import TokenCount
from stepreward.worker.client import ServedModel, WorkerClient
from stepreward.worker.pool import Work, WorkerPool
from stepreward.worker.upstream import PoolRule

T = TypeVar("T")
LABELS = (10, 12)
QUICK = PoolRule(stall_s=0.4)


@asynccontextmanager
async def pool_of(
    workers: Sequence[ScriptedWorker], rule: PoolRule = QUICK, metrics: Metrics | None = None
) -> AsyncIterator[WorkerPool]:
    async with AsyncExitStack() as stack:
        clients = [WorkerClient(await stack.enter_async_context(worker.http())) for worker in workers]
        for client, worker in zip(clients, workers, strict=True):
            client.served = ServedModel(worker.model, None, worker.context_tokens)
        pool = WorkerPool(clients, rule, metrics)
        await stack.enter_async_context(pool.watching())
        yield pool


def with_pool(
    workers: Sequence[ScriptedWorker], use: Callable[[WorkerPool], Awaitable[T]], rule: PoolRule = QUICK
) -> T:
    async def run() -> T:
        async with pool_of(workers, rule) as pool:
            return await asyncio.wait_for(use(pool), 30)

    return asyncio.run(run())


async def read(
    pool: WorkerPool, prompt: Sequence[int], priority: Priority = "interactive", tokens: int = 10
) -> float | None:
    [share] = await pool.run(
        Work([prompt], tokens, Urgency(priority)),
        lambda worker: worker.label_probabilities([prompt], LABELS, TokenCount()),
    )
    return share


def text(words: str) -> list[int]:
    return list(byte_tokenizer().trusted(words))


async def until_true(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  (of a scripted worker, which tells nobody)
        await asyncio.sleep(0.01)


# who gets a call


def test_calls_go_to_the_worker_with_the_least_at_hand() -> None:
    workers = [ScriptedWorker(latency_s=0.05), ScriptedWorker(latency_s=0.05)]
    with_pool(workers, lambda pool: asyncio.gather(*(read(pool, [number]) for number in range(8))))
    assert [len(worker.requests) for worker in workers] == [4, 4]


def test_no_more_tokens_are_given_than_a_worker_has_room_for() -> None:
    worker = ScriptedWorker(latency_s=0.02)
    most = 0

    async def use(pool: WorkerPool) -> None:
        nonlocal most
        calls = [asyncio.create_task(read(pool, [number], tokens=40)) for number in range(10)]
        while not all(call.done() for call in calls):
            most = max(most, *(upstream.tokens_in_flight for upstream in pool._upstreams))
            await asyncio.sleep(0.002)

    with_pool([worker], use, PoolRule(inflight_tokens=100))
    assert most == 80
    assert len(worker.requests) == 10


def test_no_more_calls_are_given_than_a_worker_takes() -> None:
    worker = ScriptedWorker(latency_s=0.02)

    async def use(pool: WorkerPool) -> int:
        calls = [asyncio.create_task(read(pool, [number])) for number in range(10)]
        await until_true(lambda: worker.at_hand > 0)
        most = worker.at_hand
        await asyncio.gather(*calls)
        return most

    assert with_pool([worker], use, PoolRule(calls=3)) == 3


def test_a_call_larger_than_the_room_runs_alone() -> None:
    worker = ScriptedWorker()
    assert with_pool([worker], lambda pool: read(pool, [7], tokens=1000), PoolRule(inflight_tokens=100)) is not None


def test_bulk_calls_wait_for_interactive_ones_and_keep_their_share() -> None:
    worker = ScriptedWorker(latency_s=0.002)
    order: list[Priority] = []

    async def one(pool: WorkerPool, number: int, priority: Priority) -> None:
        await read(pool, [number], priority, tokens=100)
        order.append(priority)

    async def use(pool: WorkerPool) -> None:
        bulk = [one(pool, number, "bulk") for number in range(40)]
        interactive = [one(pool, 100 + number, "interactive") for number in range(40)]
        await asyncio.gather(*bulk, *interactive)

    with_pool([worker], use, PoolRule(inflight_tokens=100, bulk_share=0.2))
    half = order[:40]
    assert 6 <= half.count("bulk") <= 12
    assert order[-20:].count("bulk") == 20


def test_a_bulk_call_that_interactive_work_comes_to_wait_for_goes_before_other_bulk_calls() -> None:
    worker = ScriptedWorker(latency_s=0.02)
    wanted = Urgency("bulk")

    async def use(pool: WorkerPool) -> None:
        calls = [asyncio.create_task(read(pool, [number], "bulk", tokens=100)) for number in range(4)]
        work = Work([[9]], 100, wanted)
        calls.append(
            asyncio.create_task(pool.run(work, lambda at: at.label_probabilities([[9]], LABELS, TokenCount())))
        )
        await until_true(lambda: len(worker.requests) == 1)
        wanted.join(Urgency("bulk"))
        wanted.join(Urgency("interactive"))
        await asyncio.gather(*calls)

    with_pool([worker], use, PoolRule(inflight_tokens=100))
    assert [body["prompt"] for body in worker.requests] == [[[0]], [[9]], [[1]], [[2]], [[3]]]


def test_a_caller_that_leaves_the_queue_is_passed_over() -> None:
    worker = ScriptedWorker(latency_s=0.02)

    async def use(pool: WorkerPool) -> None:
        calls = [asyncio.create_task(read(pool, [number], tokens=100)) for number in range(5)]
        await asyncio.sleep(0)
        calls[2].cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    with_pool([worker], use, PoolRule(inflight_tokens=100))
    assert [body["prompt"] for body in worker.requests] == [[[0]], [[1]], [[3]], [[4]]]


# what becomes of a call that failed


@pytest.mark.parametrize(
    "fault",
    [Fault.STATUS_500, Fault.STATUS_429, Fault.TRUNCATED_JSON, Fault.NO_CHOICES, Fault.CUT_OFF, Fault.REFUSED],
)
def test_a_call_that_one_worker_fails_is_made_by_another(fault) -> None:
    workers = [ScriptedWorker({0: fault}), ScriptedWorker()]
    assert with_pool(workers, lambda pool: read(pool, [5])) == pytest.approx(p_first([5]))
    assert [len(worker.requests) for worker in workers] == [1, 1]


def test_an_answer_that_cannot_be_used_is_asked_for_again_where_there_is_one_worker() -> None:
    assert with_pool([ScriptedWorker({0: Fault.ONE_CHOICE_MORE})], lambda pool: read(pool, [5])) is not None


def test_a_call_that_fails_twice_fails() -> None:
    workers = [ScriptedWorker(always=Fault.NO_CHOICES), ScriptedWorker(always=Fault.NO_CHOICES)]
    with pytest.raises(WorkerAnswerInvalid):
        with_pool(workers, lambda pool: read(pool, [5]))
    assert sum(len(worker.requests) for worker in workers) == 2


def test_calls_are_made_again_for_a_tenth_of_all_calls_and_no_more() -> None:
    worker = ScriptedWorker(always=Fault.TRUNCATED_JSON)

    async def use(pool: WorkerPool) -> list[object]:
        return await asyncio.gather(*(read(pool, [number]) for number in range(300)), return_exceptions=True)

    answers = with_pool([worker], use)
    assert all(isinstance(answer, WorkerAnswerInvalid) for answer in answers)
    assert 300 < len(worker.requests) <= 300 * 1.1 + 5


# who is left alone


def test_a_worker_killed_with_calls_at_hand_costs_no_client_anything() -> None:
    workers = [ScriptedWorker(latency_s=0.1), ScriptedWorker(latency_s=0.01)]

    async def use(pool: WorkerPool) -> list[float | None]:
        calls = [asyncio.create_task(read(pool, [number])) for number in range(30)]
        await until_true(lambda: len(workers[0].requests) > 5)
        workers[0].kill()
        return await asyncio.gather(*calls)

    assert with_pool(workers, use) == pytest.approx([p_first([number]) for number in range(30)])


def test_a_killed_worker_is_found_back_when_it_lives_again() -> None:
    worker = ScriptedWorker()

    async def use(pool: WorkerPool) -> float | None:
        worker.kill()
        with pytest.raises(WorkerUnavailable):
            await read(pool, [1])
        with pytest.raises(WorkerUnavailable):
            await pool.probe()
        worker.revive()
        await until_true(lambda: pool._upstreams[0].healthy)
        await pool.probe()
        return await read(pool, [1])

    assert with_pool([worker], use) == pytest.approx(p_first([1]))


def test_those_who_wait_learn_at_once_that_no_worker_is_left() -> None:
    worker = ScriptedWorker(latency_s=30)

    async def use(pool: WorkerPool) -> list[object]:
        calls = [asyncio.create_task(read(pool, [number], tokens=100)) for number in range(5)]
        await until_true(lambda: len(worker.requests) == 1)
        worker.kill()
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = with_pool([worker], use, PoolRule(inflight_tokens=100))
    assert all(isinstance(answer, WorkerUnavailable) for answer in answers)


def test_a_frozen_worker_is_left_and_its_calls_are_made_elsewhere() -> None:
    frozen, lively = ScriptedWorker(latency_s=0.01), ScriptedWorker(latency_s=0.01)

    async def use(pool: WorkerPool) -> list[float | None]:
        frozen.freeze()
        answers = await asyncio.gather(*(read(pool, [number]) for number in range(10)))
        assert not pool._upstreams[0].healthy
        frozen.thaw()
        await until_true(lambda: pool._upstreams[0].healthy)
        return answers

    assert with_pool([frozen, lively], use) == pytest.approx([p_first([number]) for number in range(10)])


def test_a_worker_that_is_slow_and_gets_on_is_not_left() -> None:
    slow = ScriptedWorker(latency_s=1.5)

    async def use(pool: WorkerPool) -> float | None:
        call = asyncio.create_task(read(pool, [3]))
        while not call.done():
            slow.tokens_done += 1
            await asyncio.sleep(0.02)
        return call.result()

    assert with_pool([slow], use) == pytest.approx(p_first([3]))


def test_a_worker_with_bad_answers_in_a_row_is_left_until_a_probe_succeeds() -> None:
    bad, good = ScriptedWorker(dict.fromkeys(range(3), Fault.STATUS_500)), ScriptedWorker()
    rule = PoolRule(faults=3, retry_reserve=20)

    async def use(pool: WorkerPool) -> None:
        for number in range(6):
            await read(pool, [number])
        assert not pool._upstreams[0].healthy
        await until_true(lambda: pool._upstreams[0].healthy)

    with_pool([bad, good], use, rule)
    assert len(bad.requests) == 4  # three that failed, and the probe


def test_a_busy_worker_is_not_left() -> None:
    busy = ScriptedWorker(dict.fromkeys(range(20), Fault.STATUS_429))

    async def use(pool: WorkerPool) -> bool:
        for number in range(5):
            await read(pool, [number])
        return pool._upstreams[0].healthy

    assert with_pool([busy, ScriptedWorker()], use)


# a request that kills


def test_a_request_that_kills_workers_kills_two_and_is_refused_and_the_others_are_answered() -> None:
    workers = [ScriptedWorker(latency_s=0.05, dies_of="POISON") for _ in range(3)]

    async def use(pool: WorkerPool) -> list[object]:
        calls = [read(pool, text(f"fine {number}")) for number in range(12)]
        return await asyncio.gather(*calls, read(pool, text("a POISON pill")), return_exceptions=True)

    *fine, poison = with_pool(workers, use)
    assert isinstance(poison, PoisonRequest)
    assert fine == pytest.approx([p_first(text(f"fine {number}")) for number in range(12)])
    assert sum(worker.deaths for worker in workers) == 2


def test_a_refused_request_is_refused_again_without_asking_anybody() -> None:
    workers = [ScriptedWorker(dies_of="POISON") for _ in range(3)]

    async def use(pool: WorkerPool) -> None:
        for _ in range(3):
            with pytest.raises(PoisonRequest):
                await read(pool, text("POISON"))

    with_pool(workers, use)
    assert sum(worker.deaths for worker in workers) == 2


def test_a_request_that_kills_the_only_worker_is_refused_after_the_second_time() -> None:
    worker = ScriptedWorker(dies_of="POISON")

    async def use(pool: WorkerPool) -> None:
        with pytest.raises(WorkerUnavailable):
            await read(pool, text("POISON"))
        for _ in range(2):
            worker.revive()
            await until_true(lambda: pool._upstreams[0].healthy)
            with pytest.raises(PoisonRequest):
                await read(pool, text("POISON"))

    with_pool([worker], use)
    assert worker.deaths == 2


def test_a_suspect_that_succeeds_is_none_any_more() -> None:
    workers = [ScriptedWorker(latency_s=0.05), ScriptedWorker()]

    async def use(pool: WorkerPool) -> None:
        for _ in range(2):
            call = asyncio.create_task(read(pool, [8]))
            await until_true(lambda: bool(workers[0].requests))
            workers[0].kill()
            await call
            workers[0].revive()
            workers[0].requests.clear()
            await until_true(lambda: pool._upstreams[0].healthy)

    with_pool(workers, use)
    assert workers[0].deaths == 2


# a start


def test_a_worker_that_comes_later_is_taken_in_if_it_serves_the_same() -> None:
    first, late, other = ScriptedWorker(), ScriptedWorker(), ScriptedWorker(model="another-7b")

    async def use() -> list[bool]:
        async with AsyncExitStack() as stack:
            clients = [WorkerClient(await stack.enter_async_context(one.http())) for one in (first, late, other)]
            for client in clients:
                client.require(ServedModel(first.model, None, first.context_tokens))
            await clients[0].connect()
            pool = WorkerPool(clients, QUICK)
            await stack.enter_async_context(pool.watching(away=clients[1:]))
            await until_true(lambda: pool._upstreams[1].healthy)
            await asyncio.sleep(0.5)
            return [upstream.healthy for upstream in pool._upstreams]

    assert asyncio.run(use()) == [True, True, False]


def test_a_worker_that_came_later_is_left_when_it_freezes() -> None:
    first, late = ScriptedWorker(latency_s=0.01), ScriptedWorker(latency_s=0.01)
    late.kill()

    async def use() -> list[float | None]:
        async with AsyncExitStack() as stack:
            clients = [WorkerClient(await stack.enter_async_context(one.http())) for one in (first, late)]
            clients[1].require(await clients[0].connect())
            pool = WorkerPool(clients, QUICK)
            await stack.enter_async_context(pool.watching(away=clients[1:]))
            late.revive()
            await until_true(lambda: pool._upstreams[1].healthy)
            late.freeze()
            return await asyncio.wait_for(asyncio.gather(*(read(pool, [number]) for number in range(10))), 30)

    assert asyncio.run(use()) == pytest.approx([p_first([number]) for number in range(10)])
