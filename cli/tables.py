"""Tables and lists for people."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..edge.tubs.tub import Skipped
from ..parts.events.event import Event
from ..parts.install.doctor import Finding
from .console import console

WIDE = 180  # columns of the table where no terminal limits it
NUMBERS = ("id", "seconds", "evidence", "coverage")
LISTED_MAX = 10  # places per reason; the counts are of all


def print_events(events: Sequence[Event]) -> None:
    """Print the events of a log, oldest first: as a table, in two lines each on a terminal too narrow for it."""
    if not events:
        print("no events")
        return
    terminal = Console()
    if terminal.is_terminal and terminal.width < WIDE:
        for event in events:
            lasted = "" if event.duration_s is None else f", {event.duration_s:.1f} s"
            cleared = f" ({event.cleared_by})" if event.cleared_by else ""
            began = event.began_at[:19].replace("T", " ")
            first = f"{event.id}  {began}{lasted}, {event.worst_level}, {event.state}{cleared} {event.picture}".rstrip()
            for line in (first, f"   {event.cause}"):
                print(plain(line).plain)
        return
    table = Table(box=None, header_style="bold")
    for name in ("id", "state", "level", "began", "seconds", "evidence", "coverage", "cleared", "picture", "cause"):
        table.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
    for event in events:
        table.add_row(
            str(event.id),
            plain(event.state),
            plain(event.worst_level),
            plain(event.began_at[:19].replace("T", " ")),
            "" if event.duration_s is None else f"{event.duration_s:.1f}",
            f"{event.peak_evidence:.2f}",
            f"{event.peak_coverage:.0%}",
            plain(event.cleared_by),
            plain(event.picture or "purged"),
            plain(event.cause),
        )
    Console(width=WIDE, highlight=False).print(table)


def plain(text: str) -> Text:
    """Return a text for the terminal: brackets are no markup, and nothing in it moves the cursor or sets a title."""
    return Text("".join(character if character.isprintable() else "\ufffd" for character in text))


def print_skipped(skipped: Sequence[Skipped]) -> None:
    """Print how many records were skipped for each reason, and the first ten of each.

    One that was met each time a drive was read counts once.
    """
    skipped = list(dict.fromkeys(skipped))
    for reason, count in Counter(skip.reason for skip in skipped).most_common():
        places = [skip.where for skip in skipped if skip.reason == reason]
        more = ", …" if count > LISTED_MAX else ""
        console.print(f"skipped {count}: {reason} ({plain(', '.join(places[:LISTED_MAX])).plain}{more})")


def findings_as_lines(findings: Sequence[Finding]) -> str:
    """Format one line per check of the car, each followed by its fix."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.verdict}  {finding.check:<11}  {finding.reason}")
        if finding.fix:
            lines.append(f"      {'':<11}  fix: {finding.fix}")
    return "\n".join(lines)
