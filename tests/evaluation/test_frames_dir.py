"""Frames and labels in the layouts of the public benchmarks become one drive with a truth."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mle_uvad.edge.errors import InputError
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.evaluation.simulation.frames_dir import FramesDir, write_frames_drive

COUNTS = {"Test001": 11, "Test002": 12}
TRUTH = {"Test001": [0] * 6 + [1] * 5, "Test002": [1] * 2 + [0] * 8 + [1] * 2}
WHOLE = TRUTH["Test001"] + TRUTH["Test002"]


@pytest.fixture
def frames(tmp_path: Path, rng: np.random.Generator) -> Path:
    for clip, count in COUNTS.items():
        (tmp_path / "frames" / clip).mkdir(parents=True)
        for number in range(1, count + 1):  # without leading zeros: 2 comes before 10
            grey = rng.integers(0, 255, (60, 90)).astype(np.uint8)
            grey[:, 0] = number
            Image.fromarray(grey).save(tmp_path / "frames" / clip / f"{number}.tif")
        (tmp_path / "frames" / f"{clip}_gt").mkdir()
        Image.fromarray(grey).save(tmp_path / "frames" / f"{clip}_gt" / "001.bmp")
    return tmp_path / "frames"


def labels(folder: Path, layout: str) -> Path:
    """Write the same truth in one of the layouts."""
    folder.mkdir()
    if layout == "npy":
        np.save(folder / "all.npy", np.array([WHOLE]))
        return folder / "all.npy"
    if layout == "txt":
        (folder / "all.txt").write_text("\n".join(map(str, WHOLE)))
        return folder / "all.txt"
    if layout == "ucsd":
        (folder / "Ped2.m").write_text(
            "TestVideoFile = {};\nTestVideoFile{end+1}.gt_frame = [7:11];\n"
            "TestVideoFile{end+1}.gt_frame = [1:2, 11:12];\n"
        )
        return folder / "Ped2.m"
    for clip, truth in TRUTH.items():
        if layout == "npy of clips":
            np.save(folder / f"{clip}.npy", np.array(truth))
        elif layout == "csv of clips":
            (folder / f"{clip}.csv").write_text(",".join(map(str, truth)))
        else:
            (folder / f"{clip}_gt").mkdir()
            for number, abnormal in enumerate(truth):
                mask = np.zeros((60, 90), np.uint8)
                mask[30, 40] = 255 * abnormal
                Image.fromarray(mask).save(folder / f"{clip}_gt" / f"{number:03}.png")
    return folder


@pytest.mark.parametrize("layout", ["npy", "txt", "ucsd", "npy of clips", "csv of clips", "masks"])
def test_every_layout_gives_the_same_truth(frames: Path, tmp_path: Path, layout: str) -> None:
    given = FramesDir(frames, labels(tmp_path / "labels", layout))
    assert list(given.clips) == list(COUNTS), "folders of masks are no clips"
    assert given.truth().tolist() == [bool(each) for each in WHOLE]


def test_the_frames_become_a_tub_in_which_each_clip_is_a_session(frames: Path, tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    write_frames_drive(tmp_path / "tub", FramesDir(frames, frames), lambda *progress: done.append(progress))
    tub = Tub(tmp_path / "tub")
    assert [record.session_id[-1] for record in tub.records] == ["0"] * 11 + ["1"] * 12
    first_column = [round(float(frame[:, 0].mean())) for _, frame in tub.frames()]
    assert first_column == pytest.approx([*range(1, 12), *range(1, 13)], abs=25), "JPEG at an edge"
    assert done[-1] == (23, 23)


def test_what_does_not_fit_is_refused_in_one_line(frames: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_text("0 1 1")
    with pytest.raises(InputError, match="labels 3 frames, there are 23"):
        FramesDir(frames, short).truth()
    short.write_text("0 " * 23)
    with pytest.raises(InputError, match="calls all 23 frames alike"):
        FramesDir(frames, short).truth()
    short.write_text("normal " * 23)
    with pytest.raises(InputError, match="give one number for each frame"):
        FramesDir(frames, short).truth()
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=r"no labels for the clip Test001; add Test001.npy"):
        FramesDir(frames, tmp_path / "none").truth()
    with pytest.raises(InputError, match="holds no folder with pictures"):
        _ = FramesDir(tmp_path / "none", short).clips
