"""How a command on the car asks the running part for a calibration: two small files in a folder that both know.

Files ask nothing of the car's web server, which may be absent or on another port, and need no thread in the part.
"""

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ..edge import strict_json
from ..edge.errors import InputError

REQUEST_FILE, ANSWER_FILE = "calibrate.request", "calibrate.answer"
LOOK_EVERY_S = 1.0  # the part
READ_EVERY_S = 0.5  # the command
ANSWER_WITHIN_S = 10.0
BYTES_MAX = 4096


@dataclass(frozen=True)
class Answer:
    """What the part says of the calibration that was asked for."""

    token: str  # of the request
    state: str  # of the `Calibrator`
    progress: float  # 0…1
    detail: str
    t_s: float  # on the part's clock: the car is alive while this changes


class Mailbox:
    """The part's side. What the disk refuses is let be: the command tells when no answer comes."""

    def __init__(self, folder: Path) -> None:
        self._request, self._answer = folder / REQUEST_FILE, folder / ANSWER_FILE
        with contextlib.suppress(OSError):
            self._request.unlink()  # was asked before this program ran
        self._token = ""

    def asked(self) -> bool:
        """Whether somebody has asked since the last look."""
        try:
            with self._request.open("rb") as file:
                token = file.read(BYTES_MAX).decode("ascii", "replace")
            self._request.unlink()
        except OSError:
            return False
        self._token = token
        return True

    def answer(self, state: str, progress: float, detail: str, t_s: float) -> None:
        """Tell the command that asked, if one did."""
        if not self._token:
            return
        draft = self._answer.with_name(f".{ANSWER_FILE}.tmp")
        with contextlib.suppress(OSError):  # no fsync: after a power cut nobody reads it
            draft.write_text(json.dumps(asdict(Answer(self._token, state, progress, detail, t_s))))
            draft.replace(self._answer)


def ask(folder: Path, clock: Callable[[], float], sleep: Callable[[float], None]) -> Iterator[Answer]:
    """Ask the car whose calibration lies in this folder, and give its answers until the drive ends.

    Raises InputError when no car answers, or when it no longer does.
    """
    token, request, answer = uuid.uuid4().hex, folder / REQUEST_FILE, folder / ANSWER_FILE
    try:
        request.write_text(token)
    except OSError as error:
        raise InputError(f"{request} cannot be written ({error.strerror}); give the folder of the car") from None
    last: Answer | None = None
    heard_s = clock()
    try:
        while last is None or last.state == "collecting":
            sleep(READ_EVERY_S)
            new = _read(answer, token)
            if new is not None and new != last:
                last, heard_s = new, clock()
                yield new
            elif clock() - heard_s > ANSWER_WITHIN_S:
                if last is None:
                    raise InputError(f"no car answers in {folder}; start it: python manage.py drive")
                raise InputError(f"the car no longer answers, at {last.progress:.0%}; nothing was changed")
    finally:
        request.unlink(missing_ok=True)


def _read(path: Path, token: str) -> Answer | None:
    try:
        with path.open("rb") as file:
            answer = Answer(**strict_json.parse(file.read(BYTES_MAX)))
    except (OSError, ValueError, TypeError):
        return None  # none yet, or another version's
    return answer if answer.token == token else None
