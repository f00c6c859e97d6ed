"""ONNX Runtime on one thread, without spinning: the backend that works everywhere."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from .bundle import GRAPH_INPUT, GRAPH_OUTPUTS, Bundle
from .errors import InputError, first_line

EACH_FRAME = list(GRAPH_OUTPUTS[:4])  # the residual is left in the graph
WARM_UP_RUNS = 2  # the first run allocates: not on the first frame of a drive


class OrtBackend:
    """Runs the model of a bundle. Raises InputError for a model that is not one of ours."""

    name = "ort"

    def __init__(self, bundle: Bundle) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # Spinning burns most of a core between two frames and makes none of them faster.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])
            for _ in range(WARM_UP_RUNS):
                self.run(np.zeros((bundle.height, bundle.width, 3), np.uint8))
        except Exception as error:  # noqa: BLE001 onnxruntime has no base class of its errors
            reason = first_line(error)
            raise InputError(f"ONNX Runtime refuses {bundle.folder}: {reason}; export the bundle again") from None

    def run(self, frame: NDArray[np.uint8]) -> tuple[float, float, float, NDArray[np.float32]]:
        """RGB uint8 [H, W, 3] to PCC, brightness, contrast and maps [M, 10, 10]."""
        pcc, brightness, contrast, maps = self._session.run(EACH_FRAME, {GRAPH_INPUT: frame})
        return float(pcc), float(brightness), float(contrast), maps
