"""The result of an item that has no score, made on the client's side."""

from stepreward.schema import Aggregates, Failure, ItemResult


def failed(name: str, code: str, message: str, *, retryable: bool) -> ItemResult:
    return ItemResult(
        id=name,
        status="failed",
        score=None,
        aggregates=Aggregates(min=None, prod=None, mean=None, last=None),
        first_error=None,
        steps=[],
        degraded=[],
        failure=Failure(code=code, message=message, retryable=retryable),
    )
