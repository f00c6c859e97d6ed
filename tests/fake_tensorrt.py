"""A stand-in for the module `tensorrt`: what our backend uses of it, with the model run by ONNX Runtime.

It refuses what TensorRT refuses, in its way: False or None and a line to the logger, TypeError for wrong arguments.
`tests/edge/test_real_signatures.py` holds its methods against the real module.
"""

import ctypes
import enum
import json
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
from fake_cudart import FakeCudart

MAGIC = b"fake plan\n"
ALIGNMENT = 256


class Crash(BaseException):
    """Where the real one would take the process down."""


class DataType(enum.Enum):
    FLOAT = "tensor(float)"
    UINT8 = "tensor(uint8)"
    HALF = "tensor(float16)"


class TensorIOMode(enum.Enum):
    INPUT = 1
    OUTPUT = 2


class MemoryPoolType(enum.Enum):
    WORKSPACE = 0


class BuilderFlag(enum.Enum):
    TF32 = 7


class NetworkDefinitionCreationFlag(enum.IntEnum):
    EXPLICIT_BATCH = 0


class ILogger:
    class Severity(enum.IntEnum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2
        INFO = 3
        VERBOSE = 4

    def __init__(self) -> None:
        self.made = True

    def log(self, severity: Severity, msg: str) -> None:
        raise NotImplementedError


class Machine:
    """What the classes of the stand-in share: the GPU, the version, and how wrong the results are."""

    def __init__(self, cudart: FakeCudart, version: str = "10.3.0") -> None:
        self.cudart = cudart
        self.version = version
        self.error = 0.0  # added to every log odds
        self.builds = 0
        self.refuses_to_build = ""  # why

    def module(self) -> ModuleType:
        module = ModuleType("tensorrt")
        module.__version__ = self.version  # type: ignore[attr-defined]
        for given in (DataType, TensorIOMode, MemoryPoolType, BuilderFlag, ILogger):
            setattr(module, given.__name__, given)
        if int(self.version.split(".")[0]) < 11:  # gone in 11
            module.NetworkDefinitionCreationFlag = NetworkDefinitionCreationFlag  # type: ignore[attr-defined]
        for kind in (Builder, OnnxParser, Runtime, ICudaEngine, IExecutionContext):
            setattr(module, kind.__name__, type(kind.__name__, (kind,), {"machine": self}))
        return module


def _needs_logger(logger: Any) -> Any:
    if not (isinstance(logger, ILogger) and hasattr(logger, "made")):
        raise TypeError("incompatible constructor arguments: an ILogger whose __init__ was called is needed")
    return logger


def _complain(logger: Any, text: str) -> None:
    logger.log(ILogger.Severity.ERROR, f"IExecutionContext: Error Code 3: {text}\n")


class INetworkDefinition:
    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.model = b""


class IBuilderConfig:
    def __init__(self) -> None:
        self.flags = {BuilderFlag.TF32}  # as the real one begins
        self.pools: dict[MemoryPoolType, int] = {}

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        self.pools[MemoryPoolType(pool)] = pool_size

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.flags.discard(BuilderFlag(flag))


class Builder:
    machine: Machine

    def __init__(self, logger: ILogger) -> None:
        self.logger = _needs_logger(logger)

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        return INetworkDefinition(flags)

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> memoryview | None:
        machine, old = self.machine, int(self.machine.version.split(".")[0]) < 10
        if old != bool(network.flags & 1):
            _complain(self.logger, "a network of explicit batch is asked for by flag 1 up to version 9, and only there")
            return None
        if machine.refuses_to_build:
            _complain(self.logger, machine.refuses_to_build)
            return None
        machine.builds += 1
        facts = {"version": machine.version, "gpu": machine.cudart.attributes[75], "bytes": len(network.model)}
        facts["flags"] = [flag.name for flag in config.flags]
        return memoryview(MAGIC + json.dumps(facts).encode() + b"\n" + network.model)


class ParserError:
    def __init__(self, text: str) -> None:
        self.text = text

    def desc(self) -> str:
        return self.text


class OnnxParser:
    machine: Machine

    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        self.network, self.logger = network, _needs_logger(logger)
        self.errors: list[ParserError] = []

    @property
    def num_errors(self) -> int:
        return len(self.errors)

    def get_error(self, index: int) -> ParserError:
        return self.errors[index]

    def parse(self, model: bytes, path: str | None = None) -> bool:
        try:
            onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 onnxruntime has no base class of its errors
            self.errors.append(ParserError(f"ModelImporter: {str(error).splitlines()[0]}"))
            return False
        self.network.model = bytes(model)
        return True


class Runtime:
    machine: Machine

    def __init__(self, logger: ILogger) -> None:
        self.logger = _needs_logger(logger)

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> "ICudaEngine | None":
        if not self.machine.cudart.devices:
            raise Crash("no driver")
        try:
            magic, head, model = bytes(serialized_engine).split(b"\n", 2)
            facts = json.loads(head)
        except ValueError:
            raise Crash("a damaged plan") from None
        if magic + b"\n" != MAGIC or len(model) != facts["bytes"]:
            raise Crash("a damaged plan")
        if (facts["version"], facts["gpu"]) != (self.machine.version, self.machine.cudart.attributes[75]):
            _complain(self.logger, "Version tag does not match")
            return None
        return type("ICudaEngine", (ICudaEngine,), {"machine": self.machine})(model, self.logger)


class ICudaEngine:
    machine: Machine

    def __init__(self, model: bytes, logger: ILogger) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.logger = logger
        self.inputs = [tensor.name for tensor in self.session.get_inputs()]
        self.tensors = {tensor.name: tensor for tensor in (*self.session.get_inputs(), *self.session.get_outputs())}

    @property
    def num_io_tensors(self) -> int:
        return len(self.tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.tensors[name].shape)

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType(self.tensors[name].type)

    def create_execution_context(self) -> "IExecutionContext":
        return type("IExecutionContext", (IExecutionContext,), {"machine": self.machine})(self)


class IExecutionContext:
    machine: Machine

    def __init__(self, engine: ICudaEngine) -> None:
        self.of = engine
        self.addresses: dict[str, int] = {}

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if not isinstance(name, str) or not hasattr(memory, "__index__"):
            raise TypeError("set_tensor_address(): incompatible function arguments")
        if name not in self.of.tensors:
            _complain(self.of.logger, f"{name} is no tensor of the engine")
            return False
        self.addresses[name] = int(memory)
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        if stream_handle not in self.machine.cudart.streams:
            raise Crash("an unknown stream")
        for name in self.of.tensors:
            address, size = self.addresses.get(name), self._array(name).nbytes
            if address is None:
                _complain(self.of.logger, f"Address is not set for tensor {name}")
                return False
            if address % ALIGNMENT:
                _complain(self.of.logger, f"{name} is not aligned")
                return False
            if not self.machine.cudart.holds(address, size):
                raise Crash(f"{name} is not on the device, or not all of it")
        addresses = dict(self.addresses)
        self.machine.cudart.waiting.append(lambda: self._run(addresses))
        return True

    def _array(self, name: str) -> np.ndarray:
        dtype = np.uint8 if self.of.get_tensor_dtype(name) is DataType.UINT8 else np.float32
        return np.zeros(self.of.get_tensor_shape(name), dtype)

    def _run(self, addresses: dict[str, int]) -> None:
        given = {}
        for name in self.of.inputs:
            given[name] = self._array(name)
            ctypes.memmove(given[name].ctypes.data, addresses[name], given[name].nbytes)
        names = [name for name in self.of.tensors if name not in self.of.inputs]
        for name, value in zip(names, self.of.session.run(names, given), strict=True):
            answer = np.ascontiguousarray(value, np.float32) + np.float32(self.machine.error * (name == "logits"))
            ctypes.memmove(addresses[name], answer.ctypes.data, answer.nbytes)
