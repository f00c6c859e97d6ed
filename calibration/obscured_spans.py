"""When a calibration drive looks obscured: by what the network says before there are any thresholds."""

from ..edge.alarm import Alarm
from ..edge.bundle import Bundle
from ..edge.evidence import Evidence, uncalibrated_thresholds
from ..edge.scorer import FrameScore

# Of the log odds that the bundle holds no clean lens to reach. On nine recorded drives a clean lens stayed below 0.6,
# a rendered drop over a tenth of the lens reached 0.9 or more on eight.
SHARE = 0.8


class ObscuredSpans:
    """Watches a drive for stretches that look obscured. A bundle of one car has no such thresholds, and finds none."""

    def __init__(self, bundle: Bundle) -> None:
        self.spans: list[tuple[float, float]] = []  # start and end in seconds, on the clock of `update`
        self._alarm = Alarm()
        self._evidence: Evidence | None = None
        if bundle.uncalibrated_excess is not None:
            fast, slow = bundle.uncalibrated_excess
            self._evidence = Evidence(uncalibrated_thresholds((SHARE * fast, SHARE * slow), bundle.reference))

    def update(self, score: FrameScore, t_s: float) -> None:
        """Take the score of the frame seen at `t_s` seconds."""
        if self._evidence is None:
            return
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

    def warning(self, first_s: float) -> str:
        """Return one line about the longest stretch of a drive that began at `first_s`; empty if there is none."""
        if not self.spans:
            return ""
        start_s, end_s = max(self.spans, key=lambda span: span[1] - span[0])
        return (
            f"the lens looked obscured for {end_s - start_s:.0f} s, {start_s - first_s:.0f} s into the drive: faults"
            " like this one may give no event; wipe the lens and calibrate again"
        )
