"""Calibration on the car: starts and feeds a `CalibrationSession`, saves its thresholds and reports how it goes."""

import logging
import math
from collections import deque
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..calibration.calibration import Calibration
from ..calibration.kept import save
from ..calibration.obscured_spans import ObscuredSpans, careful_thresholds
from ..calibration.provisional import ProvisionalThresholds
from ..calibration.session import CalibrationSession, Outcome, Rejected, UseReference, UseThresholds, is_drifting
from ..edge.errors import InputError
from ..edge.frame import camera_of, frame_fault
from ..edge.monitor import Reading
from ..edge.scorer import Scorer
from .calibration_request import CHECK_EVERY_S, CalibrationRequests

logger = logging.getLogger(__name__)

CANCELLED = "cancelled"
UNCALIBRATED = "lens monitor runs uncalibrated: %s"
MESSAGE_LASTS_S, WARNING_LASTS_S = 10.0, 60.0  # after the end of a drive


class CalibrationControl:
    """Runs calibrations at the press of a button or the request of a command.

    It returns what the monitor is to use from now on and changes nothing of the monitor itself. It only reads the
    scorer, for the bundle, backend and camera that a calibration is valid for.

    The drive loop calls `button_pressed` and the web server `ask`; the thread that scores calls everything else, so
    that a threaded part never waits for the end of a phase or for the disk. On 75 s at 20 Hz the thresholds take 0.04 s
    on a desktop core and the reference 0.03 s. A Raspberry Pi may take ten times as long, and writing the file needs an
    fsync. A part without a thread waits for all three.
    """

    def __init__(self, scorer: Scorer, path: Path, false_alarms_per_hour: float) -> None:
        calibration = _load(scorer, path, false_alarms_per_hour)
        self.thresholds = None if calibration is None else calibration.thresholds  # in force
        self.calibrated_at = "" if calibration is None else calibration.created_at  # ISO 8601, of those in force
        self.message = ""  # for people: `calibrating 43 %`, and for ten seconds how it ended
        self._scorer = scorer
        self._path = path
        self._false_alarms_per_hour = false_alarms_per_hour
        self._loaded = calibration  # until the camera is known
        self._session: CalibrationSession | None = None
        self._provisional = ProvisionalThresholds(scorer.bundle, false_alarms_per_hour)
        self._requests = CalibrationRequests(path.parent)
        self._previous_t_s = math.inf
        self._checked_s = self._message_until_s = -math.inf
        self._drifting = False
        self._held = False  # the button, in the loop before
        self._presses = 0  # counted by the loop
        self._handled = 0  # of them, by the thread that scores
        self._asked: deque[str] = deque(maxlen=4)  # by the page, until the thread that scores takes it

    def button_pressed(self, button: Any) -> None:
        """Take the value of the button's channel in this loop. A press counts once, however long it is held."""
        held = isinstance(button, bool | int) and bool(button)
        self._presses += held and not self._held
        self._held = held

    def ask(self, action: str) -> None:
        """Ask for the action `start` or `cancel` at the next frame; what cannot be done then is ignored."""
        self._asked.append(action)

    @property
    def progress(self) -> float | None:
        """How far the calibration under way is, 0…1; None when there is none. Any thread may read it."""
        session = self._session
        return None if session is None else session.progress

    @property
    def summary(self) -> str:
        """What the monitor goes by, for people. Any thread may read it."""
        if since := self.calibrated_at[:16].replace("T", " "):
            return f"Calibrated {since} UTC."
        return "Not calibrated; it goes by this drive." if self._provisional.in_force else "Not calibrated."

    def check_camera(self, frame: Any) -> UseThresholds | None:
        """Check, at the first good frame, that the calibration was made with frames of its kind, RGB or luma."""
        if self._loaded is None or frame_fault(frame, self._scorer.bundle.height, self._scorer.bundle.width):
            return None
        loaded, self._loaded = self._loaded, None
        problem = loaded.mismatch(self._scorer.bundle, self._scorer.backend.name, camera_of(frame))
        if not problem:
            return None
        logger.warning(UNCALIBRATED, problem)
        self.calibrated_at, self.thresholds = "", None
        return UseThresholds(None)

    def update(self, reading: Reading) -> UseReference | UseThresholds | None:
        """Take the reading of a frame. Return what the monitor is to judge by from the next one on, if it changes."""
        cancelled = self._handle_requests(reading.t_s)
        self._previous_t_s = reading.t_s
        self._report_drift(reading)
        if self._session is None:
            self.message = "" if reading.t_s > self._message_until_s else self.message
            return None if self.thresholds else self._update_provisional(reading)
        if cancelled is None and (dropped := self._provisional.reset()):
            return dropped
        outcome: Outcome | None = cancelled or self._session.update(reading)
        if isinstance(outcome, UseThresholds | Rejected):
            return self._end(outcome, reading.t_s)
        self.message = f"calibrating {self._session.progress * 100:.0f} %"
        return outcome

    def close(self, t_s: float) -> None:
        """End a calibration that is under way, because the car's program ends."""
        if self._session is not None and (outcome := self._session.stop()):
            self._end(outcome, t_s)

    def _update_provisional(self, reading: Reading) -> UseThresholds | None:
        outcome = self._provisional.update(reading)
        if outcome and self._provisional.in_force:
            logger.info("lens monitor: no calibration, so it goes by thresholds from this drive until it ends")
        return outcome

    def _handle_requests(self, t_s: float) -> Rejected | None:
        """Start a session or cancel the one under way. A press does either, a command's request only starts one."""
        cancelled = None
        if self._asked:
            action = self._asked.popleft()
            if action == "start" and self._session is None:
                self._start()
            elif action == "cancel" and self._session is not None:
                cancelled = Rejected(CANCELLED)
        if self._handled < self._presses:
            self._handled += 1
            if self._session is None:
                self._start()
            else:
                cancelled = Rejected(CANCELLED)
        if t_s - self._checked_s >= CHECK_EVERY_S:
            self._checked_s = t_s
            if self._requests.received() and self._session is None:
                self._start()
            if self._session is not None:
                self._requests.reply("collecting", self._session.progress, "", t_s)
        return cancelled

    def _start(self) -> None:
        self._session = CalibrationSession(
            self._false_alarms_per_hour,
            previous_t_s=self._previous_t_s,
            was_drifting=self._drifting,
            spans=ObscuredSpans(careful_thresholds(self._scorer.bundle)),
        )

    def _report_drift(self, reading: Reading) -> None:
        before, self._drifting = self._drifting, is_drifting(reading.alarm.status, before=self._drifting)
        if self._drifting and not before and self._session is None and self.thresholds is not None:
            logger.warning(
                "lens monitor: the whole scene is unlike the calibration's; wipe the lens, then calibrate again"
            )

    def _end(self, outcome: UseThresholds | Rejected, t_s: float) -> UseThresholds | None:
        """Report the end of the session. Return the thresholds to use, if it had set a reference."""
        session, self._session = self._session, None
        assert session is not None  # it ended
        problem = warning = ""
        if isinstance(outcome, UseThresholds):
            warning = session.warning
            state, self.message = "calibrated", f"lens calibrated, but {warning}" if warning else "lens calibrated"
            problem = self._keep(outcome, session)
            detail = "; ".join(filter(None, (warning, problem)))
        elif outcome.reason == CANCELLED:
            state, detail, self.message = CANCELLED, CANCELLED, "calibration cancelled"
        else:
            state, detail, self.message = "refused", outcome.reason, f"not calibrated: {outcome.reason}"
        self._message_until_s = t_s + (WARNING_LASTS_S if warning else MESSAGE_LASTS_S)
        logger.warning("lens monitor: %s%s", self.message, f"; {problem}" if problem else "")
        self._requests.reply(state, session.progress, detail, t_s)
        return UseThresholds(self.thresholds) if session.in_threshold_phase else None

    def _keep(self, outcome: UseThresholds, session: CalibrationSession) -> str:
        """Put new thresholds in force and write their file. Return why it could not be written, else nothing."""
        assert outcome.thresholds is not None  # a session makes some
        calibration = Calibration.of(
            self._scorer,
            outcome.thresholds,
            session.maxima,
            rule="clean",
            false_alarms_per_hour=self._false_alarms_per_hour,
            frames=session.frames,
            duration_s=session.driving_s,
            now=datetime.now(timezone.utc),
        )
        self.thresholds, self.calibrated_at, self._drifting = outcome.thresholds, calibration.created_at, False
        try:
            save(calibration, self._path)
        except (InputError, OSError) as error:
            return f"it holds until the program ends: {error}"
        return ""


def _load(scorer: Scorer, path: Path, false_alarms_per_hour: float) -> Calibration | None:
    """Load a calibration with thresholds for this rate. Log one line and return None where it is of no use."""
    try:
        return Calibration.load_for(path, scorer.bundle, scorer.backend.name).at(false_alarms_per_hour)
    except InputError as error:
        logger.warning(UNCALIBRATED, error)
        return None
