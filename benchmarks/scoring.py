"""Measure the cost per frame, compared with the bare networks: `python benchmarks/scoring.py [SECONDS]`.

Goals on 160×120 frames: at most 1.25 times the bare networks from frame to evidence; at 20 Hz a p99 of at most three
times the p50, and 3 % of one core (medium), 2 % (narrow).
"""

import io
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mle_uvad.calibration import Calibration
from mle_uvad.edge.backends import make_backend, open_scorer
from mle_uvad.edge.bundle import CALIBRATION_FILE, Bundle
from mle_uvad.edge.device.bench import HZ, measure, unreachable_thresholds
from mle_uvad.edge.graph import FEATURE_MAPS, FEATURE_SIDE, REFERENCE_SIDE, RUNNING_MEANS_SIZE, TIME_CONSTANTS_S
from mle_uvad.edge.monitor import Monitor
from mle_uvad.edge.reference import enlarge
from mle_uvad.export.bundle import export_bundle
from mle_uvad.export.graph import FrameGraph
from mle_uvad.training.cache import FrameCache
from mle_uvad.training.model import WIDTHS
from mle_uvad.training.networks import make_model
from mle_uvad.training.obscuration import ObscurationNet
from mle_uvad.training.run import RunFolder
from mle_uvad.training.settings import TrainSettings

ROUNDS = 1500
PERIOD = 4  # frames at 20 Hz from one whose cells are scored to the next
WARM_UP = 100
PACED_S = 20.0


def make_bundle(folder: Path, width: str) -> Bundle:
    """Export untrained networks as a bundle, with a calibration whose thresholds are never reached.

    The weights do not change the cost per frame, and the evidence is computed as on a calibrated car.
    """
    samples = camera_frames(8)
    settings = TrainSettings(width=width, epochs=1, windows=0)
    empty = FrameCache([], np.empty(0, np.intp), samples, "none", [], np.empty(0), np.empty(0, np.intp))
    run = RunFolder(folder / f"run_{width}")
    run.start(settings, empty, [])
    run.finish(make_model(settings))
    run.finish_obscuration(ObscurationNet(width), torch.ones(2, FEATURE_MAPS, REFERENCE_SIDE, REFERENCE_SIDE), [])
    bundle = export_bundle(run.folder, folder / f"lens_{width}", "onnx")
    thresholds = unreachable_thresholds(bundle)
    size = (bundle.height, bundle.width)
    calibration = Calibration(
        thresholds,
        np.empty((2, 0)),
        "clean",
        1.0,
        0,
        0.0,
        bundle.sha256,
        "ort",
        "rgb",
        *size,
        "2026-01-01T00:00:00+00:00",
    )
    calibration.save(bundle.folder / CALIBRATION_FILE)
    return bundle


def camera_frames(count: int) -> NDArray[np.uint8]:
    """Generate smooth noise [count, 120, 160, 3]."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 30, 40, 3), dtype=np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


class BareNetworks(nn.Module):
    """Both networks, without the other operations of the graph."""

    def __init__(self, graph: FrameGraph) -> None:
        super().__init__()
        self.autoencoder, self.net = graph.model, graph.net

    def forward(self, grey: Tensor, feature_maps: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Map grey frame [1, 1, 80, 80], feature maps [1, 20, 40, 40] and reference to reconstruction and logits."""
        return self.autoencoder(grey), self.net(feature_maps, reference)


def bare_networks(width: str) -> tuple[onnxruntime.InferenceSession, dict[str, NDArray[np.float32]]]:
    """Return a session of both networks, folded as in the graph, and inputs for it."""
    graph = FrameGraph(make_model(TrainSettings(width=width)).eval(), ObscurationNet(width).eval(), 120, 160)
    shapes = {
        "grey": (1, 1, 80, 80),
        "feature_maps": (1, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE),
        "reference": (1, 2, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE),
    }
    rng = np.random.default_rng(1)
    inputs = {name: rng.uniform(0.1, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    return open_session(BareNetworks(graph), inputs), inputs


def open_session(network: nn.Module, inputs: dict[str, NDArray[np.float32]]) -> onnxruntime.InferenceSession:
    """Open a network in ONNX Runtime, with the options of the package's own backend."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = tuple(torch.from_numpy(value) for value in inputs.values())
        torch.onnx.export(
            network.eval(),
            example,
            buffer,  # type: ignore[arg-type]
            opset_version=17,
            dynamo=False,
            input_names=list(inputs),
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(buffer.getvalue(), options, providers=["CPUExecutionProvider"])


def side_by_side(width: str, bundle: Bundle) -> tuple[float, ...]:
    """Return the median ms of the bare networks, the graph, `Scorer.score` and `Monitor.update`, taken in turns.

    Measured in CPU time of this thread, which excludes other programs. The monitor scores the cells of one frame in
    four, so its time is the mean of four.
    """
    frames, (networks, inputs) = camera_frames(8), bare_networks(width)
    backend, reference = make_backend(bundle), enlarge(bundle.reference)
    running_means = np.zeros((len(TIME_CONSTANTS_S), RUNNING_MEANS_SIZE), np.float32)
    ema_weights = np.full(len(TIME_CONSTANTS_S), 0.1, np.float32)
    scorer, monitor = open_scorer(bundle), Monitor(open_scorer(bundle), unreachable_thresholds(bundle))
    calls = (
        lambda number: networks.run(None, inputs),
        lambda number: backend.run(frames[number % 8], running_means, ema_weights, reference),
        lambda number: scorer.score(frames[number % 8], number / HZ),
        lambda number: monitor.update(frames[number % 8], number / HZ),
    )
    times = np.empty((ROUNDS, len(calls)))
    for number in range(-WARM_UP, ROUNDS):
        for column, call in enumerate(calls):
            began_s = time.thread_time()
            call(number)
            times[number, column] = time.thread_time() - began_s
    return tuple((np.median(times.reshape(-1, PERIOD, len(calls)).mean(1), axis=0) * 1e3).tolist())


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else PACED_S
    print("width    bare CPU ms  graph  score  ratio  update ratio | 20 Hz: p50 ms  p99 ms  ratio  % of a core")
    with tempfile.TemporaryDirectory() as folder:
        for width in WIDTHS:
            bundle = make_bundle(Path(folder), width)
            bare, graph, score, update = side_by_side(width, bundle)
            found = measure(Monitor(open_scorer(bundle), unreachable_thresholds(bundle)), seconds)
            paced = found.paced
            print(
                f"{width:8} {bare:11.2f} {graph:6.2f}"
                f" {score:6.2f} {score / bare:6.2f} {update:6.2f} {update / bare:6.2f} |"
                f" {paced.p50:13.2f} {paced.p99:7.2f} {paced.p99 / paced.p50:6.1f} {found.cpu_percent:12.1f}"
            )


if __name__ == "__main__":
    main()
