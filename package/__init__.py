"""Detect raindrops, dirt and smears on the camera lens of a Donkeycar."""

__version__ = "0.1.0"
