"""`mle-uvad doctor`: check a car before it drives."""

import shlex
from dataclasses import asdict
from datetime import datetime, timezone

import typer

from ..parts.install.doctor import FAIL, examine
from .app import CarFolder, Json, print_figures
from .console import Bar, say_next
from .tables import findings_as_lines


def doctor(car: CarFolder, as_json: Json = False) -> None:
    """Check a car before it drives. Prints a verdict, a reason and a fix for each check.

    Exits with 2 when a check fails. On a Jetson without an engine that fits, it builds one, which takes minutes.
    """
    with Bar("examining"):
        findings = examine(car, datetime.now(timezone.utc))
    failed = any(finding.verdict == FAIL for finding in findings)
    figures = {"car": str(car), "fit": not failed, "checks": [asdict(finding) for finding in findings]}
    print_figures(figures, findings_as_lines(findings), as_json)
    quoted = shlex.quote(str(car))
    again = f"mend what fails, then mle-uvad doctor {quoted}"
    say_next(again if failed else f"cd {quoted} && python manage.py drive")
    if failed:
        raise typer.Exit(2)
