"""Tracks the events of a drive: readings come in, changes for the log go out. Holds no clock, file or thread."""

from dataclasses import dataclass, replace
from datetime import datetime, timezone

from ...edge.monitor import Reading
from .clearance import RETURNED, ClearanceClassifier, same_cells
from .event import ERROR, OK, WARN, Event
from .severity import EventSeverity
from .snapshots import SnapshotPaths
from .text import advice, cause

UPDATE_EVERY_S = 1.0  # the shortest time between two changes of an open event
COVERAGE_STEP = 0.1  # of the lens: a change of coverage that is reported
WORSE_BY = 0.1  # evidence: an increase that gets a snapshot; evidence ends at 2.5, so an event has at most fifteen


@dataclass
class EventContext:
    """The drive, model, calibration and software under which events are found. An event copies them at its onset."""

    drive: str
    model_sha256: str
    calibrated_at: str
    versions: str


@dataclass(frozen=True)
class EventChange:
    """An event that began, changed or ended."""

    event: Event
    snapshot: SnapshotPaths | None = None  # where to save the current frame and its evidence map, if they are wanted


class EventTracker:
    """Turns the readings of a drive into changes of events.

    An open event changes when its level changes, its coverage moves by a tenth of the lens or a moment is clearly
    worse than any before, at most once a second. `action` is LENS_ACTION, for the advice. A change of `context`
    applies from the next event on.
    """

    def __init__(self, context: EventContext, action: str = "warn") -> None:
        self.context = context
        self._action = action
        self._open: _OpenEvent | None = None
        self._last: _OpenEvent | None = None  # ended when the lens was clear; observed until its clearance is known

    @property
    def event_id(self) -> int:
        """The open event, 0 when there is none."""
        return self._open.event.id if self._open else 0

    def update(self, reading: Reading, now: datetime) -> list[EventChange]:
        """Take the reading of a frame and the wall time, and return the changes, those of an earlier event first."""
        changes = []
        if self._open and reading.alarm.event_id != self._open.event.id:
            cleared = reading.evidence.status == "ok" and not reading.alarm.obscured
            ended, self._open = self._open, None
            changes.append(ended.end(reading.t_s, cleared=cleared))
            self._last = ended if cleared else None
        if reading.alarm.obscured and self._open is None:
            if self._last and (change := self._last.mark_returned(reading)):
                changes.append(change)
            self._open, self._last = _OpenEvent(reading, now, self.context, self._action), None
            changes.append(EventChange(self._open.event, SnapshotPaths.of(self._open.event.id)))
        elif (observed := self._open or self._last) and (change := observed.update(reading)):
            changes.append(change)
        return changes

    def finish(self, t_s: float) -> list[EventChange]:
        """End the open event, if any, because the drive ends. Its level stays as it is."""
        if self._open is None:
            return []
        ended, self._open = self._open.end(t_s, cleared=False), None
        return [ended]


class _OpenEvent:
    """One event from its onset until, after its end, its clearance is known or the next event begins."""

    def __init__(self, reading: Reading, now: datetime, context: EventContext, action: str) -> None:
        evidence = reading.evidence
        paths = SnapshotPaths.of(reading.alarm.event_id)
        self.event = Event(
            id=reading.alarm.event_id,
            state="open",
            level=WARN,
            worst_level=WARN,
            began_at=now.astimezone(timezone.utc).isoformat(timespec="milliseconds"),
            duration_s=None,
            pcc=reading.score.pcc,
            peak_evidence=evidence.value,
            coverage=evidence.coverage,
            peak_coverage=evidence.coverage,
            frames=1,
            cause=cause(evidence.coverage, evidence.map),
            advice=advice(WARN, action),
            picture=paths.frame,
            heat_map=paths.heat_map,
            worst_picture="",
            worst_heat_map="",
            cleared_by="",
            drive=context.drive,
            model_sha256=context.model_sha256,
            calibrated_at=context.calibrated_at,
            versions=context.versions,
        )
        self._action = action
        self._began_s = reading.alarm.since_s
        self._severity = EventSeverity()
        self._clearance = ClearanceClassifier()
        self._clearance.update(evidence, reading.t_s)
        self._widest = evidence.map  # the evidence map at the largest coverage
        self._worst_saved = evidence.value  # evidence of the worst moment with a snapshot
        self._reported, self._reported_s = self.event, reading.t_s

    def update(self, reading: Reading) -> EventChange | None:
        """Take a reading and return a change, if there is one to report."""
        cleared_by = self._clearance.update(reading.evidence, reading.t_s)
        if self.event.state == "open":
            return self._grow(reading)
        if cleared_by and not self.event.cleared_by:
            self.event = replace(self.event, cleared_by=cleared_by)
            return EventChange(self.event)
        return None

    def _grow(self, reading: Reading) -> EventChange | None:
        event, evidence = self.event, reading.evidence
        level = self._severity.update(evidence, reading.t_s)
        worst_level = ERROR if ERROR in (level, event.worst_level) else WARN
        if evidence.coverage > event.peak_coverage:
            self._widest = evidence.map
        self.event = event = replace(
            event,
            level=level,
            worst_level=worst_level,
            peak_evidence=max(event.peak_evidence, evidence.value),
            coverage=evidence.coverage,
            peak_coverage=max(event.peak_coverage, evidence.coverage),
            frames=event.frames + 1,
        )
        if reading.t_s - self._reported_s < UPDATE_EVERY_S:
            return None
        worse = evidence.status == "ok" and evidence.value >= self._worst_saved + WORSE_BY
        moved = abs(event.coverage - self._reported.coverage) >= COVERAGE_STEP
        if not (worse or moved or level != self._reported.level):
            return None
        self._reported_s = reading.t_s
        if not worse:
            return self._report()
        self._worst_saved = evidence.value
        paths = SnapshotPaths.of(event.id, "worst")
        self.event = replace(event, worst_picture=paths.frame, worst_heat_map=paths.heat_map)
        return self._report(paths)

    def end(self, t_s: float, *, cleared: bool) -> EventChange:
        """End the event, because the lens is clear again or because the drive ends."""
        self.event = replace(
            self.event,
            state="ended",
            level=OK if cleared else self.event.level,
            duration_s=max(t_s - self._began_s, 0.0),  # unknown, so 0, where the clock stepped back
        )
        return self._report()

    def mark_returned(self, reading: Reading) -> EventChange | None:
        """Mark the event as returned if the one that begins with this reading lies in the same cells.

        An event that was already called wiped or faded stays so.
        """
        if self.event.cleared_by or not same_cells(self._widest, reading.evidence.map):
            return None
        self.event = replace(self.event, cleared_by=RETURNED)
        return EventChange(self.event)

    def _report(self, snapshot: SnapshotPaths | None = None) -> EventChange:
        event = self.event
        self.event = self._reported = replace(
            event,
            cause=cause(event.peak_coverage, self._widest),
            advice=advice(event.worst_level, self._action),
        )
        return EventChange(self.event, snapshot)
