"""Count the false alarms on drives with an object in view: `python benchmarks/fixtures.py BUNDLE TUB...`.

A sticker, a bumper and a dark corner are painted into every frame of a clean drive. It is calibrated on its first two
minutes, or its first half if that is shorter, and monitored on the rest, where every event is false. The columns: with
the calibration; with the same but no baseline of each cell, so that the reference of the network alone knows the
object; and without a calibration. Use a bundle whose network has not seen the car, as `evaluate --protocol cars` leaves
in `bundles/CAR-seed-0`.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mle_uvad.calibration import calibrate_on_tub
from mle_uvad.calibration.rules import BASELINE_MIN
from mle_uvad.edge import Bundle, Monitor
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.errors import InputError
from mle_uvad.edge.evidence import Thresholds
from mle_uvad.edge.tubs.replay import replay
from mle_uvad.edge.tubs.tub import Record, Tub
from mle_uvad.evaluation.simulation.rerendered_drive import driving_s, segment

CALIBRATE_MAX_S = 120.0

Frame = NDArray[np.uint8]
Paint = Callable[[Frame], Frame]


def nothing(frame: Frame) -> Frame:
    return frame


def sticker(frame: Frame) -> Frame:
    """Cover 4 % of the frame by a grey disc with a sharp edge, left of the middle."""
    height, width = frame.shape[:2]
    rows, columns = np.ogrid[:height, :width]
    disc = np.hypot(rows - 0.35 * height, columns - 0.3 * width) < np.sqrt(0.04 * height * width / np.pi)
    return np.where(disc[..., None], np.uint8(90), frame)


def bumper(frame: Frame) -> Frame:
    """Cover the lowest tenth of the frame by a dark bar."""
    painted = frame.copy()
    painted[-(len(frame) // 10) :] = 25
    return painted


def dark_corner(frame: Frame) -> Frame:
    """Dim the upper right corner gradually to a tenth."""
    height, width = frame.shape[:2]
    rows, columns = np.ogrid[:height, :width]
    distance = np.hypot(rows / height, 1 - columns / width)
    return (frame * np.clip(0.1 + distance / 0.45, 0.1, 1.0)[..., None]).astype(np.uint8)


class PaintedTub(Tub):
    """A drive with an object painted into every frame."""

    paint: Paint = staticmethod(nothing)

    def frame(self, record: Record) -> Frame | None:
        frame = super().frame(record)
        return None if frame is None else self.paint(frame)


def part_of(folder: Path, paint: Paint, start_s: float, end_s: float) -> PaintedTub:
    tub = PaintedTub(folder)
    tub.paint = paint
    tub.records = segment(tub.records, start_s, end_s)
    return tub


def events(bundle: Bundle, tub: Tub, thresholds: Thresholds | None) -> int:
    monitor = Monitor(open_scorer(bundle), thresholds)
    return max(reading.alarm.event_id for _, reading in replay(tub, monitor))


def main(folder: Path, tubs: list[Path]) -> None:
    bundle = Bundle.load(folder)
    print(f"{'drive':12}{'in view':14}{'minutes':>8}{'calibrated':>12}{'no baseline':>13}{'uncalibrated':>14}")
    for tub in tubs:
        total_s = float(driving_s(Tub(tub).records)[-1])
        split_s = min(CALIBRATE_MAX_S, total_s / 2)
        for paint in (nothing, sticker, bumper, dark_corner):
            rest = part_of(tub, paint, split_s, np.inf)
            row = f"{tub.name:12}{paint.__name__:14}{(total_s - split_s) / 60:8.1f}"
            try:
                thresholds = calibrate_on_tub(
                    open_scorer(bundle),
                    part_of(tub, paint, 0.0, split_s),
                    rule="clean",
                    false_alarms_per_hour=1.0,
                    now=datetime.now(timezone.utc),
                    progress=lambda done, total: None,
                ).thresholds
            except InputError as error:
                print(f"{row}  not calibrated: {error}")
                continue
            flat = replace(thresholds, baseline=np.full_like(thresholds.baseline, BASELINE_MIN))
            counts = [events(bundle, rest, each) for each in (thresholds, flat, None)]
            print(f"{row}{counts[0]:12}{counts[1]:13}{counts[2]:14}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]])
