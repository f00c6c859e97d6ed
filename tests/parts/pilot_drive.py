"""Drives a car by its own manage.py with a pilot of constant throttle, and records the channels after each loop.

`python pilot_drive.py NOTES.json`, in the folder of the car. Six of the obscured loops are driven by a person, who also
starts and cancels a calibration before the end.
"""

import importlib
import json
import os
import sys
import urllib.request
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PILOT_THROTTLE, USER_THROTTLE = 0.6, 0.4
USER_FROM, USER_UNTIL = 8, 14  # of the obscured loops
LOOP_S = 0.05  # on the clock of the part, however fast the loops go
PRESSES = (180, 190)  # loops in which the page's button w1 is pressed
KEYS = ("user/mode", "throttle", "pilot/throttle", "lens/obscured", "lens/status", "lens/calibration")


class Pilot:
    """Stands in for a trained model."""

    def load(self, model_path: str) -> None:
        pass

    def run(self, image: Any, *others: Any) -> tuple[float, float]:
        return 0.1, PILOT_THROTTLE


class Notebook:
    """Runs the Vehicle's loop, notes the channels it left in the memory, and plays the person at the web page."""

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self.notes: list[dict[str, Any]] = []
        self.obscured = 0
        self.last_shown: Any = None

    def run(self, vehicle: Any) -> None:
        web = next(entry["part"] for entry in vehicle.parts if type(entry["part"]).__name__ == "LocalWebController")
        if not self.notes:
            web.recording_latch, web.throttle = True, USER_THROTTLE
        if len(self.notes) in PRESSES:
            web.buttons["w1"] = True
        self.loop(vehicle)
        camera, shown = vehicle.mem.get(["cam/image_array", "ui/image_array"])
        note = dict(zip(KEYS, vehicle.mem.get(list(KEYS)), strict=True))
        note["marked"] = shown is not camera and bool((shown != camera).any())
        note["page"] = web.img_arr is self.last_shown  # the page got the image of the loop before
        self.last_shown = shown
        self.notes.append(note)
        self.obscured += note["lens/obscured"]
        if note["lens/obscured"] and self.obscured in (USER_FROM, USER_UNTIL):
            web.mode_latch = "user" if self.obscured == USER_FROM else "local"


class StandIn(ModuleType):
    """A package that has any module and any class.

    The basic template imports albumentations; this drive transforms no image and uses nothing of it.
    """

    __path__: list[str] = []  # noqa: RUF012

    def __getattr__(self, name: str) -> type:
        return object


class StandInFinder(MetaPathFinder, Loader):
    """Finds albumentations where it is not installed."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] == "albumentations" else None

    def create_module(self, spec: ModuleSpec) -> StandIn:
        return StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def main() -> None:
    sys.meta_path.append(StandInFinder())  # the last to be asked
    import donkeycar
    from donkeycar.vehicle import Vehicle

    from mle_uvad.parts import MLEAnomalyPart

    notebook = Notebook(Vehicle.update_parts)
    Vehicle.update_parts = lambda vehicle: notebook.run(vehicle)
    defaults = MLEAnomalyPart.__init__.__kwdefaults__
    assert defaults is not None
    defaults["clock"] = lambda: LOOP_S * len(notebook.notes)
    donkeycar.utils.get_model_by_type = lambda *_: Pilot()
    sys.path.insert(0, os.getcwd())
    manage = importlib.import_module("manage")
    config = donkeycar.load_config()
    manage.drive(config, model_path="models/pilot.h5")
    with urllib.request.urlopen(f"http://127.0.0.1:{config.WEB_CONTROL_PORT}/lens/state", timeout=10) as reply:
        page = json.load(reply)  # the web server's thread lives on
    with open(sys.argv[1], "w") as file:
        json.dump({"donkeycar": donkeycar.__version__, "loops": notebook.notes, "lens_page": page}, file)


if __name__ == "__main__":
    main()
