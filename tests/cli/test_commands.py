"""The commands on good input: what they print and write, and their exit codes."""

import csv
import inspect
import io
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import typer
from rich.console import Console

from mle_uvad import __version__
from mle_uvad.calibration import Calibration
from mle_uvad.cli import console, main, score
from mle_uvad.cli.demo import DemoDisplay
from mle_uvad.cli.main import app


def test_version_and_help(run: Any) -> None:
    assert run("--version").out.strip() == __version__
    names = [command.callback.__name__.replace("_", "-") for command in app.registered_commands if command.callback]
    assert len(names) == 16
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
    assert "made for 1 false alarm per hour, on average over cars, in this light and on this track" in outcome.out
    before = json.loads((bundle_folder / "calibration.json").read_text())
    figures = json.loads(run("calibrate", bundle_folder, "--false-alarms-per-hour", "0.01", "--json").out)
    after = json.loads((bundle_folder / "calibration.json").read_text())
    assert figures["limit"] == after["limit"]
    assert after["limit"] > before["limit"]
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"limit", "false_alarms_per_hour"}
    assert "needs a drive" in run("calibrate", bundle_folder, "--rule", "pcc").err


def test_a_calibration_by_a_rule_without_a_rate_is_not_made_again_for_one(
    run: Any, bundle_folder: Path, calibration: Calibration
) -> None:
    path = bundle_folder / "calibration.json"
    replace(calibration, rule="median", maxima=np.empty((2, 0)), false_alarms_per_hour=None).save(path)
    given = ("calibrate", bundle_folder, "--false-alarms-per-hour", 0.1)
    expected = f"{path} is by the rule median, which is for no false-alarm rate; give --tub TUB"
    assert expected in run(*given).error_line
    assert "leave out --false-alarms-per-hour" in run(*given, "--tub", "drive", "--rule", "paper").error_line


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
    why, then = done.err.splitlines()[-2:]
    assert why == "without a calibration, no fault is found"
    assert then.startswith(f"next: mle-uvad calibrate '{spaced}' --tub TUB")


def test_the_last_line_says_what_to_type_next(
    run: Any, bundle_folder: Path, calibration: Calibration, make_tub: Any, tmp_path: Path
) -> None:
    calibration.save(bundle_folder / "calibration.json")
    tub, scores, page = make_tub(60), tmp_path / "scores.csv", tmp_path / "report.html"
    for words, expected in (
        (("generate", tmp_path / "made", "--seconds", 1), f"mle-uvad train {tmp_path / 'made'} --out RUN"),
        (("calibrate", bundle_folder), f"mle-uvad score TUB --bundle {bundle_folder} --out scores.csv"),
        (("score", tub, "--bundle", bundle_folder, "--out", scores), f"mle-uvad report {tub} --scores {scores}"),
        (("report", tub, "--scores", scores, "--out", page), f"open {page} in a browser"),
    ):
        done = run(*words)
        assert done.code == 0, done
        assert done.err.splitlines()[-1] == f"next: {expected}"


def test_every_command_says_what_to_type_next() -> None:
    for command in (*main.DESKTOP_COMMANDS, *main.CAR_COMMANDS, *main.DEVICE_COMMANDS):
        source = inspect.getsource(inspect.getmodule(command))  # type: ignore[arg-type]
        assert re.search(r"\b(say_next|finish)\(|print\(f\"next: ", source), command.__name__


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


class Heard(Console):
    """A console that is no terminal, and wakes who waits for a number of lines."""

    def __init__(self) -> None:
        super().__init__(file=io.StringIO(), force_terminal=False)
        self.lines: list[str] = []
        self.said = threading.Semaphore(0)

    def print(self, *texts: Any, **_: Any) -> None:
        self.lines.append(" ".join(map(str, texts)))
        self.said.release()

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.said.acquire(timeout=30)


