"""Requests for a calibration from a command to the running part, by two small files in a folder that both know.

Files do not depend on the car's web server, which may be absent or on another port, and need no thread in the part.
"""

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ..edge import strict_json
from ..edge.errors import InputError
from ..edge.read_file import read_file

REQUEST_FILE, REPLY_FILE = "calibrate.request", "calibrate.answer"
CHECK_EVERY_S = 1.0  # the part, for a request
READ_EVERY_S = 0.5  # the command, for a reply
REPLY_WITHIN_S = 10.0
BYTES_MAX = 4096


@dataclass(frozen=True)
class Reply:
    """The part's reply: how the calibration that was requested goes."""

    token: str  # of the request
    state: str  # collecting, calibrated, refused or cancelled
    progress: float  # 0…1
    detail: str  # why, where the state needs a reason
    t_s: float  # on the part's clock: the car is alive while this changes


class CalibrationRequests:
    """The part's side. Errors of the disk are ignored: a command that gets no reply reports it."""

    def __init__(self, folder: Path) -> None:
        self._request, self._reply = folder / REQUEST_FILE, folder / REPLY_FILE
        with contextlib.suppress(OSError):
            self._request.unlink()  # from before this program ran
        self._token = ""

    def received(self) -> bool:
        """Take the request that has come since the last call; return whether there is one."""
        try:
            token = read_file(self._request, BYTES_MAX).decode("ascii", "replace")
            if not token:
                return False  # the command has made the file and is about to write it
            self._request.unlink()
        except OSError:
            return False
        self._token = token
        return True

    def reply(self, state: str, progress: float, detail: str, t_s: float) -> None:
        """Reply to the last request, if there was one."""
        if not self._token:
            return
        draft = self._reply.with_name(f".{REPLY_FILE}.tmp")
        with contextlib.suppress(OSError):  # no fsync: nobody reads it after a power cut
            draft.unlink(missing_ok=True)  # a link would be followed
            draft.write_text(json.dumps(asdict(Reply(self._token, state, progress, detail, t_s))))
            draft.replace(self._reply)


def request_calibration(folder: Path, clock: Callable[[], float], sleep: Callable[[float], None]) -> Iterator[Reply]:
    """Request a calibration of the car that keeps its calibration in `folder`, and yield the replies until it ends.

    Raises InputError when no car replies, or when it stops replying.
    """
    token, request, reply_file = uuid.uuid4().hex, folder / REQUEST_FILE, folder / REPLY_FILE
    try:
        request.unlink(missing_ok=True)  # a link would be followed, a pipe waited for
        request.write_text(token)
    except OSError as error:
        raise InputError(f"{request} cannot be written ({error.strerror}); give the folder of the car") from None
    last: Reply | None = None
    replied_s = clock()
    try:
        while last is None or last.state == "collecting":
            sleep(READ_EVERY_S)
            reply = _read(reply_file, token)
            if reply is not None and reply != last:
                last, replied_s = reply, clock()
                yield reply
            elif clock() - replied_s > REPLY_WITHIN_S:
                if last is None:
                    raise InputError(f"no car answers in {folder}; start it: python manage.py drive")
                raise InputError(f"the car no longer answers, at {last.progress:.0%}; nothing was changed")
    finally:
        request.unlink(missing_ok=True)


def _read(path: Path, token: str) -> Reply | None:
    try:
        reply = Reply(**strict_json.parse(read_file(path, BYTES_MAX)))
    except (OSError, ValueError, TypeError):
        return None  # none yet, or another version's
    return reply if reply.token == token else None
