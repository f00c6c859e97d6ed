"""The application, and what several commands use."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import __version__
from ..edge.errors import InputError
from ..edge.tubs.tub import Skipped
from .console import say_next
from .tables import print_skipped

HELP = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    no_args_is_help=True,
    context_settings=HELP,
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


def finish(skipped: list[Skipped], next_command: str) -> None:
    """List the records that were skipped, say what to type next, and exit with 3 if any were skipped."""
    if skipped:
        print_skipped(skipped)
    say_next(next_command)
    if skipped:
        raise typer.Exit(3)
