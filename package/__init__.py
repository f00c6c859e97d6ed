"""Tells a Donkeycar that its lens is obscured: raindrops, dirt, a smear."""

__version__ = "0.1.0"
