"""Opens the backend that runs a bundle: TensorRT for the target `jetson` if it is installed, else ONNX Runtime."""

import logging
import sys
from functools import cache

from ..bundle import Bundle
from ..errors import InputError
from ..graph import Backend
from ..scorer import Scorer

logger = logging.getLogger(__name__)

BACKENDS = ("ort", "trt")


def open_scorer(bundle: Bundle) -> Scorer:
    """Open a bundle with the backend that suits this machine best."""
    return Scorer(bundle, make_backend(bundle))


def make_backend(bundle: Bundle) -> Backend:
    """Open the backend for a bundle. If TensorRT is wanted but cannot run, the reason and the fix are logged once."""
    if bundle.target == "jetson":
        try:
            return open_backend(bundle, "trt")
        except InputError as error:
            _announce(f"the lens monitor runs on ONNX Runtime, not on TensorRT: {error}")
    return open_backend(bundle, "ort")


def open_backend(bundle: Bundle, name: str, *, rebuild: bool = False) -> Backend:
    """Open the backend `ort`, or `trt`, whose engine is built if none fits or `rebuild` asks for it.

    Raises InputError when it cannot be had here. Both are imported here: reading a tub or a bundle needs no runtime.
    """
    if name == "ort":
        from .ort import OrtBackend

        return OrtBackend(bundle)
    if name != "trt":
        raise InputError(f"backend is {name!r}; choose one of {', '.join(BACKENDS)}")
    try:
        from .trt import open_trt
    except (ImportError, OSError, AttributeError) as error:
        python = ".".join(map(str, sys.version_info[:2]))
        raise InputError(
            f"Python {python} cannot import tensorrt ({error}); make the environment with the Python of JetPack:"
            " /usr/bin/python3 -m venv --system-site-packages"
        ) from None
    return open_trt(bundle, rebuild=rebuild)


@cache
def _announce(line: str) -> None:
    logger.warning(line)
