"""The Donkeycar part: camera frame in, plain values out, events to the log."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..edge.backends import open_scorer
from ..edge.bundle import Bundle
from ..edge.monitor import Reading
from .calibration_control import Calibrating
from .config import LensConfig
from .events.event import software_versions
from .events.log import PICTURES_MB, EventLog
from .events.snapshots import Snapshot
from .events.tracker import EventChange, EventContext, EventTracker
from .newest_slot import NewestSlot

logger = logging.getLogger(__name__)

STALE_AFTER_S = 1.0  # without a fresh score the values are called stale
COMPLAIN_EVERY_S = 30.0
COMPLAINTS_KEPT = 50
WORKER_LEAVES_WITHIN_S = 1.0

Recorded = tuple[float | None, bool, float, int, str]
Outputs = tuple[float | None, bool, float, int, str, str]
STARTING: Recorded = (None, False, 0.0, 0, "warmup")


class MLEAnomalyPart:
    """Scores every camera frame and says whether the lens is obscured.

    Add it with `inputs=part.inputs, outputs=part.outputs`, threaded or not. The first input is RGB uint8 [H, W, 3] or
    luma uint8 [H, W], the second a button's channel, which may be left out. The constructor raises InputError for a bad
    bundle or log, before the car moves; after that nothing raises, and threaded nothing blocks. Without a calibration
    that fits the bundle and the frames the status is `uncalibrated` and no event is raised. A press of the button
    starts a calibration while driving, another cancels it (`Calibrating`).
    """

    inputs = ["cam/image_array", "web/w1"]  # noqa: RUF012 Vehicle wants a list
    # −1…1 or None, bool, 0…1, number of the event or 0, see `edge.scorer`, `edge.evidence`, `edge.alarm`
    recorded = ["lens/pcc", "lens/obscured", "lens/coverage", "lens/event_id", "lens/status"]  # noqa: RUF012
    outputs = [*recorded, "lens/calibration"]  # noqa: RUF012 the last is for people: how a calibration goes, or empty

    def __init__(
        self,
        bundle: Path,
        calibration: Path,
        event_log: Path,
        *,
        action: str = "warn",
        pictures_mb: float = PICTURES_MB,
        false_alarms_per_hour: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        scorer = open_scorer(Bundle.load(bundle))
        self._clock = clock
        self._log = EventLog(event_log, pictures_mb=pictures_mb)
        self._calibrating = Calibrating(scorer, calibration, false_alarms_per_hour, self._log.next_event_id)
        origin = EventContext(
            uuid.uuid4().hex, scorer.bundle.sha256, self._calibrating.calibrated_at, software_versions()
        )
        self._events = EventTracker(origin, action)
        self._slot: NewestSlot[tuple[Any, float]] = NewestSlot()
        self._worker_gone = threading.Event()
        self._worker_gone.set()
        # Values and their time, replaced whole: the loop reads them while the worker writes.
        self._published: tuple[Recorded, float | None] = (STARTING, None)
        self._complained: dict[str, float] = {}

    @classmethod
    def from_config(cls, cfg: Any) -> "MLEAnomalyPart":
        """Build the part from the LENS_ keys of myconfig.py."""
        config = LensConfig.read(cfg)
        part = cls(
            config.bundle,
            config.calibration,
            config.event_log,
            action=config.action,
            pictures_mb=config.pictures_mb,
            false_alarms_per_hour=config.false_alarms_per_hour,
        )
        part.inputs = [config.camera_channel, config.calibrate_button]
        return part

    def run(self, frame: Any, button: Any = None) -> Outputs:
        """Score a frame in the drive loop itself and return the values for it."""
        self._calibrating.press(button)
        return (*self._watch(frame, self._clock()), self._calibrating.news)

    def run_threaded(self, frame: Any, button: Any = None) -> Outputs:
        """Hand a frame to the worker and return the newest values, which belong to an earlier frame."""
        self._calibrating.press(button)
        return (*self._newest(frame), self._calibrating.news)

    def _newest(self, frame: Any) -> Recorded:
        now_s = self._clock()
        outputs, fresh_s = self._published
        if fresh_s is None:  # the first call: other parts may have taken seconds to start
            fresh_s = now_s
            self._published = (STARTING, now_s)
        self._slot.put((frame, now_s))
        if now_s - fresh_s > STALE_AFTER_S:
            return (None, outputs[1], outputs[2], outputs[3], "stale")
        return outputs

    def update(self) -> None:
        """The worker: scores the newest frame, as often as it can, until `shutdown`."""
        self._worker_gone.clear()
        while (item := self._slot.take()) is not None:
            self._published = (self._watch(*item), item[1])
        self._worker_gone.set()

    def shutdown(self) -> None:
        """Close the log; an open event ends here. May be called again."""
        self._slot.close()
        self._worker_gone.wait(WORKER_LEAVES_WITHIN_S)
        for change in self._events.finish(self._clock()):
            self._log.write(change.event)
        self._calibrating.close(self._clock())
        self._log.close()

    def _watch(self, frame: Any, t_s: float) -> Recorded:
        try:
            reading = self._calibrating.watch(frame, t_s)
            self._events.context.calibrated_at = self._calibrating.calibrated_at
            for change in self._events.update(reading, datetime.now(timezone.utc)):
                self._log.write(change.event, _snapshots(change, reading, frame))
        except Exception as error:  # noqa: BLE001 a part that raises stops the car
            self._complain(f"{type(error).__name__}: {error}", t_s)
            return (None, self._events.event_id > 0, 0.0, self._events.event_id, "error")
        if reading.score.detail:
            self._complain(reading.score.detail, t_s)
        alarm = reading.alarm
        return (reading.score.pcc, alarm.obscured, reading.evidence.coverage, alarm.event_id, alarm.status)

    def _complain(self, text: str, t_s: float) -> None:
        last_s = self._complained.get(text)
        if last_s is None or t_s - last_s >= COMPLAIN_EVERY_S:
            if len(self._complained) >= COMPLAINTS_KEPT:
                self._complained.clear()
            self._complained[text] = t_s
            logger.warning("lens monitor: %s", text)


def _snapshots(change: EventChange, reading: Reading, frame: Any) -> Snapshot | None:
    """What is to be kept of this moment; the frame as a copy: others draw into the camera's array, the log is later."""
    if change.snapshot is None or reading.evidence.map is None:
        return None
    return Snapshot(frame.copy(), reading.evidence.map, change.snapshot)
