"""The lines and bands of a drive's timeline, as the numbers of an SVG. Pure: no text of a tub gets into them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..edge.driving import GAP_S
from .drives import Drive, Moment

WIDTH, HEIGHT = 960.0, 64.0  # units of the drawing, of each track
STEPS = 480  # of a line: more are not seen
BAND_MIN = 0.5  # units between the beginnings of two bands: nearer ones are not told apart, and a page stays small


@dataclass(frozen=True)
class Track:
    """One line over the time of a drive."""

    name: str
    low: float
    high: float
    path: str  # of SVG
    mark: float | None = None  # height of a line to compare with, in units from the top


@dataclass(frozen=True)
class Band:
    """A stretch of the drive, in units from the left."""

    left: float
    width: float
    label: str  # a status, or the number of an event


def tracks_of(drive: Drive) -> list[Track]:
    """Return the lines that the drive has values for: evidence or coverage, PCC, throttle."""
    chosen: list[tuple[str, Callable[[Moment], float | None], float, float, float | None]] = [
        ("evidence", lambda moment: moment.evidence, -2.5, 2.5, 1.0),
        ("coverage", lambda moment: moment.coverage, 0.0, 1.0, None),
        ("PCC", lambda moment: moment.pcc, 0.0, 1.0, None),
        ("throttle", lambda moment: moment.throttle, -1.0, 1.0, 0.0),
    ]
    tracks = []
    for name, value_of, low, high, mark in chosen:
        path = line([(moment.t_s, value_of(moment)) for moment in drive], low, high)
        if path:
            tracks.append(Track(name, low, high, path, None if mark is None else height_of(mark, low, high)))
    return tracks


def line(points: Sequence[tuple[float, float | None]], low: float, high: float) -> str:
    """Return an SVG path through points (seconds, value), broken where there is no value for two seconds.

    Of many points the lowest and the highest of each step are kept, so that a short peak is not lost.

    Example:
        >>> line([(0, 0.0), (1, 1.0), (9, None), (10, 0.5)], 0, 1)
        'M0.0 64.0L96.0 0.0M960.0 32.0h.1'
    """
    start_s, span_s = points[0][0], _span_s(points[0][0], points[-1][0])
    drawn: list[list[tuple[float, float]]] = []
    before_s = None
    for t_s, value in _thinned(points, start_s, span_s):
        if before_s is None or t_s - before_s > max(GAP_S, 2 * span_s / STEPS):
            drawn.append([])
        drawn[-1].append(((t_s - start_s) / span_s * WIDTH, height_of(value, low, high)))
        before_s = t_s
    # A lone point has no length; a stub makes it visible.
    return "".join(
        "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in part) + ("h.1" if len(part) == 1 else "") for part in drawn
    )


def height_of(value: float, low: float, high: float) -> float:
    """Return where a value lies on its track, in units from the top."""
    return HEIGHT * (1 - (min(max(value, low), high) - low) / (high - low))


def bands(drive: Drive, label_of: Callable[[Moment], str]) -> list[Band]:
    """Return the stretches of a drive over which a label that is not empty stays the same."""
    start_s, span_s = drive[0].t_s, _span_s(drive[0].t_s, drive[-1].t_s)
    found: list[Band] = []
    begun = 0
    for index in range(1, len(drive) + 1):
        label = label_of(drive[begun])
        if index < len(drive) and label_of(drive[index]) == label:
            continue
        left = (drive[begun].t_s - start_s) / span_s * WIDTH
        if label and not (found and left - found[-1].left < BAND_MIN):
            end_s = drive[min(index, len(drive) - 1)].t_s
            found.append(Band(left, max((end_s - start_s) / span_s * WIDTH - left, 1.0), label))
        begun = index
    return found


def _span_s(start_s: float, end_s: float) -> float:
    return max(end_s - start_s, 1e-3)


def _thinned(points: Sequence[tuple[float, float | None]], start_s: float, span_s: float) -> list[tuple[float, float]]:
    present = [(t_s, value) for t_s, value in points if value is not None]
    if len(present) <= 2 * STEPS:
        return present
    steps: dict[int, list[tuple[float, float]]] = {}
    for point in present:
        steps.setdefault(int((point[0] - start_s) / span_s * STEPS), []).append(point)
    return [
        point
        for step in steps.values()
        for point in sorted({min(step, key=lambda p: p[1]), max(step, key=lambda p: p[1])})
    ]
