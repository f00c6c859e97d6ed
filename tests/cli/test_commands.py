"""The commands on good input: what they print and write, and their exit codes."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mle_uvad import __version__
from mle_uvad.cli import console, main, score
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
    assert "made for 1 false alarms per hour, in this light and on this track" in outcome.out
    before = json.loads((bundle_folder / "calibration.json").read_text())
    figures = json.loads(run("calibrate", bundle_folder, "--false-alarms-per-hour", "0.01", "--json").out)
    after = json.loads((bundle_folder / "calibration.json").read_text())
    assert figures["limit"] == after["limit"]
    assert after["limit"] > before["limit"]
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"limit", "false_alarms_per_hour"}
    assert "needs a drive" in run("calibrate", bundle_folder, "--rule", "pcc").err


def test_a_second_drive_is_added_to_a_calibration(
    run: Any, bundle_folder: Path, make_tub: Any, moving_frames: Any
) -> None:
    first, second = make_tub(moving_frames(700), name="first"), make_tub(moving_frames(700), name="second")
    assert "no calibration" in run("calibrate", bundle_folder, "--tub", first, "--add").error_line
    before = json.loads(run("calibrate", bundle_folder, "--tub", first, "--json").out)
    added = run("calibrate", bundle_folder, "--tub", second, "--add", "--json")
    assert added.code == 0
    figures = json.loads(added.out)
    assert figures["blocks"] == 2 * before["blocks"]
    assert (bundle_folder / "calibration.json.1").is_file(), "the one before is kept"
    for more in (("--add",), ("--tub", first, "--add", "--rule", "pcc")):
        assert "--add keeps the rule and the rate" in run("calibrate", bundle_folder, *more).error_line


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
    outcome = run("train", make_tub(70), "--out", out, "--width", "narrow", "--epochs", 1, "--windows", 96,
               "--held-out", "mud")  # fmt: skip
    assert outcome.code == 0
    assert "obscuration network, pass 6 of 10: loss" in outcome.out + outcome.err
    settings = json.loads((out / "run.json").read_text())["settings"]
    assert (settings["windows"], settings["held_out"]) == (96, "mud")
    steps = settings["windows"] * settings["passes"] // 32
    assert len((out / "obscuration.jsonl").read_text().splitlines()) == min(steps, 10)  # a line a tenth of the training


def test_the_demo_refuses_a_folder_that_holds_something(run: Any, tmp_path: Path) -> None:
    pytest.importorskip("donkeycar", reason="needs donkeycar: pip install 'mle_uvad[donkeycar]'")
    (tmp_path / "precious").write_text("mine")
    assert "is not empty" in run("demo", "--out", tmp_path).error_line
    assert (tmp_path / "precious").read_text() == "mine"


def test_score_without_a_calibration_says_what_to_do(
    run: Any, bundle_folder: Path, make_tub: Any, tmp_path: Path
) -> None:
    spaced = bundle_folder.rename(tmp_path / "my lens")
    done = run("score", make_tub(6), "--bundle", spaced, "--out", tmp_path / "scores.csv")
    assert f"without a calibration no fault is found; next: mle-uvad calibrate '{spaced}' --tub TUB" in done.err


def test_score_says_when_for_how_long_and_how_large_each_event_was(tmp_path: Path) -> None:
    rows = [(10, 0, 0, ""), (11, 4000, 1, 0.05), (12, 4500, 1, 0.25), (13, 5000, 0, 0.01), (15, 9000, 2, 0.5)]
    lines = [f"{index},{1000 + ms},ok,,1,{cover},{int(event > 0)},{event}" for index, ms, event, cover in rows]
    header = "index,timestamp_ms,status,pcc,evidence,coverage,obscured,event_id"
    (tmp_path / "scores.csv").write_text("\n".join([header, *lines]) + "\n")
    assert score._event_lines(tmp_path / "scores.csv") == [
        "  at 4.0 s for 0.5 s: up to 25% of the lens obscured, records 11 to 12",
        "  at 9.0 s for 0.0 s: up to 50% of the lens obscured, records 15 to 15",
    ]


def test_a_record_that_is_skipped_in_both_passes_counts_once(
    run: Any, bundle_folder: Path, make_tub: Any, moving_frames: Any
) -> None:
    tub = make_tub(moving_frames(700))
    (tub / "images" / "2_cam_image_array_.jpg").write_bytes(b"")
    done = run("calibrate", bundle_folder, "--tub", tub)
    assert "skipped 1: image has zero bytes" in done.err


def test_export_over_a_bundle_says_that_it_is_replaced(
    run: Any, finish_run: Any, moving_frames: Any, tmp_path: Path
) -> None:
    from mle_uvad.training.settings import TrainSettings

    settings = TrainSettings(width="narrow", epochs=1, windows=0)
    made = finish_run(tmp_path / "run", settings, np.stack(moving_frames(4)))
    out = tmp_path / "lens"
    assert "replaced" not in run(made.folder, "--out", out, entry=main.export_model).err
    (out / "calibration.json").write_text("{}")
    again = run(made.folder, "--out", out, entry=main.export_model)
    assert f"replaced the bundle that was in {out}; its calibration fits no longer" in again.err


def test_without_a_terminal_a_bar_is_a_line_every_half_minute(monkeypatch: Any, capsys: Any) -> None:
    now_s = [0.0]
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    with console.Bar("training", "frames") as bar:
        for number in range(1, 5):
            now_s[0] += 20.0
            bar(number, 8)
        bar.begin("network", "windows")
        now_s[0] += 10.0
        bar(5, 5)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "training: 2 of 8 frames",
        "training: 4 of 8 frames",
        "network: 5 windows in 10.0 s, 0.5 windows/s",
    ]
