"""Checks that the button that starts a calibration does nothing else in a car."""

from ..config import LensConfig
from .car_config import CarConfig
from .manage_py import ManagePy

KEY = "LENS_CALIBRATE_BUTTON"
WEB_BUTTONS = tuple(f"web/w{number}" for number in range(1, 6))


def shared_button(manage: ManagePy, config: CarConfig, lens: LensConfig) -> str:
    """Return in one line what else the button of the calibration does, and what to set; empty when nothing."""
    use = _other_use(manage, config, lens.calibrate_button) if lens.calibrate_button else ""
    if not use:
        return ""
    free = next((f"{button!r}" for button in WEB_BUTTONS if not _other_use(manage, config, button)), "another channel")
    return (
        f"{lens.calibrate_button} already does something else ({use}), and each press would also start or cancel a"
        f' calibration; set {KEY} = {free} in myconfig.py, or "" for no button'
    )


def _other_use(manage: ManagePy, config: CarConfig, channel: str) -> str:
    """Return where a channel is used, by manage.py itself or by a key for a button; empty when nowhere."""
    if line := manage.by_hand.other_use(channel):
        return f"line {line} of manage.py"
    names = (name for name, value in config.values.items() if value == channel and name != KEY)
    return next((name for name in names if name.endswith(("_BTN", "_BUTTON")) or f"cfg.{name}" in manage.text), "")
