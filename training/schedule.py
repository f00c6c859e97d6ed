"""The weight of the entropy in each epoch and the health of the latent. Pure: numbers in, numbers out."""

from dataclasses import dataclass

from .objectives.names import LATENT_TERMS
from .settings import TrainSettings

RAMP_EPOCHS = 10  # from no entropy to the full weight
USEFUL_GAIN = 0.1  # share of the way from the mean frame's PCC to 1 that counts as reconstructing
KEPT_GAIN = 0.5  # share of the best gain so far that the entropy must leave
KERNEL_REACH = 0.5  # least σ as a share of the latents' scale: the median pair then weighs exp(−2)
DEAD_ENTROPY_SHARE = 0.98  # of log B: no pair of latents is within the kernel's reach
COLLAPSED_ENTROPY_SHARE = 0.02  # all latents lie within one kernel


def reconstruction_gain(mean_pcc: float, mean_frame_pcc: float) -> float:
    """Return 0 for a model no better than the mean frame, 1 for a perfect one."""
    return (mean_pcc - mean_frame_pcc) / max(1.0 - mean_frame_pcc, 1e-6)


def latent_health(entropy_weight: float, entropy_share: float, gain: float) -> str:
    """Return `dead` if the entropy has no gradient, `collapsed` if all frames share one code, else `healthy`.

    `entropy_share` is the entropy over log B, its bound with self pairs; `gain` that of `reconstruction_gain`.
    """
    if entropy_weight > 0 and entropy_share > DEAD_ENTROPY_SHARE:
        return "dead"
    if entropy_share < COLLAPSED_ENTROPY_SHARE and gain < USEFUL_GAIN:
        return "collapsed"
    return "healthy"


@dataclass
class EntropySchedule:
    """Weight λ and kernel width σ of the next epoch.

    `at_once` uses the settings' values from the first step. `on_progress` moves λ along a ramp of ten epochs: a
    step up after an epoch whose reconstruction beats the mean frame and keeps half of the best gain so far, a
    step down after one that does not. σ follows the latents down to its target, always wide enough to reach
    a good part of the pairs: a narrower kernel has no gradient.
    """

    settings: TrainSettings
    ramp: float = 0.0  # 0…1
    best_gain: float = 0.0
    latent_scale: float = 0.0  # √(median ‖z_i − z_j‖² / 2) of the last epoch

    @property
    def entropy_weight(self) -> float:
        if self.settings.objective not in LATENT_TERMS:
            return 0.0
        return self.settings.entropy_weight * (self.ramp if self._waits else 1.0)

    @property
    def ends_early(self) -> bool:
        """Whether the objective `early_stop` is done: the reconstruction has begun to beat the mean frame.

        The control for the latent entropy, which keeps a network near that point by other means.
        """
        return self.settings.objective == "early_stop" and self.best_gain >= USEFUL_GAIN

    @property
    def sigma(self) -> float:
        return max(self.settings.sigma, KERNEL_REACH * self.latent_scale if self._waits else 0.0)

    def finish_epoch(self, gain: float, latent_scale: float) -> None:
        """Update the schedule with the `reconstruction_gain` of an epoch and the scale of its latents."""
        useful = gain >= max(USEFUL_GAIN, KEPT_GAIN * self.best_gain)
        step = 1 / RAMP_EPOCHS if useful else -1 / RAMP_EPOCHS
        self.ramp = round(min(1.0, max(0.0, self.ramp + step)), 6)
        self.best_gain = max(self.best_gain, gain)
        self.latent_scale = latent_scale

    @property
    def _waits(self) -> bool:
        return self.settings.entropy_start == "on_progress"
