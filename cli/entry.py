"""Where `mle-uvad` and `export-model` begin. All else is imported within, so that Ctrl-C meanwhile ends it quietly."""

import sys
from types import ModuleType

INTERRUPTED = 130  # as a shell counts an end by SIGINT


def main() -> None:
    """Run `mle-uvad`, see `cli.main.main`."""
    _commands().main()


def export_model() -> None:
    """Run `export-model RUN …`, see `cli.main.export_model`."""
    _commands().export_model()


def _commands() -> ModuleType:
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # what a terminal cannot show becomes ?
    try:
        from . import main
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    return main
