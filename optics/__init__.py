"""Lens faults rendered into frames, and the camera behind the lens. Needs numpy, scipy, pillow."""

from .beads import Beads
from .camera import encode_jpeg, expose, sensor_noise
from .drop import FrontDrop
from .faults import FAMILIES, Fault, coverage_at, mask_at, render_at
from .film import Film
from .mud import Mud
from .spatter import Spatter
from .time_profile import TIME_PROFILES, State, TimeProfile

__all__ = [
    "FAMILIES",
    "TIME_PROFILES",
    "Beads",
    "Fault",
    "Film",
    "FrontDrop",
    "Mud",
    "Spatter",
    "State",
    "TimeProfile",
    "coverage_at",
    "encode_jpeg",
    "expose",
    "mask_at",
    "render_at",
    "sensor_noise",
]
