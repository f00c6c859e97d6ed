"""The LENS_ keys of myconfig.py."""

import math
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..calibration.rules import block_probability
from ..edge.bundle import CALIBRATION_FILE, IN_A_CAR
from ..edge.errors import InputError

ACTIONS = ("none", "warn", "slow", "stop")  # the response to an obscured lens; see `LensLimiter`
KEYS: dict[str, Any] = {
    "LENS_BUNDLE": IN_A_CAR.as_posix(),
    "LENS_CALIBRATION": "",  # empty: calibration.json in the bundle
    "LENS_EVENT_LOG": "logs/lens_events.db",
    "LENS_PICTURES_MB": 200,  # for the snapshots of the events, beside the log; the oldest are deleted first
    "LENS_CALIBRATE_BUTTON": "web/w1",  # the channel that starts a calibration while driving; web/w1 to web/w5, or ""
    "LENS_FALSE_ALARMS_PER_HOUR": 1.0,  # for a calibration while driving
    "LENS_CAMERA_CHANNEL": "cam/image_array",  # or cam/luma, the grey that a camera makes itself
    "LENS_ACTION": "warn",
    "LENS_SLOW_THROTTLE": 0.5,  # 0…1, factor on the autopilot's throttle
    "LENS_PAGE": True,  # the page /lens on the car's web server
}


@dataclass(frozen=True)
class LensConfig:
    """The settings of the parts. Relative paths start at the car's folder.

    Example:
        >>> from types import SimpleNamespace
        >>> config = LensConfig.read(SimpleNamespace(CAR_PATH="mycar", LENS_ACTION="slow"))
        >>> config.calibration.as_posix(), config.action
        ('mycar/models/lens/calibration.json', 'slow')
    """

    bundle: Path
    calibration: Path
    event_log: Path
    pictures_mb: float
    calibrate_button: str  # empty for none
    camera_channel: str
    false_alarms_per_hour: float
    action: str
    slow_throttle: float
    page: bool

    @classmethod
    def read(cls, cfg: Any) -> "LensConfig":
        """Read the LENS_ keys of a Donkeycar config. Raises InputError for an unknown key or an invalid value."""
        values = dict(KEYS)
        for key in (name for name in dir(cfg) if name.startswith("LENS_")):
            if key not in KEYS:
                known = (get_close_matches(key, KEYS, n=1, cutoff=0.0) or list(KEYS))[0]
                raise InputError(f"myconfig.py sets {key}, which is unknown; did you mean {known}?")
            values[key] = getattr(cfg, key)
        for key in ("LENS_BUNDLE", "LENS_CALIBRATION", "LENS_EVENT_LOG"):
            if not isinstance(values[key], str | Path):
                raise InputError(f"{key} is {values[key]!r}; give a path, for example {KEYS['LENS_BUNDLE']!r}")
        car = getattr(cfg, "CAR_PATH", ".")
        if not isinstance(car, str | Path):
            raise InputError(f"CAR_PATH is {car!r}; give the path of the car's folder, as config.py of donkeycar does")
        car = Path(car)
        bundle = car / values["LENS_BUNDLE"]
        return cls(
            bundle=bundle,
            calibration=car / values["LENS_CALIBRATION"] if values["LENS_CALIBRATION"] else bundle / CALIBRATION_FILE,
            event_log=car / values["LENS_EVENT_LOG"],
            pictures_mb=_megabytes(values["LENS_PICTURES_MB"]),
            calibrate_button="" if values["LENS_CALIBRATE_BUTTON"] == "" else _channel("LENS_CALIBRATE_BUTTON", values),
            camera_channel=_channel("LENS_CAMERA_CHANNEL", values),
            false_alarms_per_hour=alarm_rate(values["LENS_FALSE_ALARMS_PER_HOUR"]),
            action=require_action(values["LENS_ACTION"]),
            slow_throttle=throttle_factor(values["LENS_SLOW_THROTTLE"]),
            page=_switch("LENS_PAGE", values),
        )


def require_action(value: Any) -> str:
    """Return the action. Raises InputError for anything that is not one of `ACTIONS`."""
    if value not in ACTIONS:
        raise InputError(f"LENS_ACTION is {value!r}; choose one of {', '.join(ACTIONS)}")
    return str(value)


def throttle_factor(value: Any) -> float:
    """Return a number from 0 to 1. Raises InputError for anything else."""
    if not (_is_number(value) and 0 <= value <= 1):
        raise InputError(f"LENS_SLOW_THROTTLE is {value!r}; give a number from 0 to 1, for example 0.5")
    return float(value)


def alarm_rate(value: Any) -> float:
    """Return a number of false alarms per hour, 1e-6 or more. Raises InputError for anything else."""
    if not _is_number(value):
        raise InputError(f"LENS_FALSE_ALARMS_PER_HOUR is {value!r}; give a number, for example 1")
    block_probability(value)
    return float(value)


def _megabytes(value: Any) -> float:
    if not (_is_number(value) and 0 < value < math.inf):
        raise InputError(f"LENS_PICTURES_MB is {value!r}; give a number above 0, for example 200")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _switch(key: str, values: dict[str, Any]) -> bool:
    value = values[key]
    if not isinstance(value, bool):
        raise InputError(f"{key} is {value!r}; give True or False")
    return value


def _channel(key: str, values: dict[str, Any]) -> str:
    value = values[key]
    if not isinstance(value, str) or not value:
        raise InputError(f"{key} is {value!r}; give a channel, for example {KEYS[key]!r}")
    return value
