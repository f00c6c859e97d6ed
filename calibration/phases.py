"""The two phases of a calibration on a wiped lens, while driving and on a recorded drive.

The reference phase records what the scene looks like at each place of the image. The threshold phase is scored with
that reference and records how high the network's log odds are on a clean lens.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..edge.driving import DrivingClock
from ..edge.evidence import Thresholds
from ..edge.reference import Reference, make_reference
from ..edge.scorer import FrameScore, crawls
from .rules import clean_thresholds, crawl_below, maxima_over, require_usable


class ReferencePhase:
    """Gathers feature maps and reduces them to a reference."""

    def __init__(self) -> None:
        self._feature_maps: list[NDArray[np.float32]] = []

    def add(self, score: FrameScore) -> None:
        """Add an informative frame."""
        assert score.feature_maps is not None  # it is informative
        self._feature_maps.append(score.feature_maps)

    def reference(self) -> Reference:
        """Return the reference of the frames so far."""
        return make_reference(np.stack(self._feature_maps))


class ThresholdPhase:
    """Gathers scores made with a new reference and derives the thresholds that go with it."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._pccs: list[float] = []
        self._logits: list[NDArray[np.float32]] = []
        self._driving_s: list[float] = []
        self._motions: list[tuple[float, float]] = []  # and contrasts

    def add(self, score: FrameScore, driving_s: float) -> None:
        """Add an informative frame seen after so many seconds of driving."""
        assert score.pcc is not None  # it is informative
        assert score.logits is not None
        self._pccs.append(score.pcc)
        self._logits.append(score.logits)
        self._driving_s.append(driving_s)
        self._motions.append((score.motion, score.contrast))

    def thresholds(self, false_alarms_per_hour: float) -> tuple[Thresholds, NDArray[np.float64]]:
        """Return thresholds for a false-alarm rate, and the block maxima [2, K] they rest on, by `clean_thresholds`.

        Frames on which the car crawls are left out, as the monitor will leave them out. Raises InputError for a drive
        that is too short, still or frozen.
        """
        slow = crawl_below(*np.array(self._motions).T)
        pccs, logits, times_s = self._without_crawling(slow)
        thresholds, maxima = clean_thresholds(pccs, logits, times_s, self._reference, false_alarms_per_hour)
        return replace(thresholds, crawl_below=slow), maxima

    def maxima_over(self, thresholds: Thresholds) -> NDArray[np.float64]:
        """Return the block maxima [2, K] over the baseline of existing thresholds, with the same reference.

        Raises InputError for a drive that is too short, still or frozen.
        """
        pccs, logits, times_s = self._without_crawling(thresholds.crawl_below)
        require_usable(pccs)
        return maxima_over(thresholds.baseline.astype(np.float64), logits, times_s)

    def _without_crawling(self, slow: tuple[float, float]) -> tuple[NDArray[np.float64], ...]:
        """Return PCCs [N], log odds [N, 20, 20] and seconds of driving [N] of the frames on which no car crawls."""
        motions, contrasts = np.array(self._motions).T
        fast_enough = ~crawls(motions, contrasts, slow)
        steps_s = np.diff(self._driving_s, prepend=self._driving_s[:1])
        return (
            np.array(self._pccs)[fast_enough],
            np.array(self._logits, np.float64)[fast_enough],
            np.cumsum(steps_s * fast_enough)[fast_enough],
        )


def reference_from_drive(scores: Iterable[FrameScore]) -> Reference:
    """Run the reference phase over a whole drive, of which at least one frame is informative."""
    phase = ReferencePhase()
    for score in scores:
        if score.is_informative:
            phase.add(score)
    return phase.reference()


def thresholds_from_drive(
    scored: Iterable[tuple[float, FrameScore]], reference: Reference, false_alarms_per_hour: float
) -> tuple[Thresholds, NDArray[np.float64]]:
    """Run the threshold phase over a whole drive: its times in seconds and its scores, made with `reference`.

    Returns the thresholds and the block maxima [2, K]. Raises InputError for a drive that cannot be used.
    """
    return _threshold_phase(scored, reference).thresholds(false_alarms_per_hour)


def maxima_from_drive(scored: Iterable[tuple[float, FrameScore]], thresholds: Thresholds) -> NDArray[np.float64]:
    """Run the threshold phase over a further drive, scored with the reference of `thresholds`.

    Returns the block maxima [2, K] over their baseline. Raises InputError for a drive that cannot be used.
    """
    return _threshold_phase(scored, thresholds.reference).maxima_over(thresholds)


def _threshold_phase(scored: Iterable[tuple[float, FrameScore]], reference: Reference) -> ThresholdPhase:
    phase, clock = ThresholdPhase(reference), DrivingClock()
    first_s: float | None = None
    for t_s, score in scored:
        first_s = t_s if first_s is None else first_s
        driving_s = clock.update(t_s - first_s, stationary=score.is_stationary)
        if score.is_informative:
            phase.add(score, driving_s)
    return phase
