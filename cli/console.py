"""Progress bars and messages on stderr. Where it is no terminal, a bar is a line every ten seconds and at its end."""

import threading
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

# Paths and texts of files are printed as they are: brackets are no markup, and `:car:` is no picture.
console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)

LINE_EVERY_S = 10.0  # where there is no terminal


def say_next(command: str) -> None:
    """Say what to type next: the last line of a command."""
    console.print(f"next: {command}")


def _is_terminal() -> bool:
    """Return whether a bar can be drawn. The console itself believes FORCE_COLOR, which Jupyter sets."""
    return console.file.isatty()


class Lines:
    """Prints a line at intervals, from a thread of its own, until a step ends."""

    def __init__(self, line: Callable[[float], str], every_s: float = LINE_EVERY_S) -> None:
        """`line` gets the seconds since the beginning."""
        self._line, self._every_s = line, every_s
        self._started_s = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._print, daemon=True)

    def __enter__(self) -> "Lines":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _print(self) -> None:
        while not self._ended.wait(self._every_s):
            console.print(self._line(time.monotonic() - self._started_s))


class Bar:
    """A progress bar over frames, or another unit. Call it with (done, total); name and unit may change in between.

    A step that cannot be counted never calls it, and the bar shows that it goes on.
    """

    def __init__(self, name: str, unit: str = "frames", line_every_s: float = LINE_EVERY_S) -> None:
        self.name, self.unit = name, unit
        self._started_s = time.monotonic()
        self._done, self._total = 0, 0
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not _is_terminal(),
        )
        self._lines = Lines(self._line, line_every_s)
        self._task = self._progress.add_task(name, total=None, unit=unit)

    def __enter__(self) -> "Bar":
        self._progress.start()
        if not _is_terminal():
            self._lines.__enter__()
        return self

    def begin(self, name: str, unit: str) -> None:
        """Begin to count something else, from now on; does nothing when this is counted already."""
        if (name, unit) != (self.name, self.unit):
            self.name, self.unit, self._done, self._total = name, unit, 0, 0
            self._started_s = time.monotonic()
            self._progress.reset(self._task)

    def __call__(self, done: int, total: int) -> None:
        self._done, self._total = done, total
        self._progress.update(self._task, completed=done, total=total, description=self.name, unit=self.unit)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        if not _is_terminal():
            self._lines.__exit__()
        seconds = time.monotonic() - self._started_s
        if kind is None and self._done:
            rate = "" if self.unit == "%" else f", {self._done / max(seconds, 1e-9):.1f} {self.unit}/s"
            console.print(f"{self.name}: {self._done} {self.unit} in {seconds:.1f} s{rate}")

    def _line(self, _: float) -> str:
        seconds = time.monotonic() - self._started_s  # of what is counted now
        counted = f"{self._done} of {self._total} {self.unit}, " if self._total else ""
        return f"{self.name}: {counted}{seconds:.0f} s"


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} {task.fields['unit']}/s" if task.speed else "")
