"""Progress and messages: bars on a terminal, one plain line each elsewhere. All of it goes to stderr."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

console = Console(stderr=True, highlight=False, soft_wrap=True)


class Bar:
    """A progress bar over a number of frames. Call it with (done, total)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._started_s = time.monotonic()
        self._done = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _FramesPerSecond(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(name, total=None)

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __call__(self, done: int, total: int) -> None:
        self._done = done
        self._progress.update(self._task, completed=done, total=total, description=self.name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        seconds = time.monotonic() - self._started_s
        if kind is None and self._done:
            rate = self._done / max(seconds, 1e-9)
            console.print(f"{self.name}: {self._done} frames in {seconds:.1f} s, {rate:.0f} frames/s")


class _FramesPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.0f} frames/s" if task.speed else "")
