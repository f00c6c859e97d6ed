"""Reads files whose names come from others: a pipe, a device or a file of gigabytes must not hang or fill the car."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def read_file(path: Path, bytes_max: int, *, follow: bool = False) -> bytes:
    """Return the bytes of a regular file. Raises OSError as `open_file`."""
    with open_file(path, bytes_max, follow=follow) as file:
        return file.read(os.fstat(file.fileno()).st_size)  # no more, if it grows meanwhile


def real_path(path: Path) -> Path:
    """Return the absolute path with its links followed. `Path.resolve` raises where they lead in a circle."""
    return Path(os.path.realpath(path))


@contextmanager
def open_file(path: Path, bytes_max: int, *, follow: bool = False) -> Iterator[BinaryIO]:
    """Open a regular file to be read.

    Raises OSError for one that is missing, larger than `bytes_max` or no regular file, and for a link unless `follow`.
    Never waits: a pipe is opened without a writer, and refused.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags if follow else flags | getattr(os, "O_NOFOLLOW", 0))
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if found.st_size > bytes_max:
            raise OSError(errno.EFBIG, f"it has more than {bytes_max} bytes", str(path))
        with open(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)
