"""A bundle without training: an untrained autoencoder beside an obscuration network whose weights are set by hand.

`python tests/hand_made.py FOLDER` writes one, for the Pythons on which torch is not installed.
"""

import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mle_uvad.calibration import Calibration
from mle_uvad.calibration.phases import reference_from_drive, thresholds_from_drive
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.graph import FEATURE_MAPS, REFERENCE_SIDE
from mle_uvad.edge.scorer import FrameScore

Frame = NDArray[np.uint8]
FINEST_EDGES = 2  # the feature map after the mean and the change


def moving_frames(count: int, seed: int = 0) -> list[Frame]:
    """Frames [120, 160, 3] of a camera that pans over a textured scene, with noise."""
    rng = np.random.default_rng(seed)
    scene = np.zeros((240, 640, 3), np.float32)
    for cell in (4, 12, 40):  # texture of three sizes
        coarse = rng.normal(0, 22, (240 // cell + 2, 640 // cell + 2, 3)).astype(np.float32)
        scene += np.kron(coarse, np.ones((cell, cell, 1), np.float32))[:240, :640]
    frames = []
    for number in range(count):
        left, top = (3 * number) % 480, (2 * number) % 120
        noise = rng.normal(120, 2, (120, 160, 1)).astype(np.float32)
        frames.append((scene[top : top + 120, left : left + 160] + noise).clip(0, 255).astype(np.uint8))
    return frames


def finish_run(folder: Path, settings: Any, samples: Frame, model: Any = None, net: Any = None) -> Any:
    """Make a finished run that never trained.

    An untrained run needs no decoded drive: the export reads the settings, the weights and the sample frames.
    """
    import torch

    from mle_uvad.training.cache import FrameCache
    from mle_uvad.training.networks import make_model
    from mle_uvad.training.obscuration import ObscurationNet
    from mle_uvad.training.run import RunFolder

    nothing = np.empty(0, np.intp)
    cache = FrameCache([], nothing, samples, "none", [], np.empty(0), nothing)
    run = RunFolder(folder)
    run.start(settings, cache, [])
    run.finish(make_model(settings) if model is None else model)
    reference = torch.tensor([0.5, 0.1]).reshape(2, 1, 1, 1).expand(2, FEATURE_MAPS, REFERENCE_SIDE, REFERENCE_SIDE)
    if net is None:
        net = ObscurationNet(settings.width)
        net.zero_init_head()
    run.finish_obscuration(net, reference, [])
    return run


def sees_blur(net: Any) -> Any:
    """Set the weights by hand: the odds rise where the fast running mean lacks the finest edges of the clean drive.

    A trained network responds to a drop likewise, after minutes of training.
    """
    import torch

    first = (0, 0, 1, 1)  # from the first channel to the first, by the middle of the kernel
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight.zero_()
        net.zero_init_head()
        net.mix[0].weight[0, FEATURE_MAPS + FINEST_EDGES] = -1
        for convolution in (net.enter[0], net.fine[0], net.head[0][0]):
            convolution.weight[first] = 1
        net.join[0].weight[0, 0] = 1
        net.head[1].weight[0, 0] = 4
    return net


def calibrate(bundle: Bundle, frames: list[Frame], hz: float) -> Calibration:
    """Calibrate on a clean drive by the rule clean, without a tub."""
    scorer = open_scorer(bundle)

    def play() -> list[tuple[float, FrameScore]]:
        scorer.restart()
        return [(number / hz, scorer.score(frame, number / hz)) for number, frame in enumerate(frames)]

    scorer.reference = reference_from_drive(score for _, score in play())
    thresholds, maxima = thresholds_from_drive(play(), scorer.reference, 1.0)
    return Calibration.of(
        scorer,
        thresholds,
        maxima,
        rule="clean",
        false_alarms_per_hour=1.0,
        frames=len(frames),
        duration_s=len(frames) / hz,
        now=datetime(2026, 1, 1, tzinfo=timezone.utc),
    )


def write_bundle(folder: Path) -> Bundle:
    """Export the bundle like that of any run, to `folder/lens`."""
    from mle_uvad.export.bundle import export_bundle
    from mle_uvad.training.obscuration import ObscurationNet
    from mle_uvad.training.settings import TrainSettings

    settings = TrainSettings(width="narrow", epochs=1, windows=0)
    run = finish_run(folder / "run", settings, np.stack(moving_frames(8)), net=sees_blur(ObscurationNet("narrow")))
    return export_bundle(run.folder, folder / "lens", "onnx")


if __name__ == "__main__":
    write_bundle(Path(sys.argv[1]))
