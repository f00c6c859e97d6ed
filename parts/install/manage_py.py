"""Puts the lens lines into a car's manage.py, and takes them out again."""

import ast
import contextlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from ...edge.atomic_write import atomic_write
from ...edge.errors import InputError
from .templates import BEGIN, END, TEMPLATES, Template

BACKUP = "manage.py.before_lens"  # as it was before `install`
BACKUP_OF_EDITED = "manage.py.with_lens"  # as it was before `undo`, where that takes more than was put in
BYTES_MAX = 1_000_000
OURS = re.compile(r"^[^#\n]*\bmle_uvad\b", re.MULTILINE)


@dataclass(frozen=True)
class ManagePy:
    """A manage.py as it was read. Nothing of it is ever run."""

    path: Path
    data: bytes
    text: str  # with \n, whatever the file has
    newline: str
    bare: str  # the text without our lines
    blocks: int  # marked places in the text

    @classmethod
    def read(cls, car: Path) -> "ManagePy":
        """Read the manage.py of a car. Raises InputError for a link, what is no text, and marks that do not pair."""
        path = car / "manage.py"
        if not car.is_dir():
            raise InputError(f"{car} is no folder; give the car's, which `donkey createcar` made")
        if path.is_symlink():
            raise InputError(f"{path} is a link to {os.readlink(path)}; give the folder where the file itself lies")
        if not path.is_file():
            raise InputError(f"{car} has no manage.py; give the folder that `donkey createcar` made")
        data = path.read_bytes()
        newline = "\r\n" if b"\r\n" in data else "\n"
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
        text = text.replace("\r\n", "\n")
        if len(data) > BYTES_MAX or "\0" in text:
            raise InputError(f"{path} is no manage.py: {len(data)} bytes; give the folder of a Donkeycar")
        if _encoded(text, newline) != data:
            raise InputError(f"{path} mixes line ends of Windows and Linux; save it with one of them")
        bare, blocks = _without_blocks(path, text)
        return cls(path, data, text, newline, bare, blocks)

    @property
    def template(self) -> Template | None:
        """The stock template that this is, apart from our lines and from edits elsewhere."""
        return next((template for template in TEMPLATES if not template.strange(self.bare)), None)

    @property
    def state(self) -> str:
        """installed; absent; modified: our marks are there, what they hold is not what this version writes;
        by hand: it names mle_uvad outside of any marks.
        """
        if OURS.search(self.bare):
            return "by hand"
        if not self.blocks:
            return "absent"
        return "installed" if self.template and self.template.fill(self.bare) == self.text else "modified"

    def why_not(self) -> str:
        """What makes this no stock template, in one line; empty when it is one."""
        if self.template is not None:
            return ""
        nearest = min(TEMPLATES, key=lambda template: len(template.strange(self.bare)))
        *_, part = nearest.strange(self.bare)[0].replace("#\n", "\n").split("\n    ")
        return f"not the stock {nearest.name} template of donkeycar 5: {part.strip()!r} is not in it once"

    def install(self) -> Path:
        """Write the lens lines, keep the file as it was beside it, and return the path of that backup.

        Raises InputError, nothing written, for a file that already has such lines or is not understood.
        """
        if self.state != "absent":
            raise InputError(_ADVICE[self.state].format(path=self.path, car=self.path.parent))
        if self.template is None:
            raise InputError(f"{self.path} is {self.why_not()}; add the lines by hand")
        data = _encoded(self.template.fill(self.bare), self.newline)
        try:
            ast.parse(data)
        except SyntaxError as error:
            raise InputError(f"{self.path} is no Python ({error.msg}, line {error.lineno}); mend it first") from None
        backup = self._write(BACKUP, self.data)
        self._write(self.path.name, data)
        return backup

    def undo(self) -> Path | None:
        """Take the lens lines out. Where that only restores what `install` found, its backup goes too; where more
        would be lost, the file as it was is kept, and its path returned. Raises InputError when there are no lines.
        """
        if not self.blocks:
            raise InputError(_ADVICE[self.state].format(path=self.path, car=self.path.parent))
        kept = self._write(BACKUP_OF_EDITED, self.data) if self.state != "installed" else None
        data = _encoded(self.bare, self.newline)
        self._write(self.path.name, data)
        backup = self.path.with_name(BACKUP)
        if not backup.is_symlink() and backup.is_file() and backup.read_bytes() == data:
            backup.unlink()
        return kept

    def _write(self, name: str, data: bytes) -> Path:
        """A file beside manage.py, whole or not at all, with the owner and mode of manage.py."""
        path, like = self.path.with_name(name), self.path.stat()
        if path.is_symlink():
            raise InputError(f"{path} is a link and would be written through; remove it")
        with atomic_write(path) as draft:
            draft.write_bytes(data)
            with contextlib.suppress(PermissionError):  # only root may; then the file stays its owner's
                os.chown(draft, like.st_uid, like.st_gid)
            draft.chmod(stat.S_IMODE(like.st_mode))
        return path


_ADVICE = {
    "installed": "{path} has the lens lines; to take them out, type: mle-uvad install-part {car} --undo",
    "modified": "{path} has lens lines that were modified or come from another version; to take them out,"
    " type: mle-uvad install-part {car} --undo",
    "by hand": "{path} has lens lines that were added by hand; delete those that name mle_uvad or lens/",
    "absent": "{path} has no lens lines; to add them, type: mle-uvad install-part {car}",
}


def advice(manage: ManagePy) -> str:
    """The state of a manage.py in one line, and what to type to change it."""
    return _ADVICE[manage.state].format(path=manage.path, car=manage.path.parent)


def _encoded(text: str, newline: str) -> bytes:
    return text.replace("\n", newline).encode()


def _without_blocks(path: Path, text: str) -> tuple[str, int]:
    """The text without what stands between our marks, and how many blocks that were."""
    kept: list[str] = []
    blocks, inside = 0, False
    for number, line in enumerate(text.split("\n"), start=1):
        begins, ends = line.strip().startswith(BEGIN), line.strip() == END
        if (begins and inside) or (ends and not inside):
            raise InputError(f"{path} has marks of mle_uvad that do not pair, line {number}; copy {BACKUP} back")
        if not (inside or begins):
            kept.append(line)
        blocks += begins
        inside = (inside or begins) and not ends
    if inside:
        raise InputError(f"{path} has marks of mle_uvad that do not pair: the last has no end; copy {BACKUP} back")
    return "\n".join(kept), blocks
