"""`mle-uvad score` on several drives: the same scores as one by one, and none computed twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mle_uvad.calibration import Calibration


@pytest.fixture
def two_cars(make_tub: Callable[..., Path]) -> list[Path]:
    """Tubs of two cars, both called `data` as donkeycar does."""
    return [make_tub(count, name=f"car{number}/data") for number, count in enumerate((30, 12), start=1)]


def written(folder: Path) -> dict[str, int]:
    """When each file was written, ns."""
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.iterdir())}


def test_many_drives_are_scored_as_one_by_one(
    run: Any, bundle_folder: Path, two_cars: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "scores"
    outcome = run("score", *two_cars, "--bundle", bundle_folder, "--out", out, "--jobs", 2, "--json")
    assert outcome.code == 0, outcome.err
    figures = json.loads(outcome.out)
    assert [drive["records"] for drive in figures["drives"]] == [30, 12]
    assert not figures["failed"]
    assert list(written(out)) == ["car1-data.csv", "car1-data.json", "car2-data.csv", "car2-data.json"]
    for tub in two_cars:
        alone = tmp_path / "alone.csv"
        assert run("score", tub, "--bundle", bundle_folder, "--out", alone).code == 0
        assert (out / f"{tub.parent.name}-data.csv").read_bytes() == alone.read_bytes()


def test_drives_that_were_scored_before_are_not_scored_again(
    run: Any,
    bundle_folder: Path,
    two_cars: list[Path],
    make_tub: Callable[..., Path],
    calibration: Calibration,
    tmp_path: Path,
) -> None:
    out = tmp_path / "scores"

    def again(*tubs: Path) -> list[str]:
        """The drives that were scored anew."""
        before = written(out) if out.exists() else {}
        outcome = run("score", *tubs, "--bundle", bundle_folder, "--out", out, "--jobs", 1)
        assert outcome.code == 0, outcome.err
        assert outcome.out.count(".csv: ") == len(tubs), "drives scored before are reported too"
        anew = [name for name, when in written(out).items() if name.endswith("csv") and when != before.get(name)]
        assert outcome.out.count("reused from an earlier call") == len(tubs) - len(anew)
        return anew

    assert again(*two_cars) == ["car1-data.csv", "car2-data.csv"]
    assert again(*two_cars) == []
    third = make_tub(8, name="car3/data")
    assert again(*two_cars, third) == ["car3-data.csv"]
    (out / "car1-data.json").unlink()  # written last: without it the scores may not be whole
    (out / "car2-data.json").write_text("{torn")
    (out / "car3-data.csv").unlink()
    assert again(*two_cars, third) == ["car1-data.csv", "car2-data.csv", "car3-data.csv"]
    lines = (third / "catalog_0.catalog").read_text().splitlines(keepends=True)
    (third / "catalog_0.catalog").write_text("".join(lines[:-1]))
    assert again(*two_cars, third) == ["car3-data.csv"], "the tub has other records"
    assert datetime.fromisoformat(calibration.created_at)
    calibration.save(bundle_folder / "calibration.json")
    assert again(*two_cars) == ["car1-data.csv", "car2-data.csv"], "another calibration gives other events"


def test_a_drive_that_cannot_be_scored_does_not_stop_the_others(
    run: Any, bundle_folder: Path, two_cars: list[Path], tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    outcome = run("score", two_cars[0], empty, two_cars[1], "--bundle", bundle_folder, "--out", tmp_path / "scores")
    assert outcome.code == 3
    assert outcome.out.count("records") == 2
    assert f"not scored: {empty}: no Donkeycar v2 tub" in outcome.err


def test_bad_input_of_many_drives_is_one_line(
    run: Any, bundle_folder: Path, two_cars: list[Path], tmp_path: Path
) -> None:
    given = (*two_cars, "--bundle", bundle_folder, "--out")
    assert "both be car1-data.csv" in run("score", two_cars[0], *given, tmp_path / "s").error_line
    assert "--jobs is 0" in run("score", *given, tmp_path / "s", "--jobs", 0).error_line
    assert "belongs to what is read" in run("score", *given, two_cars[1]).error_line
    os.truncate(bundle_folder / "model.onnx", 100)
    assert "damaged" in run("score", *given, tmp_path / "s").error_line
    assert not (tmp_path / "s").exists()


def test_thresholds_for_luma_do_not_hold_for_a_tub(
    run: Any, bundle_folder: Path, calibration: Calibration, two_cars: list[Path], tmp_path: Path
) -> None:
    calibration.save(bundle_folder / "calibration.json")
    facts = json.loads((bundle_folder / "calibration.json").read_text())
    (bundle_folder / "calibration.json").write_text(json.dumps(facts | {"camera": "luma"}))
    line = run("score", two_cars[0], "--bundle", bundle_folder, "--out", tmp_path / "s.csv").error_line
    assert "the calibration is for camera frames luma, the car has rgb; run `mle-uvad calibrate --car MYCAR`" in line
    assert "--tub TUB --out FILE`, and give FILE to --calibration" in line  # which leaves that of the car in its place


def delete_a_record(tub: Path, out: Path) -> None:
    *lines, last = (tub / "manifest.json").read_text().splitlines()
    (tub / "manifest.json").write_text("\n".join([*lines, json.dumps(json.loads(last) | {"deleted_indexes": [3]})]))


def delete_one_and_restore_another(tub: Path, out: Path) -> None:
    *lines, last = (tub / "manifest.json").read_text().splitlines()
    (tub / "manifest.json").write_text("\n".join([*lines, json.dumps(json.loads(last) | {"deleted_indexes": [4]})]))


def replace_an_image(tub: Path, out: Path) -> None:
    (tub / "images" / "5_cam_image_array_.jpg").write_bytes((tub / "images" / "9_cam_image_array_.jpg").read_bytes())


def cut_the_scores(tub: Path, out: Path) -> None:
    scores = out / f"{tub.parent.name}-data.csv"
    scores.write_text("".join(scores.read_text().splitlines(keepends=True)[:10]))


def change_a_number_of_the_scores(tub: Path, out: Path) -> None:
    scores = out / f"{tub.parent.name}-data.csv"
    scores.write_text(scores.read_text().replace("ok", "OK").replace("warmup", "WARMUP"))


def touch_the_bundle(tub: Path, out: Path) -> None:
    facts = out.parent / "lens" / "bundle.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"note": "exported again"}))


def delete_another_record(tub: Path, out: Path) -> None:
    delete_a_record(tub, out)
    delete_one_and_restore_another(tub, out)


CHANGES: list[Callable[[Path, Path], Any]] = [
    *(delete_a_record, replace_an_image, cut_the_scores, change_a_number_of_the_scores, touch_the_bundle),
    lambda tub, out: (tub / "images" / "7_cam_image_array_.jpg").unlink(),
    delete_another_record,
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_scores_are_made_again_whatever_they_rest_on_has_changed(
    number: int, run: Any, bundle_folder: Path, two_cars: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "scores"
    given = ("score", *two_cars, "--bundle", bundle_folder, "--out", out, "--jobs", 1)
    run(*given)
    CHANGES[number](two_cars[0], out)
    before = written(out)
    run(*given)
    assert written(out)["car1-data.csv"] != before["car1-data.csv"]
    before = written(out)
    run(*given)
    assert written(out) == before, "nothing changed and it was scored again"


def workers_of(parent: int) -> list[int]:
    """The Python processes that score, children of a command."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
            if int(fields[1]) == parent and b"spawn_main" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return found


