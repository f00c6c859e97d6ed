"""What scoring a camera frame costs over the bare networks: `python benchmarks/scoring.py`.

Goals on 160×120 frames, medium: at most 1.5 times both networks alone, and at 20 Hz 4 % of one core.
"""

import io
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
from mle_uvad.edge.bundle import CALIBRATION_FILE, Bundle
from mle_uvad.edge.evidence import Limits
from mle_uvad.edge.memory import HALF, PICTURES, PLACES, REFERENCE_SIDE
from mle_uvad.edge.scorer import Scorer
from mle_uvad.export.bundle import export_bundle
from mle_uvad.export.graph import FrameGraph
from mle_uvad.training.cache import FrameCache
from mle_uvad.training.model import WIDTHS
from mle_uvad.training.obscuration import ObscurationNet
from mle_uvad.training.run import RunFolder, make_model
from mle_uvad.training.settings import TrainSettings

ROUNDS = 1500
WARM_UP = 100
HZ = 20.0
PACED_S = 20.0


def make_bundle(folder: Path, width: str) -> Bundle:
    """Untrained networks as a bundle, calibrated to limits that nothing reaches.

    The weights do not change what a frame costs, and the evidence is gathered as on a calibrated car.
    """
    samples = camera_frames(8)
    settings = TrainSettings(width=width, epochs=1, windows=0)
    nothing = FrameCache(samples[:0], None, samples, "none", [], np.empty(0), np.empty(0, np.intp))  # type: ignore[arg-type]
    run = RunFolder(folder / f"run_{width}")
    run.start(settings, nothing, [])
    run.finish(make_model(settings))
    run.finish_obscuration(ObscurationNet(width), torch.ones(2, PICTURES, REFERENCE_SIDE, REFERENCE_SIDE), [])
    bundle = export_bundle(run.folder, folder / f"lens_{width}", "onnx")
    places = np.zeros((PLACES, PLACES), np.float32)
    limits = Limits((-1.0, 0.0, 1.0), places, limit=(99.0, 99.0), averaging_s=0.5, reference=bundle.reference)
    size = (bundle.height, bundle.width)
    calibration = Calibration(
        limits, np.empty((2, 0)), "clean", 1.0, 0, 0.0, bundle.sha256, "ort", "rgb", *size, "2026-01-01T00:00:00+00:00"
    )
    calibration.save(bundle.folder / CALIBRATION_FILE)
    return bundle


def camera_frames(count: int) -> NDArray[np.uint8]:
    """Smooth noise [count, 120, 160, 3]."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 30, 40, 3), dtype=np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


class BareNetworks(nn.Module):
    """Both networks, without what lies before, between and behind them in the graph."""

    def __init__(self, graph: FrameGraph) -> None:
        super().__init__()
        self.autoencoder, self.net = graph.model, graph.net

    def forward(self, grey: Tensor, seen: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Grey frame [1, 1, 80, 80], pictures [1, 20, 40, 40] and reference to reconstruction and logits."""
        return self.autoencoder(grey), self.net(seen, reference)


def bare_networks(width: str) -> tuple[onnxruntime.InferenceSession, dict[str, NDArray[np.float32]]]:
    """Both networks, folded as in the graph, and an input for them."""
    graph = FrameGraph(make_model(TrainSettings(width=width)).eval(), ObscurationNet(width).eval(), 120, 160)
    shapes = {
        "grey": (1, 1, 80, 80),
        "seen": (1, PICTURES, HALF, HALF),
        "reference": (1, 2, PICTURES, HALF, HALF),
    }
    rng = np.random.default_rng(1)
    given = {name: rng.uniform(0.1, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    example = tuple(torch.from_numpy(value) for value in given.values())
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bare = BareNetworks(graph).eval()
        torch.onnx.export(bare, example, buffer, opset_version=17, dynamo=False, input_names=list(given))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(buffer.getvalue(), options, providers=["CPUExecutionProvider"]), given


def side_by_side(width: str, scorer: Scorer) -> tuple[float, float]:
    """The median ms of the bare networks and of `Scorer.score`, taken in turns."""
    frames, (networks, given) = camera_frames(8), bare_networks(width)
    times = np.empty((ROUNDS, 2))
    for number in range(-WARM_UP, ROUNDS):
        began = time.perf_counter()
        networks.run(None, given)
        between = time.perf_counter()
        scorer.score(frames[number % 8], number / HZ)
        times[number] = between - began, time.perf_counter() - between
    bare, score = np.median(times, axis=0) * 1e3
    return float(bare), float(score)


def paced(scorer: Scorer) -> tuple[float, float, float]:
    """At 20 Hz: median and 99th percentile in ms, and the share of one core in %."""
    frames, times = camera_frames(8), []
    cpu_s, began_s = time.process_time(), time.perf_counter()
    for number in range(round(HZ * PACED_S)):
        time.sleep(max(0.0, began_s + number / HZ - time.perf_counter()))
        started_s = time.perf_counter()
        scorer.score(frames[number % 8], started_s)
        times.append(time.perf_counter() - started_s)
    share = (time.process_time() - cpu_s) / (time.perf_counter() - began_s)
    p50, p99 = np.percentile(times, [50, 99]) * 1e3
    return float(p50), float(p99), 100 * share


def main() -> None:
    print("width    bare p50 ms  score p50 ms  ratio | 20 Hz: p50 ms  p99 ms  % of a core")
    with tempfile.TemporaryDirectory() as folder:
        for width in WIDTHS:
            scorer = Scorer(make_bundle(Path(folder), width))
            bare, score = side_by_side(width, scorer)
            p50, p99, share = paced(scorer)
            print(f"{width:8} {bare:11.2f} {score:13.2f} {score / bare:6.2f} | {p50:13.2f} {p99:7.2f} {share:12.1f}")


if __name__ == "__main__":
    main()
