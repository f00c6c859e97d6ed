"""What owners give to the commands: tubs without images, of several cameras, many with empty ones among them, cars."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mle_uvad.calibration import Calibration
from mle_uvad.edge.bundle import Bundle
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.events.log import EventLog

MakeTub = Callable[..., Path]
QUICK = ("--width", "narrow", "--epochs", 1, "--windows", 0)
CLEAN = 720  # frames; 36 s


def images_of(tub: Path) -> list[Path]:
    return sorted((tub / "images").iterdir(), key=lambda path: int(path.name.partition("_")[0]))


def arguments_for(command: str, tub: Path, bundle: Path, out: Path) -> tuple[object, ...]:
    return {
        "train": ("train", tub, "--out", out / "run", *QUICK),
        "calibrate": ("calibrate", bundle, "--tub", tub, "--out", out / "c.json"),
        "score": ("score", tub, "--bundle", bundle, "--out", out / "s.csv"),
    }[command]


def last_error(outcome: Any) -> str:
    assert outcome.code == 2, outcome
    lines = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, outcome
    return str(lines[0])


@pytest.fixture
def mycar(tmp_path: Path, bundle_folder: Path) -> Path:
    """A car with a bundle, whose drives the tests add."""
    car = tmp_path / "mycar"
    (car / "models").mkdir(parents=True)
    bundle_folder.rename(car / "models" / "lens")
    (car / "config.py").write_text("IMAGE_W = 160\nIMAGE_H = 120\n")
    return car


@pytest.mark.parametrize("command", ["train", "calibrate", "score"])
def test_a_drive_of_which_nothing_can_be_used_gives_the_reasons(
    command: str, run: Any, make_tub: MakeTub, bundle_folder: Path, tmp_path: Path
) -> None:
    tub = make_tub(90)
    for image in images_of(tub)[:70]:
        image.unlink()
    for image in images_of(tub):
        image.write_bytes(b"")
    line = last_error(run(*arguments_for(command, tub, bundle_folder, tmp_path / "out")))
    reasons = "image is missing (70), image has zero bytes (20)"
    assert f"none of 90 records of {tub} can be used: {reasons}; copy {tub}/images from the car too" in line
    for image in (tub / "images").parent.glob("images/*"):
        image.unlink()
    for number in range(90):  # the reason is that of today, not one that was kept
        (tub / "images" / f"{number}_cam_image_array_.jpg").write_bytes(b"")
    line = last_error(run(*arguments_for(command, tub, bundle_folder, tmp_path / "out")))
    assert "image has zero bytes (90); the disk was full" in line


def test_most_images_missing_is_the_reason_and_not_a_short_drive(
    run: Any, make_tub: MakeTub, bundle_folder: Path, tmp_path: Path
) -> None:
    tub = make_tub(400)
    for image in images_of(tub)[30:]:
        image.unlink()
    for command in ("train", "calibrate"):
        line = last_error(run(*arguments_for(command, tub, bundle_folder, tmp_path / "out")))
        assert "only 30 of 400 records" in line
        assert "image is missing (370)" in line


def test_a_black_drive_is_refused_before_it_is_trained_on(run: Any, make_tub: MakeTub, tmp_path: Path) -> None:
    tub = make_tub([np.zeros((120, 160, 3), np.uint8)] * 80)
    line = last_error(run("train", tub, "--out", tmp_path / "run", *QUICK))
    assert "image is dark (80); record with the lens uncovered" in line
    assert not (tmp_path / "run").exists()


def test_dark_frames_and_other_sizes_are_left_out_of_a_training_and_counted(
    run: Any, make_tub: MakeTub, moving_frames: Any, tmp_path: Path
) -> None:
    black, small = np.zeros((120, 160, 3), np.uint8), np.ascontiguousarray(moving_frames(1)[0][:60, :80])
    drives = [make_tub([*moving_frames(70), black, small], name="mixed"), make_tub([small] * 65, name="small")]
    outcome = run("train", *drives, "--out", tmp_path / "run", *QUICK)
    assert outcome.code == 3, outcome
    assert "skipped 66: image is 80x60, most are 160x120" in outcome.err
    assert "skipped 1: image is dark" in outcome.err
    assert run("export", tmp_path / "run", "--out", tmp_path / "b").code == 0
    bundle = Bundle.load(tmp_path / "b")
    assert (bundle.height, bundle.width) == (120, 160)


def test_a_car_that_drove_too_little_is_refused_before_the_training(
    run: Any, make_tub: MakeTub, tmp_path: Path
) -> None:
    long, short = make_tub(70, name="long"), make_tub(20, name="short")
    line = last_error(run("train", long, short, "--many-cars", "--out", tmp_path / "run", *QUICK))
    assert f"only 20 readable frames, training needs 64; give a longer drive than {short}" in line
    assert not (tmp_path / "run").exists()


def test_verify_takes_the_frames_that_fit(run: Any, make_tub: MakeTub, moving_frames: Any, bundle_folder: Path) -> None:
    small = [np.ascontiguousarray(frame[:60, :80]) for frame in moving_frames(3)]
    mixed = make_tub([*small, *moving_frames(5)], name="mixed")
    assert run("verify", bundle_folder, "--backend", "ort", "--tub", mixed).code == 0
    line = last_error(run("verify", bundle_folder, "--backend", "ort", "--tub", make_tub(small, name="small")))
    assert "frame is uint8 [60, 80, 3], the model takes uint8 [120, 160, 3] (3); give a drive of the camera" in line


def test_calibrate_and_score_leave_out_frames_of_other_cameras(
    run: Any, make_tub: MakeTub, moving_frames: Any, bundle_folder: Path, tmp_path: Path
) -> None:
    frames = moving_frames(CLEAN)
    frames[5] = np.ascontiguousarray(frames[5][:60, :80])
    frames[9] = frames[9][..., 0]
    frames[20] = np.zeros_like(frames[20])
    tub = make_tub(frames)
    outcome = run("calibrate", bundle_folder, "--tub", tub)
    assert outcome.code == 3, outcome
    assert "skipped 1: frame is uint8 [60, 80, 3], the model takes uint8 [120, 160, 3]" in outcome.err
    assert "skipped 1: frame is luma, most are rgb" in outcome.err
    assert Calibration.load(bundle_folder / "calibration.json").frames == CLEAN - 3
    assert "skipped 1: frame is dark (images/20_cam_image_array_.jpg)" in outcome.err
    outcome = run("score", tub, "--bundle", bundle_folder, "--out", tmp_path / "s.csv")
    assert outcome.code == 3, outcome
    rows = list(csv.DictReader((tmp_path / "s.csv").open()))
    assert [rows[number]["status"] for number in (5, 9)] == ["no_frame"] * 2
    assert rows[20]["status"] == "dark"
    assert sum(row["pcc"] == "" for row in rows) == 3


def test_a_grey_camera_from_tub_to_car(
    run: Any, make_tub: MakeTub, moving_frames: Any, bundle_folder: Path, tmp_path: Path
) -> None:
    grey = [np.asarray(Image.fromarray(frame).convert("L")) for frame in moving_frames(CLEAN)]
    tub = make_tub(grey)
    assert run("calibrate", bundle_folder, "--tub", tub).code == 0
    assert Calibration.load(bundle_folder / "calibration.json").camera == "luma"
    outcome = run("score", tub, "--bundle", bundle_folder, "--out", tmp_path / "s.csv")
    assert (outcome.code, "uncalibrated" in outcome.out) == (0, False)
    now_s = [0.0]
    calibration = bundle_folder / "calibration.json"
    part = MLEAnomalyPart(bundle_folder, calibration, tmp_path / "events.db", clock=lambda: now_s[0])
    statuses = []
    for frame in grey[:200]:
        now_s[0] += 0.05
        statuses.append(part.run(frame)[4])
    part.shutdown()
    assert set(statuses) == {"warmup", "ok"}
    run_folder = tmp_path / "run"
    assert run("train", tub, "--out", run_folder, *QUICK).code == 0
    assert run("export", run_folder, "--out", tmp_path / "b").code == 0


def test_an_empty_tub_among_many_stops_no_training(run: Any, make_tub: MakeTub, tmp_path: Path) -> None:
    tubs = [make_tub(70, name=f"data/tub_{number}_26-06-02") for number in (1, 4)]
    deleted = make_tub(5, name="data/tub_2_26-06-02", deleted=range(5))
    empty = make_tub(1, name="data/tub_3_26-06-02")
    (empty / "catalog_0.catalog").write_bytes(b"")
    for given in ((tubs[0], deleted, empty, tubs[1]), (tmp_path / "data", "--all")):
        outcome = run("train", *given, "--out", tmp_path / "run", *QUICK)
        assert outcome.code == 3, outcome
        assert f"not trained on: {empty}: tub {empty} has no record yet" in outcome.err
        assert f"not trained on: {deleted}: all 5 records" in outcome.err
        assert json.loads((tmp_path / "run" / "run.json").read_text())["tubs"] == list(map(str, tubs))
    line = run("train", deleted, empty, "--out", tmp_path / "other", *QUICK).error_line
    assert "no tub can be read" in line
    assert "are deleted" in line
    assert "no record yet" in line


def test_a_car_is_taken_for_its_only_drive(run: Any, mycar: Path, make_tub: MakeTub, tmp_path: Path) -> None:
    tub = make_tub(CLEAN, name="mycar/data/tub_7_26-06-02")
    empty = make_tub(1, name="mycar/data/tub_8_26-06-02")
    (empty / "catalog_0.catalog").write_bytes(b"")
    outcome = run("calibrate", mycar, "--tub", mycar)
    assert outcome.code == 0, outcome
    assert f"reading {tub}" in outcome.err
    assert (mycar / "models" / "lens" / "calibration.json").is_file()
    outcome = run("score", mycar, "--bundle", mycar / "models" / "lens", "--out", tmp_path / "s.csv")
    assert (outcome.code, f"reading {tub}" in outcome.err) == (0, True)
    assert f"{mycar} has no event log yet" in run("events", mycar).error_line
    EventLog(mycar / "logs" / "lens_events.db").close()
    assert run("events", mycar).out == "no events\n"


def test_of_the_many_drives_of_a_car_none_is_taken_without_a_word(
    run: Any, mycar: Path, make_tub: MakeTub, tmp_path: Path
) -> None:
    bundle = mycar / "models" / "lens"
    for number in (1, 2):
        make_tub(30, name=f"mycar/data/tub_{number}_26-06-02")
    line = run("score", mycar, "--bundle", bundle, "--out", tmp_path / "s.csv").error_line
    assert "holds 2 drives: tub_1_26-06-02, tub_2_26-06-02; give one of them" in line
    assert "--all" in line
    assert "holds 2 drives" in run("calibrate", bundle, "--tub", mycar).error_line
    outcome = run("score", mycar, "--all", "--bundle", bundle, "--out", tmp_path / "scores")
    assert outcome.code == 0, outcome
    assert sorted(path.name for path in (tmp_path / "scores").glob("*.csv")) == [
        "data-tub_1_26-06-02.csv",
        "data-tub_2_26-06-02.csv",
    ]


def test_a_converted_tub_is_scored_at_the_rate_that_is_given(
    run: Any, make_tub: MakeTub, bundle_folder: Path, tmp_path: Path
) -> None:
    tub = make_tub(100, hz=500)
    given = ("score", tub, "--bundle", bundle_folder, "--out", tmp_path / "s.csv")
    assert "lie 2 ms apart" in run(*given).error_line
    assert run(*given, "--hz", 20).code == 0
    rows = list(csv.DictReader((tmp_path / "s.csv").open()))
    assert int(rows[99]["timestamp_ms"]) - int(rows[0]["timestamp_ms"]) == 99 * 50
    for command in ("train", "calibrate"):
        assert "--hz 20" in run(*arguments_for(command, tub, bundle_folder, tmp_path / "out")).error_line


def with_luma(tub: Path) -> Path:
    """Add a second field of pictures to a tub, cam/luma, all black, as tests tell them apart."""
    lines = (tub / "manifest.json").read_text().splitlines()
    lines[:2] = [json.dumps([*json.loads(lines[0]), "cam/luma"]), json.dumps([*json.loads(lines[1]), "image_array"])]
    (tub / "manifest.json").write_text("\n".join(lines) + "\n")
    catalog = tub / "catalog_0.catalog"
    records = [json.loads(line) for line in catalog.read_text().splitlines()]
    catalog.write_text("".join(json.dumps(r | {"cam/luma": f"{r['_index']}_cam_luma_.png"}) + "\n" for r in records))
    for record in records:
        Image.fromarray(np.zeros((120, 160), np.uint8)).save(tub / "images" / f"{record['_index']}_cam_luma_.png")
    return tub


@pytest.mark.parametrize(
    ("channel", "recorded", "asked", "expected"),
    [
        ("cam/luma", True, (), "dark"),
        ("cam/luma", True, ("--camera", "cam/image_array"), "uncalibrated"),
        ("cam/luma", False, (), "uncalibrated"),  # the part gets the luma, the tub has the RGB frames alone
        ("cam/image_array", True, (), "uncalibrated"),
    ],
)
def test_the_pictures_of_a_car_are_those_that_its_part_gets(
    channel: str, recorded: bool, asked: tuple[str, ...], expected: str, run: Any, mycar: Path, make_tub: MakeTub
) -> None:
    tub = make_tub(30, name="mycar/data")
    if recorded:
        with_luma(tub)
    (mycar / "myconfig.py").write_text(f"LENS_CAMERA_CHANNEL = {channel!r}\n")
    scores = mycar / "s.csv"
    outcome = run("score", mycar, "--bundle", mycar / "models" / "lens", "--out", scores, *asked)
    assert scores.is_file(), outcome
    assert next(csv.DictReader(scores.open()))["status"] == expected


@pytest.mark.parametrize("command", ["train", "calibrate"])
def test_training_and_calibration_take_them_too(
    command: str, run: Any, mycar: Path, make_tub: MakeTub, tmp_path: Path
) -> None:
    with_luma(make_tub(80, name="mycar/data"))
    (mycar / "myconfig.py").write_text("LENS_CAMERA_CHANNEL = 'cam/luma'\n")
    line = last_error(run(*arguments_for(command, mycar, mycar / "models" / "lens", tmp_path / "out")))
    assert "dark" in line


def test_a_tub_in_rgb_makes_no_thresholds_for_a_car_whose_part_gets_luma(
    run: Any, mycar: Path, make_tub: MakeTub, calibration: Calibration
) -> None:
    tub, path = make_tub(CLEAN, name="mycar/data"), mycar / "models" / "lens" / "calibration.json"
    calibration.save(path)
    before = path.read_bytes()
    (mycar / "myconfig.py").write_text("LENS_CAMERA_CHANNEL = 'cam/luma'\n")
    line = run("calibrate", mycar, "--tub", tub).error_line
    assert "the part of" in line
    assert f"run: mle-uvad calibrate --car {mycar}" in line
    assert path.read_bytes() == before
    elsewhere = mycar / "rgb.json"  # for `score` of its drives
    assert run("calibrate", mycar, "--tub", tub, "--out", elsewhere).code == 0
    assert Calibration.load(elsewhere).camera == "rgb"
