"""Every failure of the service, as one tree; `api` maps it to HTTP in one place.

StepRewardError
├── RequestError                 the client must change something        4xx, not retryable
│   ├── MalformedHead            what came is not HTTP                   400 malformed_head
│   ├── HeadTooLarge             more bytes of headers than the cap      431 head_too_large
│   ├── RequestTooSlow           head or body did not come in time       408 request_too_slow
│   ├── MalformedBody            not JSON, bad UTF-8, NaN, surrogate     400 malformed_body
│   ├── InvalidRequest           unknown field, blank text, over a limit 422 invalid_request
│   ├── BodyTooLarge             more bytes than the cap                 413 body_too_large
│   ├── UnsupportedEncoding      a compressed or non-JSON body           415 unsupported_encoding
│   ├── ContextOverflow          a step does not fit the model's context 422 context_overflow
│   ├── Unauthenticated          no key, or one that is not known        401 unauthenticated
│   ├── NotAllowed               a key for something else                403 not_allowed
│   ├── RequestTooLarge          more work than the service ever takes on 422 request_too_large
│   └── PoisonRequest            two workers died of it                  422 poison_request
├── Overloaded                   more work is waiting than is taken on   429, retryable, overloaded
├── BudgetSpent                  the tenant's tokens a minute are spent  429, retryable, budget_spent
├── DeadlineExceeded             the client's deadline has passed        504, retryable, deadline_exceeded
├── DependencyError              a part that we call failed              5xx, retryable
│   ├── RetrievalUnavailable     the vector store did not answer         503 retrieval_unavailable
│   ├── WorkerUnavailable        no worker answered                      503 worker_unavailable
│   ├── RewardUnavailable        a compatible route has no score to give 503 reward_unavailable
│   ├── EncoderFailed            the encoder broke                       503 encoder_failed
│   └── WorkerAnswerInvalid      the worker's answer cannot be used      502 worker_answer_invalid
├── Stopping                     the process ends                        503 stopping
├── NoValidVerdict               no trajectory could be read             502 no_valid_verdict
├── ConfigurationError           a setting is wrong; names it            exit code 2
│   └── DimensionMismatch        vectors of another length than stored   exit code 2
├── ChildFailed                  a process of `serve` did not start     exit code 1 (embedded/child.py)
└── InternalError                a broken invariant: our fault           500 internal
"""

from typing import ClassVar


class StepRewardError(Exception):
    """Root of the tree. `code` is stable and part of the wire; `status` is the HTTP status."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    @property
    def message(self) -> str:
        return str(self)


class RequestError(StepRewardError):
    """The same request will fail again."""

    code = "refused"
    status = 422


class MalformedHead(RequestError):
    """What came is not a request of HTTP/1.1."""

    code = "malformed_head"
    status = 400


class HeadTooLarge(RequestError):
    """The request's line and headers have more bytes than STEPREWARD_MAX_HEAD_BYTES."""

    code = "head_too_large"
    status = 431


class RequestTooSlow(RequestError):
    """The request's head, or its body, did not come within STEPREWARD_READ_TIMEOUT_S."""

    code = "request_too_slow"
    status = 408


class MalformedBody(RequestError):
    """The body is not JSON in UTF-8: broken, NaN, a lone surrogate, nested too deep."""

    code = "malformed_body"
    status = 400


class InvalidRequest(RequestError):
    """A field is unknown, missing, of the wrong type, blank, unreadable or over a limit; the message names it."""

    code = "invalid_request"


class BodyTooLarge(RequestError):
    """The body has more bytes than STEPREWARD_MAX_BODY_BYTES."""

    code = "body_too_large"
    status = 413


class UnsupportedEncoding(RequestError):
    """The body is compressed, or is not application/json."""

    code = "unsupported_encoding"
    status = 415


class ContextOverflow(RequestError):
    """A step's prompt does not fit the model's context even without references; the message names the step."""

    code = "context_overflow"


class Unauthenticated(RequestError):
    """No key came with the request, or none that is known."""

    code = "unauthenticated"
    status = 401


class NotAllowed(RequestError):
    """The key is known, and is not for this."""

    code = "not_allowed"
    status = 403


class RequestTooLarge(RequestError):
    """The request alone is more estimated tokens than STEPREWARD_QUEUE_TOKENS; send it in parts."""

    code = "request_too_large"


class PoisonRequest(RequestError):
    """It was at hand when two workers died, the second time alone; it is not tried again for some time."""

    code = "poison_request"


class Overloaded(StepRewardError):
    """More work waits than the service takes on, or than can be done before the deadline. Nothing was begun.

    `retry_after_s`: when there should be room.
    """

    code = "overloaded"
    status = 429
    retryable = True

    def __init__(self, message: str, retry_after_s: float = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BudgetSpent(StepRewardError):
    """The tenant has spent its estimated tokens a minute. Nothing was begun. `retry_after_s`: when some are there."""

    code = "budget_spent"
    status = 429
    retryable = True

    def __init__(self, message: str, retry_after_s: float = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineExceeded(StepRewardError):
    """`deadline_ms` passed before the score was there. What was begun for it alone was ended."""

    code = "deadline_exceeded"
    status = 504
    retryable = True


class DependencyError(StepRewardError):
    """The same request may succeed later."""

    code = "dependency_unavailable"
    status = 503
    retryable = True


class RetrievalUnavailable(DependencyError):
    """The vector store did not answer, or no corpus is active in it."""

    code = "retrieval_unavailable"


class RewardUnavailable(DependencyError):
    """A route in another's form has no score, and the service is set to say so instead of a fallback value."""

    code = "reward_unavailable"


class EncoderFailed(DependencyError):
    """The encoder or the cross-encoder could not compute, as when its device has no memory left."""

    code = "encoder_failed"


class WorkerUnavailable(DependencyError):
    """No worker answered: all are down, busy or faulty."""

    code = "worker_unavailable"


class WorkerAnswerInvalid(DependencyError):
    """The worker's answer cannot be used: broken, or of another form than asked for."""

    code = "worker_answer_invalid"
    status = 502


class Stopping(StepRewardError):
    """The process ends and takes no new work; another one may."""

    code = "stopping"
    status = 503
    retryable = True


class NoValidVerdict(StepRewardError):
    """None of a step's trajectories carried a readable verdict; another seed may do better."""

    code = "no_valid_verdict"
    status = 502


class ConfigurationError(StepRewardError):
    """Raised at start only. The message names the setting."""

    code = "configuration"


class DimensionMismatch(ConfigurationError):
    code = "dimension_mismatch"


class InternalError(StepRewardError):
    """A broken invariant: a fault of the service. Its message ends "This is a bug."."""
