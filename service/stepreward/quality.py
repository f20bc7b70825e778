"""Instruments of what is answered: rewards by the client's run, how judges agree, where solutions go wrong.

They show what a failing reward looks like from outside: scores that drift in one run, scores that rise with the length
of a solution, trajectories that all say the same, verdicts that cannot be read.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, Summary

from stepreward import caller
from stepreward.schema import ItemResult, JudgeMethod
from stepreward.values import Verdict

NO_RUN, OTHER_RUNS = "none", "other"

_P = (0.01, 0.05, *(tenths / 10 for tenths in range(1, 10)), 0.95, 0.99, 1.0)
_K = (1, 2, 3, 4, 6, 8, 10, 16, 32, 64)
_STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
# A variance of numbers in [0, 1] is at most 0.25, or half for a sample of two.
_VARIANCE = (0.0001, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5)


class Runs:
    """Which runs have series of their own: the first `most`, and in place of one that is idle the next.

    The others share one label, so that a client that makes up names makes no series.
    """

    def __init__(self, most: int, idle_s: float, forget: Callable[[str], None], clock: Callable[[], float]) -> None:
        """`forget` takes the series of a run away. `idle_s` is how long nothing was heard of it by then."""
        self._most, self._idle_s = most, idle_s
        self._forget, self._clock = forget, clock
        self._heard_of: OrderedDict[str, float] = OrderedDict()

    def label(self, run: str | None) -> str:
        if run is None:
            return NO_RUN
        now_s = self._clock()
        if run not in self._heard_of and not self._has_room(now_s):
            return OTHER_RUNS
        self._heard_of[run] = now_s
        self._heard_of.move_to_end(run)
        return run

    def _has_room(self, now_s: float) -> bool:
        if len(self._heard_of) < self._most:
            return True
        if not self._heard_of:
            return False
        oldest, heard_s = next(iter(self._heard_of.items()))
        if now_s - heard_s < self._idle_s:
            return False
        del self._heard_of[oldest]
        self._forget(oldest)
        return True


class Quality:
    """On the registry of one gateway's metrics."""

    def __init__(self, registry: CollectorRegistry, most_runs: int, idle_s: float, clock: Callable[[], float]) -> None:
        self._solution_score = Histogram(
            "stepreward_solution_score",
            "Scores of solutions, as answered, by the client's run: `none` without one, `other` for those over the cap",
            ["run"],
            buckets=_P,
            registry=registry,
        )
        self._step_score = Histogram(
            "stepreward_step_score", "Scores of steps, as answered, by run", ["run"], buckets=_P, registry=registry
        )
        self._verdict = Histogram(
            "stepreward_verdict_p_correct",
            "p(correct) of each verdict that was computed and could be read, by run",
            ["run"],
            buckets=_P,
            registry=registry,
        )
        self._by_length = Summary(
            "stepreward_solution_score_by_length",
            "Scores of solutions by their number of steps, up to the one named: sum over count is their mean",
            ["steps_up_to"],
            registry=registry,
        )
        self._first_error = Histogram(
            "stepreward_first_error_step",
            "Position of the first wrong step, from 1, in solutions that have one",
            buckets=_STEPS,
            registry=registry,
        )
        self._solutions = Counter(
            "stepreward_solutions_total",
            "Solutions by their first wrong step: found, none, or unknown for want of a score before it",
            ["first_error"],
            registry=registry,
        )
        self._k_used = Histogram(
            "stepreward_step_k_used",
            "Trajectories sampled for a step by rprm",
            buckets=_K,
            registry=registry,
        )
        self._k_valid = Histogram(
            "stepreward_step_k_valid",
            "Trajectories among them whose verdict could be read",
            buckets=(0, *_K),
            registry=registry,
        )
        self._saved = Counter(
            "stepreward_trajectories_saved_total",
            "Trajectories that a K policy had leave for and did not take",
            registry=registry,
        )
        self._variance = Histogram(
            "stepreward_step_variance",
            "Variance of p(correct) over the trajectories of a step, where two or more could be read; a judge that has "
            "stopped to look says the same in all",
            buckets=_VARIANCE,
            registry=registry,
        )
        self._runs = Runs(most_runs, idle_s, self._forget, clock)

    def answered(self, result: ItemResult) -> None:
        """One solution's result, computed or known."""
        run = self._run()
        steps = self._step_score.labels(run)
        for step in result.steps:
            if step.score is not None:
                steps.observe(step.score)
        if result.score is not None:
            self._solution_score.labels(run).observe(result.score)
            self._by_length.labels(_bound(len(result.steps))).observe(result.score)
        if result.first_error is None:
            self._solutions.labels("unknown").inc()
        elif result.first_error < 0:
            self._solutions.labels("none").inc()
        else:
            self._solutions.labels("found").inc()
            self._first_error.observe(result.first_error + 1)

    def judged(self, method: JudgeMethod, steps: Iterable[Sequence[Verdict]], most: int) -> None:
        """The verdicts of steps that were computed, up to `most` each."""
        verdict = self._verdict.labels(self._run())
        for verdicts in steps:
            read = [one.p_correct for one in verdicts if one.p_correct is not None]
            for p_correct in read:
                verdict.observe(p_correct)
            if method == "rprm":
                self._sampled(read, len(verdicts), most)

    def _sampled(self, read: Sequence[float], k_used: int, most: int) -> None:
        self._k_used.observe(k_used)
        self._k_valid.observe(len(read))
        self._saved.inc(most - k_used)
        if len(read) > 1:
            mean = sum(read) / len(read)
            self._variance.observe(sum((p_correct - mean) ** 2 for p_correct in read) / (len(read) - 1))

    def _run(self) -> str:
        asker = caller.current.get()
        return self._runs.label(asker.run if asker else None)

    def _forget(self, run: str) -> None:
        for histogram in (self._solution_score, self._step_score, self._verdict):
            histogram.remove(run)


def _bound(steps: int) -> str:
    return next((str(bound) for bound in _STEPS if steps <= bound), "+Inf")
