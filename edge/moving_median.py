"""The median of the last seconds of a value. Holds no clock: times come in."""

from bisect import bisect_left, insort
from collections import deque

from .driving import is_gap


class MovingMedian:
    """The median of the values of the last `window_s` seconds, and of fewer after a start or a gap.

    Example:
        One odd value in the window changes nothing.

        >>> median = MovingMedian(1.0)
        >>> [median.update(value, number / 4) for number, value in enumerate([3.0, 3.0, 9.0, 3.0])]
        [3.0, 3.0, 3.0, 3.0]
    """

    def __init__(self, window_s: float) -> None:
        self.window_s = window_s
        self.restart()

    def restart(self) -> None:
        """Forget everything."""
        self._seen: deque[tuple[float, float]] = deque()  # time in seconds, value
        self._ordered: list[float] = []

    def update(self, value: float, t_s: float) -> float:
        """Add the value seen at `t_s` seconds and return the median. Starts afresh after a gap or a step back."""
        if self._seen and is_gap(t_s - self._seen[-1][0]):
            self.restart()
        self._seen.append((t_s, value))
        insort(self._ordered, value)
        while self._seen[0][0] < t_s - self.window_s:
            _, old = self._seen.popleft()
            del self._ordered[bisect_left(self._ordered, old)]
        half = len(self._ordered) // 2
        return self._ordered[half] if len(self._ordered) % 2 else sum(self._ordered[half - 1 : half + 1]) / 2
