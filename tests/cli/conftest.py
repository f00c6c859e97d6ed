"""Runs commands in this process, as the shell would."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from mle_uvad.cli import main


@dataclass(frozen=True)
class Outcome:
    """The exit code of a command and what it printed."""

    code: int
    out: str
    err: str

    @property
    def error_line(self) -> str:
        """The one line of bad input; fails when there is more or less."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        assert self.code == 2, self
        assert len(lines) == 1, lines
        assert lines[0].startswith("error: ")
        return lines[0]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """`run("score", tub, …)` gives exit code, stdout and stderr."""

    def command(*arguments: object, entry: Callable[[], None] = main.main) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["mle-uvad", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            entry()
        captured = capsys.readouterr()
        return Outcome(left.value.code or 0, captured.out, captured.err)  # type: ignore[arg-type]

    return command
