"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Gives a draft beside `path` to write. When the block ends well the draft, safe on the disk, takes its place;
    else it is removed and what was there stays. Follows a link. Raises InputError for what is no file, a device say,
    and for a disk that cannot be written.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no file and cannot be replaced; give the path of a file")
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        if error.filename not in (None, str(draft)):  # of something else that the block reads
            raise
        raise InputError(f"{path} cannot be written ({error.strerror}); free some space or give another path") from None
    finally:
        draft.unlink(missing_ok=True)


def is_draft(path: Path) -> bool:
    """Whether this is what an interrupted `replacing` left."""
    return path.name.startswith(".") and path.name.endswith(".tmp")
