"""Lens faults rendered into frames, and the camera behind the lens. Needs numpy, scipy, pillow."""

from .camera import encode_jpeg, expose, sensor_noise
from .drop import FrontDrop

__all__ = ["FrontDrop", "encode_jpeg", "expose", "sensor_noise"]
