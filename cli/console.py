"""Progress bars and messages on stderr. Where it is no terminal, a bar is a line every half minute and at its end."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

console = Console(stderr=True, highlight=False, soft_wrap=True)

LINE_EVERY_S = 30.0  # where there is no terminal


class Bar:
    """A progress bar over frames, or another unit. Call it with (done, total); name and unit may change in between."""

    def __init__(self, name: str, unit: str = "frames") -> None:
        self.name, self.unit = name, unit
        self._started_s = self._line_s = time.monotonic()
        self._done = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(name, total=None, unit=unit)

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def begin(self, name: str, unit: str) -> None:
        """Begin to count something else, from now on; does nothing when this is counted already."""
        if (name, unit) != (self.name, self.unit):
            self.name, self.unit, self._done = name, unit, 0
            self._started_s = self._line_s = time.monotonic()
            self._progress.reset(self._task)

    def __call__(self, done: int, total: int) -> None:
        self._done = done
        if not console.is_terminal and time.monotonic() - self._line_s >= LINE_EVERY_S:
            self._line_s = time.monotonic()
            console.print(f"{self.name}: {done} of {total} {self.unit}")
        self._progress.update(self._task, completed=done, total=total, description=self.name, unit=self.unit)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        seconds = time.monotonic() - self._started_s
        if kind is None and self._done:
            rate = self._done / max(seconds, 1e-9)
            console.print(f"{self.name}: {self._done} {self.unit} in {seconds:.1f} s, {rate:.1f} {self.unit}/s")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} {task.fields['unit']}/s" if task.speed else "")
