"""The patcher on files that stand for stock ones: what it refuses, what it keeps, what it restores."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from mle_uvad.edge import InputError
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.install.by_hand import LinesByHand, lines_to_add
from mle_uvad.parts.install.manage_py import BACKUP, BACKUP_OF_EDITED, ManagePy, advice
from mle_uvad.parts.install.templates import BEGIN, END, TEMPLATES, TUB_FIELDS


@pytest.fixture
def car(stand_in_car: Path) -> Path:
    (stand_in_car / "config.py").unlink()  # reading and patching a manage.py needs no settings
    return stand_in_car


@pytest.fixture
def stock(car: Path) -> str:
    return (car / "manage.py").read_text()


def names(car: Path) -> list[str]:
    return sorted(path.name for path in car.iterdir())


def test_install_check_undo(car: Path, stock: str) -> None:
    manage = car / "manage.py"
    manage.chmod(0o750)
    backup = ManagePy.read(car).install()
    assert backup.read_text() == stock
    patched = manage.read_text()
    assert patched.count(BEGIN) == patched.count(END) == 4
    assert [line for line in stock.splitlines() if line not in patched.splitlines()] == []
    ast.parse(patched)
    assert ManagePy.read(car).state == "installed"
    with pytest.raises(InputError, match=r"has the lens lines; to remove them, type: .* --undo"):
        ManagePy.read(car).install()
    assert manage.read_text() == patched, "not the same after a second time"
    assert ManagePy.read(car).undo() is None
    assert manage.read_text() == stock
    assert manage.stat().st_mode & 0o777 == 0o750
    assert names(car) == ["manage.py"]
    with pytest.raises(InputError, match="has no lens lines"):
        ManagePy.read(car).undo()


def test_the_owners_edits_elsewhere_stay(car: Path, stock: str) -> None:
    manage = car / "manage.py"
    ManagePy.read(car).install()
    manage.write_text(manage.read_text().replace("def drive(cfg):", "def drive(cfg, fast=True):"))
    assert ManagePy.read(car).state == "installed"
    ManagePy.read(car).undo()
    assert manage.read_text() == stock.replace("def drive(cfg):", "def drive(cfg, fast=True):")
    assert (car / BACKUP).read_text() == stock, "a backup that differs from the file is kept"


@pytest.mark.parametrize("edit", ["a line changed", "a block taken out"])
def test_edited_lines_are_told_and_kept_beside_when_they_are_taken_out(edit: str, car: Path, stock: str) -> None:
    manage = car / "manage.py"
    ManagePy.read(car).install()
    lines = manage.read_text().splitlines(keepends=True)
    if edit == "a line changed":
        edited = "".join(lines).replace("threaded=True)", "threaded=False)")
    else:
        first, last = (next(n for n, line in enumerate(lines) if mark in line) for mark in (BEGIN, END))
        edited = "".join(lines[:first] + lines[last + 1 :])
    manage.write_text(edited)
    read = ManagePy.read(car)
    assert read.state == "modified"
    assert "were modified or come from another version" in advice(read)
    with pytest.raises(InputError, match="were modified"):
        read.install()
    kept = read.undo()
    assert kept == car / BACKUP_OF_EDITED
    assert kept.read_text() == edited
    assert manage.read_text() == stock


def test_lines_that_were_added_by_hand_are_not_added_again(car: Path, stock: str) -> None:
    manage = car / "manage.py"
    by_hand = stock.replace("    # add lidar", "    from mle_uvad.parts import MLEAnomalyPart\n    # add lidar")
    manage.write_text(by_hand)
    assert ManagePy.read(car).state == "by hand"
    for change in (ManagePy.read(car).install, ManagePy.read(car).undo):
        with pytest.raises(InputError, match="added by hand"):
            change()
    assert manage.read_text() == by_hand
    manage.write_text(stock.replace("# add lidar", "# add lidar and mle_uvad?"))
    assert ManagePy.read(car).state == "absent", "a comment is no line of ours"


def spoilt(text: str, kind: str) -> bytes:
    """A manage.py that must be left alone, as bytes."""
    if kind == "twice":
        return (text + "    # add lidar\n    if cfg.USE_LIDAR:\n        pass\n").encode()
    if kind == "other channels":
        return text.replace("['steering', 'throttle']", "['angle', 'throttle']").encode()
    if kind == "mixed line ends":
        return text.replace("\n", "\r\n", 3).encode()
    if kind == "Latin-1":
        return text.replace("pass", "pass  # größer").encode("latin-1")
    if kind == "broken Python":
        return text.replace("def drive(cfg):", "def drive(cfg:").encode()
    if kind == "begin without end":
        return text.replace("    # add lidar", f"    {BEGIN}: x\n    # add lidar").encode()
    if kind == "end without begin":
        return text.replace("    # add lidar", f"    {END}\n    # add lidar").encode()
    if kind == "begin in a block":
        return f"{BEGIN}\n{BEGIN}\n{END}\n{text}".encode()
    return {"empty": b"", "binary": b"\0" * 100}[kind]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("twice", "not the stock complete template of donkeycar 5: 'if cfg.USE_LIDAR:' must occur once"),
        ("other channels", "'steering', 'throttle'"),
        ("mixed line ends", "mixes Windows and Linux line ends"),
        ("Latin-1", "is not UTF-8"),
        ("broken Python", "is not valid Python"),
        ("begin without end", "without an end"),
        ("end without begin", "unpaired mark of mle_uvad in line 5"),
        ("begin in a block", "unpaired mark of mle_uvad in line 2"),
        ("empty", "not the stock"),
        ("binary", "is not a manage.py"),
    ],
)
def test_what_it_does_not_understand_is_left_alone(kind: str, said: str, car: Path, stock: str) -> None:
    manage = car / "manage.py"
    manage.write_bytes(spoilt(stock, kind))
    before = manage.read_bytes()
    with pytest.raises(InputError) as error:
        ManagePy.read(car).install()
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert manage.read_bytes() == before
    assert names(car) == ["manage.py"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "\n\n\n", "    # größer \u2028 \x0c \x85"])
def test_every_byte_comes_back(newline: str, end: str, car: Path, stock: str) -> None:
    manage = car / "manage.py"
    before = (stock + end).replace("\n", newline).encode()
    manage.write_bytes(before)
    ManagePy.read(car).install()
    assert manage.read_bytes() != before
    ManagePy.read(car).undo()
    assert manage.read_bytes() == before


def test_links_are_refused(car: Path, tmp_path: Path, stock: str) -> None:
    outside = tmp_path / "precious"
    outside.write_text("mine")
    (car / BACKUP).symlink_to(outside)
    with pytest.raises(InputError, match="is a link, and its target would be overwritten"):
        ManagePy.read(car).install()
    assert outside.read_text() == "mine"
    assert (car / "manage.py").read_text() == stock
    other = tmp_path / "other"
    other.mkdir()
    (other / "manage.py").symlink_to(car / "manage.py")
    with pytest.raises(InputError, match="is a link to"):
        ManagePy.read(other)


def test_a_folder_that_is_a_link_is_a_car_all_the_same(car: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(car)
    ManagePy.read(tmp_path / "link").install()
    assert ManagePy.read(car).state == "installed"


@pytest.mark.parametrize("kind", ["no folder", "no manage.py", "manage.py is a folder"])
def test_what_is_no_car(kind: str, tmp_path: Path) -> None:
    if kind == "manage.py is a folder":
        (tmp_path / "manage.py").mkdir()
    with pytest.raises(InputError, match="donkey createcar"):
        ManagePy.read(tmp_path / "nothing" if kind == "no folder" else tmp_path)


def test_a_disk_that_is_full_leaves_the_file_whole(car: Path, monkeypatch: pytest.MonkeyPatch, stock: str) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(path))

    read = ManagePy.read(car)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="cannot be written"):
        read.install()
    assert (car / "manage.py").read_text() == stock
    assert names(car) == ["manage.py"]


def test_the_lines_name_what_the_part_puts_out() -> None:
    scope: dict[str, list[str]] = {"inputs": [], "types": []}
    exec("from mle_uvad.parts import MLEAnomalyPart\n" + TUB_FIELDS.replace("    ", ""), {}, scope)
    assert scope["inputs"] == MLEAnomalyPart.recorded
    assert len(scope["types"]) == len(MLEAnomalyPart.recorded)
    for template in TEMPLATES:
        for block in template.blocks:
            ast.parse("if True:\n" + block.marked())


def test_the_lines_to_add_by_hand_are_all_of_them(stock: str) -> None:
    text: str = lines_to_add(LinesByHand(stock).places())
    for block in TEMPLATES[0].blocks:
        assert block.lines in text


def test_reading_runs_nothing(car: Path, tmp_path: Path, stock: str) -> None:
    manage = car / "manage.py"
    manage.write_text(stock + f"\nopen({str(tmp_path / 'ran')!r}, 'w')\n")
    steps: tuple[Callable[[], object], ...] = (
        lambda: ManagePy.read(car).install(),
        lambda: ManagePy.read(car).undo(),
    )
    for step in steps:
        step()
    assert not (tmp_path / "ran").exists()
