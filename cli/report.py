"""`mle-uvad report`: one page of what a car has stored about its drives."""

import shlex
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from ..drive_report.drives import Drive, read_scores, split_drives
from ..drive_report.sources import Sources, find_sources
from ..edge.atomic_write import atomic_write
from ..edge.errors import InputError
from ..edge.read_file import real_path
from .app import finish, require_extra
from .console import Bar


def report(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="Folder of a car, its logs/lens_events.db, or a tub.")
    ],
    out: Annotated[Path, typer.Option(help="HTML file for the report.")] = Path("report.html"),
    scores: Annotated[
        Path | None,
        typer.Option(
            help="CSV file that `mle-uvad score` wrote for the tub; adds the evidence.",
            show_default="the evidence is not shown",
        ),
    ] = None,
    mcap: Annotated[
        Path | None,
        typer.Option(
            help="MCAP file for the images and what the part said of them, for Foxglove; needs the extra mcap.",
            show_default="none is written",
        ),
    ] = None,
) -> None:
    """Write a page about drives: timelines, events with pictures, calibration, versions. It loads nothing.

    A tub records the coverage but not the evidence; with --scores, the page shows the evidence too. Exits with 3 when
    records were skipped.
    """
    require_extra("report", "jinja2")
    from ..drive_report.page import render  # needs Jinja2

    _require_suffix(out, "--out", "HTML", ".html", ".htm")
    if mcap is not None:
        require_extra("mcap", "mcap")
        _require_suffix(mcap, "--mcap", "MCAP", ".mcap")
    with Bar("reading", unit="records") as bar:  # an hour of driving takes some ten seconds
        found = find_sources(source)
        drives = _drives(found, source, scores)
        records = sum(len(drive) for drive in drives)
        bar(records, records)
    page = render(found, drives, real_path(source).name, datetime.now(timezone.utc))
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as draft:
        draft.write_text(page, "utf-8", "replace")  # the name of a folder may not be text
    counts = (len(drives), "drive"), (len(found.events), "logged event")
    print(f"{out}: {', '.join(f'{count} {name}' + 's' * (count != 1) for count, name in counts)}")
    if mcap is not None:
        _write_mcap(mcap, drives)
    finish([skip for tub in found.tubs for skip in tub.skipped], f"open {shlex.quote(str(out))} in a browser")


def _drives(found: Sources, source: Path, scores: Path | None) -> list[Drive]:
    """Return the drives of all tubs in the order of time. Raises InputError for scores that are not of the only tub."""
    if scores is not None and len(found.tubs) != 1:
        raise InputError(f"--scores belongs to one tub, {source} has {len(found.tubs)}; give the tub that was scored")
    scored = {} if scores is None else read_scores(scores)
    drives = [drive for tub in found.tubs for drive in split_drives(tub.records, scored)]
    return sorted(drives, key=lambda drive: drive[0].t_s)


def _write_mcap(path: Path, drives: list[Drive]) -> None:
    from ..drive_report.mcap_file import write_mcap  # needs the library mcap

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        images = write_mcap(draft, drives)
    print(f"{path}: {images} images of {sum(len(drive) for drive in drives)} records")


def _require_suffix(path: Path, option: str, kind: str, *suffixes: str) -> None:
    """Raise InputError for a name that is of no such file, so that no tub, log or program is overwritten."""
    if path.suffix.lower() not in suffixes or path.is_dir():
        raise InputError(f"{path} is no {kind} file; give {option} a name that ends with {suffixes[0]}")
