"""Windows of a drive: their frames and weights, their faults and their targets."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from mle_uvad.edge.graph import FEATURE_MAPS, GRID_SIDE, TIME_CONSTANTS_S
from mle_uvad.training import windows as windows_module
from mle_uvad.training.cache import FrameCache
from mle_uvad.training.disturbances import Scene
from mle_uvad.training.faults import KINDS, Fault
from mle_uvad.training.masks import Draw
from mle_uvad.training.windows import FAULT_PROBABILITY, FRAMES, WindowSampler

HZ = 20


@pytest.fixture(scope="module")
def ramp(make_cache: Callable[..., FrameCache]) -> FrameCache:
    """Frame n of 250 has the grey level n: the levels of a window identify its frames."""
    return make_cache(np.repeat(np.arange(250, dtype=np.uint8), 6400).reshape(250, 80, 80))


def scene(cache: FrameCache, newest: int, drive_off_s: float = np.inf) -> Scene:
    return WindowSampler(cache, KINDS, 0)._scene(np.random.default_rng(newest), newest, drive_off_s)


def levels(drawn: Scene) -> np.ndarray:
    return np.rint(drawn.grey[:, 0, 0] * 255)


def test_a_window_runs_from_its_newest_frame_into_the_past(ramp: FrameCache) -> None:
    for newest in range(0, 250, 10):
        drawn = scene(ramp, newest)
        assert drawn.grey.shape == (FRAMES, 80, 80)
        assert levels(drawn)[0] == newest
        assert drawn.ages_s[0] == 0
        assert (np.diff(drawn.ages_s) >= 0).all()
        assert (np.diff(levels(drawn)) <= 0).all()
        assert (drawn.weights > 0).all()
        assert np.allclose(drawn.weights.sum(1), 1, atol=1e-5)


def test_with_the_residual_the_mean_is_the_cars_running_mean(ramp: FrameCache) -> None:
    for newest in range(200, 250, 10):
        drawn = scene(ramp, newest)
        means = drawn.weights @ drawn.grey[:, 0, 0] + drawn.residual[:, 0, 0]
        for time_constant_s, mean in zip(TIME_CONSTANTS_S, means, strict=True):
            # An exponential average of a ramp lags it by the time constant.
            assert (newest - mean * 255) / HZ == pytest.approx(time_constant_s, rel=0.12)


def test_no_window_crosses_a_gap(make_cache: Callable[..., FrameCache]) -> None:
    segment = np.repeat(np.arange(10), 20)  # ten segments of a second, each with its own grey level
    clock_s = np.arange(200) / HZ + 2.0 * segment
    frames = np.repeat((20 * segment).astype(np.uint8), 6400).reshape(200, 80, 80)
    cache = make_cache(frames, clock_s, segment * 20)
    for newest in range(0, 200, 7):
        drawn = scene(cache, newest)
        assert (levels(drawn) == 20 * segment[newest]).all()
        assert abs(drawn.residual).max() < 1e-5


def test_before_a_stationary_car_drives_off_all_frames_are_the_same(ramp: FrameCache) -> None:
    drawn = scene(ramp, 240, drive_off_s=0.5)
    assert drawn.ages_s[-1] > 2
    assert levels(drawn).min() == 240 - 0.5 * HZ


class Spy:
    """Records the faults that are drawn, and their names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.faults: list[Fault] = []
        self.kinds: set[str] = set()
        self._real = windows_module.random_fault
        monkeypatch.setattr(windows_module, "random_fault", self)

    def __call__(self, rng: np.random.Generator, kind: str) -> Fault:
        self.faults.append(self._real(rng, kind))
        self.kinds.add(kind)
        return self.faults[-1]


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(monkeypatch)


