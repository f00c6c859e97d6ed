"""The entry points `mle-uvad` and `export-model`."""

import sys
from typing import NoReturn

from ..edge.errors import InputError
from . import making, using  # noqa: F401 they join the application
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
        app()
    except InputError as error:
        console.print(f"error: {error}", style="red", markup=False)
        sys.exit(2)
    except OSError as error:
        console.print(f"error: {error.filename or 'the system'}: {error.strerror or error}", style="red", markup=False)
        sys.exit(2)
    sys.exit(0)
