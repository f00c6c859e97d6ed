"""The application, and what several commands use."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import __version__
from ..edge.errors import InputError
from ..edge.tubs.tub import Skipped
from .tables import print_skipped

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Detect raindrops, dirt and smears on the camera lens of a Donkeycar.",
)

BundleFolder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder written by `export-model`.")]
CarFolder = Annotated[Path, typer.Argument(metavar="MYCAR", help="Folder of the car, with manage.py and myconfig.py.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if show:
        print(__version__)
        raise typer.Exit


def require_extra(extra: str, *modules: str) -> None:
    """Raise InputError, naming the extra to install, unless all of these modules can be imported."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise InputError(f"this needs {', '.join(missing)}; type: pip install 'mle_uvad[{extra}]'")


def print_figures(figures: dict[str, Any], text: str, as_json: bool) -> None:
    """Print the result of a command: `figures` as JSON for a program, or `text` for a person."""
    print(json.dumps(figures, indent=2) if as_json else text)


def exit_if_skipped(skipped: list[Skipped]) -> None:
    """List the records that were skipped and exit with 3. Does nothing when there are none."""
    if skipped:
        print_skipped(skipped)
        raise typer.Exit(3)