def test_without_a_terminal_a_bar_is_a_line_now_and_then_however_rarely_it_is_called(monkeypatch: Any) -> None:
    heard, now_s = Heard(), [0.0]
    monkeypatch.setattr(console, "console", heard)
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    assert console.LINE_EVERY_S == 10
    with console.Bar("training", "frames", line_every_s=0.01) as bar:
        heard.wait_for(2)
        bar(4, 8)
        heard.wait_for(2)
        now_s[0] += 20.0
        bar.begin("network", "windows")
        now_s[0] += 10.0
        bar(5, 5)
        while "network: 5 of 5 windows, 10 s" not in heard.lines:  # and not the time since the training began
            heard.wait_for(1)
    assert heard.lines[0] == "training: 0 s"
    assert "training: 4 of 8 frames, 0 s" in heard.lines
    assert heard.lines[-1] == "network: 5 windows in 10.0 s, 0.5 windows/s"
    said = len(heard.lines)
    assert not bar._lines._thread.is_alive(), "it would go on for ever"
    assert len(heard.lines) == said


def test_jupyter_which_forces_colours_gets_lines_and_no_bar(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(console, "console", Console(stderr=True))
    with console.Bar("training") as bar:
        bar(1, 2)
    assert "━" not in capsys.readouterr().err


def test_a_folder_is_shown_by_its_name_whatever_it_is_called(capsys: Any) -> None:
    name = "data[old][/x]:car:"
    with console.Bar(name) as bar:
        bar(1, 1)
        column: Any = bar._progress.columns[0]
        assert str(column(bar._progress.tasks[0])) == name  # as it is drawn on a terminal
    DemoDisplay().step(name)
    first, second = capsys.readouterr().err.split("\n\n")
    assert first.startswith(f"{name}: 1 frames in ")
    assert second.strip() == name


def test_a_step_that_fails_ends_its_lines(monkeypatch: Any) -> None:
    monkeypatch.setattr(console, "console", Heard())
    with pytest.raises(ValueError, match="broken"), console.Bar("exporting", line_every_s=0.01) as bar:
        raise ValueError("broken")
    assert not bar._lines._thread.is_alive()


def commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(main.app)
    return dict(group.commands)


def test_the_help_shows_what_happens_without_each_option() -> None:
    silent = [
        f"{name} {option.opts[0]}"
        for name, command in commands().items()
        for option in command.params
        if not option.required
        and option.default is None
        and not isinstance(option.show_default, str)
        and "Default:" not in (option.help or "")
    ]
    assert silent == []


def test_the_defaults_that_the_help_of_train_names_are_those_of_the_preset() -> None:
    pytest.importorskip("torch")
    from mle_uvad.training.base_network import CONTINUED_WINDOWS
    from mle_uvad.training.settings import PRESETS

    options = {option.name: option for option in commands()["train"].params}
    robust, paper = PRESETS["robust"], PRESETS["paper"]
    fields = {"lr": "learning_rate", "entropy_weight": "entropy_weight"}
    same = ("epochs", "latent", "sigma", "width", "batch_size", "latent_mode", "entropy_start", "kernel", "seed")
    for name, field in (*fields.items(), *zip(same, same, strict=True)):
        shown, _, of_paper = options[name].show_default.partition("; ")
        convert = type(getattr(robust, field))
        assert convert(shown) == getattr(robust, field), name
        assert convert(of_paper.partition(" ")[0] or shown) == getattr(paper, field), name
    assert options["windows"].show_default == f"{CONTINUED_WINDOWS} from the network that ships, else {robust.windows}"


@pytest.mark.parametrize("program", [["mle-uvad"], [sys.executable, "-m", "mle_uvad"]])
def test_short_help_and_the_module_work(program: list[str], tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [*program, "score", "-h"], capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PATH": path}
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: mle-uvad score" in done.stdout


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("mle-uvad ca", "calibrate"), ("mle-uvad score --bu", "--bundle"), ("export-model --ta", "--target")],
)
def test_the_shell_completes_commands_and_options(typed: str, completed: str, tmp_path: Path) -> None:
    program = typed.split()[0]
    asked = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        f"_{program.replace('-', '_').upper()}_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    done = subprocess.run([program], capture_output=True, text=True, cwd=tmp_path, env=os.environ | asked, check=True)
    assert done.stdout.split() == [completed]
