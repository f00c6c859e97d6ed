"""The interface of the exported graph: the names and shapes of its inputs and outputs, and who runs it.

A fault stays where it is on the lens while the scene moves, so the network looks at averages over time. The graph is
stateless: the running means and the new frame's weight in them go in, the running means for the next frame come out.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .frame import SIZE

TIME_CONSTANTS_S = (0.4, 2.0)  # of the running means: a fast one, which sees a drop fall, and a slow one
FEATURE_SIDE = SIZE // 2  # of a feature map
MOMENT_MAPS = 7  # averaged on the grid of feature maps: second moments of the grey, edges on two scales
RUNNING_MEANS_SIZE = SIZE * SIZE + MOMENT_MAPS * FEATURE_SIDE * FEATURE_SIDE  # the mean frame, then the moment maps
FEATURE_MAPS = 10 * len(TIME_CONSTANTS_S)  # what the network sees of the running means, each [40, 40] in 0…1.2
REFERENCE_SIDE = 10  # of a feature map as the reference keeps it
GRID_SIDE = 20  # cells along a side of the network's output

# The names in model.onnx; bundles in use have them, so they are part of the file format.
GRAPH_INPUTS = ("frame", "memory", "shares", "reference")
GRAPH_OUTPUTS = ("pcc", "brightness", "contrast", "motion", "logits", "pictures", "memory_out")
# The same graph in two parts: what every frame needs, and what the cells need in addition.
FRAME_INPUTS, FRAME_OUTPUTS = ("frame", "memory", "shares"), ("pcc", "brightness", "contrast", "motion", "memory_out")
CELL_INPUTS, CELL_OUTPUTS = ("memory_out", "reference"), ("logits", "pictures")

Floats = NDArray[np.float32]


class GraphOutputs(NamedTuple):
    """What the graph returns for a frame; fields as in `export.graph`."""

    pcc: float
    brightness: float
    contrast: float
    motion: float
    logits: Floats | None  # [20, 20]; None without a reference
    feature_maps: Floats | None  # [20, 10, 10]; None without a reference
    running_means: Floats  # [2, 17600], for the next frame


class Backend(Protocol):
    """Runs the model of a bundle on one frame after the other, for one Scorer."""

    name: str  # a calibration holds for one backend
    about: str  # versions and device, for people

    def run(
        self, frame: NDArray[np.uint8], running_means: Floats, ema_weights: Floats, reference: Floats | None
    ) -> GraphOutputs:
        """Run the graph on RGB uint8 [H, W, 3].

        `running_means` [2, 17600] are those of the frames before, `ema_weights` [2] the weights of this frame in them
        and `reference` [2, 20, 40, 40] the enlarged reference. Without a reference the cells are not scored.
        """
