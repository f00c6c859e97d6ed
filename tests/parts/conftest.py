"""The part on a calibrated vehicle."""

from wet_drive import clear_frames, clock, drive, make_part, wet_frames

__all__ = ["clear_frames", "clock", "drive", "make_part", "wet_frames"]
