"""What runs together, ends together."""

import asyncio
from collections.abc import Coroutine, Iterator

import pytest

from stepreward.concurrency import run_all, until
from stepreward.errors import DeadlineExceeded, RetrievalUnavailable, WorkerUnavailable


class Recorder:
    """Coroutines that tell how they ended."""

    def __init__(self) -> None:
        self.started: list[object] = []
        self.finished: list[object] = []
        self.cancelled: list[object] = []

    async def give(self, value: object, turns: int = 0) -> object:
        """`value` after some turns of the loop."""
        self.started.append(value)
        try:
            for _ in range(turns):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled.append(value)
            raise
        self.finished.append(value)
        return value

    async def fail(self, error: BaseException, turns: int = 0) -> object:
        for _ in range(turns):
            await asyncio.sleep(0)
        raise error

    async def hang(self, name: object) -> object:
        self.started.append(name)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise


def run(coroutine: Coroutine[object, object, object]) -> object:
    async def limited() -> object:
        async with asyncio.timeout(10):
            return await coroutine

    return asyncio.run(limited())


def others() -> set[asyncio.Task[object]]:
    """Tasks that run beside this one."""
    return asyncio.all_tasks() - {asyncio.current_task()}


def test_nothing_to_run_gives_nothing():
    assert run(run_all([])) == []


def test_results_come_in_order_whatever_finishes_first():
    work = Recorder()
    assert run(run_all(work.give(number, turns=9 - number) for number in range(10))) == list(range(10))
    assert work.finished == list(reversed(range(10)))


def test_all_run_at_once():
    async def meet() -> list[object]:
        barrier = asyncio.Barrier(20)
        return await run_all(barrier.wait() for _ in range(20))

    assert sorted(run(meet())) == list(range(20))


def test_a_result_that_is_an_error_value_is_a_result():
    error = ValueError("a value")
    assert run(run_all([Recorder().give(error), Recorder().give(None)])) == [error, None]


def test_the_error_is_raised_as_itself_and_not_as_a_group():
    error = WorkerUnavailable("worker: no answer")
    with pytest.raises(WorkerUnavailable) as caught:
        run(run_all([Recorder().fail(error)]))
    assert caught.value is error


def test_the_first_of_two_errors_in_time_is_raised():
    work = Recorder()
    with pytest.raises(RetrievalUnavailable):
        run(run_all([work.fail(WorkerUnavailable("late"), turns=5), work.fail(RetrievalUnavailable("early"), turns=1)]))


def test_an_error_of_a_sibling_while_it_is_cancelled_does_not_hide_the_first():
    async def fails_in_its_cleanup() -> object:
        try:
            return await asyncio.Event().wait()
        finally:
            raise RuntimeError("while cleaning up")

    with pytest.raises(WorkerUnavailable):
        run(run_all([fails_in_its_cleanup(), Recorder().fail(WorkerUnavailable("first"), turns=2)]))


def test_the_cause_of_the_error_is_kept():
    error = WorkerUnavailable("worker: refused")
    error.__cause__ = OSError("refused")
    with pytest.raises(WorkerUnavailable) as caught:
        run(run_all([Recorder().fail(error)]))
    assert isinstance(caught.value.__cause__, OSError)


def test_the_first_error_cancels_the_siblings_before_it_is_raised():
    work = Recorder()

    async def watch() -> None:
        with pytest.raises(WorkerUnavailable):
            await run_all([work.hang("a"), work.fail(WorkerUnavailable("first"), turns=2), work.hang("b")])
        assert sorted(work.cancelled) == ["a", "b"]
        assert not others()

    run(watch())


def test_nested_runs_raise_the_innermost_error_as_itself():
    work, error = Recorder(), WorkerUnavailable("deep")

    async def middle() -> object:
        return await run_all([work.hang("inner"), run_all([work.fail(error, turns=1)])])

    with pytest.raises(WorkerUnavailable) as caught:
        run(run_all([work.hang("outer"), middle()]))
    assert caught.value is error
    assert sorted(work.cancelled) == ["inner", "outer"]


def test_a_group_raised_inside_is_unwrapped_however_deep():
    error = WorkerUnavailable("deep")
    group = ExceptionGroup("a", [ExceptionGroup("b", [error]), ValueError("second")])
    with pytest.raises(WorkerUnavailable) as caught:
        run(run_all([Recorder().fail(group)]))
    assert caught.value is error


def test_nested_results_keep_their_order():
    work = Recorder()

    async def row(number: int) -> list[object]:
        return await run_all(work.give((number, column), turns=3 - column) for column in range(3))

    assert run(run_all(row(number) for number in range(3))) == [[(r, c) for c in range(3)] for r in range(3)]


def test_cancelling_from_outside_cancels_all_and_propagates():
    work = Recorder()

    async def cancel() -> None:
        task = asyncio.create_task(run_all([work.hang("a"), work.hang("b")]))
        await asyncio.sleep(0.01)
        assert work.started == ["a", "b"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(work.cancelled) == ["a", "b"]
        assert not others()

    run(cancel())


def test_a_time_limit_from_outside_is_a_time_out_and_leaves_nothing_running():
    work = Recorder()

    async def limited() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await run_all([work.hang("a"), work.hang("b")])
        assert sorted(work.cancelled) == ["a", "b"]
        assert not others()

    run(limited())


def test_a_generator_that_fails_half_way_leaves_what_it_has_given_unstarted_and_without_a_warning():
    work = Recorder()

    def half() -> Iterator[Coroutine[object, object, object]]:
        yield work.hang("a")
        raise WorkerUnavailable("no second one")

    async def watch() -> None:
        with pytest.raises(WorkerUnavailable):
            await run_all(half())
        assert not others()

    run(watch())
    assert work.started == []


# a deadline


@pytest.mark.parametrize("seconds_left", [-1.0, 0.0])
def test_nothing_is_begun_after_its_deadline(seconds_left: float) -> None:
    begun = False

    async def run() -> None:
        nonlocal begun
        async with until(asyncio.get_running_loop().time() + seconds_left):
            begun = True

    with pytest.raises(DeadlineExceeded):
        asyncio.run(run())
    assert not begun
