"""Judging a drive against its labels, by hand."""

import math

import numpy as np
import pytest

from mle_uvad.evaluation.drives import Label
from mle_uvad.evaluation.judge import auc, judge

LABELS = [Label("front_drop", 100, 200, 0.3), Label("front_drop", 300, 400, 0.2)]


def said(*stretches: tuple[int, int]) -> np.ndarray:
    obscured = np.zeros(500, bool)
    for start, end in stretches:
        obscured[start:end] = True
    return obscured


def test_delays_misses_and_false_alarms() -> None:
    verdict = judge(LABELS, said((10, 20), (130, 210), (480, 490)), np.zeros(500), hz=20)
    assert [episode.delay_s for episode in verdict.episodes] == [1.5, None]
    assert verdict.flagged == 1
    assert verdict.false_alarms == 2
    assert verdict.clean_hours == pytest.approx((500 - 2 * 160) / 20 / 3600)


def test_an_alarm_up_to_three_seconds_after_an_episode_is_neither_right_nor_false() -> None:
    assert judge(LABELS, said((255, 265)), np.zeros(500), hz=20).false_alarms == 0
    assert judge(LABELS, said((260, 265)), np.zeros(500), hz=20).false_alarms == 1


def test_an_alarm_that_was_on_before_the_drop_fell_detects_nothing() -> None:
    verdict = judge(LABELS, said((90, 210)), np.zeros(500), hz=20)
    assert verdict.flagged == 0
    assert verdict.false_alarms == 1


def test_auc_counts_pairs_and_ties() -> None:
    assert auc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
    assert auc(np.array([0.0]), np.array([1.0])) == 0
    assert auc(np.array([1.0, 2.0]), np.array([1.0, 0.0])) == pytest.approx(3.5 / 4)
    assert math.isnan(auc(np.array([]), np.array([1.0])))


def test_the_auc_of_the_pcc_leaves_out_what_is_undefined() -> None:
    pccs = np.full(500, 0.9)
    pccs[100:200] = pccs[300:400] = 0.5
    pccs[::7] = np.nan
    assert judge(LABELS, said(), pccs, hz=20).pcc_auc == 1
