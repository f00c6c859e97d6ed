"""The status words, and what each means and permits. They are defined here and nowhere else."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """What one status word means and permits."""

    meaning: str
    remedy: str = ""  # what an owner does about it, as an order; empty where there is nothing to do
    decides: bool = False  # the part's `obscured` is a decision of this frame; else the last one is held
    compared: bool = False  # the frame was compared with the reference, so that `drifting` is known
    has_evidence: bool = False  # the evidence and the coverage are of this frame
    is_quiet: bool = False  # nothing that an owner has to see to


STATUSES = {
    "ok": Status("the lens is clear", decides=True, compared=True, has_evidence=True, is_quiet=True),
    "obscured": Status("the lens is obscured", "wipe the lens", decides=True, compared=True, has_evidence=True),
    "uncalibrated": Status("there is no calibration for this vehicle", "calibrate", decides=True),
    "drifting": Status(
        "the whole scene is unlike the calibration's", "wipe the lens, then calibrate again", compared=True
    ),
    "warmup": Status("the running means are not warmed up", "drive on", has_evidence=True, is_quiet=True),
    "still": Status("the car stands", "drive", is_quiet=True),
    "calibrating": Status("a calibration is making its thresholds", "drive on"),
    "dark": Status(
        "the frame is dark: lens cap, night, dead sensor", "take the cap off the lens, or switch on the light"
    ),
    "flat": Status("the frame has no contrast", "wipe the lens, and check the camera"),
    "frozen": Status("the camera repeats its frame", "restart the camera"),
    "no_frame": Status("the camera gives no frame", "check the camera's cable"),
    "stale": Status("no frame was scored within the last second", "see the log of manage.py"),
    "error": Status("the frame could not be scored", "see the log of manage.py"),
}
