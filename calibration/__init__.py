"""From the scores of a clean drive to the thresholds of one vehicle."""

from .calibration import Calibration
from .on_tub import add_drive, calibrate_on_tub

__all__ = ["Calibration", "add_drive", "calibrate_on_tub"]
