"""Says in one line why a drive cannot be used, when most of its records were skipped, and what to do about it."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

ADVICE = {  # by the first words of the reason
    "image is missing": "copy {folder}/images from the car too",
    "image has zero bytes": "the disk was full, or lost its power; free some space and record another drive",
    "image is unreadable": "make {folder}/images readable for you",
    "image is torn": "copy {folder}/images from the car again",
    "image is too large": "record smaller images, for example of 160x120",
    "frame is dark": "record with the lens uncovered and in more light",
    "frame is flat": "record where the camera sees more than one plain surface",
    "image is dark": "record with the lens uncovered and in more light",
    "image is flat": "record where the camera sees more than one plain surface",
    "image belongs": "give another drive",
    "image name": "give the tub as the car wrote it",
    "image is ": "give drives of one camera",
    "frame is": "give a drive of the camera that the bundle was trained on",
    "record has no": "give --camera FIELD, with the field that holds the pictures",
    "catalog is unreadable": "make the files of {folder} readable for you",
    "catalog line": "copy the catalogs of {folder} from the car again",
}


def why_unusable(folder: Path | str, records: int, usable: int, reasons: Iterable[str]) -> str:
    """Return the line: how many of the records cannot be used for which reason, commonest first, and what to do.

    Example:
        >>> why_unusable("d", 5, 0, ["image is missing"] * 4 + ["image is dark"])
        'none of 5 records of d can be used: image is missing (4), image is dark (1); copy d/images from the car too'
    """
    counts = Counter(reasons).most_common()
    listed = ", ".join(f"{reason} ({count})" for reason, count in counts)
    share = "none" if not usable else f"only {usable}"
    return f"{share} of {records} records of {folder} can be used: {listed}; {advice_for(counts[0][0], folder)}"


def advice_for(reason: str, folder: Path | str) -> str:
    """Return what to do about records of a tub that were skipped for this reason."""
    text = next((text for words, text in ADVICE.items() if reason.startswith(words)), "give another drive")
    return text.format(folder=folder)
