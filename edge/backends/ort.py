"""ONNX Runtime on one thread, without spinning: the backend that works everywhere."""

import os

import numpy as np
from numpy.typing import NDArray

from ..bundle import Bundle
from ..errors import InputError, first_line
from ..graph import (
    CELL_INPUTS,
    CELL_OUTPUTS,
    FRAME_INPUTS,
    FRAME_OUTPUTS,
    RUNNING_MEANS_SIZE,
    TIME_CONSTANTS_S,
    Floats,
    GraphOutputs,
)
from ..onnx_split import part_of
from ..reference import enlarge

# Set before the import: on Linux its telemetry is on by default, with a device id and a queue under ~/.cache.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

WARM_UP_RUNS = 2  # the first run allocates: not on the first frame of a drive


class OrtBackend:
    """Runs the model of a bundle, in two parts: the second, for the cells, takes nearly half of the time.

    Raises InputError for a model that is not one of ours.
    """

    name = "ort"
    about = f"ONNX Runtime {onnxruntime.__version__}, one thread"

    def __init__(self, bundle: Bundle) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # Spinning burns most of a core between two frames and makes none of them faster.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        # A model from memory would read files that it names in the working directory; below this there are none.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
        frame = np.zeros((bundle.height, bundle.width, 3), np.uint8)
        running_means, ema_weights = (
            np.zeros((len(TIME_CONSTANTS_S), RUNNING_MEANS_SIZE), np.float32),
            np.ones(len(TIME_CONSTANTS_S), np.float32),
        )
        reference = enlarge(bundle.reference)
        try:
            self._frames, self._cells = (
                onnxruntime.InferenceSession(part_of(bundle.model, *ends), options, providers=["CPUExecutionProvider"])
                for ends in ((FRAME_INPUTS, FRAME_OUTPUTS), (CELL_INPUTS, CELL_OUTPUTS))
            )
            for _ in range(WARM_UP_RUNS):
                self.run(frame, running_means, ema_weights, reference)
        except Exception as error:  # noqa: BLE001 onnxruntime has no base class of its errors
            reason = first_line(error)
            raise InputError(f"ONNX Runtime refuses {bundle.folder}: {reason}; export the bundle again") from None

    def run(
        self, frame: NDArray[np.uint8], running_means: Floats, ema_weights: Floats, reference: Floats | None
    ) -> GraphOutputs:
        """Run the graph as `Backend.run` describes."""
        inputs = dict(zip(FRAME_INPUTS, (frame, running_means, ema_weights), strict=True))
        pcc, brightness, contrast, motion, updated = self._frames.run(FRAME_OUTPUTS, inputs)
        logits = feature_maps = None
        if reference is not None:
            cell_inputs = dict(zip(CELL_INPUTS, (updated, reference), strict=True))
            logits, feature_maps = self._cells.run(CELL_OUTPUTS, cell_inputs)
        return GraphOutputs(
            float(pcc), float(brightness), float(contrast), float(motion), logits, feature_maps, updated
        )
