"""What runs on the car and knows no Donkeycar: numpy, pillow, onnxruntime."""

from .alarm import Alarm, AlarmState
from .bundle import Bundle
from .errors import InputError
from .evidence import Evidence, EvidenceState, Limits
from .monitor import Monitor, Reading
from .scorer import FrameScore, Scorer
from .tub import Tub

__all__ = [
    "Alarm",
    "AlarmState",
    "Bundle",
    "Evidence",
    "EvidenceState",
    "FrameScore",
    "InputError",
    "Limits",
    "Monitor",
    "Reading",
    "Scorer",
    "Tub",
]
