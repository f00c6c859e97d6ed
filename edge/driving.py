"""Classifies the time between two frames: whether it is a gap, and how much of it counts as driving."""

GAP_S = 2.0  # a longer step is a gap: nothing is known of the time in between


def is_gap(step_s: float) -> bool:
    """Return whether `step_s` seconds between two frames are a gap, or run backwards."""
    return not 0 <= step_s <= GAP_S


def continuous_s(step_s: float) -> float:
    """Return the step, 0 where it is a gap: a pause of the recording is no driving."""
    return 0.0 if is_gap(step_s) else step_s


class DrivingClock:
    """Seconds of driving. Stops while the car stands; a gap counts in full, so that averages over it restart."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Start again at 0."""
        self.driving_s = self._t_s = 0.0

    def update(self, t_s: float, *, stationary: bool) -> float:
        """Advance to a frame seen at `t_s` seconds and return the seconds of driving so far."""
        step_s, self._t_s = t_s - self._t_s, t_s
        if not stationary or is_gap(step_s):
            self.driving_s += step_s
        return self.driving_s
