"""The lines and bands of a timeline."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mle_uvad.drive_report.chart import HEIGHT, STEPS, WIDTH, bands, line, tracks_of
from mle_uvad.drive_report.drives import Moment, split_drives
from mle_uvad.edge.tubs.tub import Tub


def moment(t_s: float, **values: object) -> Moment:
    known = {"status": "ok", "pcc": 0.9, "evidence": None, "coverage": 0.0, "obscured": False, "event_id": 0}
    return Moment(t_s, throttle=None, image=Path("x.jpg"), **(known | values))  # type: ignore[arg-type]


def test_a_line_is_broken_where_values_are_missing() -> None:
    assert (
        line([(0, 0.0), (1, 1.0), (2, None), (9, 0.5), (10, 0.5)], 0, 1) == "M0.0 64.0L96.0 0.0M864.0 32.0L960.0 32.0"
    )
    assert line([(0, None), (1, None)], 0, 1) == ""


def test_values_beyond_the_track_stay_inside_it() -> None:
    assert line([(0, -5.0), (1, 5.0)], 0, 1) == f"M0.0 {HEIGHT}L{WIDTH} 0.0"


def test_a_peak_of_one_frame_survives_an_hour() -> None:
    points: list[tuple[float, float | None]] = [(number / 20, 0.0) for number in range(72_000)]
    points[30_001] = (points[30_001][0], 1.0)
    path = line(points, 0, 1)
    assert path.count(" 0.0") == 1, "the peak is drawn"
    assert path.count("M") == 1
    assert path.count("L") <= 2 * STEPS


def test_bands_are_the_stretches_of_one_label() -> None:
    drive = [moment(t_s, obscured=4 <= t_s < 6, event_id=3 if 4 <= t_s < 6 else 0) for t_s in range(11)]
    [band] = bands(drive, lambda one: str(one.event_id) if one.obscured else "")
    assert (band.left, band.width, band.label) == (0.4 * WIDTH, pytest.approx(0.2 * WIDTH), "3")


def test_a_drive_of_one_record_has_a_timeline() -> None:
    drive = [moment(5.0)]
    assert [track.name for track in tracks_of(drive)] == ["coverage", "PCC"]
    assert [band.width for band in bands(drive, lambda one: one.status)] == [1.0]


def test_evidence_is_drawn_with_its_threshold_where_it_is_known() -> None:
    [evidence, *_] = tracks_of([moment(0.0, evidence=-2.5), moment(1.0, evidence=2.5)])
    assert (evidence.name, evidence.mark) == ("evidence", pytest.approx(HEIGHT * 0.3))
    assert evidence.path == f"M0.0 {HEIGHT:.1f}L{WIDTH:.1f} 0.0"


def test_evidence_of_a_lens_that_is_clearer_than_the_clean_drive_is_kept(make_tub: Callable[..., Path]) -> None:
    records = Tub(make_tub(2)).records
    [drive] = split_drives(records, {(record.index, record.timestamp_ms): {"evidence": -1.5} for record in records})
    assert [moment.evidence for moment in drive] == [-1.5, -1.5]
