"""When the frames of a cache were seen, and where each drive without a gap begins."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from mle_uvad.edge.driving import GAP_S
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.training.cache import FrameCache, build_cache

MakeTub = Callable[..., Path]


def retimed(tub: Path, times_s: Sequence[float], sessions: Sequence[str]) -> Path:
    """The same tub, its records seen at these times in these sessions."""
    (catalog,) = tub.glob("*.catalog")
    records = [json.loads(line) for line in catalog.read_text().splitlines()]
    for record, t_s, session in zip(records, times_s, sessions, strict=True):
        record["_timestamp_ms"] = 1_700_000_000_000 + round(t_s * 1000)
        record["_session_id"] = session
    catalog.write_text("".join(json.dumps(record) + "\n" for record in records))
    return tub


def build(folder: Path, *tubs: Path) -> FrameCache:
    return build_cache([Tub(tub) for tub in tubs], folder, lambda done, total: None)


def test_a_drive_without_a_gap_is_one_stretch_on_its_own_clock(make_tub: MakeTub, tmp_path: Path) -> None:
    cache = build(tmp_path / "cache", make_tub(70))
    assert cache.clock_s == pytest.approx(np.arange(70) / 20, abs=1e-5)
    assert set(cache.starts) == {0}


def test_a_gap_a_step_back_and_a_session_each_begin_a_stretch(make_tub: MakeTub, tmp_path: Path) -> None:
    times_s = np.arange(70) / 20
    times_s[20:] += 3600  # the driver had lunch
    times_s[40:] -= 5000  # the clock was set
    tub = retimed(make_tub(70), times_s.tolist(), ["a"] * 55 + ["b"] * 15)
    cache = build(tmp_path / "cache", tub)
    assert cache.starts.tolist() == [0] * 20 + [20] * 20 + [40] * 15 + [55] * 15
    steps_s = np.diff(cache.clock_s)
    assert steps_s[[19, 39, 54]] == pytest.approx(GAP_S, abs=1e-5)
    assert np.delete(steps_s, [19, 39, 54]) == pytest.approx(0.05, abs=1e-5)


def test_a_pause_just_short_of_a_gap_is_none(make_tub: MakeTub, tmp_path: Path) -> None:
    times_s = np.arange(70) / 20
    times_s[30:] += GAP_S - 0.05
    cache = build(tmp_path / "cache", retimed(make_tub(70), times_s.tolist(), ["a"] * 70))
    assert set(cache.starts) == {0}
    assert cache.clock_s[30] - cache.clock_s[29] == pytest.approx(GAP_S, abs=1e-5)


def test_every_tub_begins_a_stretch(make_tub: MakeTub, tmp_path: Path) -> None:
    cache = build(tmp_path / "cache", make_tub(40, name="first"), make_tub(30, name="second"))
    assert cache.starts.tolist() == [0] * 40 + [40] * 30
    assert np.diff(cache.clock_s)[39] == pytest.approx(GAP_S, abs=1e-5)
    assert (np.diff(cache.clock_s) > 0).all()


def test_the_clock_goes_on_over_pictures_that_were_skipped_also_from_the_file(
    make_tub: MakeTub, tmp_path: Path
) -> None:
    tub = make_tub(70)
    for number in (0, 5, 6):
        (tub / "images" / f"{number}_cam_image_array_.jpg").write_bytes(b"")
    seen = np.delete(np.arange(70), [0, 5, 6])
    for _ in range(2):
        cache = build(tmp_path / "cache", tub)
        assert cache.clock_s == pytest.approx((seen - 1) / 20, abs=1e-5)
        assert len(cache.clock_s) == len(cache.starts) == len(cache) == 67


def test_a_drive_whose_times_alone_differ_is_another_cache(make_tub: MakeTub, tmp_path: Path) -> None:
    tub = make_tub(70)
    first = build(tmp_path / "cache", tub).fingerprint
    retimed(tub, (np.arange(70) / 10).tolist(), ["a"] * 70)
    assert build(tmp_path / "cache", tub).fingerprint != first
