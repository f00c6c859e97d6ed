"""What runs on the car and knows no Donkeycar: numpy, pillow, onnxruntime."""

from .alarm import Alarm, AlarmState
from .bundle import Bundle
from .errors import InputError
from .evidence import Evidence, EvidenceState, Thresholds
from .monitor import Monitor, Reading
from .scorer import FrameScore, Scorer

__all__ = [
    "Alarm",
    "AlarmState",
    "Bundle",
    "Evidence",
    "EvidenceState",
    "FrameScore",
    "InputError",
    "Monitor",
    "Reading",
    "Scorer",
    "Thresholds",
]
