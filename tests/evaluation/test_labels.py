"""labels.json: written, read again, and refused if it is malformed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.edge.errors import InputError
from mle_uvad.evaluation.simulation.labels import Label, read_labels, shrunk, write_labels

MASK = tuple([0.0] * 390 + [0.5] * 10)


def test_labels_come_back_in_the_order_of_time(tmp_path: Path) -> None:
    late, early = Label("mud", 50, 60, 0.1, MASK), Label("front_drop", 3, 9, 0.25, MASK)
    write_labels(tmp_path, [late, early], records=60, seed=4)
    assert read_labels(tmp_path) == [early, late]
    assert early.cells().shape == (20, 20)
    assert early.cells()[-1].tolist() == [0.0] * 10 + [0.5] * 10


def test_a_mask_shrinks_to_shares() -> None:
    mask = np.zeros((120, 160), np.float32)
    mask[:6, :4] = 1  # half of the first cell, which is 6 by 8
    cells = np.array(shrunk(mask)).reshape(20, 20)
    assert cells[0, 0] == pytest.approx(0.5)
    assert cells.sum() == pytest.approx(0.5)
    assert shrunk(np.ones((97, 131), np.float32)) == tuple([1.0] * 400)  # no multiple of twenty


GOOD = {"kind": "front_drop", "start_index": 2, "end_index": 5, "coverage": 0.2, "mask": list(MASK), "course": "growth"}


@pytest.mark.parametrize(
    "content",
    [
        None,
        "{",
        "[]",
        '{"schema_version": 1, "records": 9, "episodes": []}',
        '{"schema_version": 2, "records": 9}',
        *(
            json.dumps({"schema_version": 2, "records": 9, "episodes": [GOOD | wrong]})
            for wrong in (
                {"end_index": 2},
                {"end_index": 10},
                {"start_index": 2.0},
                {"start_index": True},
                {"coverage": 1.5},
                {"coverage": "0.2"},
                {"kind": 7},
                {"course": None},
                {"mask": [0.5]},
                {"mask": [2.0] * 400},
                {"mask": ["0"] * 400},
                {"more": 1},
            )
        ),
    ],
)
def test_bad_labels_raise_one_clear_line(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "labels.json").write_text(content)
    with pytest.raises(InputError) as caught:
        read_labels(tmp_path)
    assert "labels.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_good_entry_is_good(tmp_path: Path) -> None:
    content: dict[str, Any] = {"schema_version": 2, "records": 9, "episodes": [GOOD]}
    (tmp_path / "labels.json").write_text(json.dumps(content))
    assert read_labels(tmp_path) == [Label("front_drop", 2, 5, 0.2, MASK, "growth")]
