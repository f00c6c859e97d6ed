"""The TensorRT backend for the GPU of a Jetson. Tested against a fake only, not yet on a Jetson (docs/jetson.md)."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorrt as trt
from numpy.typing import NDArray

from ..bundle import Bundle
from ..errors import InputError, first_line
from ..graph import GRAPH_INPUTS, GRAPH_OUTPUTS, RUNNING_MEANS_SIZE, TIME_CONSTANTS_S, Floats, GraphOutputs
from ..reference import enlarge
from ..scorer import Scorer
from .cuda import Cuda
from .engine_file import PRECISION, EngineFor, read_engine, write_engine
from .ort import WARM_UP_RUNS, OrtBackend
from .parity import compare
from .synthetic_frames import synthetic_frames
from .trt_engine import MESSAGES, VERSION, build, require_tensor_names

logger = logging.getLogger(__name__)

STAY = "; to stay with ONNX Runtime, export with --target onnx"
ALIGNMENT = 256  # bytes, of every tensor's address
# Not trt.nptype: that of TensorRT 8.5 fails with numpy 1.24 and newer.
DTYPES = {"FLOAT": np.float32, "UINT8": np.uint8}


def open_trt(bundle: Bundle, *, rebuild: bool = False) -> "TrtBackend":
    """Open the engine beside a bundle, building it first if none fits this machine or `rebuild` asks for it.

    Raises InputError if there is no GPU, if the engine cannot be built, or if its outputs differ from ONNX Runtime's.
    """
    require_tensor_names()
    try:
        cuda = Cuda()  # before any use of TensorRT, which without a GPU may end the process
        wanted = EngineFor(bundle.sha256, VERSION, cuda.gpu)
        reason = "asked for"
        if not rebuild:
            try:
                return TrtBackend(bundle, read_engine(bundle.folder, wanted), cuda)
            except InputError as error:
                reason = str(error)
        logger.warning("building the TensorRT engine of %s, which takes minutes: %s", bundle.folder, reason)
        return _build(bundle, wanted, cuda)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 what TensorRT and ctypes throw has no base class
        raise InputError(f"TensorRT {VERSION} fails ({first_line(error)}){STAY}") from None


def _build(bundle: Bundle, wanted: EngineFor, cuda: Cuda) -> "TrtBackend":
    plan = build(bundle.model)
    backend = TrtBackend(bundle, plan, cuda)
    frames = synthetic_frames(bundle.height, bundle.width)
    if problem := compare(Scorer(bundle, backend), Scorer(bundle, OrtBackend(bundle)), frames).problem:
        raise InputError(f"the engine of TensorRT {VERSION} is not kept: against ONNX Runtime, {problem}{STAY}")
    try:
        write_engine(bundle.folder, plan, wanted)
    except InputError as error:
        logger.warning("the engine is built again at every start: %s", error)
    return backend


class TrtBackend:
    """Runs an engine. All buffers are allocated once; a frame costs one copy to the device, one run, one copy back."""

    name = "trt"

    def __init__(self, bundle: Bundle, plan: bytes, cuda: Cuda) -> None:
        self.about = f"TensorRT {VERSION}, {PRECISION}, {cuda.gpu}"
        self._cuda = cuda
        self._runtime = trt.Runtime(MESSAGES)  # has to outlive the engine
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise InputError(f"TensorRT {VERSION} refuses its engine: {MESSAGES.reason()}")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise InputError(f"TensorRT {VERSION} cannot run the engine: {MESSAGES.reason()}")
        found = {self._engine.get_tensor_name(number) for number in range(self._engine.num_io_tensors)}
        if found != {*GRAPH_INPUTS, *GRAPH_OUTPUTS}:
            raise InputError(f"the engine has the tensors {', '.join(sorted(found))}; export the bundle again")
        self._inputs, self._outputs = self._block(GRAPH_INPUTS), self._block(GRAPH_OUTPUTS)
        self._warm_up(bundle)

    def run(
        self, frame: NDArray[np.uint8], running_means: Floats, ema_weights: Floats, reference: Floats | None
    ) -> GraphOutputs:
        """Run the graph as `Backend.run` describes; the engine scores the cells of every frame.

        Raises RuntimeError if the GPU fails, ValueError for an input of another shape or dtype.
        """
        values: tuple[NDArray[Any] | None, ...] = (frame, running_means, ema_weights, reference)
        for name, value in zip(GRAPH_INPUTS, values, strict=True):
            if value is not None:
                self._inputs.fill(name, value)
        self._inputs.upload()
        if not self._context.execute_async_v3(self._cuda.stream):
            raise RuntimeError(f"TensorRT cannot run: {MESSAGES.reason()}")
        self._outputs.download()
        self._cuda.synchronise()
        pcc, brightness, contrast, motion = (float(self._outputs.arrays[name]) for name in GRAPH_OUTPUTS[:4])
        # Copies: the next run overwrites the block.
        *cells, updated = (self._outputs.arrays[name] for name in GRAPH_OUTPUTS[4:])
        logits, feature_maps = (None if reference is None else array.copy() for array in cells)
        return GraphOutputs(pcc, brightness, contrast, motion, logits, feature_maps, updated.copy())

    def _block(self, names: Sequence[str]) -> "_Block":
        tensors = {}
        for name in names:
            dtype = self._engine.get_tensor_dtype(name)
            if dtype.name not in DTYPES:
                raise InputError(f"the engine has {name} as {dtype.name}; type: mle-uvad build-engine BUNDLE")
            tensors[name] = tuple(self._engine.get_tensor_shape(name)), np.dtype(DTYPES[dtype.name])
        block = _Block(self._cuda, tensors)
        for name in block.arrays:
            if not self._context.set_tensor_address(name, block.address(name)):
                raise RuntimeError(f"TensorRT refuses the address of {name}: {MESSAGES.reason()}")
        return block

    def _warm_up(self, bundle: Bundle) -> None:
        frame = np.zeros((bundle.height, bundle.width, 3), np.uint8)
        running_means = np.zeros((len(TIME_CONSTANTS_S), RUNNING_MEANS_SIZE), np.float32)
        for _ in range(WARM_UP_RUNS):
            self.run(frame, running_means, np.ones(len(TIME_CONSTANTS_S), np.float32), enlarge(bundle.reference))


class _Block:
    """Tensors side by side, in one block on the device and one on the host, so that a single copy moves them all."""

    def __init__(self, cuda: Cuda, tensors: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]) -> None:
        self._cuda, self._offsets, size = cuda, {}, 0
        self.arrays: dict[str, NDArray[Any]] = {}
        for name, (shape, dtype) in tensors.items():
            self._offsets[name] = size
            size += -(-math.prod(shape) * dtype.itemsize // ALIGNMENT) * ALIGNMENT
        self._device, self._host = cuda.allocate(size), cuda.pinned(size)
        for name, (shape, dtype) in tensors.items():
            start = self._offsets[name]
            self.arrays[name] = self._host[start : start + math.prod(shape) * dtype.itemsize].view(dtype).reshape(shape)

    def address(self, name: str) -> int:
        return self._device.address + self._offsets[name]

    def fill(self, name: str, value: NDArray[Any]) -> None:
        """Copy a value, with any strides, into the host block. Raises ValueError for another shape or dtype."""
        array = self.arrays[name]
        if value.shape != array.shape or value.dtype != array.dtype:
            seen, wanted = f"{value.dtype} {list(value.shape)}", f"{array.dtype} {list(array.shape)}"
            raise ValueError(f"{name} is {seen}, the engine takes {wanted}")
        np.copyto(array, value)

    def upload(self) -> None:
        self._cuda.upload(self._host, self._device)

    def download(self) -> None:
        self._cuda.download(self._device, self._host)
