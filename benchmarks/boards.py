"""Estimate the time per frame on boards that were not measured: `python benchmarks/boards.py`.

Minimum time = 2 × multiply-adds ÷ (GHz × floating-point operations per cycle), on one core. The likely time is four
times that: ONNX Runtime reaches a quarter of the peak of a Pi 5 on YOLO11n (6.5 GFLOP in the 168 ms that Ultralytics
publishes, of 4 × 38.4 GFLOP/s). The work of Python and numpy around the graph is not included.
"""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mle_uvad.edge.graph import FEATURE_MAPS, FEATURE_SIDE, RUNNING_MEANS_SIZE, TIME_CONSTANTS_S
from mle_uvad.export.graph import FrameGraph
from mle_uvad.training.model import WIDTHS
from mle_uvad.training.networks import make_model
from mle_uvad.training.obscuration import ObscurationNet
from mle_uvad.training.settings import TrainSettings

PEAK_FRACTION = 0.25  # reached by ONNX Runtime
# GHz, and single-precision operations per cycle of one core: one or two fused multiply-add units of four lanes.
BOARDS = {
    "Raspberry Pi 4 (Cortex-A72)": (1.5, 8),
    "Raspberry Pi 5 (Cortex-A76)": (2.4, 16),
    "Jetson Nano (Cortex-A57)": (1.43, 8),
    "Jetson Orin Nano (Cortex-A78AE)": (1.7, 16),
}


def multiply_adds(network: nn.Module, *inputs: torch.Tensor) -> float:
    """Return the multiply-adds of one call, in millions."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network.eval()(*inputs)
    return counter.get_total_flops() / 2e6


def graph_cost(width: str) -> float:
    """Return the multiply-adds of the graph for camera frames of 160×120, in millions."""
    graph = FrameGraph(make_model(TrainSettings(width=width)).eval(), ObscurationNet(width).eval(), 120, 160)
    running_means = torch.zeros(len(TIME_CONSTANTS_S), RUNNING_MEANS_SIZE)
    ema_weights = torch.ones(len(TIME_CONSTANTS_S))
    frame, reference = (
        torch.zeros(120, 160, 3, dtype=torch.uint8),
        torch.ones(2, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE),
    )
    return multiply_adds(graph, frame, running_means, ema_weights, reference)


def main() -> None:
    costs = {width: graph_cost(width) for width in WIDTHS}
    print(f"{'ESTIMATED ms per frame, min / likely':38}" + "".join(f"{width:>16}" for width in WIDTHS))
    print(f"{'million multiply-adds':38}" + "".join(f"{cost:16.1f}" for cost in costs.values()))
    for board, (ghz, per_cycle) in BOARDS.items():
        minimum = [2 * cost / (ghz * per_cycle) for cost in costs.values()]
        name = f"{board}, {ghz} GHz"
        print(f"{name:38}" + "".join(f"{ms:8.1f} / {ms / PEAK_FRACTION:5.1f}" for ms in minimum))


if __name__ == "__main__":
    main()
