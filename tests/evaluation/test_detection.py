"""Alarms against labels, on hand-written drives."""

import numpy as np
import pytest

from mle_uvad.evaluation.protocols.detection import durations_s, frame_truth, judge
from mle_uvad.evaluation.simulation.labels import Label

TIMES_S = np.arange(500) / 20
LABELS = [Label("front_drop", 100, 200, 0.3), Label("front_drop", 300, 400, 0.2)]


def said(*segments: tuple[int, int]) -> np.ndarray:
    obscured = np.zeros(500, bool)
    for start, end in segments:
        obscured[start:end] = True
    return obscured


def test_delays_misses_and_false_alarms() -> None:
    verdict = judge(LABELS, said((10, 20), (130, 210), (480, 490)), np.zeros(500), TIMES_S)
    assert [episode.delay_s for episode in verdict.episodes] == [1.5, None]
    assert verdict.flagged == 1
    assert verdict.false_alarms == 2
    assert verdict.clean_hours == pytest.approx((500 - 2 * 160) / 20 / 3600)


def test_an_alarm_up_to_three_seconds_after_an_episode_is_neither_right_nor_false() -> None:
    assert judge(LABELS, said((255, 265)), np.zeros(500), TIMES_S).false_alarms == 0
    assert judge(LABELS, said((260, 265)), np.zeros(500), TIMES_S).false_alarms == 1


def test_an_alarm_that_was_on_before_the_drop_fell_detects_nothing() -> None:
    verdict = judge(LABELS, said((90, 210)), np.zeros(500), TIMES_S)
    assert verdict.flagged == 0
    assert verdict.false_alarms == 1


def test_the_auc_of_the_pcc_leaves_out_undefined_values() -> None:
    pccs = np.full(500, 0.9)
    pccs[100:200] = pccs[300:400] = 0.5
    pccs[::7] = np.nan
    assert judge(LABELS, said(), pccs, TIMES_S).pcc_auc == 1


def test_frames_settle_a_second_after_the_onset_and_three_after_the_wipe() -> None:
    found = frame_truth(LABELS, TIMES_S)
    assert [np.flatnonzero(found.episode == number).tolist() for number in (0, 1)] == [
        list(range(100, 200)),
        list(range(300, 400)),
    ]
    assert np.flatnonzero(found.settled).tolist() == [*range(120, 200), *range(320, 400)]
    assert np.flatnonzero(found.clean).tolist() == [*range(100), *range(260, 300), *range(460, 500)]


def test_a_pause_of_the_drive_counts_as_no_time() -> None:
    # The driver stopped for an hour inside the first episode: seconds of driving do not know it.
    times_s = TIMES_S.copy()
    times_s[150:] -= 1 / 20  # two frames at one moment
    verdict = judge(LABELS, said((160, 210)), np.zeros(500), times_s)
    assert verdict.episodes[0].delay_s == pytest.approx(2.95)
    assert durations_s(times_s)[149] == 0
