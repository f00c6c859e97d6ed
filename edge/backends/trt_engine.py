"""Builds the TensorRT engine of a model, for the GPU at hand."""

import logging

import tensorrt as trt

from ..errors import InputError

logger = logging.getLogger(__name__)

VERSION: str = trt.__version__
MAJOR = int(VERSION.split(".")[0])
WORKSPACE_BYTES = 256 * 1024**2  # while choosing kernels; the networks are small


class Messages(trt.ILogger):
    """Keeps the last error of TensorRT, whose methods return None or False without a reason."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)  # not super(): pybind wants it by name
        self._error = ""

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Called by TensorRT."""
        if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
            self._error = msg.strip().partition("\n")[0]
        logger.debug("TensorRT: %s", msg)

    def reason(self) -> str:
        """Return the last error since the previous call, in one line."""
        error, self._error = self._error, ""
        return error or "no reason given"


# The one of the process: TensorRT goes on using the first logger that it is given, whoever gave it.
MESSAGES = Messages()


def require_tensor_names() -> None:
    """Raise InputError for a TensorRT older than 8.5, which counts its tensors instead of naming them."""
    if not hasattr(trt.ICudaEngine, "num_io_tensors"):
        raise InputError(f"TensorRT {VERSION} is older than 8.5; install JetPack 6 or newer")


def build(model: bytes) -> bytes:
    """Build the engine of an ONNX model, in float32 throughout. Takes seconds to minutes.

    Raises InputError when TensorRT cannot read or build the graph.
    """
    builder = trt.Builder(MESSAGES)
    # Up to 9 a network of static shapes has to be asked for; from 10 on there is no other.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH) if MAJOR < 10 else 0)
    parser = trt.OnnxParser(network, MESSAGES)
    if not parser.parse(model):
        reason = parser.get_error(0).desc() if parser.num_errors else MESSAGES.reason()
        raise InputError(f"TensorRT {VERSION} cannot read the graph: {reason}; export the bundle with --target jetson")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    config.clear_flag(trt.BuilderFlag.TF32)  # on by default: it would round the grey levels
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise InputError(f"TensorRT {VERSION} cannot build the engine: {MESSAGES.reason()}; end other programs")
    return bytes(plan)
