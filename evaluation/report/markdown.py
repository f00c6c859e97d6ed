"""Format tables and figures as Markdown; an undefined figure is a dash."""

import math
from collections.abc import Iterable, Sequence

from ..protocols.metrics import Interval, sign_free

NOTHING = "–"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table."""
    lines = (header, ["---"] * len(header), *rows)
    return "".join("| " + " | ".join(map(str, cells)) + " |\n" for cells in lines)


def image(file: str, description: str) -> str:
    """Return an image link, empty without a file."""
    return f"![{description}]({file})\n" if file else ""


def words(family: str) -> str:
    """Return the name of a family with spaces."""
    return family.replace("_", " ")


def auc_value(value: float) -> str:
    """Format an AUC."""
    return f"{value:.3f}" if math.isfinite(value) else NOTHING


def both_signs(value: float) -> str:
    """Format an AUC, with the AUC of the better sign in brackets."""
    return f"{value:.3f} ({sign_free(value):.3f})" if math.isfinite(value) else NOTHING


def ranged(interval: Interval) -> str:
    """Format an AUC with its interval."""
    found = f"{interval.value:.3f} ({interval.low:.3f}–{interval.high:.3f})"
    return found if math.isfinite(interval.value) else NOTHING


def ranged_share(interval: Interval) -> str:
    """Format a share with its interval, in percent."""
    found = f"{interval.value:.1%} ({interval.low:.1%}–{interval.high:.1%})"
    return found if math.isfinite(interval.value) else NOTHING


def ranged_seconds(interval: Interval) -> str:
    """Format a time with its interval."""
    found = f"{interval.value:.1f} s ({interval.low:.1f}–{interval.high:.1f})"
    return found if math.isfinite(interval.value) else NOTHING


def share(value: float) -> str:
    """Format a share in percent."""
    return f"{value:.1%}" if math.isfinite(value) else NOTHING


def seconds(value: float) -> str:
    """Format a time without decimals."""
    return f"{value:.0f} s"
