"""Evaluation protocols: how a drive is split, what is trained and scored on it, and the figures that result."""
