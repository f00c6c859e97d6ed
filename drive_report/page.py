"""Fills the page of a report from what was found. Every text passes Jinja's escaping: logs and tubs may be anyone's."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from .. import __version__
from ..edge import strict_json
from ..edge.status import STATUSES
from ..parts.events.event import ERROR, Event
from .chart import HEIGHT, WIDTH, Track, bands, tracks_of
from .drives import Drive, Moment, status_shares
from .pictures import frame_uri, heat_map_uri, snapshot_path
from .sources import Sources

DRIVES_SHOWN, EVENTS_SHOWN = 20, 100  # the newest; an event with its pictures takes some 40 kB of the page


@dataclass(frozen=True)
class Picture:
    """One moment of an event, as `data:` addresses."""

    moment: str
    frame: str
    heat_map: str | None


@dataclass(frozen=True)
class Card:
    """What the page shows of one event."""

    number: int
    began: str
    duration_s: float | None
    severe: bool
    state: str
    cause: str
    advice: str
    figures: list[tuple[str, str]]
    pictures: list[Picture]


def render(sources: Sources, drives: Sequence[Drive], name: str, now: datetime) -> str:
    """Return the HTML of a report: one file that loads nothing. `name` says what it is of."""
    environment = Environment(
        loader=PackageLoader("mle_uvad", "drive_report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["time"] = _time
    recorded = [] if sources.log else _recorded_events(drives)
    cards = [_card_of(event, sources.log) for event in sources.events[-EVENTS_SHOWN:]] if sources.log else []
    cards += [_card_of_moments(moments) for moments in recorded[-EVENTS_SHOWN:]]
    moments = [moment for drive in drives for moment in drive]
    return environment.get_template("report.html").render(
        name=name,
        now=now,
        version=__version__,
        calibration=sources.calibration,
        notes=sources.notes,
        driven_s=sum(drive[-1].t_s - drive[0].t_s for drive in drives),
        obscured_share=sum(moment.obscured for moment in moments) / len(moments) if moments else None,
        drives=[_drawn(drive) for drive in reversed(drives[-DRIVES_SHOWN:])],
        drives_total=len(drives),
        cards=cards[::-1],
        events_total=len(sources.events) + len(recorded),
        statuses=[(word, share, STATUSES[word]) for word, share in status_shares(drives)],
        versions=_versions(sources.events),
        width=WIDTH,
        height=HEIGHT,
    )


def _drawn(drive: Drive) -> dict[str, Any]:
    tracks: list[Track] = tracks_of(drive)
    return {
        "began_s": drive[0].t_s,
        "length_s": drive[-1].t_s - drive[0].t_s,
        "records": len(drive),
        "tracks": tracks,
        "obscured": bands(drive, lambda moment: str(moment.event_id) if moment.obscured else ""),
        "statuses": bands(drive, lambda moment: moment.status),
    }


def _card_of(event: Event, log: Path) -> Card:
    figures = [
        ("largest evidence", f"{event.peak_evidence:.2f}"),
        ("largest coverage", f"{100 * event.peak_coverage:.0f} %"),
    ]
    if event.pcc is not None:
        figures.append(("PCC at onset", f"{event.pcc:.3f}"))
    if event.cleared_by:
        figures.append(("ended", event.cleared_by))
    moments = (
        ("at onset", event.picture, event.heat_map),
        ("at its worst", event.worst_picture, event.worst_heat_map),
    )
    pictures = []
    for moment, frame, heat_map in moments:
        if uri := frame_uri(snapshot_path(log, frame)):
            pictures.append(Picture(moment, uri, heat_map_uri(snapshot_path(log, heat_map))))
    began = event.began_at[:19].replace("T", " ")
    severe = event.worst_level == ERROR
    return Card(event.id, began, event.duration_s, severe, event.state, event.cause, event.advice, figures, pictures)


def _recorded_events(drives: Sequence[Drive]) -> list[list[Moment]]:
    """Return the moments of each event as the tub recorded it, for want of a log."""
    return [
        list(group)
        for drive in drives
        for obscured, group in groupby(drive, key=lambda moment: (moment.obscured, moment.event_id))
        if obscured[0]
    ]


def _card_of_moments(moments: Sequence[Moment]) -> Card:
    """Return an event of a tub, with the picture of its largest coverage."""
    worst = max(moments, key=lambda moment: moment.coverage or 0.0)
    frame = frame_uri(worst.image)
    return Card(
        worst.event_id,
        _time(moments[0].t_s),
        moments[-1].t_s - moments[0].t_s,
        severe=False,
        state="",
        cause="The lens was obscured.",
        advice=f"{STATUSES['obscured'].remedy.capitalize()}.",
        figures=[("largest coverage", f"{100 * (worst.coverage or 0):.0f} %")],
        pictures=[Picture("at its worst", frame, None)] if frame else [],
    )


def _versions(events: Sequence[Event]) -> list[tuple[str, str]]:
    """Return the software, models and calibrations that the events name, each once."""
    found: dict[str, dict[str, None]] = {}
    for event in events:
        named = _parsed(event.versions) | {"model": event.model_sha256[:12], "calibration": event.calibrated_at[:19]}
        for what, value in named.items():
            if value:
                found.setdefault(str(what), {})[str(value)] = None
    return [(what, ", ".join(values)) for what, values in found.items()]


def _parsed(versions: str) -> dict[str, Any]:
    try:
        parsed = strict_json.parse(versions.encode())
    except ValueError:
        return {"software": versions}
    return parsed if isinstance(parsed, dict) else {"software": json.dumps(parsed)}


def _time(t_s: float) -> str:
    """Return a Unix time in UTC, to the second; what is no date as a number."""
    try:
        return datetime.fromtimestamp(t_s, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{t_s:.0f} s"
