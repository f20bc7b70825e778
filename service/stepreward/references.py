"""The references of a request's items, or what the policy `degrade` lets be missing."""

import logging
from collections.abc import Sequence

from stepreward.errors import RetrievalUnavailable
from stepreward.retrieval.search import Retriever, SearchOptions
from stepreward.retrieval.store import Snapshot
from stepreward.schema import RetrievalPolicy
from stepreward.values import References, Solution

log = logging.getLogger(__name__)


class ReferenceFinder:
    """Asks the retriever. Under `require` its failure is raised, under `degrade` it is said of each item."""

    def __init__(self, retriever: Retriever, policy: RetrievalPolicy) -> None:
        self._retriever = retriever
        self._policy = policy

    @property
    def revision(self) -> str:
        """All that references depend on beside the snapshot and the search's options."""
        return self._retriever.revision

    async def snapshot(self) -> Snapshot | None:
        """The one that answers now; None where it may be missing and is. Raises RetrievalUnavailable."""
        try:
            return await self._retriever.active()
        except RetrievalUnavailable as error:
            self._allow(error)
            return None

    async def find(
        self, snapshot: Snapshot | None, solutions: Sequence[Solution], options: SearchOptions
    ) -> list[References]:
        """Each solution's, in order, all `unavailable` where they may be missing. Raises RetrievalUnavailable."""
        if snapshot is not None:
            try:
                return await self._retriever.search(snapshot, solutions, options)
            except RetrievalUnavailable as error:
                self._allow(error)
        return [References((), ((),) * len(solution.steps), unavailable=True) for solution in solutions]

    def _allow(self, error: RetrievalUnavailable) -> None:
        if self._policy == "require":
            raise error
        log.warning("retrieval_degraded", extra={"reason": error.message})
