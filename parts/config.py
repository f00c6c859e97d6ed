"""The LENS_ keys of myconfig.py."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..edge.bundle import CALIBRATION_FILE
from ..edge.errors import InputError

KEYS = {
    "LENS_BUNDLE": "models/lens",
    "LENS_CALIBRATION": "",  # calibration.json in the bundle
    "LENS_EVENT_LOG": "logs/lens_events.db",
}


@dataclass(frozen=True)
class LensConfig:
    """Where the part finds its files; relative paths start at the car's folder."""

    bundle: Path
    calibration: Path
    event_log: Path

    @classmethod
    def read(cls, cfg: Any) -> "LensConfig":
        """Take the LENS_ keys of a Donkeycar config. Raises InputError for an unknown key or one that is no path."""
        values = dict(KEYS)
        for key in (name for name in dir(cfg) if name.startswith("LENS_")):
            value = getattr(cfg, key)
            if key not in KEYS:
                known = (get_close_matches(key, KEYS, n=1, cutoff=0.0) or list(KEYS))[0]
                raise InputError(f"myconfig.py sets {key}, which is unknown; did you mean {known}?")
            if not isinstance(value, str | Path):
                raise InputError(f"{key} is {value!r}; give a path, for example {KEYS['LENS_BUNDLE']!r}")
            values[key] = str(value)
        car = Path(getattr(cfg, "CAR_PATH", "."))
        bundle = car / values["LENS_BUNDLE"]
        calibration = car / values["LENS_CALIBRATION"] if values["LENS_CALIBRATION"] else bundle / CALIBRATION_FILE
        return cls(bundle, calibration, car / values["LENS_EVENT_LOG"])
