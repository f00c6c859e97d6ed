"""The status words, and what each means and permits. They are defined here and nowhere else."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """What one status word means and permits."""

    meaning: str
    decides: bool = False  # the part's `obscured` is a decision of this frame; else the last one is held
    compared: bool = False  # the frame was compared with the reference, so that `drifting` is known
    has_evidence: bool = False  # the evidence and the coverage are of this frame
    is_quiet: bool = False  # nothing that an owner has to see to


STATUSES = {
    "ok": Status("the lens is clear", decides=True, compared=True, has_evidence=True, is_quiet=True),
    "obscured": Status("the lens is obscured", decides=True, compared=True, has_evidence=True),
    "uncalibrated": Status("there are no thresholds for this vehicle", decides=True),
    "drifting": Status("the whole scene is unlike the calibration's", compared=True),
    "warmup": Status("the running means are not warmed up", has_evidence=True, is_quiet=True),
    "still": Status("the car stands", is_quiet=True),
    "calibrating": Status("a calibration is making its thresholds"),
    "dark": Status("the frame is dark: lens cap, night, dead sensor"),
    "flat": Status("the frame has no contrast"),
    "frozen": Status("the camera repeats its frame"),
    "no_frame": Status("the camera gives no frame"),
    "stale": Status("no frame was scored within the last second"),
    "error": Status("the frame could not be scored"),
}
