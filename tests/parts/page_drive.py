"""Drives a Vehicle with donkeycar's own web server and the part, from a folder, until it is killed.

`python page_drive.py FOLDER PORT`. The folder holds the bundle, clear.npy and wet.npy; the camera plays the wet frames
while there is a file `wet`.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from donkeycar.parts.web_controller.web import LocalWebController
from donkeycar.vehicle import Vehicle
from PIL import Image

from mle_uvad.parts import LensOverlay, MLEAnomalyPart

HZ = 20
PLACEHOLDER = "img_placeholder.jpg"  # the wheel of donkeycar 5.4.0 lacks it, and its /video fails without


class Camera:
    """Plays the clear or the wet frames back and forth."""

    def __init__(self, folder: Path) -> None:
        self.clear, self.wet = np.load(folder / "clear.npy"), np.load(folder / "wet.npy")
        self.switch, self.index = folder / "wet", 0

    def run(self) -> Any:
        self.index = (self.index + 1) % (2 * len(self.clear) - 2)
        played = self.wet if self.switch.exists() else self.clear
        return played[min(self.index, 2 * len(self.clear) - 2 - self.index)].copy()


def main() -> None:
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    vehicle = Vehicle()
    vehicle.add(Camera(folder), outputs=["cam/image_array"])
    lens = MLEAnomalyPart(folder / "lens", folder / "lens" / "calibration.json", folder / "logs" / "lens.db")
    vehicle.add(lens, inputs=["cam/image_array"], outputs=lens.outputs, threaded=True)
    labelled = ["cam/image_array", "lens/obscured", "lens/status", "lens/calibration", "lens/coverage", "lens/map"]
    vehicle.add(LensOverlay(), inputs=labelled, outputs=LensOverlay.outputs)
    server = LocalWebController(port=port)
    if not (Path(server.static_file_path) / PLACEHOLDER).is_file():
        Image.new("RGB", (160, 120)).save(folder / PLACEHOLDER)
        server.static_file_path = str(folder)
    vehicle.add(server, inputs=LensOverlay.outputs, outputs=["user/angle"], threaded=True)
    lens.show_page(vehicle.parts)
    vehicle.start(rate_hz=HZ)


if __name__ == "__main__":
    main()
