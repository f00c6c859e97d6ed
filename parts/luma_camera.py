"""A Raspberry Pi camera that publishes the RGB frame Donkeycar expects and the luma computed by the camera."""

import logging
import threading

import numpy as np
from numpy.typing import NDArray

from ..edge.errors import InputError

logger = logging.getLogger(__name__)

WORKER_STOPS_WITHIN_S = 1.0
# Microseconds, as in donkeycar's PiCamera, so that frames are exposed alike: as fast as the sensor can.
FRAME_DURATION_US = (100, 1000)

Frames = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class LumaCamera:
    """Replaces donkeycar's PiCamera. Returns RGB uint8 [H, W, 3] and luma uint8 [H, W] of the same exposure.

    Add it with `outputs=LumaCamera.outputs, threaded=True`. The luma is the Y plane of the camera's second stream
    (`lores`), a view without the padding of the rows. It is ITU-R 601 in full range, 0…255, because a preview
    configuration selects sYCC; a video configuration would give 16…235.

    The constructor waits for the first frame. It raises InputError without picamera2, or if the camera does not support
    the size. Nothing raises after that: when the camera fails, it logs one line and keeps returning the last frames,
    for which the lens monitor reports `frozen`.
    """

    outputs = ["cam/image_array", "cam/luma"]  # noqa: RUF012 Vehicle wants a list

    def __init__(self, image_w: int = 160, image_h: int = 120, *, vflip: bool = False, hflip: bool = False) -> None:
        try:
            from libcamera import Transform
            from picamera2 import Picamera2
        except ImportError as error:
            raise InputError(
                f"picamera2 cannot be imported ({error}); type: sudo apt install python3-picamera2"
            ) from None
        size = (image_w, image_h)
        self._camera = Picamera2()
        self._camera.configure(
            self._camera.create_preview_configuration(
                {"size": size, "format": "BGR888"},  # picamera2's name for arrays in the order R, G, B
                lores={"size": size, "format": "YUV420"},
                transform=Transform(hflip=hflip, vflip=vflip),
            )
        )
        self._size = size
        self._require_size()
        self._camera.set_controls({"FrameDurationLimits": FRAME_DURATION_US})
        self._camera.start()
        self._frames = self._capture()  # replaced as a whole, because the loop reads it while the worker writes
        self._running, self._failed = True, False
        self._worker_stopped = threading.Event()
        self._worker_stopped.set()

    def run(self) -> Frames:
        """Wait for the next frame and return it."""
        self._take()
        return self._frames

    def run_threaded(self) -> Frames:
        """Return the newest frame."""
        return self._frames

    def update(self) -> None:
        """Run the worker: take every frame until `shutdown` or until the camera fails."""
        self._worker_stopped.clear()
        while self._running and not self._failed:
            self._take()
        self._worker_stopped.set()

    def shutdown(self) -> None:
        """Release the camera. Further calls do nothing."""
        if self._running:
            self._running = False
            self._worker_stopped.wait(WORKER_STOPS_WITHIN_S)
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
        return rgb, yuv[:height, :width]  # yuv is [H * 3/2, stride]: U and V below Y, padding on the right

    def _require_size(self) -> None:
        config = self._camera.camera_configuration()
        for stream in ("main", "lores"):
            given = tuple(config[stream]["size"])
            if given != self._size:
                self._camera.close()
                got, wanted = ("x".join(map(str, size)) for size in (given, self._size))
                raise InputError(f"the camera gives {got} for {wanted} ({stream}); set another IMAGE_W and IMAGE_H")
