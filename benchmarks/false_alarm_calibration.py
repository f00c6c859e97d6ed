"""Whether the promised rate of false alarms is kept: `python benchmarks/false_alarm_calibration.py [CALIBRATIONS]`.

Clean drives are made up as series of log odds whose neighbours are alike. Each is calibrated by the product's own rule
for one false alarm an hour, and its limits are tried on hours of fresh driving. What is promised holds on average over
calibrations, for log odds whose extremes are bounded; an exponential tail shows what it does not cover.
"""

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mle_uvad.calibration.blocks import Segment, filtered_segments, sustained
from mle_uvad.calibration.rules import AVERAGING_S, baseline_and_maxima, excess_thresholds
from mle_uvad.edge.evidence import SLOW_RISE_S, cell_filters

HZ = 10.0
LOUD = 10.0  # the log odds' scale: above the least limit, which would keep any promise
GRID_SIDE = 9  # all alike: the worst eight of them are as high as one
HOURS = 20.0  # of fresh driving for each kind of drive
MINUTES = (1.0, 2.0)  # of a calibration
PER_HOUR = 1.0

Array = NDArray[np.float64]


def alike(rng: np.random.Generator, count: int, over_s: float) -> Array:
    """Normal numbers [count] whose correlation falls to 1/e over so many seconds."""
    kept = np.exp(-1 / (HZ * over_s))
    steps = rng.normal(0, np.sqrt(1 - kept**2), count).tolist()
    value, series = float(rng.normal()), []
    for step in steps:
        value = kept * value + step
        series.append(value)
    return np.array(series)


def normal(rng: np.random.Generator, count: int) -> Array:
    return alike(rng, count, 0.5)


def slow(rng: np.random.Generator, count: int) -> Array:
    return alike(rng, count, 2.0)


def saturating(rng: np.random.Generator, count: int) -> Array:
    """Log odds that grow with what is seen, but not without end."""
    return 5 * np.tanh(alike(rng, count, 1.0) / 3)


def walls(rng: np.random.Generator, count: int) -> Array:
    """Calm, and every few seconds a wall of another height that passes within two."""
    series = 0.5 * alike(rng, count, 0.5)
    for start in rng.integers(0, count, rng.poisson(count / HZ / 5)):
        series[start : start + rng.integers(3, 20)] += rng.normal(1.0, 0.7)
    return series


def exponential(rng: np.random.Generator, count: int) -> Array:
    """Skewed: extremes grow with the logarithm of time, without bound."""
    seen = alike(rng, count, 1.0)
    return np.sign(seen) * seen**2


DRIVES: tuple[Callable[[np.random.Generator, int], Array], ...] = (normal, slow, saturating, walls, exponential)


def averages(series: Array) -> list[Segment]:
    """A drive's log odds as the evidence averages them, the same at each of 3×3 places, [n, 2, 9]."""
    places = np.repeat(LOUD * series[:, None], GRID_SIDE, axis=1)
    return filtered_segments(places, np.arange(len(series)) / HZ, cell_filters(AVERAGING_S))


def rates(drive: Callable[[np.random.Generator, int], Array], minutes: float, calibrations: int) -> Array:
    """False alarms an hour under the limits of each calibration."""
    rng = np.random.default_rng(0)
    (segment,) = averages(drive(rng, round(HOURS * 3600 * HZ)))
    of_one_place = Segment(segment.values[..., 0], segment.times_s)  # [n, 2]: all are alike
    fresh = np.stack([sustained(of_one_place, average) for average in range(2)], axis=1)
    found = []
    for _ in range(calibrations):
        baseline, maxima = baseline_and_maxima(averages(drive(rng, round((60 * minutes + SLOW_RISE_S) * HZ))))
        above = (fresh >= baseline[:, 0] + excess_thresholds(maxima, PER_HOUR)).any(1)
        found.append(np.count_nonzero(above[1:] & ~above[:-1]) / HOURS)
    return np.array(found)


def main() -> None:
    calibrations = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"promised: {PER_HOUR:g} an hour; {calibrations} calibrations each, tried on {HOURS:g} h of driving")
    print("drive        calibrated on   mean (95 % interval)    median   at most 1   at most 3")
    for drive in DRIVES:
        for minutes in MINUTES:
            found = rates(drive, minutes, calibrations)
            again = np.random.default_rng(1).choice(found, (1000, len(found))).mean(1)
            low, high = np.quantile(again, (0.025, 0.975))
            print(
                f"{drive.__name__:12} {minutes:8.0f} min {found.mean():10.2f} ({low:.2f}–{high:.2f})"
                f" {np.median(found):11.2f} {(found <= 1).mean():10.0%} {(found <= 3).mean():11.0%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
