"""From the scores of a drive to limits: what each rule promises, and which drives it refuses."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from mle_uvad.calibration.rules import (
    AVERAGING_S,
    BLOCK_S,
    averaged_blocks,
    clean_limits,
    paper_limits,
    tail_limit,
)
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.evidence import Evidence, Limits, figures
from mle_uvad.edge.scorer import FrameScore

Array = NDArray[np.float64]
HZ = 10.0


def smooth_noise(rng: np.random.Generator, count: int, columns: int, correlation_s: float = 0.5) -> Array:
    """A Gaussian series [count, columns] of deviation 1 whose neighbours are alike, as on a drive."""
    kept = math.exp(-1 / (HZ * correlation_s))
    series = rng.normal(0, math.sqrt(1 - kept**2), (count, columns))
    series[0] /= math.sqrt(1 - kept**2)
    for i in range(1, count):
        series[i] += kept * series[i - 1]
    return series


def drive(rng: np.random.Generator, seconds: float) -> tuple[Array, Array, Array]:
    """PCC [N], maps [N, 2, 10, 10] and times [N] of a made-up clean drive."""
    count = round(seconds * HZ)
    noise = smooth_noise(rng, count, 101)
    maps = np.zeros((count, 2, 10, 10))
    maps[:, 1] = (-6 + 0.5 * noise[:, 1:]).reshape(count, 10, 10)
    return np.tanh(1.2 + 0.15 * noise[:, 0]), maps, np.arange(count) / HZ


def values(limits: Limits, pccs: Array, maps: Array, times_s: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Evidence of each frame as the car would have it, and whether it was past the warm-up."""
    evidence = Evidence(limits)
    states = [
        evidence.update(FrameScore("ok", float(pcc), by_place.astype(np.float32)), float(t_s))
        for pcc, by_place, t_s in zip(pccs, maps, times_s, strict=True)
    ]
    return np.array([state.value for state in states]), np.array([state.status == "ok" for state in states])


def excursions_per_hour(limits: Limits, pccs: Array, maps: Array, times_s: Array) -> float:
    """How often an hour the evidence rises to the limit."""
    value, settled = values(limits, pccs, maps, times_s)
    above = (value >= 1) & settled
    return float((np.diff(above.astype(int)) == 1).sum()) / (times_s[-1] - times_s[0]) * 3600


def test_the_papers_limit_is_half_a_deviation_below_the_mean(rng: np.random.Generator) -> None:
    pccs = rng.normal(0.8, 0.03, 5000)
    limits = paper_limits(pccs)
    assert limits.pcc == (pytest.approx(pccs.mean() - 0.5 * pccs.std()), pytest.approx(pccs.mean()), 1.0)
    assert limits.averaging_s == 0
    assert paper_limits(pccs, kappa=2.0).pcc[0] == pytest.approx(pccs.mean() - 2 * pccs.std())


def test_the_papers_rule_flags_three_clean_frames_in_ten(rng: np.random.Generator) -> None:
    fresh = rng.normal(0.8, 0.03, 3000)
    maps = rng.normal(-6, 3, (3000, 2, 10, 10))  # no place has a limit
    value, settled = values(paper_limits(rng.normal(0.8, 0.03, 5000)), fresh, maps, np.arange(3000) / HZ)
    assert settled.all()
    assert (value >= 1).mean() == pytest.approx(0.3085, abs=0.03)  # of a Gaussian
    assert np.isfinite(value).all()


def test_the_papers_limit_stays_in_the_range_of_a_pcc() -> None:
    assert paper_limits(np.tile([1.0, -1.0], 200), kappa=3.0).pcc == (-1.0, 0.0, 1.0)


def test_no_clean_limit_lies_inside_what_the_drive_showed(rng: np.random.Generator) -> None:
    for _ in range(5):
        recording = drive(rng, 60)
        for rate in (1e-3, 1.0, 1e4):
            value, settled = values(clean_limits(*recording, rate), *recording)
            # The last, incomplete block of two seconds is not part of the calibration.
            assert value[settled][: -round(BLOCK_S * HZ)].max() <= 1 + 1e-6


def test_fewer_false_alarms_make_wider_limits(rng: np.random.Generator) -> None:
    recording = drive(rng, 120)
    limits = [clean_limits(*recording, rate) for rate in (1000, 100, 10, 1, 0.1, 0.01)]
    lows, centres, highs = zip(*(limit.pcc for limit in limits), strict=True)
    assert list(lows) == sorted(lows, reverse=True)
    assert list(highs) == sorted(highs)
    assert len(set(centres)) == 1
    assert [limit.places_limit for limit in limits] == sorted(limit.places_limit for limit in limits)
    assert lows[-1] < lows[0] < centres[0] < highs[0] < highs[-1]
    assert limits[-1].places_limit > limits[0].places_limit
    assert all(np.array_equal(limit.places, limits[0].places) for limit in limits)
    assert all(limit.averaging_s == AVERAGING_S for limit in limits)


