"""The entry points `mle-uvad` and `export-model`."""

import sys
from typing import NoReturn

import typer

from ..edge.errors import InputError
from . import making, measuring, using, vehicle, verifying  # noqa: F401 they join the application
from .app import app
from .console import console


def main() -> None:
    """`mle-uvad`: exit code 0 done, 2 bad input in one line, 3 done but something was skipped."""
    _run()


def export_model() -> None:
    """`export-model RUN …`: the same as `mle-uvad export RUN …`."""
    sys.argv[1:1] = ["export"]
    _run()


def _run() -> NoReturn:
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except InputError as error:
        _leave(str(error))
    except OSError as error:
        _leave(f"{error.filename or 'the system'}: {error.strerror or error}")
    except typer.TyperException as error:  # wrong usage, told in one line like all other bad input
        message = " ".join(error.format_message().split())
        if message:  # empty when the help was shown
            _leave(f"{message.rstrip('.')}; type: {' '.join(['mle-uvad', *sys.argv[1:2]])} --help")
        sys.exit(2)


def _leave(line: str) -> NoReturn:
    console.quiet = False
    console.print(f"error: {line}", style="red", markup=False)
    sys.exit(2)
