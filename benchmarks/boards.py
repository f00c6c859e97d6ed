"""What a frame must take at least on boards that are not here, an estimate: `python benchmarks/boards.py`.

Least time = 2 × multiply-adds ÷ (GHz × floating-point operations a cycle), on one core. What is likely is four times
that: ONNX Runtime reaches a quarter of the peak of a Pi 5 on YOLO11n (6.5 GFLOP in the 168 ms that Ultralytics
publishes, of 4 × 38.4 GFLOP/s). What Python and numpy do around the graph is not in it.
"""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mle_uvad.edge.graph import FEATURE_MAPS, FEATURE_SIDE, RUNNING_MEANS_SIZE, TIME_CONSTANTS_S
from mle_uvad.export.graph import FrameGraph
from mle_uvad.training.model import WIDTHS
from mle_uvad.training.obscuration import ObscurationNet
from mle_uvad.training.run import make_model
from mle_uvad.training.settings import TrainSettings

REACHED = 0.25  # of the peak
# GHz, and single-precision operations a cycle of one core: one or two vector units of four lanes that multiply and add.
BOARDS = {
    "Raspberry Pi 4 (Cortex-A72)": (1.5, 8),
    "Raspberry Pi 5 (Cortex-A76)": (2.4, 16),
    "Jetson Nano (Cortex-A57)": (1.43, 8),
    "Jetson Orin Nano (Cortex-A78AE)": (1.7, 16),
}


def multiply_adds(network: nn.Module, *given: torch.Tensor) -> float:
    """Of one call, in millions."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network.eval()(*given)
    return counter.get_total_flops() / 2e6


def graph_cost(width: str) -> float:
    """Of the graph for camera frames of 160×120, in millions."""
    graph = FrameGraph(make_model(TrainSettings(width=width)).eval(), ObscurationNet(width).eval(), 120, 160)
    spans = len(TIME_CONSTANTS_S)
    memory, shares = torch.zeros(spans, RUNNING_MEANS_SIZE), torch.ones(spans)
    frame, reference = (
        torch.zeros(120, 160, 3, dtype=torch.uint8),
        torch.ones(2, FEATURE_MAPS, FEATURE_SIDE, FEATURE_SIDE),
    )
    return multiply_adds(graph, frame, memory, shares, reference)


def main() -> None:
    costs = {width: graph_cost(width) for width in WIDTHS}
    print(f"{'ESTIMATED ms a frame, least / likely':38}" + "".join(f"{width:>16}" for width in WIDTHS))
    print(f"{'million multiply-adds':38}" + "".join(f"{cost:16.1f}" for cost in costs.values()))
    for board, (ghz, a_cycle) in BOARDS.items():
        least = [2 * cost / (ghz * a_cycle) for cost in costs.values()]
        name = f"{board}, {ghz} GHz"
        print(f"{name:38}" + "".join(f"{ms:8.1f} / {ms / REACHED:5.1f}" for ms in least))


if __name__ == "__main__":
    main()
