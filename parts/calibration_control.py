"""Calibration on the car: between the part, whose frames it passes on to the monitor, and the pure `Calibrator`."""

import logging
import math
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..calibration.calibration import Calibration
from ..calibration.session import CANCELLED, CalibrationSession
from ..edge.errors import InputError
from ..edge.evidence import Thresholds
from ..edge.frame import camera_of, frame_fault
from ..edge.monitor import Monitor, Reading
from ..edge.scorer import Scorer
from .calibration_request import LOOK_EVERY_S, Mailbox

logger = logging.getLogger(__name__)

UNCALIBRATED = "lens monitor runs uncalibrated: %s"
NEWS_LASTS_S = 10.0  # of a drive that ended


class Calibrating:
    """Follows the button and the command, calibrates, and puts new limits into force without a restart.

    `press` belongs to the drive loop, all else to whoever scores: the worker of a threaded part, so that neither the
    end of a drive nor the disk holds up the loop. The end (`clean_limits` on 75 s at 20 Hz) takes 0.04 s on a desktop
    core, the reference before it 0.03 s; a Raspberry Pi may take ten times as long, and the file an fsync. A part that
    is not threaded lets the loop wait for that, twice in a calibration.
    """

    def __init__(self, scorer: Scorer, path: Path, false_alarms_per_hour: float, next_event_id: int) -> None:
        self._made = _loaded(scorer, path, false_alarms_per_hour)
        self.calibrated_at, thresholds = (
            ("", None) if self._made is None else (self._made.created_at, self._made.thresholds)
        )
        self.monitor = Monitor(scorer, thresholds, next_event_id)
        self.news = ""  # for people: `calibrating 43 %`, and for ten seconds how it ended
        self._path = path
        self._rate = false_alarms_per_hour
        self._calibrator = CalibrationSession(thresholds, false_alarms_per_hour)
        self._in_force = (thresholds, self._calibrator.listening)
        self._state = self._calibrator.state  # as last told
        self._mailbox = Mailbox(path.parent)
        self._looked_s = self._ended_s = -math.inf
        self._held = False
        self._presses = 0  # counted by the loop
        self._heeded = 0  # of them, by the scorer

    def press(self, button: Any) -> None:
        """Take the button's channel as it is in this loop. A press counts once, however long it is held."""
        held = isinstance(button, bool | int) and bool(button)
        self._presses += held and not self._held
        self._held = held

    def watch(self, frame: Any, t_s: float) -> Reading:
        """What the monitor says of a frame, which goes into a calibration that is under way."""
        self._recognise(frame)
        self._heed(t_s)
        reading = self.monitor.update(frame, t_s)
        self._calibrator.watch(reading)
        self._follow(t_s)
        return reading

    def close(self, t_s: float) -> None:
        """The car's program ends, and with it a calibration that is under way."""
        self._calibrator.stop()
        self._follow(t_s)

    def _recognise(self, frame: Any) -> None:
        """Drop, at the first frame, limits that were made with the other kind of frames."""
        scorer = self.monitor.scorer
        if self._made is None or frame_fault(frame, scorer.bundle.height, scorer.bundle.width) is not None:
            return
        made, self._made = self._made, None
        if problem := made.mismatch(scorer.bundle, scorer.backend.name, camera_of(frame)):
            logger.warning(UNCALIBRATED, problem)
            self.calibrated_at, self._calibrator.thresholds = "", None
            self.monitor.set_thresholds(None)

    def _heed(self, t_s: float) -> None:
        """A press starts a drive, or ends the one under way; the command's request only starts one."""
        while self._heeded < self._presses:
            self._heeded += 1
            if self._calibrator.state == "collecting":
                self._calibrator.cancel()
            else:
                self._calibrator.start()
        if t_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = t_s
            if self._mailbox.asked() and self._calibrator.state != "collecting":
                self._calibrator.start()
            if self._calibrator.state == "collecting":
                self._mailbox.answer("collecting", self._calibrator.progress, "", t_s)
        self._put_into_force()

    def _put_into_force(self) -> str:
        """Let the monitor score by what the calibrator says now; returns why new limits could not be written."""
        thresholds, listening = wanted = self._calibrator.thresholds, self._calibrator.listening
        before, self._in_force = self._in_force, wanted
        if listening is not before[1] and listening is not None:
            self.monitor.set_reference(listening)
        elif listening is not before[1]:
            self.monitor.set_thresholds(thresholds)
        return "" if thresholds is before[0] or thresholds is None else self._save(thresholds)

    def _save(self, thresholds: Thresholds) -> str:
        calibration = Calibration.of(
            self.monitor.scorer,
            thresholds,
            self._calibrator.maxima,
            rule="clean",
            false_alarms_per_hour=self._rate,
            frames=self._calibrator.frames,
            duration_s=self._calibrator.driving_s,
            now=datetime.now(timezone.utc),
        )
        self.calibrated_at = calibration.created_at
        try:
            calibration.save(self._path)
        except (InputError, OSError) as error:
            return f"it holds until the program ends: {error}"
        return ""

    def _follow(self, t_s: float) -> None:
        """Put into force what the last frame brought, and tell it."""
        unsaved = self._put_into_force()
        before, self._state = self._state, self._calibrator.state
        if self._state == "collecting":
            self.news = f"calibrating {self._calibrator.progress * 100:.0f} %"
        elif before == "collecting":
            self._end(unsaved, t_s)
        elif self._state == "drifting" != before:
            logger.warning(
                "lens monitor: the whole picture is unlike the calibration's; wipe the lens, calibrate again"
            )
        elif t_s - self._ended_s > NEWS_LASTS_S:
            self.news = ""

    def _end(self, unsaved: str, t_s: float) -> None:
        cancelled = self._calibrator.detail == CANCELLED
        outcome = "refused" if self._state == "invalid" else CANCELLED if cancelled else "calibrated"
        detail = unsaved if outcome == "calibrated" else self._calibrator.detail
        self.news = {
            "refused": f"not calibrated: {detail}",
            CANCELLED: "calibration cancelled",
            "calibrated": "lens calibrated",
        }[outcome]
        self._ended_s = t_s
        logger.warning("lens monitor: %s%s", self.news, f"; {unsaved}" if unsaved else "")
        self._mailbox.answer(outcome, self._calibrator.progress, detail, t_s)


def _loaded(scorer: Scorer, path: Path, false_alarms_per_hour: float) -> Calibration | None:
    """The calibration, with its limits for this rate; none, with one line why, where it is of no use."""
    try:
        return Calibration.load_for(path, scorer.bundle, scorer.backend.name).at(false_alarms_per_hour)
    except InputError as error:
        logger.warning(UNCALIBRATED, error)
        return None
