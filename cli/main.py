"""The entry points `mle-uvad` and `export-model`."""

import shlex
import sys
from typing import NoReturn

import typer

from ..edge.errors import InputError
from .app import HELP, app
from .bench import bench
from .build_engine import build_engine
from .calibrate import calibrate
from .clean import clean
from .console import console
from .demo import demo
from .doctor import doctor
from .evaluate import evaluate
from .events import events
from .export import export
from .generate import generate
from .home_assistant import home_assistant
from .install_part import install_part
from .report import report
from .score import score
from .train import train
from .verify import verify

# In the order of `mle-uvad --help`.
DESKTOP_COMMANDS = (train, export, generate, demo, evaluate)
CAR_COMMANDS = (calibrate, score, clean, install_part, doctor, events, report, home_assistant)
DEVICE_COMMANDS = (build_engine, verify, bench)
for command in (*DESKTOP_COMMANDS, *CAR_COMMANDS, *DEVICE_COMMANDS):
    app.command()(command)

export_app = typer.Typer(context_settings=HELP, pretty_exceptions_enable=False)
export_app.command()(export)


def main() -> None:
    """Run `mle-uvad`. Exits with 0 on success, 2 for bad input, 3 when records or files were skipped."""
    _run(app, "mle-uvad", sys.argv[1:2])


def export_model() -> None:
    """Run `export-model RUN …`, which is `mle-uvad export RUN …`."""
    _run(export_app, "export-model", [])


def _run(application: typer.Typer, name: str, command: list[str]) -> NoReturn:
    try:
        sys.exit(application(prog_name=name, standalone_mode=False) or 0)
    except InputError as error:
        _exit_with_error(str(error))
    except OSError as error:
        _exit_with_error(f"{error.filename or 'the system'}: {error.strerror or error}")
    except typer.TyperException as error:  # wrong usage: one line, like any other bad input
        message = " ".join(error.format_message().split())
        if message:  # empty when the help was shown
            _exit_with_error(f"{message.rstrip('.')}; type: {shlex.join([name, *command])} --help")
        sys.exit(2)


def _exit_with_error(line: str) -> NoReturn:
    console.quiet = False
    console.print(f"error: {line}", style="red")
    sys.exit(2)
