"""The interface through which an evaluation reports its progress."""

from contextlib import AbstractContextManager
from typing import Protocol

from ...training.shards import Progress
from ...training.train import TrainingCallback


class Display(Protocol):
    """Shows the progress of an evaluation: a terminal, or a recorder in tests."""

    def step(self, text: str) -> None:
        """Announce a new step."""

    def bar(self, name: str) -> AbstractContextManager[Progress]:
        """Return a progress bar."""

    def training(self, epochs: int) -> AbstractContextManager[TrainingCallback]:
        """Return the progress display of a training."""
