"""A fake picamera2 and libcamera: one camera whose buffers have padded rows, as on the hardware.

`tests/parts/test_luma_camera.py` compares the signatures with the real package if its source is available.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

STRIDE_OF = 64  # bytes; a Raspberry Pi 4 pads each row of Y to a multiple of it, a Pi 5 to 128
PADDING = 0xAA  # between the rows; any value


@dataclass(frozen=True)
class ColorSpace:
    """The part of libcamera's ColorSpace that is used."""

    name: str

    @staticmethod
    def Sycc() -> "ColorSpace":  # noqa: N802 as there
        return ColorSpace("sYCC")


@dataclass(frozen=True)
class Transform:
    """A mirroring of the frame."""

    hflip: bool = False
    vflip: bool = False


class Scene:
    """The frames uint8 [H, W, 3] that the camera sees, one after the other. After the last the camera fails."""

    def __init__(self, frames: Iterable[NDArray[np.uint8]], gives: tuple[int, int] | None = None) -> None:
        self.frames: Iterator[NDArray[np.uint8]] = iter(frames)
        self.gives = gives  # a size other than the requested one
        self.cameras: list[Any] = []

    def modules(self) -> dict[str, ModuleType]:
        """Return the modules to put into sys.modules."""
        scene = self

        class Camera(Picamera2):
            def __init__(self) -> None:
                super().__init__()
                self.scene = scene
                scene.cameras.append(self)

        libcamera, picamera2 = ModuleType("libcamera"), ModuleType("picamera2")
        libcamera.Transform = Transform  # type: ignore[attr-defined]
        picamera2.Picamera2 = Camera  # type: ignore[attr-defined]
        return {"libcamera": libcamera, "picamera2": picamera2}


class Picamera2:
    """The methods that are used, with the names and order of the real parameters."""

    def __init__(self) -> None:
        self.scene = Scene([])
        self.camera_config: dict[str, Any] = {}
        self.controls: dict[str, Any] = {}
        self.started = False
        self.closed = 0

    def create_preview_configuration(
        self,
        main: dict[str, Any] = {},  # noqa: B006 as there
        lores: dict[str, Any] | None = None,
        raw: dict[str, Any] | None = {},  # noqa: B006
        transform: Transform = Transform(),
        colour_space: ColorSpace = ColorSpace.Sycc(),  # noqa: B008
    ) -> dict[str, Any]:
        return {
            "main": dict(main),
            "lores": lores and dict(lores),
            "transform": transform,
            "colour_space": colour_space,
        }

    def configure(self, camera_config: dict[str, Any] | None = None) -> None:
        assert camera_config is not None
        self.camera_config = camera_config
        for name, bytes_a_pixel in (("main", 3), ("lores", 1)):
            stream = camera_config[name]
            stream["size"] = self.scene.gives or stream["size"]
            stream["stride"] = -(-stream["size"][0] * bytes_a_pixel // STRIDE_OF) * STRIDE_OF

    def camera_configuration(self) -> dict[str, Any]:
        return self.camera_config

    def set_controls(self, controls: dict[str, Any]) -> None:
        self.controls |= controls

    def start(self, config: Any = None, show_preview: Any = False) -> None:
        assert not config
        assert not show_preview
        self.started = True

    def capture_arrays(
        self,
        names: list[str] = ["main"],  # noqa: B006
        wait: Any = None,
        signal_function: Any = None,
    ) -> tuple[list[NDArray[np.uint8]], dict[str, Any]]:
        if not self.started or self.closed:
            raise RuntimeError("Camera is not running")
        frame = next(self.scene.frames, None)
        if frame is None:
            raise RuntimeError("Camera frontend has timed out")
        transform = self.camera_config["transform"]
        frame = frame[:: -1 if transform.vflip else 1, :: -1 if transform.hflip else 1]
        return [self._array(frame, name) for name in names], {"SensorTimestamp": 0}

    def close(self) -> None:
        self.closed += 1

    def _array(self, frame: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
        stream = self.camera_config[name]
        if stream["format"] == "BGR888":
            return frame.copy()  # bytes in the order R, G, B; picamera2 removes this padding itself
        assert stream["format"] == "YUV420"
        height, width = frame.shape[:2]
        buffer = np.full((height * 3 // 2, stream["stride"]), PADDING, np.uint8)
        buffer[:height, :width] = full_range_luma(frame)
        buffer[height:, :width] = 128
        return buffer


def full_range_luma(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luma uint8 [H, W] of RGB uint8 [H, W, 3] in sYCC: ITU-R 601, 0…255."""
    return np.rint(frame @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
