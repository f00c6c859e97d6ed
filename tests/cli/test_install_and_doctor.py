"""`mle-uvad install-part` and `doctor`: what they print, and their exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from mle_uvad.parts.install.manage_py import BACKUP


def test_a_car_without_a_bundle_gets_one_and_the_next_step_is_named(run: Any, stand_in_car: Path) -> None:
    done = run("install-part", stand_in_car)
    assert "the bundle of many cars is in" in done.out
    assert done.out.splitlines()[-1] == f"next: mle-uvad doctor {stand_in_car}"
    assert "PASS  bundle" in run("doctor", stand_in_car).out


def test_install_check_and_undo(run: Any, stand_in_car: Path) -> None:
    manage = stand_in_car / "manage.py"
    before = manage.read_bytes()
    assert "type: mle-uvad install-part" in run("install-part", stand_in_car, "--check").error_line
    done = run("install-part", stand_in_car)
    assert (done.code, done.err) == (0, "")
    assert "the lens lines are in" in done.out
    assert str(stand_in_car / BACKUP) in done.out
    patched = manage.read_bytes()
    for arguments in ((), ("--check",)):
        again = run("install-part", stand_in_car, *arguments)
        assert (again.code, again.err) == (0, "")
        assert "has the lens lines" in again.out
    assert manage.read_bytes() == patched
    assert run("install-part", stand_in_car, "--undo").code == 0
    assert manage.read_bytes() == before
    assert "has no lens lines" in run("install-part", stand_in_car, "--undo").error_line


def test_a_tub_that_cannot_take_the_fields_is_pointed_out(run: Any, stand_in_car: Path) -> None:
    (stand_in_car / "data").mkdir()
    (stand_in_car / "data" / "manifest.json").write_text('["cam/image_array"]\n["image_array"]\n')
    assert "note: " not in run("install-part", stand_in_car, "--undo").out
    assert "set AUTO_CREATE_NEW_TUB = True" in run("install-part", stand_in_car).out
    (stand_in_car / "myconfig.py").write_text("AUTO_CREATE_NEW_TUB = True\n")
    run("install-part", stand_in_car, "--undo")
    assert "note: " not in run("install-part", stand_in_car).out


def test_a_manage_py_that_is_not_understood_gets_lines_to_add_by_hand(run: Any, stand_in_car: Path) -> None:
    manage = stand_in_car / "manage.py"
    manage.write_text("print('my own car')\n")
    refused = run("install-part", stand_in_car)
    assert "not the stock" in refused.error_line
    assert "add the lines by hand" in refused.error_line
    for text in ("MLEAnomalyPart.from_config(cfg)", "LensLimiter", "LensOverlay", "inputs += MLEAnomalyPart.recorded"):
        assert text in refused.out
    assert manage.read_text() == "print('my own car')\n"


def test_lines_that_were_added_by_hand_as_told_are_recognised(run: Any, stand_in_car: Path) -> None:
    manage = stand_in_car / "manage.py"
    run("install-part", stand_in_car)
    by_hand = "".join(line for line in manage.read_text().splitlines(keepends=True) if "# mle_uvad" not in line)
    manage.write_text(by_hand)
    for arguments in ((), ("--check",)):
        done = run("install-part", stand_in_car, *arguments)
        assert (done.code, done.err) == (0, "")
        assert "were added by hand, all of them" in done.out
    assert "PASS  manage.py" in run("doctor", stand_in_car).out
    manage.write_text("".join(line for line in by_hand.splitlines(keepends=True) if "add(LensLimiter" not in line))
    assert "by hand, without LensLimiter; to see what to add" in run("install-part", stand_in_car, "--check").error_line
    assert "WARN  manage.py" in run("doctor", stand_in_car).out
    refused = run("install-part", stand_in_car)
    assert "without LensLimiter; add the lines above" in refused.error_line
    assert "V.add(LensLimiter.from_config(cfg)" in refused.out
    assert "MLEAnomalyPart" not in refused.out


def test_a_button_that_does_something_else_is_pointed_out(run: Any, stand_in_car: Path) -> None:
    manage = stand_in_car / "manage.py"
    manage.write_text(manage.read_text() + "    V.add(Headlight(), run_condition='web/w1')\n")
    out = run("install-part", stand_in_car).out
    line = manage.read_text().splitlines().index("    V.add(Headlight(), run_condition='web/w1')") + 1
    assert f"note: web/w1 already does something else (line {line} of manage.py)" in out
    assert "WARN  button       web/w1 already does something else" in run("doctor", stand_in_car).out


def test_edited_lines_are_named_and_kept(run: Any, stand_in_car: Path) -> None:
    manage = stand_in_car / "manage.py"
    run("install-part", stand_in_car)
    manage.write_text(manage.read_text().replace("threaded=True", "threaded=False"))
    assert "were modified" in run("install-part", stand_in_car, "--check").error_line
    assert "were modified" in run("install-part", stand_in_car).error_line
    assert "manage.py.with_lens" in run("install-part", stand_in_car, "--undo").out


@pytest.mark.parametrize("command", ["install-part", "doctor"])
def test_a_folder_that_is_no_car(command: str, run: Any, tmp_path: Path) -> None:
    assert "give the car's" in run(command, tmp_path / "nothing").error_line
    assert "donkey createcar" in run(command, tmp_path).error_line


def test_check_and_undo_together_are_refused(run: Any, stand_in_car: Path) -> None:
    assert "give one of them" in run("install-part", stand_in_car, "--check", "--undo").error_line


def test_the_doctor_of_a_fit_car(run: Any, stand_in_car: Path, bundle_folder: Path, calibration: Any) -> None:
    (stand_in_car / "models").mkdir()
    bundle_folder.rename(stand_in_car / "models" / "lens")
    run("install-part", stand_in_car)
    outcome = run("doctor", stand_in_car)
    assert outcome.code == 0, "a warning is no failure"
    assert "WARN  calibration" in outcome.out
    assert "fix: mle-uvad calibrate" in outcome.out
    calibration.save(stand_in_car / "models" / "lens" / "calibration.json")
    figures = json.loads(run("doctor", stand_in_car, "--json").out)
    assert figures["fit"] is True
    assert {check["verdict"] for check in figures["checks"]} == {"PASS"}
    assert {"check", "verdict", "reason", "fix"} == set(figures["checks"][0])
    assert outcome.err == f"next: cd {stand_in_car} && python manage.py drive\n", "it reads config.py where it starts"


def test_the_doctor_of_a_car_that_is_not_fit(run: Any, stand_in_car: Path) -> None:
    outcome = run("doctor", stand_in_car)
    assert outcome.code == 2
    assert "FAIL  manage.py" in outcome.out
    assert "fix: to add them, type: mle-uvad install-part" in outcome.out
    assert outcome.err == f"next: mend what fails, then mle-uvad doctor {stand_in_car}\n"
    figures = json.loads(run("doctor", stand_in_car, "--json").out)
    assert figures["fit"] is False