def start(bundle: Path, tubs: list[Path], out: Path) -> "subprocess.Popen[str]":
    command = ["score", *map(str, tubs), "--bundle", str(bundle), "--out", str(out), "--jobs", "2"]
    program = "import sys; from mle_uvad.cli.main import main; sys.exit(main())"
    return subprocess.Popen([sys.executable, "-c", program, *command], stderr=subprocess.PIPE, text=True)


def wait_for_drafts(out: Path, count: int) -> None:
    until = time.monotonic() + 60
    while len(list(out.glob(".*.tmp"))) < count:
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent_and_their_drafts_are_swept(
    kill: signal.Signals, run: Any, bundle_folder: Path, make_tub: Callable[..., Path], tmp_path: Path
) -> None:
    tubs, out = [make_tub(2000, name=f"car{number}/data") for number in (1, 2)], tmp_path / "scores"
    command = start(bundle_folder, tubs, out)
    wait_for_drafts(out, 2)
    workers = workers_of(command.pid)
    assert len(workers) == 2
    command.send_signal(kill)
    command.wait(20)
    until = time.monotonic() + 20
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < until, "a worker goes on"
        time.sleep(0.02)
    for tub in tubs:
        (tub / "catalog_0.catalog").write_text("".join((tub / "catalog_0.catalog").open().readlines()[:20]))
    assert run("score", *tubs, "--bundle", bundle_folder, "--out", out, "--jobs", 1).code == 0
    assert sorted(path.suffix for path in out.iterdir()) == [".csv", ".csv", ".json", ".json"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
def test_a_worker_that_is_killed_costs_its_drive_alone(
    bundle_folder: Path, make_tub: Callable[..., Path], tmp_path: Path
) -> None:
    tubs = [make_tub(count, name=f"car{number}/data") for number, count in enumerate((1500, 1500, 12), start=1)]
    out = tmp_path / "scores"
    command = start(bundle_folder, tubs, out)
    wait_for_drafts(out, 2)
    os.kill(workers_of(command.pid)[0], signal.SIGKILL)
    _, err = command.communicate(timeout=120)
    assert command.returncode == 3
    assert "Traceback" not in err
    assert err.count("not scored") == err.count("was killed") == 1
    assert len(list(out.glob("*.csv"))) == len(list(out.glob("*.json"))) == 2


def test_scores_are_not_written_over_the_calibration_they_are_made_with(
    run: Any, bundle_folder: Path, calibration: Calibration, two_cars: list[Path]
) -> None:
    calibration.save(bundle_folder / "calibration.json")
    before = (bundle_folder / "calibration.json").read_bytes()
    given = ("score", two_cars[0], "--bundle", bundle_folder, "--out", bundle_folder / "calibration.json")
    assert "belongs to what is read" in run(*given).error_line
    assert (bundle_folder / "calibration.json").read_bytes() == before
