"""A call that fails in a process of its own costs itself alone, however it fails."""

import os
from pathlib import Path

from mle_uvad.calibration.drive_workers import run_in_workers
from mle_uvad.edge.errors import InputError


def test_a_folder_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    results = dict(run_in_workers(os.listdir, [(str(tmp_path / "gone"),), (str(tmp_path),)], 2))
    assert results[1] == ["images"]
    assert isinstance(results[0], InputError)
    assert str(results[0]) == f"{tmp_path / 'gone'}: No such file or directory"


def test_too_little_memory_for_one_stops_no_other() -> None:
    results = dict(run_in_workers(bytearray, [(2**62,), (3,)], 1))
    assert results[1] == bytearray(3)
    assert "ran out of memory" in str(results[0])


def test_a_process_that_ends_without_a_word_stops_no_other() -> None:
    results = dict(run_in_workers(os._exit, [(0,), (1,)], 1))
    assert [str(result).partition(",")[0] for result in results.values()] == ["its process was killed"] * 2
