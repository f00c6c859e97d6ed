"""The Donkeycar parts; they import no donkeycar."""

from .anomaly import MLEAnomalyPart

__all__ = ["MLEAnomalyPart"]
