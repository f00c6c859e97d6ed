"""Scorer, evidence and alarm in a row, on a real bundle."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.evidence import Limits
from mle_uvad.edge.monitor import Monitor, Reading
from mle_uvad.edge.scorer import Scorer

Frame = NDArray[np.uint8]
HZ = 20.0


@pytest.fixture
def scorer(bundle: Bundle) -> Scorer:
    return Scorer(bundle)


@pytest.fixture
def frames(bundle: Bundle, moving_frames: Callable[..., list[Frame]]) -> list[Frame]:
    if (bundle.height, bundle.width) != (120, 160):
        pytest.skip(f"the frames of this test are 160x120, the bundle given takes {bundle.width}x{bundle.height}")
    return moving_frames(60)


def wide_limits(scorer: Scorer, frames: list[Frame]) -> Limits:
    """Around what these frames score."""
    scores = [scorer.score(frame) for frame in frames]
    pccs = np.array([score.pcc for score in scores], np.float64)
    sharpness = np.array([score.maps for score in scores])[:, 1]
    places = np.stack([sharpness.min(0) - 1, sharpness.mean(0), sharpness.max(0) + 1]).astype(np.float32)
    return Limits((float(pccs.min()) - 0.01, float(pccs.mean()), float(pccs.max()) + 0.01), places, 1.0, 1.0)


def watch(monitor: Monitor, frames: list[Frame | None], start_s: float = 0.0) -> list[Reading]:
    return [monitor.watch(frame, start_s + i / HZ) for i, frame in enumerate(frames)]


def test_a_clear_drive_raises_nothing_and_a_covered_lens_does(scorer: Scorer, frames: list[Frame]) -> None:
    monitor = Monitor(scorer, wide_limits(scorer, frames))
    clear = watch(monitor, frames)
    assert clear[-1].alarm.status == "ok"
    assert not any(reading.alarm.obscured for reading in clear)
    # A smear over the whole lens: little contrast is left, and none of it sharp.
    smear = [(frame // 8 + 100 + i % 2).astype(np.uint8) for i, frame in enumerate(frames)]
    covered = watch(monitor, smear, start_s=3.0)
    assert covered[-1].evidence.coverage > 0.5
    assert covered[-1].evidence.map is not None
    assert covered[-1].evidence.map.max() == 1.0


def test_a_camera_that_hands_out_one_frame_for_ever_is_frozen(scorer: Scorer, frames: list[Frame]) -> None:
    monitor = Monitor(scorer, wide_limits(scorer, frames))
    watch(monitor, frames)
    by_object = watch(monitor, [frames[-1]] * 40, start_s=3.0)
    assert by_object[-1].alarm.status == "frozen"
    assert watch(monitor, [frames[0]], start_s=5.0)[0].alarm.status == "ok"
    by_content = watch(monitor, [frames[3].copy() for _ in range(40)], start_s=5.05)
    assert by_content[-1].alarm.status == "frozen"


def test_no_frame_dark_and_bad_frames_are_published_and_forgotten(scorer: Scorer, frames: list[Frame]) -> None:
    monitor = Monitor(scorer, wide_limits(scorer, frames))
    assert watch(monitor, [None, None])[-1].alarm.status == "no_frame"
    watch(monitor, frames, start_s=0.1)
    black = np.zeros((120, 160, 3), np.uint8)
    assert watch(monitor, [black], start_s=3.1)[0].alarm.status == "dark"
    assert watch(monitor, [black + 128], start_s=3.15)[0].alarm.status == "flat"
    assert watch(monitor, [black[:60]], start_s=3.2)[0].alarm.status == "error"
    assert watch(monitor, [None], start_s=3.25)[0].alarm.status == "no_frame"
    assert watch(monitor, frames[:1], start_s=3.3)[0].alarm.status == "ok"


def test_the_same_drive_gives_the_same_readings(scorer: Scorer, frames: list[Frame]) -> None:
    limits = wide_limits(scorer, frames)
    first, again = (watch(Monitor(scorer, limits), frames) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert one.score.pcc == other.score.pcc
        assert one.evidence.value == other.evidence.value
        assert math.isfinite(one.evidence.value)
        assert one.alarm == other.alarm


def test_event_ids_go_on_from_the_one_given(scorer: Scorer, frames: list[Frame]) -> None:
    narrow = Limits((0.9999, 0.99995, 0.99999), wide_limits(scorer, frames).places, 1.0, 0.0)
    assert watch(Monitor(scorer, narrow, next_event_id=41), frames)[-1].alarm.event_id == 41


def test_a_restart_ends_the_event_and_keeps_its_number(scorer: Scorer, frames: list[Frame]) -> None:
    monitor = Monitor(scorer, wide_limits(scorer, frames), next_event_id=7)
    smear = [(frame // 8 + 100 + i % 2).astype(np.uint8) for i, frame in enumerate(frames)]
    assert watch(monitor, smear)[-1].alarm.event_id == 7
    monitor.restart()
    assert not any(reading.alarm.obscured for reading in watch(monitor, frames, start_s=86_400.0))
    assert watch(monitor, smear, start_s=86_410.0)[-1].alarm.event_id == 8


def test_a_buffer_that_the_camera_fills_again_is_no_frozen_camera(scorer: Scorer, frames: list[Frame]) -> None:
    monitor, buffer = Monitor(scorer, None), frames[0].copy()
    statuses = []
    for i, frame in enumerate(frames):
        buffer[:] = frame
        statuses.append(monitor.watch(buffer, i / HZ).alarm.status)
    assert set(statuses) == {"uncalibrated"}
