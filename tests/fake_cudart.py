"""A stand-in for libcudart, with C functions that ctypes calls as it would the real ones.

Device memory is host memory that nobody may touch but through copies. Copies and runs wait in the stream until it is
synchronised, so that whoever reads too early reads old bytes.
"""

import ctypes
import itertools
from collections import Counter
from collections.abc import Callable
from ctypes import POINTER, c_int, c_size_t, c_uint, c_void_p
from typing import Any

SUCCESS, INVALID_VALUE, NO_DEVICE, INVALID_HANDLE = 0, 1, 100, 400
PAGE = 4096


class FakeCudart:
    """`library.cudaMalloc(…)` and so on. `fail[name] = code` makes a call fail."""

    def __init__(self, devices: int = 1, attributes: dict[int, int] | None = None) -> None:
        self.devices = devices
        self.attributes = {16: 8, 75: 8, 76: 7} if attributes is None else attributes  # an Orin
        self.fail: dict[str, int] = {}
        self.calls: Counter[str] = Counter()
        self.device: dict[int, Any] = {}  # blocks by their address
        self.host: dict[int, Any] = {}
        self.streams: set[int] = set()
        self.waiting: list[Callable[[], object]] = []
        self._handles = itertools.count(0x5000)
        self._word = ctypes.create_string_buffer(b"as the test wants it")
        functions: dict[str, tuple[Callable[..., int], tuple[Any, ...]]] = {
            "cudaGetDeviceCount": (self._count, (POINTER(c_int),)),
            "cudaDeviceGetAttribute": (self._attribute, (POINTER(c_int), c_int, c_int)),
            "cudaMalloc": (lambda out, size: self._make(self.device, out, size), (POINTER(c_void_p), c_size_t)),
            "cudaFree": (lambda address: self._free(self.device, address), (c_void_p,)),
            "cudaHostAlloc": (
                lambda out, size, _: self._make(self.host, out, size),
                (POINTER(c_void_p), c_size_t, c_uint),
            ),
            "cudaFreeHost": (lambda address: self._free(self.host, address), (c_void_p,)),
            "cudaMemcpyAsync": (self._copy, (c_void_p, c_void_p, c_size_t, c_int, c_void_p)),
            "cudaStreamCreate": (self._stream, (POINTER(c_void_p),)),
            "cudaStreamSynchronize": (self._synchronise, (c_void_p,)),
        }
        for name, (function, types) in functions.items():
            setattr(self, name, ctypes.CFUNCTYPE(c_int, *types)(self._counted(name, function)))
        self.cudaGetErrorString = ctypes.CFUNCTYPE(c_void_p, c_int)(lambda _: ctypes.addressof(self._word))

    def holds(self, address: int, size: int) -> bool:
        """Whether these bytes lie on the device."""
        return self._inside(self.device, address, size)

    def _counted(self, name: str, function: Callable[..., int]) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            self.calls[name] += 1
            return self.fail.get(name) or function(*arguments)

        return call

    def _count(self, out: Any) -> int:
        out[0] = self.devices
        return SUCCESS if self.devices else NO_DEVICE

    def _attribute(self, out: Any, attribute: int, device: int) -> int:
        if attribute not in self.attributes or not 0 <= device < self.devices:
            return INVALID_VALUE
        out[0] = self.attributes[attribute]
        return SUCCESS

    def _make(self, blocks: dict[int, Any], out: Any, size: int) -> int:
        if not size:
            return INVALID_VALUE
        block = ctypes.create_string_buffer(b"\xa5" * (size + PAGE), size + PAGE)  # never zeros by chance
        address = -(-ctypes.addressof(block) // PAGE) * PAGE
        blocks[address] = (block, size)
        out[0] = address
        return SUCCESS

    def _free(self, blocks: dict[int, Any], address: int) -> int:
        return SUCCESS if blocks.pop(address, None) is not None else INVALID_VALUE

    def _stream(self, out: Any) -> int:
        out[0] = next(self._handles)
        self.streams.add(out[0])
        return SUCCESS

    def _copy(self, target: int, source: int, size: int, kind: int, stream: int) -> int:
        sides = {1: (self.device, self.host), 2: (self.host, self.device)}
        if stream not in self.streams:
            return INVALID_HANDLE
        if kind not in sides:
            return INVALID_VALUE
        to, origin = sides[kind]
        if not (self._inside(to, target, size) and self._inside(origin, source, size)):
            return INVALID_VALUE
        self.waiting.append(lambda: ctypes.memmove(target, source, size))
        return SUCCESS

    def _synchronise(self, stream: int) -> int:
        if stream not in self.streams:
            return INVALID_HANDLE
        waiting, self.waiting = self.waiting, []
        for action in waiting:
            action()
        return SUCCESS

    @staticmethod
    def _inside(blocks: dict[int, Any], address: int, size: int) -> bool:
        return any(start <= address and address + size <= start + length for start, (_, length) in blocks.items())
