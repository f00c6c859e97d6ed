"""How the commands begin: on a terminal that knows ASCII alone, and when they are interrupted at once."""

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mle_uvad.cli import main

REPOSITORY = Path(__file__).parents[2]
NAMES = ["", *(command.name or command.callback.__name__.replace("_", "-") for command in main.app.registered_commands)]  # type: ignore[union-attr]
# Ctrl-C at the moment at which a module is looked for.
INTERRUPT = """
import sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
from mle_uvad.cli.entry import {entry}
sys.argv = ["mle-uvad", *{arguments!r}]
{entry}()
"""


def python(code: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, check=False, timeout=120, env={**os.environ, **more})


def test_every_help_is_shown_on_a_terminal_that_knows_ascii_alone() -> None:
    code = f"""
import sys
from mle_uvad.cli.entry import main
for name in {NAMES!r}:
    sys.argv = ["mle-uvad", *name.split(), "--help"]
    try:
        main()
    except SystemExit as end:
        print("code", name, end.code or 0)
"""
    done = python(code, PYTHONIOENCODING="ascii", LANG="C", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (done.returncode, done.stderr) == (0, b"")
    ends = [line.split() for line in done.stdout.decode("ascii").splitlines() if line.startswith("code")]
    assert [(name[1] if len(name) > 2 else "", name[-1]) for name in ends] == [(name, "0") for name in NAMES]
    assert len(NAMES) > 12


def test_a_name_that_a_terminal_cannot_show_is_no_reason_to_end_in_a_traceback() -> None:
    code = """
import sys
from mle_uvad.cli.entry import main
sys.argv = ["mle-uvad", "score", "Österreich", "--bundle", "lens", "--out", "s.csv"]
main()
"""
    done = python(code, PYTHONIOENCODING="ascii", LANG="C", LC_ALL="C")
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: no folder ?sterreich;")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("module", "entry", "arguments"),
    [
        ("mle_uvad.cli.main", "main", ["--help"]),
        ("typer", "main", ["--help"]),
        ("numpy", "main", ["bench", "lens"]),
        ("typer", "export_model", ["run"]),
        ("torch", "export_model", ["run", "--out", "lens"]),
    ],
)
def test_an_interrupt_during_the_imports_is_no_traceback(module: str, entry: str, arguments: list[str]) -> None:
    if module == "torch":
        pytest.importorskip("torch", reason="needs what the export needs")
    done = python(INTERRUPT.format(module=module, entry=entry, arguments=arguments))
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, b"", b"")


def test_the_installed_commands_begin_there() -> None:
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    assert setup["options.entry_points"]["console_scripts"].split("\n")[1:] == [
        "mle-uvad = mle_uvad.cli.entry:main",
        "export-model = mle_uvad.cli.entry:export_model",
    ]
