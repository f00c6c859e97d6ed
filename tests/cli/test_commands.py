"""The commands on good input: what they print and write, and their exit codes."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from mle_uvad import __version__
from mle_uvad.cli.main import app


def test_version_and_help(run: Any) -> None:
    assert run("--version").out.strip() == __version__
    names = [command.callback.__name__.replace("_", "-") for command in app.registered_commands if command.callback]
    assert len(names) == 14
    for name in names:
        outcome = run(name, "--help")
        assert outcome.code == 0
        assert "Usage" in outcome.out


def test_score_writes_a_row_a_record_in_order(run: Any, bundle_folder: Path, make_tub: Any, tmp_path: Path) -> None:
    tub, out = make_tub(12, deleted=[3]), tmp_path / "deep" / "scores.csv"
    outcome = run("score", tub, "--bundle", bundle_folder, "--out", out, "--json")
    assert outcome.code == 0
    figures = json.loads(outcome.out)
    assert (figures["records"], figures["scored"], figures["deleted"]) == (11, 11, 1)
    rows = list(csv.DictReader(out.open()))
    assert [int(row["index"]) for row in rows] == [0, 1, 2, *range(4, 12)]
    assert {row["status"] for row in rows} == {"uncalibrated"}
    assert all(row["evidence"] == "" and row["obscured"] == "0" for row in rows)
    assert figures["mean_pcc"] == pytest.approx(sum(float(row["pcc"]) for row in rows) / 11)


def test_skipped_records_are_counted_listed_and_change_the_exit_code(
    run: Any, bundle_folder: Path, make_tub: Any, tmp_path: Path
) -> None:
    tub, out = make_tub(6), tmp_path / "scores.csv"
    (tub / "images" / "2_cam_image_array_.jpg").write_bytes(b"")
    outcome = run("score", tub, "--bundle", bundle_folder, "--out", out)
    assert outcome.code == 3
    assert "skipped 1: image has zero bytes (images/2_cam_image_array_.jpg)" in outcome.err
    rows = list(csv.DictReader(out.open()))
    assert len(rows) == 6
    assert (rows[2]["status"], rows[2]["pcc"]) == ("no_frame", "")


def test_calibrate_then_score_uses_it(
    run: Any, bundle_folder: Path, make_tub: Any, moving_frames: Any, tmp_path: Path
) -> None:
    tub, out = make_tub(moving_frames(700)), tmp_path / "scores.csv"
    outcome = run("calibrate", bundle_folder, "--tub", tub, "--json")
    figures = json.loads(outcome.out)
    assert (figures["pcc_low"], figures["pcc_high"], figures["rule"]) == (-1, 1, "clean")
    assert min(figures["limit"]) >= 1
    assert (bundle_folder / "calibration.json").exists()
    assert run("score", tub, "--bundle", bundle_folder, "--out", out).code == 0
    rows = list(csv.DictReader(out.open()))
    assert {row["status"] for row in rows} == {"warmup", "ok"}
    assert max(float(row["evidence"]) for row in rows if row["status"] == "ok") <= 1


def test_another_rate_needs_no_new_drive(run: Any, bundle_folder: Path, make_tub: Any, moving_frames: Any) -> None:
    assert "no calibration" in run("calibrate", bundle_folder).err
    outcome = run("calibrate", bundle_folder, "--tub", make_tub(moving_frames(700)))
    assert "Nominal rate: 1 false alarms per hour" in outcome.out
    before = json.loads((bundle_folder / "calibration.json").read_text())
    figures = json.loads(run("calibrate", bundle_folder, "--false-alarms-per-hour", "0.01", "--json").out)
    after = json.loads((bundle_folder / "calibration.json").read_text())
    assert figures["limit"] == after["limit"]
    assert after["limit"] > before["limit"]
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"limit", "false_alarms_per_hour"}
    assert "needs a drive" in run("calibrate", bundle_folder, "--rule", "pcc").err


def test_calibrate_by_the_pcc_alone(
    run: Any, bundle_folder: Path, make_tub: Any, moving_frames: Any, tmp_path: Path
) -> None:
    tub, out = make_tub(moving_frames(320), hz=8.0), tmp_path / "pcc.json"
    outcome = run("calibrate", bundle_folder, "--tub", tub, "--rule", "pcc", "--out", out)
    assert outcome.code == 0
    assert "alarm when the PCC" in outcome.out
    figures = json.loads(run("calibrate", bundle_folder, "--tub", tub, "--rule", "pcc", "--out", out, "--json").out)
    assert -1 < figures["pcc_low"] < figures["pcc_centre"] < figures["pcc_high"] < 1
    assert figures["limit"] == [None, None]
    assert json.loads(out.read_text())["rule"] == "pcc"
    assert not (bundle_folder / "calibration.json").exists()


def test_train_reports_both_networks(run: Any, make_tub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = pytest.importorskip("mle_uvad.training.fit", reason="needs torch: pip install 'mle_uvad[train]'")
    monkeypatch.setattr(fit, "HELD_BACK", 32)
    out = tmp_path / "run"
    outcome = run("train", make_tub(70), "--out", out, "--width", "narrow", "--epochs", 1, "--windows", 48,
               "--held-out", "mud")  # fmt: skip
    assert outcome.code == 0
    assert "obscuration network, pass 6: loss" in outcome.out + outcome.err
    settings = json.loads((out / "run.json").read_text())["settings"]
    assert (settings["windows"], settings["held_out"]) == (48, "mud")
    steps = settings["windows"] * settings["passes"] // 32
    assert len((out / "obscuration.jsonl").read_text().splitlines()) == min(steps, 10)  # a line a tenth of the training


def test_the_demo_refuses_a_folder_that_holds_something(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("donkeycar", reason="needs donkeycar: pip install 'mle_uvad[donkeycar]'")
    (tmp_path / "precious").write_text("mine")
    assert "is not empty" in run("demo", "--out", tmp_path).error_line
    assert (tmp_path / "precious").read_text() == "mine"
