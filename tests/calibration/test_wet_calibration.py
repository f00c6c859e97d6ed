"""A calibration drive with a drop on the lens is pointed out, recorded or while driving."""

import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.calibration import Calibration, calibrate_on_tub
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.scorer import Scorer
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.parts import MLEAnomalyPart

Frame = np.ndarray
HZ = 20.0


@pytest.fixture(scope="module")
def scorer(shipped_bundle: Bundle) -> Scorer:
    return open_scorer(shipped_bundle)


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


def with_drop(frames: list[Frame], first: int, last: int) -> list[Frame]:
    """Cover a circle of these frames as mud does."""
    wet = [frame.copy() for frame in frames]
    rows, columns = np.nonzero(np.hypot(np.arange(120)[:, None] - 60, np.arange(160) - 75) < 34)
    for frame in wet[first:last]:
        frame[rows, columns] = 40
    return wet


def test_a_drop_in_the_calibration_drive_is_pointed_out_with_its_time(
    scorer: Scorer, make_tub: Callable[..., Path], moving_frames: Callable[..., list[Frame]]
) -> None:
    clean = moving_frames(900)
    assert calibrate(scorer, make_tub(clean, hz=HZ, name="clean")) == []
    wet = with_drop(clean, 400, 560)
    (line,) = calibrate(scorer, make_tub(wet, hz=HZ, name="wet"))
    assert "the lens looked obscured for" in line
    start_s = float(line.split(" s into")[0].split()[-1])
    assert 20 <= start_s <= 28


@pytest.mark.parametrize(("first", "last"), [(0, 200), (740, 900), (0, 900)], ids=["its start", "its end", "all of it"])
def test_a_drop_is_pointed_out_wherever_it_is_in_the_drive(
    first: int,
    last: int,
    scorer: Scorer,
    make_tub: Callable[..., Path],
    moving_frames: Callable[..., list[Frame]],
) -> None:
    (line,) = calibrate(scorer, make_tub(with_drop(moving_frames(900), first, last), hz=HZ))
    assert "the lens looked obscured for" in line
    start_s = float(line.split(" s into")[0].split()[-1])
    assert first / HZ <= start_s <= first / HZ + 8


@pytest.mark.parametrize(
    ("drop_s", "phase"), [(None, "clean"), (20, "the reference phase"), (70, "the threshold phase"), (112, "its end")]
)
def test_eight_wet_seconds_of_a_calibration_while_driving_are_said_at_its_end(
    drop_s: int | None,
    phase: str,
    shipped_bundle: Bundle,
    tmp_path: Path,
    moving_frames: Callable[..., list[Frame]],
    caplog: Any,
) -> None:
    hz, now_s = 8.0, [1000.0]
    part = MLEAnomalyPart(shipped_bundle.folder, tmp_path / "made.json", tmp_path / "lens.db", clock=lambda: now_s[0])
    lap = moving_frames(160)
    messages: list[str] = []
    for number in range(round(130 * hz)):
        now_s[0] += 1 / hz
        frame = lap[number % 160] ^ np.uint8(number // 160 % 2)
        if drop_s is not None and drop_s * hz <= number < (drop_s + 8) * hz:
            (frame,) = with_drop([frame], 0, 1)
        messages.append(part.run(frame, number == 0)[5])
    part.shutdown()
    assert Calibration.load(tmp_path / "made.json").thresholds.judges_cells
    ends = [text for text in dict.fromkeys(messages) if text.startswith("lens calibrated")]
    if drop_s is None:
        assert ends == ["lens calibrated"]
        return
    (line,) = ends
    assert line in caplog.text
    found = re.fullmatch(
        r"lens calibrated, but the lens looked obscured for (\d+) s, (\d+) s into the drive: faults like this one may"
        r" give no event; wipe the lens and calibrate again",
        line,
    )
    assert found is not None
    assert drop_s <= int(found[2]) <= drop_s + 5
    assert 3 <= int(found[1]) <= 12
    assert messages[-1] == line, "it stays for a minute"
