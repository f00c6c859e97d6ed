"""The application that the commands join, and what they share."""

import json
from importlib.util import find_spec
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
    help="Tells a Donkeycar that its lens is obscured: raindrops, dirt, a smear.",
)

Json = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)] = False,
) -> None:
    if show:
        print(__version__)
        raise typer.Exit


def require_extra(extra: str, *modules: str) -> None:
    """Raise InputError, naming what to install, unless these modules can be imported."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise InputError(f"this needs {', '.join(missing)}; type: pip install 'mle_uvad[{extra}]'")


def print_figures(figures: dict[str, Any], line: str, as_json: bool) -> None:
    """Print what a command found, for a person or a program."""
    print(json.dumps(figures, indent=2) if as_json else line)


def leave_for(skipped: list[Skipped]) -> None:
    """List what was passed over and leave with 3; go on when there is nothing."""
    if skipped:
        print_skipped(skipped)
        raise typer.Exit(3)
