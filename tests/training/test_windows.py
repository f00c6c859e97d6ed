"""Windows of a drive: what they estimate, what they never mix, and what their targets say."""

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
from mle_uvad.training.windows import FAULT_SHARE, FRAMES, WindowSampler

HZ = 20


@pytest.fixture(scope="module")
def ramp(make_cache: Callable[..., FrameCache]) -> FrameCache:
    """Frame n of 250 has the grey level n: a window tells by its levels which frames it holds."""
    return make_cache(np.repeat(np.arange(250, dtype=np.uint8), 6400).reshape(250, 80, 80))


def scene(cache: FrameCache, newest: int, stood_s: float = np.inf) -> Scene:
    return WindowSampler(cache, KINDS, 0)._scene(np.random.default_rng(newest), newest, stood_s)


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


def test_with_the_rest_the_mean_is_the_cars_average_over_time(ramp: FrameCache) -> None:
    for newest in range(200, 250, 10):
        drawn = scene(ramp, newest)
        means = drawn.weights @ drawn.grey[:, 0, 0] + drawn.rest[:, 0, 0]
        for time_constant_s, mean in zip(TIME_CONSTANTS_S, means, strict=True):
            # An exponential average of a ramp lags it by the time constant.
            assert (newest - mean * 255) / HZ == pytest.approx(time_constant_s, rel=0.12)


def test_no_window_crosses_a_gap(make_cache: Callable[..., FrameCache]) -> None:
    stretch = np.repeat(np.arange(10), 20)  # ten stretches of a second, the level says which
    clock_s = np.arange(200) / HZ + 2.0 * stretch
    frames = np.repeat((20 * stretch).astype(np.uint8), 6400).reshape(200, 80, 80)
    cache = make_cache(frames, clock_s, stretch * 20)
    for newest in range(0, 200, 7):
        drawn = scene(cache, newest)
        assert (levels(drawn) == 20 * stretch[newest]).all()
        assert abs(drawn.rest).max() < 1e-5


def test_a_car_that_stood_gives_the_same_frame_again(ramp: FrameCache) -> None:
    drawn = scene(ramp, 240, stood_s=0.5)
    assert drawn.ages_s[-1] > 2
    assert levels(drawn).min() == 240 - 0.5 * HZ


class Spy:
    """Keeps the faults that are drawn, and their kinds."""

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


def test_the_target_is_the_mask_of_what_is_there_and_nothing_else(
    ramp: FrameCache, spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows_module, "FELL_SHARE", 0.0)
    monkeypatch.setattr(windows_module, "WIPED_SHARE", 0.0)
    sampler, clean = WindowSampler(ramp, KINDS, 1), 0
    for number in range(60):
        before = len(spy.faults)
        window = sampler.rendered(number)
        assert window.feature_maps.shape == (FEATURE_MAPS, 40, 40)
        assert window.feature_maps.min() >= -0.01
        assert window.feature_maps.max() < 1.25
        if len(spy.faults) > before:
            mask = cv2.resize(spy.faults[-1].mask, (GRID_SIDE, GRID_SIDE), interpolation=cv2.INTER_AREA)
            assert np.array_equal(window.target, mask)
        else:
            assert (window.target == 0).all()
            clean += 1
    assert clean / 60 == pytest.approx(1 - FAULT_SHARE, abs=0.2)


def test_a_fault_that_was_wiped_off_is_no_target(ramp: FrameCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_module, "WIPED_SHARE", 1.0)
    monkeypatch.setattr(windows_module, "FELL_SHARE", 0.0)
    sampler = WindowSampler(ramp, KINDS, 0)
    assert all((sampler.rendered(number).target == 0).all() for number in range(12))


def test_a_fixture_is_in_view_and_no_target(ramp: FrameCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_module, "FAULT_SHARE", 0.0)
    sampler, fixture = WindowSampler(ramp, KINDS, 0), windows_module.random_fault(np.random.default_rng(2), "mud")
    without, with_it = sampler.rendered(3), sampler.rendered(3, fixture)
    assert (with_it.target == 0).all()
    assert abs(with_it.feature_maps - without.feature_maps).max() > 0.1


def test_a_fault_that_fell_is_there_by_now_and_was_not_before() -> None:
    ages = np.array([0.0, 0.05, 1.0, 4.0], np.float32)
    draw = Draw(np.random.default_rng(0))
    strength = np.stack([windows_module._strength(draw, ages) for _ in range(400)])
    always = (strength == 1).all(1).mean()
    wiped = (strength[:, 0] == 0).mean()
    fell = ((strength[:, 0] == 1) & (strength[:, 3] == 0)).mean()
    assert wiped == pytest.approx(windows_module.WIPED_SHARE, abs=0.05)
    assert fell == pytest.approx(windows_module.FELL_SHARE, abs=0.07)
    assert always + wiped + fell == pytest.approx(1, abs=0.02)


def test_kinds_that_are_not_named_are_never_drawn(ramp: FrameCache, spy: Spy) -> None:
    sampler = WindowSampler(ramp, tuple(kind for kind in KINDS if kind != "mud"), 0)
    for number in range(60):
        sampler.rendered(number)
    assert spy.kinds == set(KINDS) - {"mud"}


def test_the_same_seed_and_number_draw_the_same_window(ramp: FrameCache) -> None:
    sampler = WindowSampler(ramp, KINDS, 3)
    first, second = sampler.rendered(0), sampler.rendered(1)
    again, other = WindowSampler(ramp, KINDS, 3).rendered(1), WindowSampler(ramp, KINDS, 4).rendered(1)
    assert np.array_equal(second.feature_maps, again.feature_maps)
    assert np.array_equal(second.target, again.target)
    assert not np.array_equal(second.feature_maps, first.feature_maps)
    assert not np.array_equal(second.feature_maps, other.feature_maps)


def test_windows_as_recorded_have_no_fault_and_no_disturbance(ramp: FrameCache, spy: Spy) -> None:
    sampler = WindowSampler(ramp, KINDS, 0)
    plain = np.stack([sampler.plain(number) for number in range(100, 220, 10)])
    assert plain.shape == (12, FEATURE_MAPS, 40, 40)
    assert spy.faults == []
    assert np.ptp(plain, axis=(2, 3)).max() < 1e-3, "frames of one level have no edge anywhere"
    assert (np.diff(plain[:, 0, 0, 0]) > 0).all(), "each ends with the frame that was asked for"
