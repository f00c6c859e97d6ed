"""Follows the events of a drive: readings come in, changes for the log come out. Holds no clock, file or thread."""

from dataclasses import dataclass, replace
from datetime import datetime, timezone

from ...edge.monitor import Reading
from .clearance import RETURNED, ClearanceClassifier, same_cells
from .event import ERROR, OK, WARN, Event
from .severity import EventSeverity
from .snapshots import SnapshotPaths
from .text import advice, cause

UPDATE_EVERY_S = 1.0  # at most
COVERAGE_STEP = 0.1  # of the lens: a change worth a row
WORSE_BY = 0.1  # of the limit: a moment worth its pictures; evidence ends at 2.5, so an event has fifteen at most


@dataclass
class EventContext:
    """What the events of a drive are found with; each notes it as it is at its onset."""

    drive: str
    model_sha256: str
    calibrated_at: str
    versions: str


@dataclass(frozen=True)
class Change:
    """An event that began, changed or ended."""

    event: Event
    snapshot: SnapshotPaths | None = None  # under which to keep this very frame and its evidence map


class EventTracker:
    """Says what is to be written of the events of a drive.

    An event changes when its level changes, its coverage moves by a tenth of the lens or a moment is clearly
    worse than any before; it is told at most once a second. `action` is LENS_ACTION, for the advice. A change of
    `origin` holds from the next event on.
    """

    def __init__(self, origin: EventContext, action: str = "warn") -> None:
        self.origin = origin
        self._action = action
        self._open: _OpenEvent | None = None
        self._last: _OpenEvent | None = None  # the one that ended, while it is watched

    @property
    def event_id(self) -> int:
        """The event that lasts; 0 when there is none."""
        return self._open.event.id if self._open else 0

    def follow(self, reading: Reading, now: datetime) -> list[Change]:
        """Take what is known after a frame, and the wall time. Changes of an earlier event come first."""
        changes = []
        if self._open and reading.alarm.event_id != self._open.event.id:
            cleared = reading.evidence.status == "ok" and not reading.alarm.obscured
            ended, self._open = self._open, None
            changes.append(ended.end(reading.t_s, cleared=cleared))
            self._last = ended if cleared else None
        if reading.alarm.obscured and self._open is None:
            if self._last and (change := self._last.return_of(reading)):
                changes.append(change)
            self._open, self._last = _OpenEvent(reading, now, self.origin, self._action), None
            changes.append(Change(self._open.event, SnapshotPaths.of(self._open.event.id)))
        elif (watched := self._open or self._last) and (change := watched.follow(reading)):
            changes.append(change)
        return changes

    def finish(self, t_s: float) -> list[Change]:
        """The drive ends, and an event that lasts with it: its level stays what it was."""
        if self._open is None:
            return []
        ended, self._open = self._open.end(t_s, cleared=False), None
        return [ended]


class _OpenEvent:
    """One event from its onset on, beyond its end, until the next begins."""

    def __init__(self, reading: Reading, now: datetime, origin: EventContext, action: str) -> None:
        evidence = reading.evidence
        names = SnapshotPaths.of(reading.alarm.event_id)
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
            picture=names.picture,
            heat_map=names.heat_map,
            worst_picture="",
            worst_heat_map="",
            cleared_by="",
            drive=origin.drive,
            model_sha256=origin.model_sha256,
            calibrated_at=origin.calibrated_at,
            versions=origin.versions,
        )
        self._action = action
        self._began_s = reading.alarm.since_s
        self._level = EventSeverity()
        self._wipe_test = ClearanceClassifier()
        self._wipe_test.update(evidence, reading.t_s)
        self._widest = evidence.map
        self._kept_evidence = evidence.value  # of the worst moment whose pictures were kept
        self._told, self._told_s = self.event, reading.t_s

    def follow(self, reading: Reading) -> Change | None:
        """A change worth telling, if this reading makes one."""
        cleared_by = self._wipe_test.update(reading.evidence, reading.t_s)
        if self.event.state == "open":
            return self._grow(reading)
        if cleared_by and not self.event.cleared_by:
            self.event = replace(self.event, cleared_by=cleared_by)
            return Change(self.event)
        return None

    def _grow(self, reading: Reading) -> Change | None:
        event, evidence = self.event, reading.evidence
        level = self._level.update(evidence, reading.t_s)
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
        if reading.t_s - self._told_s < UPDATE_EVERY_S:
            return None
        worse = evidence.status == "ok" and evidence.value >= self._kept_evidence + WORSE_BY
        if not worse and level == self._told.level and abs(event.coverage - self._told.coverage) < COVERAGE_STEP:
            return None
        self._told_s = reading.t_s
        if not worse:
            return self._tell()
        self._kept_evidence = evidence.value
        names = SnapshotPaths.of(event.id, "worst")
        self.event = replace(event, worst_picture=names.picture, worst_heat_map=names.heat_map)
        return self._tell(names)

    def end(self, t_s: float, *, cleared: bool) -> Change:
        """The event ends: because the lens is clear again, or with the drive."""
        self.event = replace(
            self.event,
            state="ended",
            level=OK if cleared else self.event.level,
            duration_s=max(t_s - self._began_s, 0.0),  # of a clock that stepped back nothing is known
        )
        return self._tell()

    def return_of(self, reading: Reading) -> Change | None:
        """Another event begins with this reading: whether it is this one again, which never stayed clear."""
        if self.event.cleared_by or not same_cells(self._widest, reading.evidence.map):
            return None
        self.event = replace(self.event, cleared_by=RETURNED)
        return Change(self.event)

    def _tell(self, snapshot: SnapshotPaths | None = None) -> Change:
        event = self.event
        self.event = self._told = replace(
            event,
            cause=cause(event.peak_coverage, self._widest),
            advice=advice(event.worst_level, self._action),
        )
        return Change(self.event, snapshot)
