"""Limits the autopilot's throttle while the lens is obscured."""

import logging
import math
import time
from collections.abc import Callable
from typing import Any

from ..edge.status import STATUSES
from .config import LensConfig, require_action, throttle_factor
from .trial_drive import TRIAL_S, TrialDrive

logger = logging.getLogger(__name__)

# In these modes Donkeycar's DriveMode passes on the user's throttle, in every other the autopilot's.
USERS_THROTTLE = ("user", "local_angle")
UNDECIDED = frozenset(word for word, status in STATUSES.items() if not status.decides)


class LensLimiter:
    """Limits the autopilot's throttle while the lens is obscured. Add it between DriveMode and the drive train.

    `none` and `warn` pass the throttle on, `slow` scales it, and `stop` sets it to 0, so that the car stands until the
    lens is clear or a person drives. Steering and the user's throttle are never changed. `slow` passes on a negative
    throttle, which is the brake on most speed controllers; `stop` does not, because reversing is driving too. The
    limit ends in the first loop in which the lens is reported clear.

    Only a status that decides (`edge.status`) starts or ends the limit. During any other, such as `stale` or `error`,
    and without a part, a limit in force remains, because nothing shows that the lens was wiped, and none starts,
    because a failed monitor is no evidence of a wet lens. A person who takes over has the full throttle at once.
    A standing car whose lens may have been wiped gets the full throttle for five seconds (`TrialDrive`), because only
    driving shows whether the lens is clear. Only the constructor raises, InputError for a bad setting.

    Example:
        >>> limiter = LensLimiter("slow", slow_throttle=0.5)
        >>> limiter.run("local", 0.6, False, "ok")
        0.6
        >>> limiter.run("local", 0.6, True, "obscured"), limiter.run("user", 0.6, True, "obscured")
        (0.3, 0.6)
    """

    inputs = ["user/mode", "throttle", "lens/obscured", "lens/status"]  # noqa: RUF012 Vehicle wants a list
    outputs = ["throttle"]  # noqa: RUF012

    def __init__(
        self, action: str = "warn", *, slow_throttle: float = 0.5, clock: Callable[[], float] = time.monotonic
    ) -> None:
        factors = {"none": 1.0, "warn": 1.0, "slow": throttle_factor(slow_throttle), "stop": 0.0}
        self._action = require_action(action)
        self._factor = factors[action]
        self._obscured = False
        self._clock = clock
        self._trial, self._on_trial = TrialDrive(), False
        self._warned_of_throttle = False

    @classmethod
    def from_config(cls, cfg: Any) -> "LensLimiter":
        """Build the limiter from the `LENS_*` keys of myconfig.py."""
        config = LensConfig.read(cfg)
        return cls(config.action, slow_throttle=config.slow_throttle)

    def run(self, mode: Any, throttle: Any, obscured: Any, status: Any) -> float:
        """Return the throttle for the drive train, −1…1.

        A throttle that is not a finite number becomes 0.0, because it would stop the car's loop further down.
        """
        self._update(obscured, status)
        wanted = self._finite(throttle)
        by_person = isinstance(mode, str) and mode in USERS_THROTTLE
        if not self._obscured or self._may_try(status, by_person) or by_person:
            return wanted
        if self._factor == 0:
            return 0.0
        return wanted * self._factor if wanted > 0 else wanted

    def _update(self, obscured: Any, status: Any) -> None:
        if not isinstance(status, str) or status in UNDECIDED or self._obscured == (obscured is True):
            return
        self._obscured = obscured is True
        self._trial.restart()
        self._on_trial = False
        if self._action == "none":
            return
        if not self._obscured:
            logger.warning("the lens is clear again")
        elif self._action == "warn":
            logger.warning("the lens is obscured; wipe it")
        else:
            logger.warning("the lens is obscured; the autopilot's throttle is multiplied by %g", self._factor)

    def _may_try(self, status: Any, by_person: bool) -> bool:
        before = self._on_trial
        known = status if isinstance(status, str) else ""
        self._on_trial = self._trial.update(known, self._clock(), by_person=by_person)
        if self._on_trial and not before and self._factor < 1:
            logger.warning("the autopilot drives for up to %g s, to find out whether the lens is clear", TRIAL_S)
        return self._on_trial

    def _finite(self, throttle: Any) -> float:
        try:
            number = float(throttle)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
        # DriveMode passes on None until a controller has given a value.
        if throttle is not None and not self._warned_of_throttle:
            self._warned_of_throttle = True
            logger.warning("the throttle is %r, which is not a number; the drive train gets 0", throttle)
        return 0.0
