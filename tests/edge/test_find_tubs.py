"""Folders that hold several tubs, as AUTO_CREATE_NEW_TUB leaves them, and tubs of donkeycar 3."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mle_uvad.edge.errors import InputError
from mle_uvad.edge.tubs.find import find_tubs
from mle_uvad.edge.tubs.tub import Tub

MakeTub = Callable[..., Path]


def empty(folder: Path) -> Path:
    """Make it a tub that was started and not driven."""
    (folder / "catalog_0.catalog").write_bytes(b"")
    return folder


def refused(folder: Path, every: bool | None = None) -> str:
    with pytest.raises(InputError) as caught:
        find_tubs(folder, every)
    return str(caught.value)


def test_the_only_tub_with_records_is_read_and_named(make_tub: MakeTub, tmp_path: Path) -> None:
    data = tmp_path / "data"
    full = make_tub(3, name="data/tub_2_26-06-02")
    assert find_tubs(data) == ([full], f"reading {full}")
    empty(make_tub(1, name="data/tub_10_26-06-02"))
    assert find_tubs(data) == ([full], f"reading {full}")


def test_several_drives_are_named_in_the_order_of_their_numbers(make_tub: MakeTub, tmp_path: Path) -> None:
    tubs = [make_tub(2, name=f"data/tub_{number}_26-06-02") for number in (2, 9, 10)]
    line = refused(tmp_path / "data", every=False)
    assert "holds 3 drives: tub_2_26-06-02, tub_9_26-06-02, tub_10_26-06-02; give one of them" in line
    assert line.endswith(f"for example {tubs[-1]}, or --all")
    assert "--all" not in refused(tmp_path / "data"), "where one drive is wanted"
    assert find_tubs(tmp_path / "data", every=True) == (tubs, "")
    with pytest.raises(InputError, match=r"holds tubs and is none: tub_2_26-06-02, "):
        Tub(tmp_path / "data")


def test_a_tub_that_holds_others_is_read_alone_and_they_are_named(make_tub: MakeTub) -> None:
    data = make_tub(3, name="data")
    inner = make_tub(3, name="data/tub_1_26-06-02")
    tubs, note = find_tubs(data)
    assert tubs == [data]
    assert "and not what it holds: tub_1_26-06-02" in note
    assert find_tubs(data, every=True)[0] == [data, inner]
    with pytest.raises(InputError, match="holds 2 drives: data, tub_1_26-06-02; give one of them"):
        find_tubs(data, of_car=True)
    empty(data)  # the car was started once before AUTO_CREATE_NEW_TUB was set
    assert find_tubs(data) == ([inner], f"reading {inner}")


def test_without_a_record_in_any_tub_that_is_said(make_tub: MakeTub, tmp_path: Path) -> None:
    for number in (1, 2):
        empty(make_tub(1, name=f"data/tub_{number}_26-06-02"))
    assert "no tub in" in (line := refused(tmp_path / "data"))
    assert "tub_1_26-06-02, tub_2_26-06-02; record a drive first" in line


def test_a_tub_of_donkeycar_3_is_to_be_converted(tmp_path: Path) -> None:
    old = tmp_path / "data" / "tub_1_19-06-01"
    old.mkdir(parents=True)
    (old / "meta.json").write_text(json.dumps({"inputs": [], "types": []}))
    (old / "record_0.json").write_text("{}")
    expected = f"{old} is a tub of donkeycar 3 or older; convert it with donkeycar's scripts/convert_to_tub_v2.py"
    for given in (old, tmp_path / "data"):
        tubs, _ = find_tubs(given)
        with pytest.raises(InputError) as caught:
            Tub(tubs[0])
        assert str(caught.value) == expected
