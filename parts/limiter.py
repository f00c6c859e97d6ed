"""What an obscured lens does to the autopilot's throttle."""

import logging
import math
from typing import Any

from .config import LensConfig, known_action, share_of_throttle

logger = logging.getLogger(__name__)

# Donkeycar's DriveMode passes the user's throttle on in these modes, and the autopilot's in every other.
USERS_THROTTLE = ("user", "local_angle")
# The part judges nothing while it says one of these: it holds its last decision, or has none.
NOT_NOW = ("warmup", "still", "calibrating", "drifting")
NOTHING_SEEN = ("dark", "flat", "no_frame", "frozen", "stale", "error")
WITHOUT_A_VERDICT = NOT_NOW + NOTHING_SEEN


class LensLimiter:
    """Holds the autopilot back while the lens is obscured. Add it between DriveMode and the drive train.

    `none` and `warn` leave the throttle as it is, `slow` scales it, `stop` makes it 0: the car then stands until the
    lens is clear or a person drives. Steering and the user's throttle are never touched. `slow` leaves a negative
    throttle alone, because on most speed controllers that is the brake; `stop` takes it too, because reversing is
    driving as well. The loop after the part says clear is the autopilot's again.

    The action follows verdicts alone. Without one (stale because the part's worker died, error, no_frame, frozen,
    dark, flat, warm-up, calibrating, drifting, no part at all) an action that lasts goes on, since nothing says that
    the lens was wiped, and none begins, since a monitor that failed is no evidence of a wet lens. A person who takes
    the throttle is free at once. Raises InputError from the constructor only.
    """

    inputs = ["user/mode", "throttle", "lens/obscured", "lens/status"]  # noqa: RUF012 Vehicle wants a list
    outputs = ["throttle"]  # noqa: RUF012

    def __init__(self, action: str = "warn", *, slow_throttle: float = 0.5) -> None:
        factors = {"none": 1.0, "warn": 1.0, "slow": share_of_throttle(slow_throttle), "stop": 0.0}
        self._action = known_action(action)
        self._factor = factors[action]
        self._obscured = False
        self._told_no_number = False

    @classmethod
    def from_config(cls, cfg: Any) -> "LensLimiter":
        """Build the limiter from the LENS_ keys of myconfig.py."""
        config = LensConfig.read(cfg)
        return cls(config.action, slow_throttle=config.slow_throttle)

    def run(self, mode: Any, throttle: Any, obscured: Any, status: Any) -> float:
        """The throttle for the drive train, −1…1 as it came; 0.0 for what is no finite number, which stops the car's
        loop further down.
        """
        self._follow(obscured, status)
        wanted = self._number(throttle)
        if not self._obscured or (isinstance(mode, str) and mode in USERS_THROTTLE):
            return wanted
        if self._factor == 0:
            return 0.0
        return wanted * self._factor if wanted > 0 else wanted

    def _follow(self, obscured: Any, status: Any) -> None:
        if not isinstance(status, str) or status in WITHOUT_A_VERDICT or self._obscured == (obscured is True):
            return
        self._obscured = obscured is True
        if self._action == "none":
            return
        if not self._obscured:
            logger.warning("the lens is clear again")
        elif self._action == "warn":
            logger.warning("the lens is obscured; wipe it")
        else:
            logger.warning("the lens is obscured; the autopilot's throttle is scaled by %g", self._factor)

    def _number(self, throttle: Any) -> float:
        try:
            number = float(throttle)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
        # None is what DriveMode passes on until a controller has spoken.
        if throttle is not None and not self._told_no_number:
            self._told_no_number = True
            logger.warning("the throttle is %r, which is no number; 0 goes to the drive train", throttle)
        return 0.0
