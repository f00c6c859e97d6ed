"""A Raspberry Pi camera that gives the frame Donkeycar expects and the grey that the camera made itself."""

import logging
import threading

import numpy as np
from numpy.typing import NDArray

from ..edge.errors import InputError

logger = logging.getLogger(__name__)

WORKER_LEAVES_WITHIN_S = 1.0
# Microseconds, as donkeycar's PiCamera sets them: as fast as the sensor can. The pictures are exposed as there.
FRAME_DURATION_US = (100, 1000)

Frames = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class LumaCamera:
    """In place of donkeycar's PiCamera: RGB uint8 [H, W, 3] and luma uint8 [H, W], both of the same moment.

    Add it with `outputs=LumaCamera.outputs, threaded=True`. The luma is the Y plane of the camera's second picture
    (`lores`): ITU-R 601 and of full range, 0…255, since a preview configuration asks for sYCC. A video configuration
    would give 16…235. It is a view that leaves out the padding of the rows.

    The constructor waits for the first frame; it raises InputError without picamera2 or for a size the camera refuses.
    After that nothing raises: when the camera fails, one line is logged and the last frames stay, which the lens
    monitor calls `frozen`.
    """

    outputs = ["cam/image_array", "cam/luma"]  # noqa: RUF012 Vehicle wants a list

    def __init__(self, image_w: int = 160, image_h: int = 120, *, vflip: bool = False, hflip: bool = False) -> None:
        try:
            from libcamera import Transform
            from picamera2 import Picamera2
        except ImportError as error:
            raise InputError(f"no Raspberry Pi camera here ({error}); sudo apt install python3-picamera2") from None
        size = (image_w, image_h)
        self._camera = Picamera2()
        self._camera.configure(
            self._camera.create_preview_configuration(
                {"size": size, "format": "BGR888"},  # which gives arrays in the order R, G, B
                lores={"size": size, "format": "YUV420"},
                transform=Transform(hflip=hflip, vflip=vflip),
            )
        )
        self._size = size
        self._require_size()
        self._camera.set_controls({"FrameDurationLimits": FRAME_DURATION_US})
        self._camera.start()
        self._frames = self._capture()  # replaced whole: the loop reads it while the worker writes
        self._on, self._failed = True, False
        self._worker_gone = threading.Event()
        self._worker_gone.set()

    def run(self) -> Frames:
        """Wait for the next frame and return it."""
        self._take()
        return self._frames

    def run_threaded(self) -> Frames:
        """The newest frame."""
        return self._frames

    def update(self) -> None:
        """The worker: takes every frame, until `shutdown` or until the camera fails."""
        self._worker_gone.clear()
        while self._on and not self._failed:
            self._take()
        self._worker_gone.set()

    def shutdown(self) -> None:
        """Release the camera. May be called again."""
        if self._on:
            self._on = False
            self._worker_gone.wait(WORKER_LEAVES_WITHIN_S)
            self._camera.close()

    def _take(self) -> None:
        try:
            self._frames = self._capture()
        except Exception as error:  # noqa: BLE001 a part that raises stops the car
            if not self._failed:
                logger.error("camera: no more frames, %s: %s", type(error).__name__, error)
            self._failed = True

    def _capture(self) -> Frames:
        (rgb, yuv), _ = self._camera.capture_arrays(["main", "lores"])
        width, height = self._size
        return rgb, yuv[:height, :width]  # yuv is [H * 3/2, stride]: below Y come U and V, on the right the padding

    def _require_size(self) -> None:
        config = self._camera.camera_configuration()
        for stream in ("main", "lores"):
            given = tuple(config[stream]["size"])
            if given != self._size:
                self._camera.close()
                got, wanted = ("x".join(map(str, size)) for size in (given, self._size))
                raise InputError(f"the camera gives {got} for {wanted} ({stream}); set another IMAGE_W and IMAGE_H")
