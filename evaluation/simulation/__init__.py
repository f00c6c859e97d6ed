"""Drives with known lens faults: generated ones, and recorded ones with faults rendered into their frames."""