def test_the_target_is_the_mask_of_the_fault_and_nothing_else(
    ramp: FrameCache, spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows_module, "APPEARED_PROBABILITY", 0.0)
    monkeypatch.setattr(windows_module, "WIPED_PROBABILITY", 0.0)
    sampler, clean = WindowSampler(ramp, KINDS, 1), 0
    for number in range(60):
        before = len(spy.faults)
        window = sampler.render(number)
        assert window.feature_maps.shape == (FEATURE_MAPS, 40, 40)
        assert window.feature_maps.min() >= -0.01
        assert window.feature_maps.max() < 1.25
        if len(spy.faults) > before:
            mask = cv2.resize(spy.faults[-1].mask, (GRID_SIDE, GRID_SIDE), interpolation=cv2.INTER_AREA)
            assert np.array_equal(window.target, mask)
        else:
            assert (window.target == 0).all()
            clean += 1
    assert clean / 60 == pytest.approx(1 - FAULT_PROBABILITY, abs=0.2)


def test_a_fault_that_was_wiped_off_is_not_in_the_target(ramp: FrameCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_module, "WIPED_PROBABILITY", 1.0)
    monkeypatch.setattr(windows_module, "APPEARED_PROBABILITY", 0.0)
    sampler = WindowSampler(ramp, KINDS, 0)
    assert all((sampler.render(number).target == 0).all() for number in range(12))


def test_a_fixture_is_in_view_and_not_in_the_target(ramp: FrameCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_module, "FAULT_PROBABILITY", 0.0)
    sampler, fixture = WindowSampler(ramp, KINDS, 0), windows_module.random_fault(np.random.default_rng(2), "mud")
    without, with_fixture = sampler.render(3), sampler.render(3, fixture)
    assert (with_fixture.target == 0).all()
    assert abs(with_fixture.feature_maps - without.feature_maps).max() > 0.1


def test_some_faults_appear_and_some_are_wiped_off() -> None:
    ages = np.array([0.0, 0.05, 1.0, 4.0], np.float32)
    draw = Draw(np.random.default_rng(0))
    strength = np.stack([windows_module._draw_strength(draw, ages) for _ in range(400)])
    always = (strength == 1).all(1).mean()
    wiped = (strength[:, 0] == 0).mean()
    appeared = ((strength[:, 0] == 1) & (strength[:, 3] == 0)).mean()
    assert wiped == pytest.approx(windows_module.WIPED_PROBABILITY, abs=0.05)
    assert appeared == pytest.approx(windows_module.APPEARED_PROBABILITY, abs=0.07)
    assert always + wiped + appeared == pytest.approx(1, abs=0.02)


def test_only_the_given_faults_are_drawn(ramp: FrameCache, spy: Spy) -> None:
    sampler = WindowSampler(ramp, tuple(kind for kind in KINDS if kind != "mud"), 0)
    for number in range(60):
        sampler.render(number)
    assert spy.kinds == set(KINDS) - {"mud"}


def test_the_same_seed_and_number_give_the_same_window(ramp: FrameCache) -> None:
    sampler = WindowSampler(ramp, KINDS, 3)
    first, second = sampler.render(0), sampler.render(1)
    again, other = WindowSampler(ramp, KINDS, 3).render(1), WindowSampler(ramp, KINDS, 4).render(1)
    assert np.array_equal(second.feature_maps, again.feature_maps)
    assert np.array_equal(second.target, again.target)
    assert not np.array_equal(second.feature_maps, first.feature_maps)
    assert not np.array_equal(second.feature_maps, other.feature_maps)


def test_recorded_windows_have_no_fault_and_no_disturbance(ramp: FrameCache, spy: Spy) -> None:
    sampler = WindowSampler(ramp, KINDS, 0)
    recorded = np.stack([sampler.recorded(number) for number in range(100, 220, 10)])
    assert recorded.shape == (12, FEATURE_MAPS, 40, 40)
    assert spy.faults == []
    assert np.ptp(recorded, axis=(2, 3)).max() < 1e-3, "frames of one grey level have no edges"
    assert (np.diff(recorded[:, 0, 0, 0]) > 0).all(), "each ends with the given frame"
