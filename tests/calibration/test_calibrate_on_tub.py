"""Calibration on a recorded drive with a real bundle, and the drives that are refused."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mle_uvad.calibration import Calibration, calibrate_on_tub, on_tub
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.monitor import Monitor
from mle_uvad.edge.scorer import Scorer
from mle_uvad.edge.tubs.tub import Tub

Frame = NDArray[np.uint8]
MakeTub = Callable[..., Path]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
HZ = 8.0
COUNT = 320  # 40 s


@pytest.fixture(scope="module")
def scorer(bundle: Bundle) -> Scorer:
    if (bundle.height, bundle.width) != (120, 160):
        pytest.skip(f"the drives of these tests are 160x120, the bundle given takes {bundle.width}x{bundle.height}")
    return open_scorer(bundle)


@pytest.fixture(scope="module")
def clean_frames(moving_frames: Callable[..., list[Frame]]) -> list[Frame]:
    return moving_frames(COUNT)


def calibrate(scorer: Scorer, folder: Path, rule: str = "clean", rate: float = 1.0) -> Calibration:
    seen: list[tuple[int, int]] = []
    tub = Tub(folder)
    calibration = calibrate_on_tub(
        scorer,
        tub,
        rule=rule,
        false_alarms_per_hour=rate,
        now=NOW,
        progress=lambda done, total: seen.append((done, total)),
    )
    total = (2 if rule == "clean" else 1) * len(tub.records)  # the rule clean plays the drive once a phase
    assert [each for _, each in seen] == [total] * len(seen)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    return calibration


def refused(scorer: Scorer, folder: Path, rule: str = "clean", rate: float = 1.0) -> str:
    with pytest.raises(InputError) as caught:
        calibrate(scorer, folder, rule, rate)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_clean_drive_becomes_a_calibration_under_which_it_is_clear(
    scorer: Scorer, make_tub: MakeTub, clean_frames: list[Frame], tmp_path: Path
) -> None:
    folder = make_tub(clean_frames, hz=HZ)
    calibration = calibrate(scorer, folder)
    assert (calibration.frames, calibration.duration_s) == (COUNT, pytest.approx((COUNT - 1) / HZ))
    assert (calibration.rule, calibration.false_alarms_per_hour) == ("clean", 1.0)
    assert (calibration.height, calibration.width, calibration.backend) == (120, 160, "ort")
    assert calibration.created_at == "2026-01-02T03:04:05+00:00"
    assert calibration.mismatch(scorer.bundle, scorer.backend.name) == ""
    calibration.save(tmp_path / "calibration.json")
    monitor = Monitor(scorer, Calibration.load(tmp_path / "calibration.json").thresholds)
    readings = [monitor.update(frame, record.timestamp_ms / 1000) for record, frame in Tub(folder).frames()]
    assert not any(reading.alarm.obscured for reading in readings)
    # The same scene through a smear: every cell has lost its edges, and the scene still moves.
    dull = [(frame // 6 + 100).astype(np.uint8) for frame in clean_frames[:80]]
    covered = [monitor.update(frame, readings[-1].t_s + (i + 1) / HZ) for i, frame in enumerate(dull)]
    assert covered[-1].alarm.obscured
    assert covered[-1].evidence.coverage > 0.5


@pytest.mark.parametrize("rule", ["paper", "median"])
def test_the_papers_rules_need_no_rate(scorer: Scorer, make_tub: MakeTub, clean_frames: list[Frame], rule: str) -> None:
    calibration = calibrate(scorer, make_tub(clean_frames, hz=HZ), rule=rule)
    assert (calibration.rule, calibration.false_alarms_per_hour) == (rule, None)
    assert calibration.thresholds.pcc[2] == 1.0
    assert calibration.thresholds.averaging_s == 0


def test_the_same_drive_gives_the_same_thresholds(scorer: Scorer, make_tub: MakeTub, clean_frames: list[Frame]) -> None:
    folder = make_tub(clean_frames, hz=HZ)
    first, again = (calibrate(scorer, folder) for _ in range(2))
    assert first.thresholds.pcc == again.thresholds.pcc
    assert first.thresholds.excess == again.thresholds.excess
    assert np.array_equal(first.thresholds.baseline, again.thresholds.baseline)
    assert np.array_equal(first.thresholds.reference, again.thresholds.reference)


def test_a_few_unreadable_and_dark_frames_are_left_out(
    scorer: Scorer, make_tub: MakeTub, clean_frames: list[Frame]
) -> None:
    frames = [*clean_frames, *[np.zeros((120, 160, 3), np.uint8)] * 5]
    folder = make_tub(frames, hz=HZ)
    for index in (3, 50):
        (folder / "images" / f"{index}_cam_image_array_.jpg").write_bytes(b"")
    assert calibrate(scorer, folder).frames == COUNT - 2


def test_a_mostly_dark_drive_is_refused_with_the_counts(
    scorer: Scorer, make_tub: MakeTub, clean_frames: list[Frame]
) -> None:
    folder = make_tub([*clean_frames[:30], *[np.zeros((120, 160, 3), np.uint8)] * 20], hz=HZ)
    line = refused(scorer, folder)
    assert "20 dark of 50" in line
    assert "record with the lens uncovered" in line
    assert str(folder) in line


def test_a_drive_of_another_camera_size_is_refused_with_both_sizes(scorer: Scorer, make_tub: MakeTub) -> None:
    line = refused(scorer, make_tub([np.zeros((60, 80, 3), np.uint8)] * 5, hz=HZ))
    assert "[60, 80, 3]" in line
    assert "[120, 160, 3]" in line


def test_a_drive_without_a_readable_image_is_refused(scorer: Scorer, make_tub: MakeTub) -> None:
    folder = make_tub(3)
    for image in (folder / "images").iterdir():
        image.write_bytes(b"")
    assert str(folder) in refused(scorer, folder)


def test_a_short_drive_a_frozen_one_an_unknown_rule_and_a_wrong_rate_are_refused(
    scorer: Scorer, make_tub: MakeTub, clean_frames: list[Frame]
) -> None:
    assert "100 frames" in refused(scorer, make_tub(clean_frames[:100], name="short", hz=HZ))
    frozen = make_tub([*clean_frames[:100], *[clean_frames[100]] * 220], name="frozen", hz=HZ)
    assert "froze" in refused(scorer, frozen)
    assert "froze" in refused(scorer, frozen, rule="paper")
    assert "clean, pcc, paper, median" in refused(scorer, frozen, rule="robust")
    assert "give 1e-06 or more" in refused(scorer, make_tub(clean_frames[:5], name="tiny"), rate=0.0)


def test_a_standing_car_is_refused_by_the_clean_rule(
    scorer: Scorer, make_tub: MakeTub, clean_frames: list[Frame], rng: np.random.Generator
) -> None:
    still = [(clean_frames[0] // 8 * 8 + rng.integers(0, 2, (120, 160, 1))).astype(np.uint8) for _ in range(220)]
    line = refused(scorer, make_tub([*clean_frames[:100], *still], hz=HZ))
    assert "the car stood" in line
    assert "calibrate while driving" in line


def test_the_pcc_rule_has_thresholds_on_both_sides_and_none_for_the_cells(
    scorer: Scorer, make_tub: MakeTub, clean_frames: list[Frame]
) -> None:
    calibration = calibrate(scorer, make_tub(clean_frames, hz=HZ), rule="pcc")
    low, median, high = calibration.thresholds.pcc
    assert -1 < low < median < high < 1
    assert calibration.thresholds.excess == (np.inf, np.inf)
    assert (calibration.rule, calibration.false_alarms_per_hour) == ("pcc", 1.0)


def test_the_threshold_phase_is_scored_with_the_reference_of_the_first(
    scorer: Scorer, make_tub: MakeTub, clean_frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer.reference = np.full_like(scorer.bundle.reference, 7)  # left by another calibration
    used: list[Any] = []
    real = scorer.score

    def score(frame: Frame, t_s: float) -> Any:
        used.append(scorer.reference)
        return real(frame, t_s)

    monkeypatch.setattr(scorer, "score", score)
    folder = make_tub(clean_frames, hz=HZ)
    calibration = calibrate(scorer, folder)
    assert len(used) == 2 * COUNT
    assert all(reference is scorer.bundle.reference for reference in used[:COUNT])
    assert all(reference is calibration.thresholds.reference for reference in used[COUNT:])
    assert not np.array_equal(calibration.thresholds.reference, scorer.bundle.reference)
    # On the drive that it was made from, the median of the feature maps is that of the reference.
    scorer.restart()
    scores = [real(frame, i / HZ) for i, frame in enumerate(clean_frames)]
    feature_maps = np.array([each.feature_maps for each in scores if each.warmed_up])
    assert np.median(feature_maps, axis=0) == pytest.approx(calibration.thresholds.reference[0], abs=0.02)
    assert len(calibrate(scorer, folder, rule="pcc").thresholds.reference) == 2
    assert used[-1] is scorer.bundle.reference


def test_of_a_long_drive_stretches_from_all_over_it_are_used(
    scorer: Scorer, make_tub: MakeTub, moving_frames: Callable[..., list[Frame]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_tub(moving_frames(400), hz=HZ)
    whole = calibrate(scorer, folder)
    monkeypatch.setattr(on_tub, "STRETCH_FRAMES", 49)
    tub, seen = Tub(folder), []
    made = calibrate_on_tub(
        scorer,
        tub,
        rule="clean",
        false_alarms_per_hour=1.0,
        now=NOW,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (2 * 8 * 49, 2 * 8 * 49)
    assert made.frames == 8 * 49 < whole.frames
    assert made.thresholds.excess == pytest.approx(whole.thresholds.excess, rel=0.5)
    assert len(tub.records) == 400, "the caller's tub is another"


@pytest.mark.parametrize("records", [8000, 8001, 8007, 9000, 100_000])
def test_the_stretches_are_in_order_and_reach_both_ends(records: int, make_tub: MakeTub) -> None:
    tub = Tub(make_tub(1))
    tub.records = [replace(tub.records[0], index=index) for index in range(records)]
    indexes = [record.index for record in on_tub._stretches(tub).records]
    assert len(indexes) == 8000
    assert indexes == sorted(set(indexes))
    assert (indexes[0], indexes[-1]) == (0, records - 1)
