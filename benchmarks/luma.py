"""What a bundle says of the camera's own grey instead of RGB: `python benchmarks/luma.py BUNDLE TUB`.

The limits are made of the tub's RGB frames; then the same frames are scored as the grey that a camera's processor
could make of them. Beside: what a frame costs.
"""

import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mle_uvad.calibration import calibrate_on_tub
from mle_uvad.edge import Bundle, Monitor, Tub
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.evidence import Thresholds
from mle_uvad.edge.frame import grey
from mle_uvad.edge.monitor import Reading
from mle_uvad.edge.tubs.replay import drive_again

Frame = NDArray[np.uint8]
REC_601, REC_709 = (0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722)
FRAMES_MAX = 3000  # of the drive, from its start


def luma(frame: Frame, weights: tuple[float, float, float], low: int, high: int) -> Frame:
    """Y as uint8 [H, W] from `low` for black to `high` for white."""
    return np.rint(low + frame @ np.array(weights) * ((high - low) / 255)).astype(np.uint8)


KINDS: dict[str, Callable[[Frame], Frame]] = {
    "RGB": lambda frame: frame,
    "grey of RGB": grey,
    "601, full range": lambda frame: luma(frame, REC_601, 0, 255),
    "601, 16…235": lambda frame: luma(frame, REC_601, 16, 235),
    "709, full range": lambda frame: luma(frame, REC_709, 0, 255),
    "709, 16…235": lambda frame: luma(frame, REC_709, 16, 235),
    # The second picture is scaled by itself: a quarter of a pixel beside the first, at worst.
    "601, scaled apart": lambda frame: shifted(luma(frame, REC_601, 0, 255)),
}


def shifted(picture: Frame) -> Frame:
    """A quarter of a pixel to the right and down."""
    image = Image.fromarray(picture)
    return np.asarray(
        image.transform(image.size, Image.Transform.AFFINE, (1, 0, 0.25, 0, 1, 0.25), Image.Resampling.BILINEAR)
    )


def watch(bundle: Bundle, thresholds: Thresholds, tub: Tub, see: Callable[[Frame], Frame]) -> list[Reading]:
    """All frames of a drive, seen by one kind of camera."""
    monitor = Monitor(open_scorer(bundle), thresholds)
    return [
        monitor.update(see(frame), record.timestamp_ms / 1000)
        for record, frame in drive_again(tub, monitor.restart)
        if frame is not None
    ]


def main() -> None:
    bundle, tub = Bundle.load(Path(sys.argv[1])), Tub(Path(sys.argv[2]))
    tub.records = tub.records[:FRAMES_MAX]
    thresholds = calibrate_on_tub(
        open_scorer(bundle),
        tub,
        rule="clean",
        false_alarms_per_hour=1.0,
        now=datetime.now(timezone.utc),
        progress=lambda done, total: None,
    ).thresholds
    seen = {name: watch(bundle, thresholds, tub, see) for name, see in KINDS.items()}
    print(f"{tub.folder}, {len(tub.records)} frames")
    print("                     PCC apart: median     95 %      max   evidence apart: median     max   obscured frames")
    for name, readings in seen.items():
        pairs = [(one, rgb) for one, rgb in zip(readings, seen["RGB"], strict=True) if one.score.pcc and rgb.score.pcc]
        pcc = np.array([abs(one.score.pcc - rgb.score.pcc) for one, rgb in pairs])
        evidence = np.array([abs(one.evidence.value - rgb.evidence.value) for one, rgb in pairs])
        wet = sum(reading.alarm.obscured for reading in readings)
        print(
            f"{name:20} {np.median(pcc):18.5f} {np.quantile(pcc, 0.95):8.5f} {pcc.max():8.5f}"
            f" {np.median(evidence):23.4f} {evidence.max():7.4f} {wet:12}"
        )
    frame = next(tub.frames())[1]
    for name in ("RGB", "601, full range"):
        given, scorer = KINDS[name](frame), open_scorer(bundle)
        costs_ms = []
        for number in range(500):
            began_s = time.perf_counter()
            scorer.score(given, number / 20)
            costs_ms.append((time.perf_counter() - began_s) * 1e3)
        print(f"{name}: {np.median(costs_ms[100:]):.3f} ms a frame")


if __name__ == "__main__":
    main()
