"""Calibration while driving: a state machine that readings go into and limits come out of."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..edge.drift import SHIFT_MAX
from ..edge.driving import GAP_S
from ..edge.errors import InputError
from ..edge.evidence import Thresholds
from ..edge.monitor import Reading
from ..edge.reference import Reference, distribution_shift, make_reference
from ..edge.scorer import FrameScore
from .rules import block_probability, clean_thresholds

# Seconds of driving. A reference of 30 s misses parts of a long lap. The rule needs 15 blocks of two seconds and gets
# 36: on a recorded drive, limits made in 105 s in all were passed in 5 % of the time after it, those of 120 s never.
LOOK_S, LISTEN_S = 45.0, 75.0
IDLE_MAX_S = 90.0  # of frames that tell nothing, before the drive is given up
# A faster camera is thinned to these steps, which bounds the memory: 450 pictures or 2500 maps are 4 MB.
LOOK_EVERY_S, LISTEN_EVERY_S = 0.1, 0.03
IN_DOUBT_SHARE_MAX = 0.5  # of the first part of the drive
VERDICTS = ("ok", "obscured", "drifting")  # a standing car, say, leaves it as it was
CANCELLED = "cancelled"
IDLE = {  # why frames told nothing, and what to do
    "still": ("the car stood", "calibrate while driving"),
    "frozen": ("the camera repeated its picture", "it froze: start the car's program again"),
    "dark": ("the picture was dark", "take the cap off the lens, or switch on the light"),
    "flat": ("the picture was flat", "wipe the lens"),
    "no_frame": ("the camera gave no picture", "look to its cable"),
    "error": ("no picture could be scored", "see the car's log"),
    "warmup": ("the drive was torn into short pieces", "drive on without pauses"),
}


@dataclass
class _Gathered:
    """What the drive has given so far."""

    looked_s: float = 0.0
    in_doubt_s: float = 0.0  # of that, obscured by the limits in force, or drifting
    feature_maps: list[NDArray[np.float32]] = field(default_factory=list)
    listened_s: float = 0.0
    times_s: list[float] = field(default_factory=list)  # of driving
    pccs: list[float] = field(default_factory=list)
    logits: list[NDArray[np.float32]] = field(default_factory=list)
    sums: list[NDArray[np.float64]] = field(default_factory=lambda: [np.zeros(()), np.zeros(())])  # of the pictures
    counts: list[int] = field(default_factory=lambda: [0, 0])  # in either half of what was listened to
    idle_s: dict[str, float] = field(default_factory=dict)
    kept_s: float = -math.inf  # when a frame was last kept

    def due(self, t_s: float, every_s: float) -> bool:
        """Whether the frame of this moment is to be kept."""
        if t_s - self.kept_s < every_s:
            return False
        self.kept_s = t_s
        return True


class CalibrationSession:
    """Makes limits of a drive with a wiped lens, in two parts, as `calibrate_on_tub` looks twice.

    First it looks: what the pictures are like at each place becomes the reference. Then it listens: what the network
    says in that light becomes the limits. Whoever drives it scores with `listening` while that is not None, and by
    `limits` else; those in force stay until there are new ones. Frames that tell nothing, of a standing car say, do
    not count.

    `state` is uncalibrated, collecting, calibrated, drifting (it was calibrated, for another world) or invalid: the
    last drive was refused, and `detail` says why in one line. Holds no clock, thread or file.
    """

    def __init__(self, thresholds: Thresholds | None, false_alarms_per_hour: float) -> None:
        """Raises InputError for a rate below 1e-6."""
        block_probability(false_alarms_per_hour)
        self.thresholds = thresholds
        self.maxima = np.empty((2, 0))  # of the blocks of the last drive, which its limits rest on
        self.listening: Reference | None = None
        self.detail = ""
        self.frames = 0  # that counted, of the last drive
        self._rate = false_alarms_per_hour
        self._gathered = _Gathered()
        self._t_s = math.inf  # of the last reading
        self._last_pcc: float | None = None
        self._drifting = False
        self._was_drifting = False  # when the drive began
        self.state = self._at_rest()

    @property
    def driving_s(self) -> float:
        """Seconds of driving that counted so far, or of the last drive."""
        return self._gathered.looked_s + self._gathered.listened_s

    @property
    def progress(self) -> float:
        """The share of the drive that is gathered, 0…1."""
        return min(self.driving_s / (LOOK_S + LISTEN_S), 1.0)

    def start(self) -> None:
        """Begin a drive; what an unfinished one gathered is dropped."""
        self.listening, self.detail, self.state = None, "", "collecting"
        self._gathered, self.frames, self._last_pcc = _Gathered(), 0, None
        self._was_drifting = self._drifting

    def cancel(self) -> None:
        """Leave all as it was."""
        if self.state == "collecting":
            self._end(self._at_rest(), CANCELLED)

    def stop(self) -> None:
        """The car's program ends."""
        if self.state == "collecting":
            self._end("invalid", f"too short: it ended at {self.progress:.0%}; drive two or three laps")

    def watch(self, reading: Reading) -> None:
        """Take what is known of a frame. The last one makes the limits; the others cost next to nothing."""
        step_s, self._t_s = min(max(reading.t_s - self._t_s, 0.0), GAP_S), reading.t_s
        if reading.alarm.status in VERDICTS:
            self._drifting = reading.alarm.status == "drifting"
        if self.state in ("calibrated", "drifting"):
            self.state = self._at_rest()
        if self.state != "collecting":
            return
        try:
            self._collect(reading, step_s)
        except InputError as error:
            self._end("invalid", str(error))

    def _at_rest(self) -> str:
        return "uncalibrated" if self.thresholds is None else "drifting" if self._drifting else "calibrated"

    def _end(self, state: str, detail: str = "") -> None:
        self.state, self.detail, self.listening = state, detail, None
        self._gathered = _Gathered(looked_s=self._gathered.looked_s, listened_s=self._gathered.listened_s)

    def _collect(self, reading: Reading, step_s: float) -> None:
        score = reading.score
        if idle := self._idle(score):
            idle_s = self._gathered.idle_s
            idle_s[idle] = idle_s.get(idle, 0.0) + step_s
            self._require_driving()
            return
        self.frames += 1
        if self.listening is None:
            self._look(reading, step_s)
        else:
            self._listen(score, reading.t_s, step_s)

    def _idle(self, score: FrameScore) -> str:
        """Why a frame tells nothing; empty when it does."""
        repeated, self._last_pcc = score.pcc is not None and score.pcc == self._last_pcc, score.pcc
        if score.pcc is None:
            return score.status
        if repeated:  # equal frames give equal scores to the last bit
            return "frozen"
        return "" if score.is_informative else "still" if score.warmed_up else "warmup"

    def _require_driving(self) -> None:
        idle_s = self._gathered.idle_s
        if sum(idle_s.values()) >= IDLE_MAX_S:
            why = max(idle_s, key=lambda each: idle_s[each])
            what, remedy = IDLE[why]
            raise InputError(f"{what} for {idle_s[why]:.0f} s, at {self.progress:.0%}; {remedy}")

    def _look(self, reading: Reading, step_s: float) -> None:
        gathered, feature_maps = self._gathered, reading.score.feature_maps
        gathered.looked_s += step_s
        gathered.in_doubt_s += step_s * (reading.alarm.obscured or self._drifting)
        if gathered.due(reading.t_s, LOOK_EVERY_S):
            assert feature_maps is not None  # it tells
            gathered.feature_maps.append(feature_maps)
        if gathered.looked_s < LOOK_S:
            return
        # A world known to have changed is what calibration is for; one that seems to, while driving, may be a wet lens.
        if gathered.in_doubt_s > IN_DOUBT_SHARE_MAX * LOOK_S and not self._was_drifting:
            raise InputError(
                "by the calibration before, the lens is obscured; wipe the lens, or delete calibration.json when the"
                " camera was moved"
            )
        self.listening = make_reference(np.stack(gathered.feature_maps))
        gathered.feature_maps, gathered.kept_s = [], -math.inf

    def _listen(self, score: FrameScore, t_s: float, step_s: float) -> None:
        gathered, half = self._gathered, int(self._gathered.listened_s >= LISTEN_S / 2)
        gathered.listened_s += step_s
        if gathered.due(t_s, LISTEN_EVERY_S):
            assert score.pcc is not None  # it tells
            assert score.logits is not None
            assert score.feature_maps is not None
            gathered.times_s.append(gathered.listened_s)
            gathered.pccs.append(score.pcc)
            gathered.logits.append(score.logits)
            gathered.sums[half] = gathered.sums[half] + score.feature_maps
            gathered.counts[half] += 1
        if gathered.listened_s >= LISTEN_S:
            self.thresholds, self.maxima = self._made()
            self._drifting = False
            self._end("calibrated")

    def _made(self) -> tuple[Thresholds, NDArray[np.float64]]:
        gathered, reference = self._gathered, self.listening
        assert reference is not None
        for total, count in zip(gathered.sums, gathered.counts, strict=True):
            if count and distribution_shift(total / count, reference) >= SHIFT_MAX:
                raise InputError("the drive shows two scenes: the light or the place changed; drive again in one")
        return clean_thresholds(
            np.array(gathered.pccs),
            np.stack(gathered.logits).astype(np.float64),
            np.array(gathered.times_s),
            reference,
            self._rate,
        )
