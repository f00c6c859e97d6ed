"""Finds the tubs that a folder stands for: with AUTO_CREATE_NEW_TUB, each start of the car makes one in `data`."""

import re
from pathlib import Path

from ..errors import InputError

CATALOG_NAME = re.compile(r"catalog_(\d+)\.catalog")
OLD_RECORD = re.compile(r"record_\d+\.json")
LISTED_MAX = 6


def find_tubs(folder: Path, every: bool | None = None, *, of_car: bool = False) -> tuple[list[Path], str]:
    """Return the tubs to read, and one line that says which were chosen or passed over; empty when there is no choice.

    A folder that is a tub stands for itself, unless it was given as the data folder `of_car`. One that holds tubs
    stands for the only one with records, and for all with `every`, which is None where one drive is wanted. Raises
    InputError, with the names, where several have records, or none.
    """
    inside = _tubs_inside(folder)
    own = [folder] if _is_tub(folder) else []
    if every and inside:
        return own + inside, ""
    if not inside:
        return [folder], ""
    if any(map(_has_records, own)) and not of_car:
        return [folder], f"reading {folder}, and not what it holds: {_listed(inside)}"
    full = [tub for tub in own + inside if _has_records(tub)]
    if len(full) > 1:
        all_of_them = "" if every is None else ", or --all"
        raise InputError(
            f"{folder} holds {len(full)} drives: {_listed(full)}; give one of them, for example {full[-1]}{all_of_them}"
        )
    if not full:
        raise InputError(f"no tub in {folder} has a record yet: {_listed(own + inside)}; record a drive first")
    return full, f"reading {full[0]}"


def by_numbers(name: str) -> list[int | str]:
    """Return the key that sorts names by the numbers in them: tub_2 comes before tub_10.

    Example:
        >>> by_numbers("tub_10_26-06-02")
        ['tub_', 10, '_', 26, '-', 6, '-', 2, '']
    """
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def catalogs_of(folder: Path) -> list[Path]:
    """Return the catalogs of a tub in numeric order. Raises InputError, with what it is, for a folder without any."""
    if not folder.exists():
        raise InputError(f"no folder {folder}; give the path of a tub, for example mycar/data")
    if not folder.is_dir():
        raise InputError(f"{folder} is a file, not a tub; give the folder that holds manifest.json")
    if numbered := {int(m[1]): path for path in folder.iterdir() if (m := CATALOG_NAME.fullmatch(path.name))}:
        return [numbered[number] for number in sorted(numbered)]
    if (folder / "data" / "manifest.json").exists():
        raise InputError(f"{folder} is a car, not a tub; give {folder / 'data'}")
    if _is_old_tub(folder):
        raise InputError(
            f"{folder} is a tub of donkeycar 3 or older; convert it with donkeycar's scripts/convert_to_tub_v2.py"
        )
    if inside := _tubs_inside(folder):
        raise InputError(f"{folder} holds tubs and is none: {_listed(inside)}; give {inside[-1]}")
    if (folder / "manifest.json").exists():
        raise InputError(f"{folder} holds no catalog_0.catalog; copy the catalogs from the car too")
    seen = "is empty" if not any(folder.iterdir()) else "holds no catalog_0.catalog"
    raise InputError(f"no Donkeycar v2 tub: {folder} {seen}; give the folder that holds manifest.json")


def _tubs_inside(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    tubs = [path for path in folder.iterdir() if path.is_dir() and (_is_tub(path) or _is_old_tub(path))]
    return sorted(tubs, key=lambda path: by_numbers(path.name))


def _is_tub(folder: Path) -> bool:
    return (folder / "manifest.json").is_file() or any(CATALOG_NAME.fullmatch(path.name) for path in _entries(folder))


def _is_old_tub(folder: Path) -> bool:
    return any(OLD_RECORD.fullmatch(path.name) for path in _entries(folder))


def _has_records(tub: Path) -> bool:
    return any(CATALOG_NAME.fullmatch(path.name) and path.stat().st_size for path in _entries(tub)) or _is_old_tub(tub)


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _listed(tubs: list[Path]) -> str:
    names = [tub.name for tub in tubs]
    return ", ".join(
        names if len(names) <= LISTED_MAX else [*names[: LISTED_MAX // 2], "…", *names[-LISTED_MAX // 2 :]]
    )
