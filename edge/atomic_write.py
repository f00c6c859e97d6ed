"""Writes files that are either complete or absent."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError
from .read_file import real_path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a draft beside `path`; when the block succeeds, the synced draft replaces `path` in one step.

    When the block raises, the draft is removed and `path` stays as it was. A link is followed. Raises InputError if
    `path` is no regular file, a device for example, or if the disk cannot be written.
    """
    path = real_path(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is no file and cannot be replaced; give the path of a file")
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        draft.unlink(missing_ok=True)  # of a killed process of this number; or a link, which writing would follow
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


def sweep_drafts(path: Path) -> None:
    """Delete the drafts of a file, or of all files in a folder, that killed processes left."""
    if os.name != "posix":
        return  # elsewhere a signal of 0 is no question but an end
    drafts = path.glob(".*.tmp") if path.is_dir() else path.parent.glob(f"{glob.escape(f'.{path.name}')}.*.tmp")
    for draft in drafts:
        number = draft.name.split(".")[-2]
        if not number.isdecimal() or draft.is_dir():
            continue
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            draft.unlink(missing_ok=True)
        except (OSError, OverflowError):
            pass  # another user's, which lives


def is_draft(path: Path) -> bool:
    """Return whether an interrupted `atomic_write` left this file."""
    return path.name.startswith(".") and path.name.endswith(".tmp")
