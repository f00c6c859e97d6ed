"""TensorRT on the GPU of a Jetson. Not yet run on one: its numbers are those of a stand-in (docs/jetson.md)."""

import logging
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorrt as trt
from numpy.typing import NDArray

from ..bundle import Bundle
from ..errors import InputError, first_line
from ..graph import GRAPH_INPUTS, GRAPH_OUTPUTS, TIME_CONSTANTS_S, GraphOutputs
from ..reference import enlarge
from ..scorer import Scorer
from .cuda import Cuda
from .engine_file import PRECISION, EngineFor, read_engine, write_engine
from .ort import WARM_UP_RUNS, Floats, OrtBackend
from .parity import compare
from .synthetic_frames import synthetic_frames
from .trt_engine import MESSAGES, VERSION, build, require_tensor_names

logger = logging.getLogger(__name__)

MEMORY_IN, MEMORY_OUT = "memory", "memory_out"
STAY = "; to stay with ONNX Runtime, export with --target onnx"
ALIGNMENT = 256  # bytes, of every tensor's address
# Not trt.nptype: that of TensorRT 8.5 fails with numpy 1.24 and newer.
DTYPES = {"FLOAT": np.float32, "UINT8": np.uint8}


def open_trt(bundle: Bundle, *, rebuild: bool = False) -> "TrtBackend":
    """The backend of a bundle, from the engine beside it; that is built first where none fits this machine.

    Raises InputError when there is no GPU, when the engine cannot be built, and when it differs from ONNX Runtime.
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
    """Runs an engine. All memory is made here; a frame takes one copy to the device, one run, two copies back.

    The memory of the graph stays on the device in two blocks that take turns: what one frame writes the next reads. So
    a backend serves one Scorer at a time.
    """

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
        self._inputs = self._block(name for name in GRAPH_INPUTS if name != MEMORY_IN)
        self._outputs = self._block(name for name in GRAPH_OUTPUTS if name != MEMORY_OUT)
        self._memories = (self._block([MEMORY_IN]), self._block([MEMORY_IN]))
        # The memory as the caller gets it, and by which it is known when it comes back.
        self._given = tuple(block.arrays[MEMORY_IN].view() for block in self._memories)
        for view in self._given:
            view.flags.writeable = False
        self._warm_up(bundle)

    def run(
        self, frame: NDArray[np.uint8], running_means: Floats, ema_weights: Floats, reference: Floats
    ) -> GraphOutputs:
        """As `OrtBackend.run`, but the memory of the answer is overwritten by the run after the next.

        Raises RuntimeError when the GPU fails, ValueError for an input of another shape or type.
        """
        here = 1 if running_means is self._given[1] else 0
        if running_means is not self._given[here]:  # not ours: a new drive
            self._memories[here].fill(MEMORY_IN, running_means)
            self._memories[here].upload()
        values: tuple[NDArray[Any], ...] = (frame, running_means, ema_weights, reference)
        for name, value in zip(GRAPH_INPUTS, values, strict=True):
            if name != MEMORY_IN:
                self._inputs.fill(name, value)
        self._inputs.upload()
        self._place(MEMORY_IN, self._memories[here].address(MEMORY_IN))
        self._place(MEMORY_OUT, self._memories[1 - here].address(MEMORY_IN))
        if not self._context.execute_async_v3(self._cuda.stream):
            raise RuntimeError(f"TensorRT cannot run: {MESSAGES.reason()}")
        self._outputs.download()
        self._memories[1 - here].download()  # for the caller, who looks whether it is finite
        self._cuda.synchronise()
        read = self._outputs.arrays
        pcc, brightness, contrast, motion = (float(read[name]) for name in GRAPH_OUTPUTS[:4])
        # The caller keeps these for longer than a frame.
        logits, feature_maps = (read[name].copy() for name in GRAPH_OUTPUTS[4:6])
        return GraphOutputs(pcc, brightness, contrast, motion, logits, feature_maps, self._given[1 - here])

    def _block(self, names: Iterable[str]) -> "_Block":
        tensors = {}
        for name in names:
            dtype = self._engine.get_tensor_dtype(name)
            if dtype.name not in DTYPES:
                raise InputError(f"the engine has {name} as {dtype.name}; type: mle-uvad build-engine BUNDLE")
            tensors[name] = tuple(self._engine.get_tensor_shape(name)), np.dtype(DTYPES[dtype.name])
        block = _Block(self._cuda, tensors)
        for name in block.arrays:
            if name != MEMORY_IN:
                self._place(name, block.address(name))
        return block

    def _place(self, name: str, address: int) -> None:
        if not self._context.set_tensor_address(name, address):
            raise RuntimeError(f"TensorRT refuses the address of {name}: {MESSAGES.reason()}")

    def _warm_up(self, bundle: Bundle) -> None:
        frame, running_means = np.zeros((bundle.height, bundle.width, 3), np.uint8), np.zeros_like(self._given[0])
        for _ in range(WARM_UP_RUNS):
            self.run(frame, running_means, np.ones(len(TIME_CONSTANTS_S), np.float32), enlarge(bundle.reference))


class _Block:
    """Tensors side by side in one block on the device and in one on the host, so that one copy moves them all."""

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
        """Copy a value, of whatever strides, to the host side. Raises ValueError for another shape or type."""
        array = self.arrays[name]
        if value.shape != array.shape or value.dtype != array.dtype:
            seen, wanted = f"{value.dtype} {list(value.shape)}", f"{array.dtype} {list(array.shape)}"
            raise ValueError(f"{name} is {seen}, the engine takes {wanted}")
        np.copyto(array, value)

    def upload(self) -> None:
        self._cuda.upload(self._host, self._device)

    def download(self) -> None:
        self._cuda.download(self._device, self._host)
