"""Evaluation on generated and recorded drives, and the demo with a simulated Donkeycar."""
