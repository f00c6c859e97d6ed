"""Replaces the generated part of a page, between `<!-- NAME -->` and `<!-- /NAME -->`."""

from pathlib import Path


def with_part(page: Path, name: str, text: str) -> str:
    """Return the page with the part `name` replaced. Raises ValueError where the markers are missing."""
    before, begin, rest = page.read_text().partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->\n")
    if not (begin and end):
        raise ValueError(f"{page} has no markers of {name}")
    return f"{before}{begin}{text}\n{end}{after}"
