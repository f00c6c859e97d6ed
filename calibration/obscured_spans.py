"""When a calibration drive looks obscured: by what the network says before there are any thresholds."""

from ..edge.alarm import Alarm
from ..edge.bundle import Bundle
from ..edge.evidence import Evidence, Thresholds, uncalibrated_thresholds
from ..edge.scorer import FrameScore

# Of the log odds that the bundle holds no clean lens to reach. A clean lens on nine recorded drives stayed below.
SHARE = 0.8


def careful_thresholds(bundle: Bundle) -> Thresholds | None:
    """Return the thresholds by which a calibration drive looks obscured; None for a bundle of one car."""
    if bundle.uncalibrated_excess is None:
        return None
    fast, slow = bundle.uncalibrated_excess
    return uncalibrated_thresholds((SHARE * fast, SHARE * slow), bundle.reference)


class ObscuredSpans:
    """Watches a drive for stretches that look obscured by some thresholds. Without any it finds none."""

    def __init__(self, thresholds: Thresholds | None) -> None:
        self.spans: list[tuple[float, float]] = []  # start and end in seconds, on the clock of `update`
        self._first_s: float | None = None  # time of the first frame
        self._alarm = Alarm()
        self._evidence = None if thresholds is None else Evidence(thresholds)

    def update(self, score: FrameScore, t_s: float) -> None:
        """Take the score of the frame seen at `t_s` seconds."""
        if self._evidence is None:
            return
        self._first_s = t_s if self._first_s is None else self._first_s
        state = self._alarm.update(self._evidence.update(score, t_s), t_s)
        if not state.obscured:
            return
        if not self.spans or self.spans[-1][0] != state.since_s:
            self.spans.append((state.since_s, t_s))
        self.spans[-1] = state.since_s, t_s

    def restart(self) -> None:
        """Begin again, for scores that were made with another reference; the spans stay."""
        self._alarm.restart()
        if self._evidence is not None:
            self._evidence.restart()

    @property
    def warning(self) -> str:
        """One line about the longest stretch; empty if there is none."""
        if not self.spans or self._first_s is None:
            return ""
        start_s, end_s = max(self.spans, key=lambda span: span[1] - span[0])
        return (
            f"the lens looked obscured for {end_s - start_s:.0f} s, {start_s - self._first_s:.0f} s into the drive:"
            " faults like this one may give no event; wipe the lens and calibrate again"
        )
