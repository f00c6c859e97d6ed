"""Decides when a car that stands because of an obscured lens may move again, so that the evidence can decide."""

# The image of a standing car tells nothing about its lens, so what stopped the car can only be cleared by driving.
TRIAL_S = 5.0  # with the demo's bundle a wiped lens is called clear after 1…2 s of driving
WIPE_S = 1.0  # a shorter disturbance is no wipe: the car rocks after braking, a leaf passes
SETTLED_S = 2.0  # the hand is gone
BEFORE_THE_LENS = frozenset({"obscured", "warmup", "dark", "flat", "drifting"})  # how a hand and a cloth are reported


class TrialDrive:
    """Grants a standing car a drive of five seconds when its lens may have been wiped. Holds no clock.

    A trial begins when a person hands the standing car over to the autopilot, or when something moved in front of it
    for a second and has been gone for two. It ends early when a person takes over. Whether the lens is clear is not
    decided here.

    Example:
        >>> trial = TrialDrive()
        >>> trial.update("still", 0.0, by_person=False), trial.update("still", 1.0, by_person=True)
        (False, False)
        >>> trial.update("still", 2.0, by_person=False), trial.update("obscured", 7.0, by_person=False)
        (True, False)
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget what was seen; a trial under way ends."""
        self._ends_s: float | None = None  # end of the trial
        self._by_person = self._handed_over = self._wiped = False
        self._still_since_s: float | None = None  # None before the car first stands
        self._moved_since_s: float | None = None  # since when something moves in front of the standing car

    def update(self, status: str, t_s: float, *, by_person: bool) -> bool:
        """Take the status of a loop at `t_s` seconds and who drives. Return whether the autopilot has a trial."""
        if by_person:
            self.restart()
            self._by_person = True
            return False
        self._handed_over, self._by_person = self._handed_over or self._by_person, False
        if self._ends_s is not None and t_s >= self._ends_s:
            self.restart()
        if self._ends_s is None:
            self._watch(status, t_s)
        return self._ends_s is not None

    def _watch(self, status: str, t_s: float) -> None:
        if status in BEFORE_THE_LENS and self._still_since_s is not None and self._moved_since_s is None:
            self._moved_since_s = t_s
        if status != "still":
            return
        if self._still_since_s is None or self._moved_since_s is not None:
            self._still_since_s = t_s
        if self._moved_since_s is not None:
            self._wiped = self._wiped or t_s - self._moved_since_s >= WIPE_S
            self._moved_since_s = None
        if self._handed_over or (self._wiped and t_s - self._still_since_s >= SETTLED_S):
            self._ends_s = t_s + TRIAL_S
