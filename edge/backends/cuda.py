"""The few calls of the CUDA runtime that an engine needs: memory, copies, one stream.

Through ctypes, not cuda-python: JetPack brings libcudart with every CUDA and no cuda-python, whose modules changed
their names between CUDA 12 and 13, while these functions are declared as they were in CUDA 9.
"""

import ctypes
import ctypes.util
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

LIBRARIES = (
    "libcudart.so",
    "libcudart.so.13",
    "libcudart.so.12",
    "libcudart.so.11.0",
    "/usr/local/cuda/lib64/libcudart.so",
)
TO_DEVICE, FROM_DEVICE = 1, 2  # cudaMemcpyKind
MULTIPROCESSORS, MAJOR, MINOR = 16, 75, 76  # cudaDeviceAttr
DEVICE = 0  # a Jetson has one GPU

_POINTER, _POINTER_OUT, _INT_OUT = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int)
# As in cuda_runtime_api.h; a stream is a pointer, an enumeration an int, and all but the last return a cudaError_t.
SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cudaGetDeviceCount": (_INT_OUT,),
    "cudaDeviceGetAttribute": (_INT_OUT, ctypes.c_int, ctypes.c_int),
    "cudaMalloc": (_POINTER_OUT, ctypes.c_size_t),
    "cudaFree": (_POINTER,),
    "cudaHostAlloc": (_POINTER_OUT, ctypes.c_size_t, ctypes.c_uint),
    "cudaFreeHost": (_POINTER,),
    "cudaMemcpyAsync": (_POINTER, _POINTER, ctypes.c_size_t, ctypes.c_int, _POINTER),
    "cudaStreamCreate": (_POINTER_OUT,),
    "cudaStreamSynchronize": (_POINTER,),
    "cudaGetErrorString": (ctypes.c_int,),
}


def open_library() -> Any:
    """Open the CUDA runtime of this machine. Raises InputError if there is none."""
    for name in (ctypes.util.find_library("cudart"), *LIBRARIES):
        if name is not None:
            try:
                return ctypes.CDLL(name)
            except OSError:
                continue
    raise InputError(
        "libcudart, the CUDA runtime, is not on this machine; on a Jetson: sudo apt install nvidia-jetpack"
    )


class Cuda:
    """The first GPU and a stream on it. Raises InputError without one, RuntimeError for a call that fails."""

    def __init__(self) -> None:
        self._library = open_library()
        for name, arguments in SIGNATURES.items():
            getattr(self._library, name).argtypes = arguments
        self._library.cudaGetErrorString.restype = ctypes.c_char_p
        count, stream = ctypes.c_int(), ctypes.c_void_p()
        try:
            self._call("cudaGetDeviceCount", ctypes.byref(count))
            self._call("cudaStreamCreate", ctypes.byref(stream))
        except RuntimeError as error:
            raise InputError(
                f"no GPU can be used ({error}); see that its driver runs, on a Jetson: nvidia-smi"
            ) from None
        self.stream: int = stream.value or 0
        # Not the name: the structure that holds it has another layout in each CUDA. An engine fits what these say.
        self.gpu = f"sm_{self._attribute(MAJOR)}{self._attribute(MINOR)}, {self._attribute(MULTIPROCESSORS)} processors"

    def allocate(self, size: int) -> "DeviceMemory":
        """Allocate `size` bytes on the device; freed when nothing refers to them."""
        address = ctypes.c_void_p()
        self._call("cudaMalloc", ctypes.byref(address), size)
        return DeviceMemory(self, address.value or 0)

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """Allocate `size` bytes of pinned host memory, which the GPU copies by itself; freed with its last view."""
        address = ctypes.c_void_p()
        self._call("cudaHostAlloc", ctypes.byref(address), size, 0)
        block = (ctypes.c_ubyte * size).from_address(address.value or 0)
        weakref.finalize(block, self._library.cudaFreeHost, address.value).atexit = False
        return np.frombuffer(memoryview(block), np.uint8)

    def upload(self, host: NDArray[np.uint8], device: "DeviceMemory") -> None:
        """Start copying pinned memory to the device. Do not change it before `synchronise` returns."""
        self._call("cudaMemcpyAsync", device.address, host.ctypes.data, host.nbytes, TO_DEVICE, self.stream)

    def download(self, device: "DeviceMemory", host: NDArray[np.uint8]) -> None:
        """Start copying from the device to pinned memory; it is complete after `synchronise`."""
        self._call("cudaMemcpyAsync", host.ctypes.data, device.address, host.nbytes, FROM_DEVICE, self.stream)

    def synchronise(self) -> None:
        """Wait until everything that was started has finished."""
        self._call("cudaStreamSynchronize", self.stream)

    def _attribute(self, attribute: int) -> int:
        value = ctypes.c_int()
        self._call("cudaDeviceGetAttribute", ctypes.byref(value), attribute, DEVICE)
        return value.value

    def _call(self, name: str, *arguments: Any) -> None:
        if code := getattr(self._library, name)(*arguments):
            said = self._library.cudaGetErrorString(code)
            raise RuntimeError(f"{name}: {said.decode()} (CUDA error {code})")


class DeviceMemory:
    """A block on the GPU, at `address`."""

    def __init__(self, cuda: Cuda, address: int) -> None:
        self.address = address
        weakref.finalize(self, cuda._library.cudaFree, address).atexit = False
