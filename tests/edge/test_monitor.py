"""Scorer, evidence and alarm in a row, on a real bundle."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.evidence import Thresholds, mean_of_worst
from mle_uvad.edge.monitor import Monitor, Reading
from mle_uvad.edge.reference import make_reference
from mle_uvad.edge.scorer import Scorer

Frame = NDArray[np.uint8]
HZ = 20.0


@pytest.fixture
def scorer(bundle: Bundle) -> Scorer:
    return open_scorer(bundle)


@pytest.fixture
def frames(bundle: Bundle, moving_frames: Callable[..., list[Frame]]) -> list[Frame]:
    if (bundle.height, bundle.width) != (120, 160):
        pytest.skip(f"the frames of this test are 160x120, the bundle given takes {bundle.width}x{bundle.height}")
    return moving_frames(80)


def wide_limits(scorer: Scorer, frames: list[Frame], averaging_s: float = 0.5) -> Thresholds:
    """Around what these frames score, by the PCC and by the cells."""
    seen = [scorer.score(frame, i / HZ) for i, frame in enumerate(frames)]
    reference = make_reference(np.stack([score.feature_maps for score in seen if score.feature_maps is not None]))
    scorer.reference = reference
    scorer.restart()
    scores = [scorer.score(frame, i / HZ) for i, frame in enumerate(frames)]
    pccs = np.array([score.pcc for score in scores], np.float64)
    logits = np.array([score.logits for score in scores if score.warmed_up])
    baseline = np.median(logits, axis=0)
    threshold = float(mean_of_worst((logits - baseline).reshape(len(logits), -1)).max()) + 0.5
    pcc = (float(pccs.min()) - 0.01, float(pccs.mean()), float(pccs.max()) + 0.01)
    scorer.restart()
    return Thresholds(pcc, np.stack([baseline, baseline]), (threshold, threshold), averaging_s, reference)


def by_pcc(thresholds: Thresholds) -> Thresholds:
    """The cells left out: the evidence then waits for no memory."""
    return replace(thresholds, excess=(math.inf, math.inf))


def smeared(frames: list[Frame]) -> list[Frame]:
    """A smear over the whole lens: little contrast is left, and none of it sharp."""
    return [(frame // 8 + 100 + i % 2).astype(np.uint8) for i, frame in enumerate(frames)]


def readings(monitor: Monitor, frames: Sequence[Frame | None], start_s: float = 0.0) -> list[Reading]:
    return [monitor.update(frame, start_s + i / HZ) for i, frame in enumerate(frames)]


def test_a_clear_drive_raises_nothing_and_a_covered_lens_does(scorer: Scorer, frames: list[Frame]) -> None:
    monitor = Monitor(scorer, wide_limits(scorer, frames))
    clear = readings(monitor, frames)
    assert clear[-1].alarm.status == "ok"
    assert not any(reading.alarm.obscured for reading in clear)
    covered = readings(monitor, smeared(frames), start_s=4.0)
    assert covered[-1].alarm.status == "obscured"
    assert covered[-1].evidence.coverage > 0.5
    assert covered[-1].evidence.map is not None
    assert covered[-1].evidence.map.max() == 1.0


def test_a_camera_that_hands_out_one_frame_for_ever_is_frozen(scorer: Scorer, frames: list[Frame]) -> None:
    monitor = Monitor(scorer, wide_limits(scorer, frames))
    readings(monitor, frames)
    by_object = readings(monitor, [frames[-1]] * 40, start_s=4.0)
    assert by_object[-1].alarm.status == "frozen"
    again = readings(monitor, frames[:1], start_s=6.0)[0]
    assert again.alarm.status == "warmup", "the running means still hold the frozen frame"
    assert again.score.pcc is not None
    by_content = readings(monitor, [frames[3].copy() for _ in range(40)], start_s=6.05)
    assert by_content[-1].alarm.status == "frozen"


def spoil(monitor: Monitor, frames: list[Frame]) -> Reading:
    """The reading of a good frame after a drive, some uninformative frames, and each of their statuses."""
    assert readings(monitor, [None, None])[-1].alarm.status == "no_frame"
    assert readings(monitor, frames, start_s=0.1)[-1].alarm.status == "ok"
    black = np.zeros((120, 160, 3), np.uint8)
    assert readings(monitor, [black], start_s=4.1)[0].alarm.status == "dark"
    assert readings(monitor, [np.full_like(black, 128)], start_s=4.15)[0].alarm.status == "flat"
    assert readings(monitor, [black[:60]], start_s=4.2)[0].alarm.status == "error"
    assert readings(monitor, [None], start_s=4.25)[0].alarm.status == "no_frame"
    return readings(monitor, frames[:1], start_s=4.3)[0]


def test_no_frame_dark_and_bad_frames_are_published_and_forgotten(scorer: Scorer, frames: list[Frame]) -> None:
    thresholds = wide_limits(scorer, frames)
    assert spoil(Monitor(scorer, by_pcc(thresholds)), frames).alarm.status == "ok"
    scorer.restart()
    assert spoil(Monitor(scorer, thresholds), frames).alarm.status == "warmup"  # the running means begins again


def test_the_reference_of_the_calibration_is_the_scorers(scorer: Scorer, frames: list[Frame]) -> None:
    thresholds = wide_limits(scorer, frames)
    assert not np.array_equal(thresholds.reference, scorer.bundle.reference)
    scorer.reference = scorer.bundle.reference
    Monitor(scorer, None)
    assert scorer.reference is scorer.bundle.reference
    Monitor(scorer, thresholds)
    assert scorer.reference is thresholds.reference


def test_a_car_that_stops_keeps_its_event_and_one_that_drives_on_does_not(
    scorer: Scorer, frames: list[Frame], rng: np.random.Generator
) -> None:
    monitor = Monitor(scorer, wide_limits(scorer, frames))
    smear = smeared(frames)
    event = readings(monitor, 2 * smear)[-1].alarm
    assert event.obscured
    noise = rng.normal(0, 1, (80, 120, 160, 1))  # of the sensor
    standing = [(frames[-1] + one).clip(0, 255).astype(np.uint8) for one in noise]
    stopped = readings(monitor, smeared(standing), start_s=8.0)
    assert {reading.alarm.event_id for reading in stopped} == {event.event_id}
    assert stopped[-1].alarm.status == "still"
    assert not readings(monitor, frames, start_s=12.0)[-1].alarm.obscured


def test_a_calibration_keeps_the_last_known_coverage_of_an_open_event(scorer: Scorer, frames: list[Frame]) -> None:
    thresholds = wide_limits(scorer, frames)
    monitor = Monitor(scorer, thresholds)
    known = readings(monitor, 2 * smeared(frames))[-1]
    assert known.alarm.obscured
    assert known.evidence.coverage > 0.5
    monitor.set_reference(thresholds.reference)
    (calibrating,) = readings(monitor, frames[:1], start_s=8.0)
    monitor.set_thresholds(thresholds)
    scorer.restart()
    (warming_up,) = readings(monitor, frames[:1], start_s=8.05)
    for reading, status in ((calibrating, "calibrating"), (warming_up, "warmup")):
        assert reading.alarm.status == status
        assert reading.evidence.status == status
        assert reading.evidence.coverage == known.evidence.coverage
        assert reading.evidence.map is known.evidence.map
    monitor.restart()
    assert readings(monitor, frames[:1], start_s=9.0)[0].evidence.map is None, "no event is open"


def test_the_same_drive_gives_the_same_readings(scorer: Scorer, frames: list[Frame]) -> None:
    thresholds = wide_limits(scorer, frames)
    first, again = (readings(Monitor(scorer, thresholds), frames) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert one.score.pcc == other.score.pcc
        assert one.evidence.value == other.evidence.value
        assert math.isfinite(one.evidence.value)
        assert one.alarm == other.alarm


def test_event_ids_go_on_from_the_one_given(scorer: Scorer, frames: list[Frame]) -> None:
    narrow = replace(by_pcc(wide_limits(scorer, frames)), pcc=(0.9999, 0.99995, 0.99999))
    assert readings(Monitor(scorer, narrow, next_event_id=41), frames)[-1].alarm.event_id == 41


def test_a_restart_ends_the_event_and_keeps_its_number(scorer: Scorer, frames: list[Frame]) -> None:
    monitor = Monitor(scorer, wide_limits(scorer, frames), next_event_id=7)
    smear = 2 * smeared(frames)
    assert readings(monitor, smear)[-1].alarm.event_id == 7
    monitor.restart()
    assert not any(reading.alarm.obscured for reading in readings(monitor, frames, start_s=86_400.0))
    assert readings(monitor, smear, start_s=86_410.0)[-1].alarm.event_id == 8


def test_a_buffer_that_the_camera_fills_again_is_no_frozen_camera(scorer: Scorer, frames: list[Frame]) -> None:
    monitor, buffer = Monitor(scorer, None), frames[0].copy()
    statuses = []
    for i, frame in enumerate(frames):
        buffer[:] = frame
        statuses.append(monitor.update(buffer, i / HZ).alarm.status)
    assert set(statuses) == {"uncalibrated"}


def test_the_network_looks_five_times_a_second_and_at_every_frame_while_calibrating(
    scorer: Scorer, frames: list[Frame]
) -> None:
    monitor = Monitor(scorer, wide_limits(scorer, frames))
    driven = readings(monitor, frames)
    assert [index for index, reading in enumerate(driven) if reading.score.logits is not None] == list(range(0, 80, 4))
    assert driven[-1].alarm.status == "ok"
    monitor.set_reference(scorer.reference)
    calibrating = readings(monitor, frames, start_s=4.0)
    assert all(reading.score.logits is not None for reading in calibrating)
    monitor.set_thresholds(None)
    assert sum(reading.score.logits is not None for reading in readings(monitor, frames, start_s=8.0)) == 20
