"""How many calls may be made again: a share of those that were made, so that a fault cannot double the load."""

_MOST = 100.0


class RetryBudget:
    """Each call earns `share` of a retry; `reserve` are there from the start, and not more than a hundred are saved."""

    def __init__(self, share: float, reserve: float) -> None:
        self._share = share
        self._left = reserve

    def earn(self) -> None:
        self._left = min(_MOST, self._left + self._share)

    def take(self) -> bool:
        """Whether there was one."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
