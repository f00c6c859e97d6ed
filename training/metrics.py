"""What is measured of a training in each epoch: one line of metrics.jsonl."""

import time
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class EpochMetrics:
    """One line of metrics.jsonl. PCC, standard deviation and neighbours are measured on 512 frames after the epoch."""

    epoch: int  # from 1
    squared_error: float  # mean over frames and pixels of the training batches; of other networks their whole loss
    entropy: float  # eq. 6 without its constant, mean over the batches
    entropy_share: float  # of log B, its bound
    entropy_weight: float  # λ in force
    sigma: float  # kernel width in force
    latent_std: float  # mean over the latent dimensions
    effective_neighbours: float  # 1…512
    mean_pcc: float  # −1…1, frame against reconstruction
    mean_frame_pcc: float  # −1…1, frame against the mean frame: a model below it has learnt nothing
    latent: str  # healthy, dead or collapsed; none for a network without one
    frames_per_s: float
    seconds: float
    cpu_s: float  # of all threads; unlike the seconds, not longer on a machine that is busy with other work


class EpochCallback(Protocol):
    """Who is told how the epochs go."""

    def batch(self, epoch: int, frames_done: int, frames_total: int) -> None:
        """After each step."""

    def epoch(self, metrics: EpochMetrics) -> None:
        """After each epoch."""


class Stopwatch:
    """Measures the time since it was made."""

    def __init__(self) -> None:
        self._seconds, self._cpu_s = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Return the seconds that passed, and the seconds that the processor worked for this process."""
        return time.perf_counter() - self._seconds, time.process_time() - self._cpu_s


def metrics_without_latent(
    epoch: int, loss: float, frames: int, taken: tuple[float, float], mean_pcc: float = 0.0, mean_frame_pcc: float = 0.0
) -> EpochMetrics:
    """Describe an epoch of a network that has no latent. `taken` is what the stopwatch read; a PCC of 0 is none."""
    seconds, cpu_s = taken
    return EpochMetrics(
        epoch=epoch,
        squared_error=loss,
        entropy=0.0,
        entropy_share=0.0,
        entropy_weight=0.0,
        sigma=0.0,
        latent_std=0.0,
        effective_neighbours=1.0,
        mean_pcc=mean_pcc,
        mean_frame_pcc=mean_frame_pcc,
        latent="none",
        frames_per_s=frames / seconds,
        seconds=seconds,
        cpu_s=cpu_s,
    )
