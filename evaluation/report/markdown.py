"""Tables and figures as Markdown writes them; a figure about which there is nothing to say is a dash."""

import math
from collections.abc import Iterable, Sequence

from ..protocols.metrics import Interval, sign_free

NOTHING = "–"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, with a line after it."""
    lines = (header, ["---"] * len(header), *rows)
    return "".join("| " + " | ".join(map(str, cells)) + " |\n" for cells in lines)


def picture(file: str, what: str) -> str:
    """A picture, or nothing where there is none."""
    return f"![{what}]({file})\n" if file else ""


def words(family: str) -> str:
    """A name of the code as people write it."""
    return family.replace("_", " ")


def auc_value(value: float) -> str:
    """An AUC."""
    return f"{value:.3f}" if math.isfinite(value) else NOTHING


def both_signs(value: float) -> str:
    """An AUC, and in brackets what it would be with the better sign."""
    return f"{value:.3f} ({sign_free(value):.3f})" if math.isfinite(value) else NOTHING


def ranged(interval: Interval) -> str:
    """An AUC with its range."""
    found = f"{interval.value:.3f} ({interval.low:.3f}–{interval.high:.3f})"
    return found if math.isfinite(interval.value) else NOTHING


def ranged_share(interval: Interval) -> str:
    """A share with its range, in percent."""
    found = f"{interval.value:.1%} ({interval.low:.1%}–{interval.high:.1%})"
    return found if math.isfinite(interval.value) else NOTHING


def ranged_seconds(interval: Interval) -> str:
    """A time with its range."""
    found = f"{interval.value:.1f} s ({interval.low:.1f}–{interval.high:.1f})"
    return found if math.isfinite(interval.value) else NOTHING


def share(value: float) -> str:
    """A share in percent."""
    return f"{value:.1%}" if math.isfinite(value) else NOTHING


def seconds(value: float) -> str:
    """A time without decimals."""
    return f"{value:.0f} s"
