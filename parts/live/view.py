"""What the live page shows: the newest picture with its map, the verdict in words, a minute of evidence, the events."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...edge.frame import is_image, to_rgb
from ...edge.monitor import Reading
from ...edge.status import STATUSES
from ..events.event import Event
from ..events.text import place

HISTORY_EVERY_S = 0.5
HISTORY_POINTS = 120  # the last minute
EVENTS_SHOWN = 5
STALE_AFTER_S = 1.0  # without a fresh score the values are called stale
WIDTH_MAX = 320  # pixels of the picture that is sent
HEAT, HEAT_OPACITY = (230, 30, 40), 0.7  # where the evidence map is 1
CLEAR, OBSCURED, QUIET, ATTENTION = "clear", "obscured", "quiet", "attention"  # kinds of verdict


@dataclass(frozen=True)
class LivePage:
    """What the web server calls. It calls from its own thread, and only while somebody looks."""

    state: Callable[[], dict[str, Any]]
    picture: Callable[[], bytes | None]
    ask: Callable[[str], None]  # with `start` or `cancel`, for a calibration


class LiveView:
    """Keeps what the page may ask for. The thread that scores writes, the web server's reads.

    For each frame it keeps one reference; nothing is drawn or encoded until a page asks. What is read is replaced as a
    whole, never changed, so neither thread waits for the other.
    """

    def __init__(self) -> None:
        self._newest: tuple[Any, Reading] | None = None
        self._history: tuple[tuple[float, float], ...] = ()  # seconds and evidence
        self._events: tuple[Event, ...] = ()  # of this run of the program, newest first
        self._encoded: tuple[Any, bytes | None] = (None, None)  # for what, and the picture: viewers share it

    @property
    def map(self) -> NDArray[np.float32] | None:
        """The evidence map of the newest reading, [20, 20] in 0…1; None before there is evidence."""
        newest = self._newest
        return None if newest is None else newest[1].evidence.map

    def observe(self, frame: Any, reading: Reading) -> None:
        """Take the newest frame and its reading."""
        self._newest = (frame, reading)
        if not self._history or abs(reading.t_s - self._history[-1][0]) >= HISTORY_EVERY_S:
            self._history = (*self._history[1 - HISTORY_POINTS :], (reading.t_s, reading.evidence.value))

    def observe_event(self, event: Event) -> None:
        """Take an event that began, changed or ended."""
        others = tuple(other for other in self._events if other.id != event.id)
        self._events = (event, *others)[:EVENTS_SHOWN]

    def state(self, now_s: float) -> dict[str, Any]:
        """Return what the page shows at `now_s` seconds on the clock of the readings, ready for JSON."""
        newest = self._newest
        kind, title, detail = verdict(None if newest is None else newest[1], now_s)
        values: dict[str, Any] = {"evidence": None, "coverage": None, "pcc": None}
        if newest is not None:
            reading = newest[1]
            values = {
                "evidence": round(reading.evidence.value, 3),
                "coverage": round(reading.evidence.coverage, 3),
                "pcc": None if reading.score.pcc is None else round(reading.score.pcc, 3),
            }
        return {
            "kind": kind,
            "title": title,
            "detail": detail,
            "picture": newest is not None and is_image(newest[0]),
            # Seconds ago, evidence.
            "history": [(round(now_s - t_s, 1), round(value, 2)) for t_s, value in self._history],
            "events": [_as_shown(event) for event in self._events],
            **values,
        }

    def picture(self) -> bytes | None:
        """Return the newest frame as JPEG with its evidence map over it in red; None if there is no frame."""
        newest = self._newest
        if newest is None or not is_image(newest[0]):
            return None
        shown, encoded = self._encoded
        if shown is not newest or encoded is None:
            encoded = _encode(newest[0], newest[1].evidence.map)
            self._encoded = (newest, encoded)
        return encoded


def verdict(reading: Reading | None, now_s: float) -> tuple[str, str, str]:
    """Return the kind of verdict, its title and a detail, in words for an owner."""
    if reading is None:
        return QUIET, "Starting", "No frame was scored yet."
    status = reading.alarm.status
    if now_s - reading.t_s > STALE_AFTER_S:
        status = "stale"
    words = STATUSES[status]
    explained = f"{words.meaning}; {words.remedy}." if words.remedy else f"{words.meaning}."
    explained = explained[0].upper() + explained[1:]
    if reading.alarm.obscured:
        evidence = reading.evidence
        where = place(evidence.coverage, evidence.map)
        size = f"{max(round(100 * evidence.coverage), 1)} % of the picture is obscured." if where else ""
        return OBSCURED, f"Wipe the lens {where}".strip(), size if status == "obscured" else explained
    if status == "ok":
        return CLEAR, "Lens clear", ""
    title = words.meaning[0].upper() + words.meaning[1:]
    return (QUIET if words.is_quiet else ATTENTION), title, (words.remedy.capitalize() + ".") if words.remedy else ""


def _as_shown(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "began": event.began_at[11:19],
        "duration_s": None if event.duration_s is None else round(event.duration_s, 1),
        "level": event.worst_level,
        "cause": event.cause,
        "ended": event.cleared_by,
    }


def _encode(frame: Any, heat_map: Any) -> bytes:
    image = Image.fromarray(to_rgb(frame))
    image.thumbnail((WIDTH_MAX, WIDTH_MAX))
    if heat_map is not None:
        paint_heat(image, heat_map)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def paint_heat(image: Image.Image, heat_map: NDArray[np.floating]) -> None:
    """Paint an evidence map [h, w] in 0…1 over an RGB image in red, in place."""
    mask = Image.fromarray((heat_map * (255 * HEAT_OPACITY)).astype(np.uint8))
    image.paste(HEAT, (0, 0, *image.size), mask.resize(image.size, Image.Resampling.BILINEAR))