@pytest.mark.parametrize("rate", [6.0, 60.0])
def test_fresh_drives_raise_about_the_false_alarms_that_were_asked_for(rate: float) -> None:
    """Twenty calibrations of three minutes, each then tried on six fresh minutes: two hours in all.

    The rule is a model on little data, so the interval is wide: something, and not more than four times the rate.
    """
    rng = np.random.default_rng(5)
    rates = [excursions_per_hour(clean_limits(*drive(rng, 180), rate), *drive(rng, 360)) for _ in range(20)]
    assert 0.1 * rate < np.mean(rates) < 4 * rate


def test_a_place_that_never_changes_has_a_limit_all_the_same(rng: np.random.Generator) -> None:
    pccs, maps, times_s = drive(rng, 60)
    maps[:, 1, 0] = -13.8  # a black band: part of the car
    limits = clean_limits(pccs, maps, times_s, 1.0)
    assert (np.diff(limits.places, axis=0) > 0).all()
    maps[:, 1] = -13.8
    limits = clean_limits(pccs, maps, times_s, 1.0)
    value, _ = values(limits, pccs, maps + 0.001, times_s)
    assert np.isfinite(value).all()
    assert value.max() <= 1


def test_blocks_are_whole_and_never_reach_across_a_gap() -> None:
    times_s = np.concatenate([np.arange(0, 10, 0.1), np.arange(50, 60, 0.1)])
    series = np.concatenate([np.zeros((100, 1)), np.ones((100, 1))])
    blocks = averaged_blocks(series, times_s)
    assert {float(np.ptp(block)) for block in blocks} == {0.0}
    assert sum(float(block[0, 0]) == 1.0 for block in blocks) == len(blocks) / 2
    # Ten seconds, of which the first is the warm-up; what follows the last whole block is left.
    assert len(blocks) == 2 * 4
    assert {len(block) for block in blocks} <= {20, 21}


def test_the_tail_limit_is_the_gumbel_quantile_and_never_below_the_largest(rng: np.random.Generator) -> None:
    maxima = rng.gumbel(2.0, 0.5, 200_000)
    typical = maxima[:400]
    expected = 2.0 - 0.5 * math.log(-math.log1p(-1e-3))
    assert tail_limit(typical, 1e-3) == pytest.approx(expected, abs=0.35)
    assert (maxima > tail_limit(maxima[:100_000], 0.5)).mean() == 0  # inside the data it is the largest of them
    assert tail_limit(np.full(20, 3.0), 1e-6) == 3.0


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_a_rate_that_is_no_rate_is_refused(rng: np.random.Generator, rate: float) -> None:
    with pytest.raises(InputError, match="give 1e-06 or more"):
        clean_limits(*drive(rng, 60), rate)


def refused(recording: tuple[Array, Array, Array]) -> str:
    with pytest.raises(InputError) as caught:
        clean_limits(*recording, 1.0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_drive_with_too_few_frames_is_refused_by_both_rules(rng: np.random.Generator) -> None:
    pccs, maps, times_s = drive(rng, 29.9)
    assert refused((pccs, maps, times_s * 3)).startswith("299 frames")
    with pytest.raises(InputError, match="299 frames"):
        paper_limits(pccs)
    assert paper_limits(drive(rng, 30.0)[0]).pcc[0] > -1


def test_many_frames_in_a_short_time_are_no_drive(rng: np.random.Generator) -> None:
    pccs, maps, times_s = drive(rng, 60)
    assert "blocks" in refused((pccs, maps, times_s / 10))


def test_a_drive_of_one_frame_now_and_then_is_refused(rng: np.random.Generator) -> None:
    pccs, maps, times_s = drive(rng, 60)
    assert "blocks" in refused((pccs, maps, times_s * 30))  # three seconds between frames: each is a gap


def test_a_camera_that_froze_is_refused(rng: np.random.Generator) -> None:
    pccs, maps, times_s = drive(rng, 60)
    stuck = pccs.copy()
    stuck[200:400] = stuck[200]
    assert "froze" in refused((stuck, maps, times_s))
    repeated = pccs[np.arange(600) // 4 * 4]  # every frame four times
    assert "froze" in refused((repeated, maps, times_s))


def test_a_car_that_stood_still_is_refused(rng: np.random.Generator) -> None:
    pccs, maps, times_s = drive(rng, 60)
    assert "stood still" in refused((0.9 + 1e-6 * pccs, maps, times_s))


def test_the_averages_are_those_of_the_car(rng: np.random.Generator) -> None:
    """One number per frame out of both, from the same code: what is calibrated is what is judged."""
    pccs, maps, times_s = drive(rng, 40)
    limits = clean_limits(pccs, maps, times_s, 1.0)
    highest = max(float(block[:, 0].max()) for block in averaged_blocks(figures(pccs, maps), times_s))
    assert math.tanh(highest) <= limits.pcc[2]
