"""Compare the rate of false alarms with the nominal one: `python benchmarks/false_alarm_calibration.py [CALIBRATIONS]`.

Clean drives are generated as autocorrelated series of log odds. Each is calibrated with the product's own rule for one
false alarm per hour, and its thresholds are tested on hours of fresh driving. The nominal rate holds on average over
calibrations, for log odds with bounded extremes; the exponential tail is an example of drives for which it does not.
"""

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mle_uvad.calibration.blocks import Segment, filtered_segments, sustained
from mle_uvad.calibration.rules import AVERAGING_S, baseline_and_maxima, excess_thresholds
from mle_uvad.edge.evidence import SLOW_RISE_S, cell_filters

HZ = 10.0
SCALE = 10.0  # of the log odds: far above the minimum excess threshold, which by itself would prevent false alarms
CELLS = 9  # 3×3, all equal: the mean of the worst eight equals each of them
HOURS = 20.0  # of fresh driving for each type of drive
MINUTES = (1.0, 2.0)  # of a calibration
PER_HOUR = 1.0

Array = NDArray[np.float64]


def autocorrelated(rng: np.random.Generator, count: int, over_s: float) -> Array:
    """Generate normal numbers [count] whose autocorrelation falls to 1/e over `over_s` seconds."""
    kept = np.exp(-1 / (HZ * over_s))
    steps = rng.normal(0, np.sqrt(1 - kept**2), count).tolist()
    value, series = float(rng.normal()), []
    for step in steps:
        value = kept * value + step
        series.append(value)
    return np.array(series)


def normal(rng: np.random.Generator, count: int) -> Array:
    """Generate normal log odds, correlated over 0.5 s."""
    return autocorrelated(rng, count, 0.5)


def slow(rng: np.random.Generator, count: int) -> Array:
    """Generate normal log odds, correlated over 2 s."""
    return autocorrelated(rng, count, 2.0)


def saturating(rng: np.random.Generator, count: int) -> Array:
    """Generate log odds that saturate."""
    return 5 * np.tanh(autocorrelated(rng, count, 1.0) / 3)


def walls(rng: np.random.Generator, count: int) -> Array:
    """Generate low log odds with a bump of random height every few seconds, each less than two seconds long."""
    series = 0.5 * autocorrelated(rng, count, 0.5)
    for start in rng.integers(0, count, rng.poisson(count / HZ / 5)):
        series[start : start + rng.integers(3, 20)] += rng.normal(1.0, 0.7)
    return series


def exponential(rng: np.random.Generator, count: int) -> Array:
    """Generate log odds with exponential tails: their extremes grow with the logarithm of time, without bound."""
    values = autocorrelated(rng, count, 1.0)
    return np.sign(values) * values**2


DRIVES: tuple[Callable[[np.random.Generator, int], Array], ...] = (normal, slow, saturating, walls, exponential)


def filtered(series: Array) -> list[Segment]:
    """Filter the log odds of a drive as the evidence does, the same in each of 3×3 cells, [n, 2, 9]."""
    cells = np.repeat(SCALE * series[:, None], CELLS, axis=1)
    return filtered_segments(cells, np.arange(len(series)) / HZ, cell_filters(AVERAGING_S))


def rates(drive: Callable[[np.random.Generator, int], Array], minutes: float, calibrations: int) -> Array:
    """Return the false alarms per hour with the thresholds of each calibration, [calibrations]."""
    rng = np.random.default_rng(0)
    (segment,) = filtered(drive(rng, round(HOURS * 3600 * HZ)))
    one_cell = Segment(segment.values[..., 0], segment.times_s)  # [n, 2]: all cells are equal
    fresh = np.stack([sustained(one_cell, column) for column in range(2)], axis=1)
    found = []
    for _ in range(calibrations):
        baseline, maxima = baseline_and_maxima(filtered(drive(rng, round((60 * minutes + SLOW_RISE_S) * HZ))))
        above = (fresh >= baseline[:, 0] + excess_thresholds(maxima, PER_HOUR)).any(1)
        found.append(np.count_nonzero(above[1:] & ~above[:-1]) / HOURS)
    return np.array(found)


def main() -> None:
    calibrations = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"nominal: {PER_HOUR:g} per hour; {calibrations} calibrations each, tested on {HOURS:g} h of driving")
    print("drive        calibrated on   mean (95 % interval)    median         ≤ 1         ≤ 3")
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
