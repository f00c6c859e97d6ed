"""The report of a car's drives: one HTML page of what the tub, the event log and the calibration hold."""
