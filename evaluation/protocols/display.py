"""Who shows how far a long piece of work is."""

from contextlib import AbstractContextManager
from typing import Protocol

from ...training.cache import Progress
from ...training.train import TrainingCallback


class Display(Protocol):
    """A terminal, or a test that listens."""

    def step(self, text: str) -> None:
        """A new step begins."""

    def bar(self, name: str) -> AbstractContextManager[Progress]:
        """A progress bar."""

    def training(self, epochs: int) -> AbstractContextManager[TrainingCallback]:
        """The display of a training."""
