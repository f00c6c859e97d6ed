"""A calibration drive with a drop on the lens is pointed out."""

from collections.abc import Callable
from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from mle_uvad.calibration import calibrate_on_tub
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.scorer import Scorer
from mle_uvad.edge.tubs.tub import Tub

Frame = np.ndarray
HZ = 20.0


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    """The network that ships, which judges without a calibration."""
    return open_scorer(Bundle.load(Path(str(files("mle_uvad") / "base"))))


def calibrate(scorer: Scorer, tub: Path) -> list[str]:
    lines: list[str] = []
    calibrate_on_tub(
        scorer,
        Tub(tub),
        rule="clean",
        false_alarms_per_hour=1.0,
        now=datetime(2026, 1, 2, tzinfo=timezone.utc),
        progress=lambda done, total: None,
        warn=lines.append,
    )
    return lines


def test_a_drop_in_the_calibration_drive_is_pointed_out_with_its_time(
    scorer: Scorer, make_tub: Callable[..., Path], moving_frames: Callable[..., list[Frame]]
) -> None:
    clean = moving_frames(900)
    assert calibrate(scorer, make_tub(clean, hz=HZ, name="clean")) == []
    wet = [frame.copy() for frame in clean]
    rows, columns = np.nonzero(np.hypot(np.arange(120)[:, None] - 60, np.arange(160) - 75) < 34)
    for frame in wet[400:560]:
        frame[rows, columns] = 40
    (line,) = calibrate(scorer, make_tub(wet, hz=HZ, name="wet"))
    assert "the lens looks obscured for" in line
    start_s = float(line.split(" s into")[0].split()[-1])
    assert 20 <= start_s <= 28
