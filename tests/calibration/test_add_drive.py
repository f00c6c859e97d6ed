"""A further clean drive added to a calibration."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from mle_uvad.calibration import Calibration, add_drive, calibrate_on_tub
from mle_uvad.calibration.calibration import BLOCKS_MAX, BYTES_MAX
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.scorer import Scorer
from mle_uvad.edge.tubs.tub import Tub

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
Frame = np.ndarray


@pytest.fixture(scope="module")
def scorer(shipped_bundle: Bundle) -> Scorer:
    return open_scorer(shipped_bundle)


@pytest.fixture
def calibration(
    scorer: Scorer, make_tub: Callable[..., Path], moving_frames: Callable[..., list[Frame]]
) -> Calibration:
    return calibrate_on_tub(
        scorer,
        Tub(make_tub(moving_frames(900), hz=20.0, name="first")),
        rule="clean",
        false_alarms_per_hour=1.0,
        now=NOW,
        progress=lambda done, total: None,
    )


def add(scorer: Scorer, tub: Path, calibration: Calibration) -> tuple[Calibration, list[str]]:
    lines: list[str] = []
    added = add_drive(scorer, Tub(tub), calibration, now=NOW, progress=lambda done, total: None, warn=lines.append)
    return added, lines


def test_a_calm_drive_keeps_reference_and_baseline_and_counts_its_blocks(
    scorer: Scorer,
    calibration: Calibration,
    make_tub: Callable[..., Path],
    moving_frames: Callable[..., list[Frame]],
    tmp_path: Path,
) -> None:
    added, lines = add(scorer, make_tub(moving_frames(900), hz=20.0, name="second"), calibration)
    assert lines == []
    assert added.thresholds.reference is calibration.thresholds.reference
    assert added.thresholds.baseline is calibration.thresholds.baseline
    assert added.maxima.shape[1] > 1.8 * calibration.maxima.shape[1]
    assert added.observable_rate is not None
    assert calibration.observable_rate is not None
    assert added.observable_rate < 0.6 * calibration.observable_rate
    assert added.duration_s == pytest.approx(2 * calibration.duration_s, abs=1)
    added.save(tmp_path / "calibration.json")
    assert Calibration.load(tmp_path / "calibration.json").maxima.shape == added.maxima.shape


def test_a_drive_that_exceeds_the_baseline_is_pointed_out_and_raises_the_thresholds(
    scorer: Scorer,
    calibration: Calibration,
    make_tub: Callable[..., Path],
    moving_frames: Callable[..., list[Frame]],
) -> None:
    spotted = [frame.copy() for frame in moving_frames(900)]
    rows, columns = np.nonzero(np.hypot(np.arange(120)[:, None] - 60, np.arange(160) - 75) < 34)
    for frame in spotted[400:560]:
        frame[rows, columns] = 40
    added, lines = add(scorer, make_tub(spotted, hz=20.0, name="spotted"), calibration)
    assert "the lens looked obscured for" in lines[0]
    assert added.thresholds.excess[0] > calibration.thresholds.excess[0]


def test_another_rule_or_bundle_is_refused(
    scorer: Scorer,
    calibration: Calibration,
    make_tub: Callable[..., Path],
    moving_frames: Callable[..., list[Frame]],
) -> None:
    tub = make_tub(moving_frames(900), hz=20.0, name="second")
    with pytest.raises(InputError, match="by the rule paper"):
        add(scorer, tub, replace(calibration, rule="paper"))
    with pytest.raises(InputError, match="the calibration is for model"):
        add(scorer, tub, replace(calibration, model_sha256="0" * 64))


def test_many_drives_stay_within_the_file(calibration: Calibration, tmp_path: Path) -> None:
    maxima = np.random.default_rng(0).gumbel(-1.0, 0.3, (2, BLOCKS_MAX + 100))
    added = calibration.with_drive(maxima, frames=1, duration_s=1.0, now=NOW)
    np.testing.assert_array_equal(added.maxima, maxima[:, -BLOCKS_MAX:])
    added.save(tmp_path / "calibration.json")
    assert (tmp_path / "calibration.json").stat().st_size < BYTES_MAX
