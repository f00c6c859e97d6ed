"""The Donkeycar parts; they import no donkeycar."""

from .anomaly import MLEAnomalyPart
from .limiter import LensLimiter
from .luma_camera import LumaCamera
from .overlay import LensOverlay

__all__ = ["LensLimiter", "LensOverlay", "LumaCamera", "MLEAnomalyPart"]
