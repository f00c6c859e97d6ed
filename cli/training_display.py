"""What `mle-uvad train` and `mle-uvad demo` show of a training: a bar, a line for each epoch, and warnings."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from .console import Bar, console

if TYPE_CHECKING:  # they need torch, which the car does not have
    from ..training.fit import PassMetrics
    from ..training.metrics import EpochMetrics

HEALTH = {
    "dead": "the latent is DEAD: no two codes lie within the kernel, so the entropy has no gradient;"
    " raise --sigma or use --preset robust",
    "collapsed": "the latent has COLLAPSED: every frame gets the same code and the reconstruction is the mean frame;"
    " lower --lambda or use --preset robust",
}


class TrainingDisplay:
    """Shows the progress of a training: one bar over all epochs, one line per epoch, warnings about the latent."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._bar = Bar("training")
        self._health = "healthy"

    def __enter__(self) -> TrainingDisplay:
        self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, trace)
        if kind is KeyboardInterrupt:
            console.print("interrupted; run the same command again to resume after the last complete epoch")

    def decoded(self, done: int, total: int) -> None:
        self._bar.begin("decoding", "frames")
        self._bar(done, total)
        if done == total:
            console.print(f"went through {total} records; later runs on these drives reuse the decoded frames")

    def batch(self, epoch: int, frames_done: int, frames_total: int) -> None:
        self._bar.begin("training the autoencoder", "frames")
        self._bar((epoch - 1) * frames_total + frames_done, self._epochs * frames_total)

    def rendered(self, done: int, total: int) -> None:
        self._bar.begin("preparing references", "cars")
        self._bar(done, total)
        if done == total:
            console.print("training the obscuration network; it takes minutes and prints a line after each tenth")
            self._bar.begin("obscuration network", "windows")

    def fitted(self, done: int, total: int) -> None:
        self._bar.begin("obscuration network", "windows")
        self._bar(done, total)

    def passed(self, metrics: PassMetrics) -> None:
        from ..training.fit import EVALUATIONS

        console.print(
            f"obscuration network, pass {metrics.epoch} of {EVALUATIONS}: loss {metrics.loss:.4f},"
            f" AUC {metrics.auc:.4f} on held-back windows, {metrics.seconds:.0f} s"
        )

    def epoch(self, metrics: EpochMetrics) -> None:
        console.print(
            f"epoch {metrics.epoch:3d}/{self._epochs}  error {metrics.squared_error:.5f}"
            f"  entropy {metrics.entropy:.3f}  PCC {metrics.mean_pcc:.4f} (mean frame {metrics.mean_frame_pcc:.4f})"
            f"  {metrics.frames_per_s:.0f} frames/s"
        )
        if metrics.latent != self._health and metrics.latent in HEALTH:
            console.print(f"WARNING epoch {metrics.epoch}: {HEALTH[metrics.latent]}", style="bold red")
        self._health = metrics.latent
        if metrics.epoch == self._epochs and metrics.mean_pcc <= metrics.mean_frame_pcc and metrics.latent != "none":
            console.print(
                f"note: after epoch {self._epochs} the autoencoder reconstructs no better than the mean frame, as is"
                " expected after few; the PCC says little then, and the alarm does not use it. Give more --epochs"
            )
