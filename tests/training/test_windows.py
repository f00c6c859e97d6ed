"""Windows of a drive: what they estimate, what they never mix, and what their targets say."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mle_uvad.edge.graph import FEATURE_MAPS, GRID_SIDE, TIME_CONSTANTS_S
from mle_uvad.training import windows as windows_module
from mle_uvad.training.cache import FrameCache
from mle_uvad.training.faults import KINDS, Faults
from mle_uvad.training.windows import FAULT_SHARE, FRAMES, WindowSampler

HZ = 20


@pytest.fixture(scope="module")
def ramp(make_cache: Callable[..., FrameCache]) -> FrameCache:
    """Frame n of 250 has the grey level n: a window tells by its levels which frames it holds."""
    return make_cache(np.repeat(np.arange(250, dtype=np.uint8), 6400).reshape(250, 80, 80))


def window(cache: FrameCache, batch: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Levels [B, K], ages [B, K] and weights [2, B, K]."""
    newest = np.random.default_rng(seed).integers(0, len(cache), batch)
    frames, ages, weights = WindowSampler(cache, KINDS, seed)._window(newest)
    return (frames[:, :, 0, 0] * 255).round(), ages, weights


def test_a_window_runs_from_its_newest_frame_into_the_past(ramp: FrameCache) -> None:
    levels, ages, weights = window(ramp, 200)
    assert levels.shape == ages.shape == (200, FRAMES)
    assert (ages[:, 0] == 0).all()
    assert (ages.diff(dim=1) >= 0).all()
    assert (levels.diff(dim=1) <= 0).all()
    assert weights.shape == (len(TIME_CONSTANTS_S), 200, FRAMES)
    assert (weights > 0).all()
    assert torch.allclose(weights.sum(-1), torch.ones(len(TIME_CONSTANTS_S), 200), atol=1e-5)


def test_the_weighted_mean_is_about_the_cars_average_over_time(
    ramp: FrameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows_module, "STOOD_SHARE", 0.0)
    levels, _, weights = window(ramp, 600)
    whole = levels[:, 0] > 8 * HZ  # before, the drive is younger than the window
    for time_constant_s, weight in zip(TIME_CONSTANTS_S, weights, strict=True):
        # An exponential average of a ramp lags it by the time constant.
        lag_s = (levels[:, 0] - (levels * weight).sum(1))[whole] / HZ
        # A window is younger than the average: the newest frame is always in it, in place of the oldest.
        assert 0.85 * time_constant_s < float(lag_s.mean()) < 1.05 * time_constant_s
        assert float(lag_s.std()) < 0.5 * time_constant_s


def test_no_window_crosses_a_gap(make_cache: Callable[..., FrameCache]) -> None:
    stretch = np.repeat(np.arange(10), 20)  # ten stretches of a second, the level says which
    clock_s = np.arange(200) / HZ + 2.0 * stretch
    frames = np.repeat((20 * stretch).astype(np.uint8), 6400).reshape(200, 80, 80)
    levels, _, _ = window(make_cache(frames, clock_s, stretch * 20), 500)
    assert len(set(levels[:, 0].tolist())) == 10
    assert (levels == levels[:, :1]).all()


def test_a_car_that_stood_gives_the_same_frame_again(ramp: FrameCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_module, "STOOD_SHARE", 1.0)
    levels, ages, _ = window(ramp, 200)
    assert (levels[:, 0] - levels[:, -1]).max() <= HZ, "it stood for all but the last second at most"
    assert (ages[:, -1] > 2).any()


class Spy:
    """Keeps the faults that are drawn, and their kinds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.faults: list[Faults] = []
        self.kinds: set[str] = set()
        self._real = windows_module.random_faults
        monkeypatch.setattr(windows_module, "random_faults", self)

    def __call__(self, generator: torch.Generator, kinds: list[str]) -> Faults:
        self.faults.append(self._real(generator, kinds))
        self.kinds |= set(kinds)
        return self.faults[-1]


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(monkeypatch)


def test_the_target_is_the_mask_of_what_is_there_and_nothing_else(
    ramp: FrameCache, spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows_module, "FELL_SHARE", 0.0)
    monkeypatch.setattr(windows_module, "WIPED_SHARE", 0.0)
    drawn = WindowSampler(ramp, KINDS, 0).rendered(24)
    faulty = round(24 * FAULT_SHARE)
    assert drawn.target.shape == (24, GRID_SIDE, GRID_SIDE)
    assert (drawn.target[faulty:] == 0).all()
    masks = F.avg_pool2d(spy.faults[0].mask, 80 // GRID_SIDE)
    assert torch.equal(drawn.target[:faulty], masks)
    assert drawn.feature_maps.shape == (24, FEATURE_MAPS, 40, 40)
    assert drawn.feature_maps.min() >= 0
    assert drawn.feature_maps.max() < 1.25


def test_a_fault_that_was_wiped_off_is_no_target(ramp: FrameCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows_module, "WIPED_SHARE", 1.0)
    assert (WindowSampler(ramp, KINDS, 0).rendered(24).target == 0).all()


def test_a_fault_that_fell_is_there_by_now_and_was_not_before() -> None:
    ages = torch.tensor([0.0, 0.05, 1.0, 4.0]).expand(400, 4)
    strength = windows_module._strength(windows_module.Draw(torch.Generator().manual_seed(0), 400), ages)
    always = (strength == 1).all(1).float().mean()
    wiped = (strength[:, 0] == 0).float().mean()
    fell = ((strength[:, 0] == 1) & (strength[:, 3] == 0)).float().mean()
    assert float(wiped) == pytest.approx(windows_module.WIPED_SHARE, abs=0.05)
    assert float(fell) == pytest.approx(windows_module.FELL_SHARE, abs=0.07)
    assert float(always + wiped + fell) == pytest.approx(1, abs=0.02)


def test_kinds_that_are_not_named_are_never_drawn(ramp: FrameCache, spy: Spy) -> None:
    sampler = WindowSampler(ramp, tuple(kind for kind in KINDS if kind != "mud"), 0)
    for _ in range(4):
        sampler.rendered(24)
    assert spy.kinds == set(KINDS) - {"mud"}


def test_the_same_seed_draws_the_same_windows(ramp: FrameCache) -> None:
    one, again, other = (WindowSampler(ramp, KINDS, seed).rendered(12) for seed in (3, 3, 4))
    assert torch.equal(one.feature_maps, again.feature_maps)
    assert torch.equal(one.target, again.target)
    assert not torch.equal(one.feature_maps, other.feature_maps)


def test_windows_as_recorded_have_no_fault_and_no_disturbance(ramp: FrameCache, spy: Spy) -> None:
    plain = WindowSampler(ramp, KINDS, 0).plain(np.arange(100, 220, 10))
    assert plain.shape == (12, FEATURE_MAPS, 40, 40)
    assert spy.faults == []
    assert (plain == plain[:, :, :1, :1]).all(), "frames of one level have no edge anywhere"
    assert (plain[:, 0, 0, 0].diff() > 0).all(), "each ends with the frame that was asked for"
