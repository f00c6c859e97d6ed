"""What a terminal shows of a training."""

from types import TracebackType

from ..training.fit import PassMetrics
from ..training.run import EpochMetrics
from .console import Bar, console

HEALTH = {
    "dead": "the latent is DEAD: no pair lies within the kernel, the entropy has no gradient;"
    " raise --sigma or take --preset robust",
    "collapsed": "the latent has COLLAPSED: every frame gets the same code and the reconstruction is the mean frame;"
    " lower --lambda or take --preset robust",
}


class TrainingDisplay:
    """Tells how the training goes: a bar over all epochs, a line an epoch, a loud one when the latent turns ill."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._bar = Bar("training")
        self._health = "healthy"

    def __enter__(self) -> "TrainingDisplay":
        self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, trace)
        if kind is KeyboardInterrupt:
            console.print("interrupted; the same command goes on after the last whole epoch")

    def decoded(self, done: int, total: int) -> None:
        self._bar.name = "decoding"
        self._bar(done, total)
        if done == total:
            console.print(f"decoded {total} frames, once for all runs on these drives")

    def batch(self, epoch: int, frames_done: int, frames_total: int) -> None:
        self._bar.name = f"epoch {epoch}/{self._epochs}"
        self._bar((epoch - 1) * frames_total + frames_done, self._epochs * frames_total)

    def rendered(self, done: int, total: int) -> None:
        self._bar.name = "rendering faults"
        self._bar(done, total)

    def fitted(self, done: int, total: int) -> None:
        self._bar.name = "obscuration network"
        self._bar(done, total)

    def passed(self, metrics: PassMetrics) -> None:
        console.print(
            f"obscuration network, pass {metrics.epoch}: loss {metrics.loss:.4f}, AUC {metrics.auc:.4f} on rendered"
            f" faults held back, {metrics.seconds:.0f} s"
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
        if metrics.epoch == self._epochs and metrics.mean_pcc <= metrics.mean_frame_pcc:
            console.print("WARNING: the model knows no more than the mean frame; give more --epochs", style="bold red")
