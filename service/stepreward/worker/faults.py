"""How a worker failed a call: what decides whether another is asked. To a client all are `worker_unavailable`."""

from stepreward.errors import WorkerUnavailable


class WorkerBusy(WorkerUnavailable):
    """It answered 429 or 503: nothing is wrong with it, and another may have room."""


class WorkerFaulty(WorkerUnavailable):
    """It answered with another 5xx, broke off and lives, or did not end within STEPREWARD_WORKER_TIMEOUT_S."""


class WorkerUnreachable(WorkerUnavailable):
    """It took no connection: the call never was at hand."""


class WorkerDied(WorkerUnavailable):
    """It broke off with the call at hand, and does not answer any more."""


class WorkerStalled(WorkerUnavailable):
    """It was left because it made no progress for STEPREWARD_WORKER_STALL_S."""
