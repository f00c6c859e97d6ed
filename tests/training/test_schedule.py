"""The schedule of the entropy is plain arithmetic: numbers in, numbers out."""

import pytest

from mle_uvad.training.schedule import EntropySchedule, latent_health, reconstruction_gain
from mle_uvad.training.settings import PRESETS, TrainSettings

WAITING = TrainSettings(entropy_start="on_progress", entropy_weight=2.0, sigma=0.1)


def after(epochs: list[tuple[float, float]], settings: TrainSettings = WAITING) -> EntropySchedule:
    schedule = EntropySchedule(settings)
    for gain, spread in epochs:
        schedule.finish_epoch(gain, spread)
    return schedule


def test_gain_runs_from_the_mean_frame_to_perfection() -> None:
    assert reconstruction_gain(0.6, 0.6) == 0
    assert reconstruction_gain(1.0, 0.6) == pytest.approx(1)
    assert reconstruction_gain(0.2, 0.6) == pytest.approx(-1)
    assert reconstruction_gain(1.0, 1.0) == 0


def test_at_once_pulls_with_the_settings_numbers_whatever_happens() -> None:
    schedule = after([(-1.0, 50.0), (0.9, 0.0)], PRESETS["paper"])
    assert (schedule.entropy_weight, schedule.sigma) == (1.0, 0.1)


def test_the_ramp_begins_at_nothing_and_waits_for_a_useful_reconstruction() -> None:
    assert after([]).entropy_weight == 0
    assert after([(0.0, 1.0), (0.09, 1.0), (-3.0, 1.0)]).entropy_weight == 0


def test_ten_useful_epochs_reach_the_full_weight_and_stay_there() -> None:
    weights = [after([(0.5, 1.0)] * epochs).entropy_weight for epochs in range(13)]
    assert weights == pytest.approx([0.2 * epochs for epochs in range(11)] + [2.0, 2.0])


def test_an_epoch_that_lost_half_of_the_best_gain_steps_down() -> None:
    climbing = [(0.8, 1.0)] * 4
    assert after([*climbing, (0.41, 1.0)]).ramp == pytest.approx(0.5)
    assert after([*climbing, (0.39, 1.0)]).ramp == pytest.approx(0.3)
    assert after([*climbing, (0.39, 1.0), (0.39, 1.0), (0.8, 1.0)]).ramp == pytest.approx(0.3)


def test_the_ramp_never_leaves_zero_to_one() -> None:
    assert after([(0.9, 1.0)] * 3 + [(0.0, 1.0)] * 30).ramp == 0
    assert after([(0.9, 1.0)] * 40).ramp == 1


def test_sigma_follows_the_spread_down_to_its_target() -> None:
    assert [after([(0.5, spread)]).sigma for spread in (8.0, 2.0, 0.3, 0.1, 0.0)] == [4.0, 1.0, 0.15, 0.1, 0.1]
    assert after([]).sigma == 0.1


def test_mse_never_pulls() -> None:
    for start in ("at_once", "on_progress"):
        settings = TrainSettings(objective="mse", entropy_start=start)
        assert after([(0.9, 1.0)] * 20, settings).entropy_weight == 0


def test_health_tells_dead_from_collapsed_from_healthy() -> None:
    assert latent_health(1.0, 0.99, 0.5) == "dead"
    assert latent_health(1.0, 0.97, 0.5) == "healthy"
    assert latent_health(1.0, 0.01, 0.05) == "collapsed"
    assert latent_health(1.0, 0.01, 0.2) == "healthy"  # one kernel holds all, and still each frame is reconstructed
    assert latent_health(1.0, 0.03, 0.05) == "healthy"


def test_entropy_that_does_not_pull_is_never_dead() -> None:
    assert latent_health(0.0, 1.0, 0.5) == "healthy"
