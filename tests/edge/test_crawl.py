"""A car that crawls gives no evidence; one whose whole lens is covered by a film does."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mle_uvad.calibration import Calibration
from mle_uvad.calibration.rules import MOTION_SHARE, crawl_below
from mle_uvad.edge.scorer import STILL_MOTION, FrameScore

DRIVING = FrameScore("ok", 0.8, warmed_up=True, motion=0.06, contrast=0.2, crawl_below=(0.018, 0.09))


def test_a_crawl_is_slow_for_its_contrast_too() -> None:
    assert DRIVING.is_informative
    crawling = replace(DRIVING, motion=0.012)
    assert crawling.is_stationary
    behind_a_film = replace(DRIVING, motion=0.012, contrast=0.04)  # both a fifth
    assert behind_a_film.is_informative
    assert replace(behind_a_film, motion=STILL_MOTION / 2).is_stationary


def test_without_a_calibration_only_a_car_that_stands_is_stationary() -> None:
    fresh = FrameScore("ok", 0.8, warmed_up=True, motion=STILL_MOTION * 1.01, contrast=0.9)
    assert fresh.is_informative
    assert replace(fresh, motion=STILL_MOTION * 0.99).is_stationary


def test_the_limits_are_shares_of_the_drives_own_motion(rng: np.random.Generator) -> None:
    motions = np.concatenate([rng.uniform(0.04, 0.08, 700), np.full(200, 0.001)])
    motion, relative = crawl_below(motions, np.full(900, 0.25))
    assert motion == MOTION_SHARE * np.quantile(motions, 0.75)
    assert np.isclose(relative, motion / 0.25)


def test_a_calibration_keeps_the_limits_and_an_older_one_has_none(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    limits = calibration.thresholds.crawl_below
    assert limits[0] > 0
    calibration.save(path)
    assert Calibration.load(path).thresholds.crawl_below == limits
    path.write_text(path.read_text().replace('"crawl_below"', '"another_key"'))
    assert Calibration.load(path).thresholds.crawl_below == (0.0, 0.0)
