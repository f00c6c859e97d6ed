"""Adds the lens lines to a car's manage.py, and removes them again."""

import contextlib
import os
import re
import shlex
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path

from ...edge.atomic_write import atomic_write
from ...edge.errors import InputError
from .by_hand import FIELDS, OVERLAY, PART, LinesByHand
from .templates import BEGIN, END, TEMPLATES, Template

BACKUP = "manage.py.before_lens"  # the file before `install`
BACKUP_OF_EDITED = "manage.py.with_lens"  # the file before `undo`, if that removes more than `install` added
BYTES_MAX = 1_000_000
OURS = re.compile(r"^[^#\n]*\bmle_uvad\b", re.MULTILINE)


@dataclass(frozen=True)
class ManagePy:
    """A manage.py as read from the disk. It is never run."""

    path: Path
    data: bytes
    text: str  # with \n for every line end
    newline: str
    bare: str  # the text without the lens lines
    blocks: int  # marked blocks in the text

    @classmethod
    def read(cls, car: Path) -> "ManagePy":
        """Read the manage.py of a car. Raises InputError for a link, a file that is not text, and unpaired marks."""
        path = car / "manage.py"
        if not car.is_dir():
            raise InputError(f"{car} is not a folder; give the car's folder, which `donkey createcar` creates")
        if path.is_symlink():
            raise InputError(f"{path} is a link to {os.readlink(path)}; give the folder that holds the file itself")
        if not path.is_file():
            raise InputError(f"{car} has no manage.py; give the folder that `donkey createcar` creates")
        data = path.read_bytes()
        newline = "\r\n" if b"\r\n" in data else "\n"
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
        text = text.replace("\r\n", "\n")
        if len(data) > BYTES_MAX or "\0" in text:
            raise InputError(f"{path} is not a manage.py ({len(data)} bytes); give the folder of a Donkeycar")
        if _encoded(text, newline) != data:
            raise InputError(f"{path} mixes Windows and Linux line ends; save it with one kind")
        bare, blocks = _without_blocks(path, text)
        return cls(path, data, text, newline, bare, blocks)

    @property
    def template(self) -> Template | None:
        """The stock template that this file is, apart from the lens lines and edits elsewhere; None for any other."""
        return next((template for template in TEMPLATES if not template.mismatches(self.bare)), None)

    @property
    def state(self) -> str:
        """One of `installed`, `absent`, `modified` and `by hand`.

        `modified` means that the lines between the marks are not those of this version, `by hand` that the file names
        mle_uvad outside the marks; `by_hand` then says which lines are there.
        """
        if OURS.search(self.bare):
            return "by hand"
        if not self.blocks:
            return "absent"
        return "installed" if self.template and self.template.fill(self.bare) == self.text else "modified"

    @property
    def by_hand(self) -> LinesByHand:
        """What the file has of the lens lines, place by place. Raises InputError if it is not valid Python."""
        try:
            return LinesByHand(self.text)
        except SyntaxError as error:
            raise InputError(f"{self.path} is not valid Python ({error.msg}, line {error.lineno}); fix it") from None

    @property
    def records_lens(self) -> bool:
        """Whether the car records the lens fields into its tub."""
        return self.by_hand.counts[FIELDS] > 0 if self.state == "by hand" else self.state != "absent"

    def why_not(self) -> str:
        """Return in one line how this differs from the nearest stock template; empty when it is one."""
        if self.template is not None:
            return ""
        nearest = min(TEMPLATES, key=lambda template: len(template.mismatches(self.bare)))
        *_, part = nearest.mismatches(self.bare)[0].replace("#\n", "\n").split("\n    ")
        return f"not the stock {nearest.name} template of donkeycar 5: {part.strip()!r} must occur once"

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do: the lens lines are those of this version, or all were added by hand."""
        lines = self.by_hand if self.state == "by hand" else None
        return self.state == "installed" or (lines is not None and not lines.missing and lines.counts[PART] == 1)

    def install(self) -> Path:
        """Add the lens lines, save the original beside the file, and return the path of that backup.

        Raises InputError, and writes nothing, for a file that already has lens lines or is not a stock template.
        """
        if self.state != "absent":
            raise InputError(advice(self))
        if self.template is None:
            raise InputError(f"{self.path} is {self.why_not()}; add the lines by hand")
        data = _encoded(self.template.fill(self.bare), self.newline)
        try:
            # Not ast.parse, which fails on Python 3.11 when the garbage collector runs meanwhile.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(data, self.path, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise InputError(f"{self.path} is not valid Python ({error.msg}, line {error.lineno}); fix it") from None
        backup = self._write(BACKUP, self.data)
        self._write(self.path.name, data)
        return backup

    def undo(self) -> Path | None:
        """Remove the lens lines, and the backup of `install` if the file is again what that found.

        If the lines were modified, save the file as it was beside it and return the path of the copy. Raises InputError
        when there are no lens lines.
        """
        if not self.blocks:
            by_hand = f"{self.path} has lens lines that were added by hand; delete those that name mle_uvad or lens/"
            raise InputError(by_hand if self.state == "by hand" else advice(self))
        kept = self._write(BACKUP_OF_EDITED, self.data) if self.state != "installed" else None
        data = _encoded(self.bare, self.newline)
        self._write(self.path.name, data)
        backup = self.path.with_name(BACKUP)
        if not backup.is_symlink() and backup.is_file() and backup.read_bytes() == data:
            backup.unlink()
        return kept

    def _write(self, name: str, data: bytes) -> Path:
        """Write a file beside manage.py atomically, with the owner and mode of manage.py, and return its path."""
        path, like = self.path.with_name(name), self.path.stat()
        if path.is_symlink():
            raise InputError(f"{path} is a link, and its target would be overwritten; remove the link")
        with atomic_write(path) as draft:
            draft.write_bytes(data)
            with contextlib.suppress(PermissionError):  # only root may change the owner
                os.chown(draft, like.st_uid, like.st_gid)
            draft.chmod(stat.S_IMODE(like.st_mode))
        return path


_ADVICE = {
    "installed": "{path} has the lens lines; to remove them, type: mle-uvad install-part {car} --undo",
    "modified": "{path} has lens lines that were modified or come from another version; to remove them,"
    " type: mle-uvad install-part {car} --undo",
    "absent": "{path} has no lens lines; to add them, type: mle-uvad install-part {car}",
}


def advice(manage: ManagePy) -> str:
    """Return the state of a manage.py in one line, with the command that changes it."""
    car = shlex.quote(str(manage.path.parent))
    if manage.state != "by hand":
        return _ADVICE[manage.state].format(path=manage.path, car=car)
    found = f"{manage.path} has lens lines that were added by hand"
    if missing := manage.by_hand.missing:
        names = " and ".join(place.adds for place in missing)
        return f"{found}, without {names}; to see what to add and where, type: mle-uvad install-part {car}"
    if manage.by_hand.counts[PART] > 1:
        return f"{found}, with more than one {PART}; keep one"
    unseen = (
        "" if manage.by_hand.counts[OVERLAY] else " but those for the web page, as this file makes no ui/image_array"
    )
    return f"{found}, all of them{unseen}"


def _encoded(text: str, newline: str) -> bytes:
    return text.replace("\n", newline).encode()


def _without_blocks(path: Path, text: str) -> tuple[str, int]:
    """Return the text without the marked blocks, and how many there were."""
    kept: list[str] = []
    blocks, inside = 0, False
    for number, line in enumerate(text.split("\n"), start=1):
        begins, ends = line.strip().startswith(BEGIN), line.strip() == END
        if (begins and inside) or (ends and not inside):
            raise InputError(f"{path} has an unpaired mark of mle_uvad in line {number}; copy {BACKUP} back")
        if not (inside or begins):
            kept.append(line)
        blocks += begins
        inside = (inside or begins) and not ends
    if inside:
        raise InputError(f"{path} has a mark of mle_uvad without an end; copy {BACKUP} back")
    return "\n".join(kept), blocks
