"""The Donkeycar part: a camera frame goes in, plain values come out, events go to the log."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..calibration.session import UseReference, UseThresholds
from ..edge.backends import open_scorer
from ..edge.bundle import Bundle
from ..edge.monitor import Monitor, Reading
from .calibration_control import CalibrationControl
from .config import LensConfig, alarm_rate, require_action
from .events.event import software_versions
from .events.log import PICTURES_MB, EventLog
from .events.snapshots import Snapshot
from .events.tracker import EventContext, EventTracker
from .live.view import STALE_AFTER_S, LivePage, LiveView
from .newest_slot import NewestSlot

logger = logging.getLogger(__name__)

WARN_EVERY_S = 30.0  # the same line in the program's log
WARNINGS_KEPT = 50
WORKER_STOPS_WITHIN_S = 1.0

Recorded = tuple[float | None, bool, float, int, str]
Outputs = tuple[float | None, bool, float, int, str, str, NDArray[np.float32] | None]
STARTING: Recorded = (None, False, 0.0, 0, "warmup")


class MLEAnomalyPart:
    """Scores every camera frame and says whether the lens is obscured.

    Add it with `inputs=part.inputs, outputs=part.outputs`, threaded or not. The first input is the frame, RGB uint8
    [H, W, 3] or luma uint8 [H, W]; the second, which may be left out, is the channel of a button. The constructor
    raises InputError for a bundle, an event log or a setting of no use, before the car moves. After that nothing
    raises, and a threaded part never blocks the drive loop. Without a calibration that fits the bundle and the frames
    the status is `uncalibrated`; with a bundle of many cars, large faults raise events even then, and after two minutes
    of clear driving smaller ones, too. A press of the button starts a calibration while driving, another cancels it.

    Example:
        >>> for channel in MLEAnomalyPart.outputs:
        ...     print(channel)
        lens/pcc
        lens/obscured
        lens/coverage
        lens/event_id
        lens/status
        lens/calibration
        lens/map
    """

    inputs = ["cam/image_array", "web/w1"]  # noqa: RUF012 Vehicle wants a list
    # −1…1 or None, bool, 0…1, number of the event or 0, one of `edge.status.STATUSES`
    recorded = ["lens/pcc", "lens/obscured", "lens/coverage", "lens/event_id", "lens/status"]  # noqa: RUF012
    # For people: how a calibration goes as text, or empty; and where the lens is obscured, [20, 20] in 0…1, or None.
    outputs = [*recorded, "lens/calibration", "lens/map"]  # noqa: RUF012

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
        action, false_alarms_per_hour = require_action(action), alarm_rate(false_alarms_per_hour)
        scorer = open_scorer(Bundle.load(bundle))
        self._clock = clock
        self._log = EventLog(event_log, pictures_mb=pictures_mb)
        self._calibration = CalibrationControl(scorer, calibration, false_alarms_per_hour)
        self.monitor = Monitor(scorer, self._calibration.thresholds, self._log.next_event_id)
        self._context = EventContext(
            uuid.uuid4().hex, scorer.bundle.sha256, self._calibration.calibrated_at, software_versions()
        )
        self._events = EventTracker(self._context, action)
        self._live = LiveView()
        self._shows_page = True
        self._slot: NewestSlot[tuple[Any, float]] = NewestSlot()
        self._worker_stopped = threading.Event()
        self._worker_stopped.set()
        # Values and their time, replaced as one: the loop reads them while the worker writes.
        self._published: tuple[Recorded, float | None] = (STARTING, None)
        self._warned_s: dict[str, float] = {}  # by line
        self._shut_down = False

    @classmethod
    def from_config(cls, cfg: Any) -> "MLEAnomalyPart":
        """Build the part from the `LENS_*` keys of myconfig.py."""
        config = LensConfig.read(cfg)
        part = cls(
            config.bundle,
            config.calibration,
            config.event_log,
            action=config.action,
            pictures_mb=config.pictures_mb,
            false_alarms_per_hour=config.false_alarms_per_hour,
        )
        part.inputs = [channel for channel in (config.camera_channel, config.calibrate_button) if channel]
        part._shows_page = config.page
        return part

    def show_page(self, vehicle_parts: Iterable[Mapping[str, Any]]) -> None:
        """Add the page /lens to the web server among `Vehicle.parts`, before the car starts, unless LENS_PAGE is False.

        Without a web server nothing is added. A page that cannot be added is logged and does not keep the car from
        driving.
        """
        if not self._shows_page:
            return
        try:
            from .live.web import add_page  # tornado, which only a car with a web server has

            address = add_page(vehicle_parts, LivePage(self._live_state, self._live.picture, self._calibration.ask))
        except Exception as error:  # noqa: BLE001 the page matters less than the drive
            logger.warning("lens monitor: no page /lens: %s: %s", type(error).__name__, error)
            return
        if address:
            logger.info("lens monitor: the lens is shown at %s", address)

    def run(self, frame: Any, button: Any = None) -> Outputs:
        """Score a frame in the drive loop itself and return the values for it."""
        self._calibration.button_pressed(button)
        return (*self._score(frame, self._clock()), self._calibration.message, self._live.map)

    def run_threaded(self, frame: Any, button: Any = None) -> Outputs:
        """Hand a frame to the worker and return the newest values, which belong to an earlier frame."""
        self._calibration.button_pressed(button)
        return (*self._newest(frame), self._calibration.message, self._live.map)

    def update(self) -> None:
        """Score the newest frame, as often as possible, until `shutdown`: the worker's thread runs this."""
        self._worker_stopped.clear()
        while (item := self._slot.take()) is not None:
            self._published = (self._score(*item), item[1])
        self._worker_stopped.set()

    def shutdown(self) -> None:
        """Close the log, and with it an event that is open. May be called again.

        A part that is run afterwards answers `stale` and writes nothing.
        """
        if self._shut_down:
            return
        self._shut_down = True
        self._slot.close()
        self._worker_stopped.wait(WORKER_STOPS_WITHIN_S)
        for change in self._events.finish(self._clock()):
            self._log.write(change.event)
        self._calibration.close(self._clock())
        self._log.close()

    def _live_state(self) -> dict[str, Any]:
        control = self._calibration
        return {
            **self._live.state(self._clock()),
            "calibration": control.message or control.summary,
            "progress": control.progress,
        }

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

    def _score(self, frame: Any, t_s: float) -> Recorded:
        if self._shut_down:
            return (None, False, 0.0, 0, "stale")
        try:
            if dropped := self._calibration.check_camera(frame):
                self._apply(dropped)
            reading = self.monitor.update(frame, t_s)
            self._live.observe(frame, reading)
            self._write_events(reading, frame)
            if outcome := self._calibration.update(reading):
                self._apply(outcome)
        except Exception as error:  # noqa: BLE001 a part that raises stops the car
            self._warn(f"{type(error).__name__}: {error}", t_s)
            return (None, self._events.event_id > 0, 0.0, self._events.event_id, "error")
        if reading.score.detail:
            self._warn(reading.score.detail, t_s)
        alarm = reading.alarm
        return (reading.score.pcc, alarm.obscured, reading.evidence.coverage, alarm.event_id, alarm.status)

    def _apply(self, outcome: UseReference | UseThresholds) -> None:
        """Give the monitor another reference or other thresholds. Nothing else does."""
        if isinstance(outcome, UseReference):
            self.monitor.set_reference(outcome.reference)
        else:
            self.monitor.set_thresholds(outcome.thresholds, provisional=outcome.provisional)
        self._context.calibrated_at = self._calibration.calibrated_at

    def _write_events(self, reading: Reading, frame: Any) -> None:
        for change in self._events.update(reading, datetime.now(timezone.utc)):
            snapshot, heat_map = None, reading.evidence.map
            if change.snapshot is not None and heat_map is not None:
                # A copy: other parts draw into the camera's array before the log writes it.
                snapshot = Snapshot(frame.copy(), heat_map, change.snapshot)
            self._live.observe_event(change.event)
            self._log.write(change.event, snapshot)

    def _warn(self, text: str, t_s: float) -> None:
        last_s = self._warned_s.get(text)
        if last_s is None or t_s - last_s >= WARN_EVERY_S:
            if len(self._warned_s) >= WARNINGS_KEPT:
                self._warned_s.clear()
            self._warned_s[text] = t_s
            logger.warning("lens monitor: %s", text)
