"""Faults rendered into recorded drives: what is copied, what changes, and where the fault is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mle_uvad.edge.errors import InputError
from mle_uvad.edge.tubs.image import read_image
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.evaluation.simulation.episodes import Episode
from mle_uvad.evaluation.simulation.labels import read_labels
from mle_uvad.evaluation.simulation.rerendered_drive import driving_s, segment, write_rerendered_drive
from mle_uvad.optics import FAMILIES


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> Tub:
    """Change every line of the only catalog of a tub."""
    catalog = folder / "catalog_0.catalog"
    records = [json.loads(line) for line in catalog.read_text().splitlines()]
    for record in records:
        change(record)
    catalog.write_text("".join(json.dumps(record) + "\n" for record in records))
    return Tub(folder)


@pytest.fixture
def recorded(make_tub: Callable[..., Path]) -> Tub:
    """60 records at 20 Hz with a pause of a minute after the first half."""

    def pause(record: dict[str, Any]) -> None:
        record["user/angle"] = record["_index"] / 100
        if record["_index"] >= 30:
            record["_timestamp_ms"] += 60_000

    return edit(make_tub(60), pause)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "catalog_0.catalog").read_text().splitlines()]


def test_pauses_and_steps_back_of_the_clock_are_no_driving(recorded: Tub, make_tub: Callable[..., Path]) -> None:
    times_s = driving_s(recorded.records)
    assert times_s[29] == times_s[30] == pytest.approx(29 / 20)
    assert times_s[-1] == pytest.approx(58 / 20)

    def turn_back(record: dict[str, Any]) -> None:
        if record["_index"] >= 10:
            record["_timestamp_ms"] -= 3_600_000

    back = edit(make_tub(20, name="back"), turn_back)
    assert driving_s(back.records)[-1] == pytest.approx(18 / 20)
    part = segment(recorded.records, 0.5, 1.0)
    assert [record.index for record in part] == list(range(10, 20))


def test_times_gaps_and_the_drivers_fields_stay(recorded: Tub, tmp_path: Path) -> None:
    part = recorded.records[20:50]
    folder = write_rerendered_drive(tmp_path / "lab", recorded, part, seed=1, episodes=[Episode(0.5, 1.0, 0.3)])
    copy = Tub(folder)
    assert [record.index for record in copy.records] == list(range(30))
    assert [record.timestamp_ms for record in copy.records] == [record.timestamp_ms for record in part]
    assert [line["user/angle"] for line in lines(folder)] == [record.index / 100 for record in part]
    assert {line["_session_id"] for line in lines(folder)} == {part[0].session_id}
    assert copy.skipped == []
    assert copy.uncatalogued == 0


def test_the_fault_is_where_the_label_says_and_nowhere_else(recorded: Tub, tmp_path: Path) -> None:
    # On the clock of driving: the episode spans the pause.
    wet = write_rerendered_drive(
        tmp_path / "wet", recorded, recorded.records, seed=2, episodes=[Episode(1.0, 2.0, 0.3)]
    )
    clean = write_rerendered_drive(tmp_path / "clean", recorded, recorded.records, seed=2)
    [label] = read_labels(wet)
    assert (label.start_index, label.end_index) == (20, 41)  # 20 frames, and the one on which the pause began
    assert read_labels(clean) == []
    both = [[read_image(record.image).astype(int) for record in Tub(folder).records] for folder in (wet, clean)]
    difference = np.abs(np.array(both[0]) - both[1]).mean(-1)
    assert difference[:20].max() == difference[41:].max() == 0
    obscured = np.kron(label.cells(), np.ones((6, 8))) > 0.9
    clear = np.kron(label.cells(), np.ones((6, 8))) < 0.01
    settled = difference[32:41].mean(0)
    assert settled[obscured].mean() > 10 * settled[clear].mean()


def test_clean_frames_are_noisy_and_encoded_again_like_the_others(recorded: Tub, tmp_path: Path) -> None:
    first, again, other = (
        write_rerendered_drive(tmp_path / name, recorded, recorded.records[:5], seed=seed)
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    for name in (f"{index}_cam_image_array_.jpg" for index in range(5)):
        source = read_image(recorded.folder / "images" / name).astype(int)
        difference = np.abs(read_image(first / "images" / name) - source)
        assert 0.3 < difference.mean() < 6
        assert (first / "images" / name).read_bytes() == (again / "images" / name).read_bytes()
        assert (first / "images" / name).read_bytes() != (other / "images" / name).read_bytes()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_be_rendered(family: str, recorded: Tub, tmp_path: Path) -> None:
    episodes = [Episode(0.0, 0.8, 0.2, family)]
    [label] = read_labels(
        write_rerendered_drive(tmp_path / "lab", recorded, recorded.records[:20], seed=5, episodes=episodes)
    )
    assert label.kind == family
    assert label.coverage == pytest.approx(0.2, abs=0.06)
    assert len(label.mask) == 400


def test_unreadable_frames_are_left_out(recorded: Tub, tmp_path: Path) -> None:
    recorded.records[3].image.write_bytes(b"")
    folder = write_rerendered_drive(
        tmp_path / "lab", recorded, recorded.records[:10], seed=0, episodes=[Episode(0.25, 0.4, 0.2)]
    )
    assert [line["user/angle"] for line in lines(folder)] == [index / 100 for index in (0, 1, 2, 4, 5, 6, 7, 8, 9)]
    [label] = read_labels(folder)
    assert (label.start_index, label.end_index) == (4, 7)
    with pytest.raises(InputError, match="no frame"):
        write_rerendered_drive(tmp_path / "none", recorded, recorded.records[3:4], seed=0)


def test_images_other_than_the_cameras_are_not_copied(make_tub: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_tub(3)
    manifest = (folder / "manifest.json").read_text().splitlines()
    names, types = ["cam/image_array", "depth", "imu/x"], ["image_array", "gray16_array", "float"]
    (folder / "manifest.json").write_text("\n".join([json.dumps(names), json.dumps(types), *manifest[2:]]) + "\n")
    tub = edit(folder, lambda record: record.update({"depth": "0_depth_.png", "imu/x": 0.5, "secret": "x"}))
    copy = write_rerendered_drive(tmp_path / "lab", tub, tub.records, seed=0)
    own = {"_index", "_session_id", "_timestamp_ms", "cam/image_array"}
    assert set(lines(copy)[0]) == own | {"imu/x", "user/angle", "user/mode", "user/throttle"}


def test_the_drivers_fields_are_those_of_the_record_that_the_reader_believes(
    make_tub: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_tub(3)
    names, types, *others = (folder / "manifest.json").read_text().splitlines()
    names, types = (json.dumps([*json.loads(line), added]) for line, added in ((names, "imu"), (types, "vector")))
    (folder / "manifest.json").write_text("\n".join([names, types, *others]) + "\n")
    edit(folder, lambda record: record.update({"imu": [0.5, 1.0], "lidar": [[0.5, 1]] * 1100}))
    over_it = [{**line, "user/angle": 0.9, "_timestamp_ms": line["_timestamp_ms"] + 60_000} for line in lines(folder)]
    (folder / "catalog_1.catalog").write_text("".join(json.dumps(line) + "\n" for line in over_it))
    tub = Tub(folder)
    copied = lines(write_rerendered_drive(tmp_path / "lab", tub, tub.records, seed=0))
    assert [(line["user/angle"], line["imu"], "lidar" in line) for line in copied] == [(0.9, [0.5, 1.0], False)] * 3


def test_donkeycar_reads_the_new_tub(recorded: Tub, tmp_path: Path) -> None:
    tub_v2 = pytest.importorskip("donkeycar.parts.tub_v2")
    folder = write_rerendered_drive(
        tmp_path / "lab", recorded, recorded.records, seed=0, episodes=[Episode(0.5, 1.5, 0.2)]
    )
    theirs = tub_v2.Tub(str(folder), read_only=True)
    records = list(theirs)
    theirs.close()
    assert [record["_index"] for record in records] == list(range(60))
    assert records[-1]["user/angle"] == 0.59


def test_a_segment_of_a_real_drive(shared_folder: Path, tmp_path: Path) -> None:
    tub = Tub(shared_folder / "tubs" / "flat")  # no sessions, deletions, pauses, torn lines
    part = tub.records[:40]
    folder = write_rerendered_drive(tmp_path / "lab", tub, part, seed=0, episodes=[Episode(2.2, 2.7, 0.2)])
    assert [record.timestamp_ms for record in Tub(folder).records] == [record.timestamp_ms for record in part]
    assert len(read_labels(folder)) == 1


@pytest.mark.parametrize(
    "episodes",
    [[Episode(1.0, 9.0, 0.2)], [Episode(0.5, 1.0, 0.2), Episode(0.9, 1.2, 0.2)], [Episode(0.5, 1.0, 0.2, "paint")]],
)
def test_bad_episodes_are_refused_before_anything_is_written(
    recorded: Tub, tmp_path: Path, episodes: list[Episode]
) -> None:
    with pytest.raises(InputError):
        write_rerendered_drive(tmp_path / "lab", recorded, recorded.records, seed=0, episodes=episodes)
    assert not (tmp_path / "lab").exists()
