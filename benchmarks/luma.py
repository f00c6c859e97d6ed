"""Compare scores of grey camera frames with those of RGB: `python benchmarks/luma.py BUNDLE TUB`.

The thresholds are calibrated on the RGB frames of the tub; then the same frames are scored as the grey that a camera's
image processor could deliver. The cost per frame is printed too.
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
from mle_uvad.edge import Bundle, Monitor
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.evidence import Thresholds
from mle_uvad.edge.frame import grey
from mle_uvad.edge.monitor import Reading
from mle_uvad.edge.tubs.replay import drive_again
from mle_uvad.edge.tubs.tub import Tub

Frame = NDArray[np.uint8]
REC_601, REC_709 = (0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722)
FRAMES_MAX = 3000  # of the drive, from its start


def luma(frame: Frame, weights: tuple[float, float, float], low: int, high: int) -> Frame:
    """Return Y as uint8 [H, W], from `low` for black to `high` for white."""
    return np.rint(low + frame @ np.array(weights) * ((high - low) / 255)).astype(np.uint8)


FORMATS: dict[str, Callable[[Frame], Frame]] = {
    "RGB": lambda frame: frame,
    "grey of RGB": grey,
    "601, full range": lambda frame: luma(frame, REC_601, 0, 255),
    "601, 16…235": lambda frame: luma(frame, REC_601, 16, 235),
    "709, full range": lambda frame: luma(frame, REC_709, 0, 255),
    "709, 16…235": lambda frame: luma(frame, REC_709, 16, 235),
    # A second stream that the camera scales separately is shifted by a quarter of a pixel at most.
    "601, shifted 1/4 px": lambda frame: shifted(luma(frame, REC_601, 0, 255)),
}


def shifted(frame: Frame) -> Frame:
    """Return the frame shifted right and down by a quarter of a pixel."""
    image = Image.fromarray(frame)
    return np.asarray(
        image.transform(image.size, Image.Transform.AFFINE, (1, 0, 0.25, 0, 1, 0.25), Image.Resampling.BILINEAR)
    )


def predict(bundle: Bundle, thresholds: Thresholds, tub: Tub, convert: Callable[[Frame], Frame]) -> list[Reading]:
    """Return the readings of a drive whose frames are converted first."""
    monitor = Monitor(open_scorer(bundle), thresholds)
    return [
        monitor.update(convert(frame), record.timestamp_ms / 1000)
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
    by_format = {name: predict(bundle, thresholds, tub, convert) for name, convert in FORMATS.items()}
    print(f"{tub.folder}, {len(tub.records)} frames")
    print("                     PCC error: median     95 %      max   evidence error: median     max   obscured frames")
    for name, readings in by_format.items():
        pairs = list(zip(readings, by_format["RGB"], strict=True))
        pccs = [(one.score.pcc, rgb.score.pcc) for one, rgb in pairs]
        pcc = np.array([abs(one - rgb) for one, rgb in pccs if one is not None and rgb is not None])
        evidence = np.array(
            [
                abs(one.evidence.value - rgb.evidence.value)
                for one, rgb in pairs
                if one.score.pcc is not None and rgb.score.pcc is not None
            ]
        )
        wet = sum(reading.alarm.obscured for reading in readings)
        print(
            f"{name:20} {np.median(pcc):18.5f} {np.quantile(pcc, 0.95):8.5f} {pcc.max():8.5f}"
            f" {np.median(evidence):23.4f} {evidence.max():7.4f} {wet:12}"
        )
    frame = next(tub.frames())[1]
    for name in ("RGB", "601, full range"):
        image, scorer = FORMATS[name](frame), open_scorer(bundle)
        costs_ms = []
        for number in range(500):
            began_s = time.perf_counter()
            scorer.score(image, number / 20)
            costs_ms.append((time.perf_counter() - began_s) * 1e3)
        print(f"{name}: {np.median(costs_ms[100:]):.3f} ms per frame")


if __name__ == "__main__":
    main()
