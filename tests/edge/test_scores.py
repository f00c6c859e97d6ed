"""The rows and the events of a scores.csv."""

import tracemalloc
from pathlib import Path

import pytest

from mle_uvad.edge.errors import InputError
from mle_uvad.edge.tubs.replay import COLUMNS
from mle_uvad.edge.tubs.scores import ScoredEvent, ScoredRecord, read_scored_events, scored_records

HEAD = ",".join(COLUMNS) + "\n"


def write(path: Path, rows: list[str]) -> Path:
    path.write_text(HEAD + "".join(f"{row}\n" for row in rows))
    return path


def test_a_row_becomes_what_the_monitor_said(tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", ["7,1500,obscured,0.5,1.25,0.1,1,2", "8,1550,dark,,,,0,0"])
    assert list(scored_records(path)) == [
        ScoredRecord(7, 1500, "obscured", 0.5, 1.25, 0.1, True, 2),
        ScoredRecord(8, 1550, "dark", None, None, None, False, 0),
    ]


def test_events_are_told_by_their_numbers_also_without_a_row_between(tmp_path: Path) -> None:
    numbers = [0, 0, 1, 1, 1, 2, 0, 3]
    rows = [
        f"{5 + place},{1000 + 50 * place},ok,0.5,1,{place / 10 if number else ''},{int(number > 0)},{number}"
        for place, number in enumerate(numbers)
    ]
    assert read_scored_events(write(tmp_path / "s.csv", rows)) == [
        ScoredEvent(0.1, 0.1, 7, 9, 0.4),
        ScoredEvent(0.25, 0.0, 10, 10, 0.5),
        ScoredEvent(0.35, 0.0, 12, 12, 0.7),
    ]


def test_a_long_file_is_not_held_in_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "s.csv", [f"{n},{50 * n},ok,0.5,0.1,0.1,0,{n % 1000 // 900}" for n in range(20_000)])
    tracemalloc.start()
    try:
        events = read_scored_events(path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(events) == 20
    assert most < 500_000


@pytest.mark.parametrize(
    "content", ["", "index\n1\n", HEAD + "1,2\n", HEAD + "1,x,ok,,,,0,0\n", HEAD + "1,2,ok,,,,0,\n"]
)
def test_what_is_no_file_of_scores_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "s.csv").write_text(content)
    with pytest.raises(InputError, match="holds no scores") as caught:
        read_scored_events(tmp_path / "s.csv")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_scored_events(tmp_path)
