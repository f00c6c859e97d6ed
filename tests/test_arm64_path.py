"""What `make arm64` runs on emulated boards, run here, and that the comparison would find a difference."""

import copy
import json
from pathlib import Path
from typing import Any

import arm64_path
import pytest

from mle_uvad.edge.bundle import Bundle


@pytest.fixture(scope="module")
def found(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """As the other machine would send it."""
    calibration = tmp_path_factory.mktemp("path") / "calibration.json"
    arm64_path.calibrate(bundle.folder, calibration)
    return json.loads(json.dumps(arm64_path.run(bundle.folder, calibration)))


def test_the_path_raises_an_event_and_ends_it(found: dict[str, Any]) -> None:
    (event,) = found["events"]
    assert (event["state"], found["pictures"]) == ("ended", 4)
    assert found["status"][-1] == "ok"
    assert found["status"].count("obscured") == event["frames"]
    assert arm64_path.differences(found, found) == []


def change_pcc(run: dict[str, Any]) -> None:
    run["pcc"][70] += 2e-5
    run["outputs"][70][0] += 2e-5


def lose_pcc(run: dict[str, Any]) -> None:
    run["pcc"][70] = run["outputs"][70][0] = float("nan")


def part_differs(run: dict[str, Any]) -> None:
    run["outputs"][70][0] += 1e-7


def evidence_differs(run: dict[str, Any]) -> None:
    run["evidence"][70] += 1e-3


def status_differs(run: dict[str, Any]) -> None:
    run["status"][70] = "still"


def event_is_longer(run: dict[str, Any]) -> None:
    run["events"][0]["duration_s"] += 0.1


def picture_is_missing(run: dict[str, Any]) -> None:
    run["pictures"] -= 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (change_pcc, "pcc by 2.0e-05, allowed 1e-05"),
        (lose_pcc, "pcc by nan"),
        (part_differs, "says another PCC than the monitor"),
        (evidence_differs, "evidence by 1.0e-03"),
        (status_differs, "outputs or the status"),
        (event_is_longer, "events: "),
        (picture_is_missing, "pictures 4 and 3"),
    ],
)
def test_each_difference_is_found(
    change: Any, told: str, found: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = copy.deepcopy(found)
    change(other)
    here, there = tmp_path / "here.json", tmp_path / "cortex.json"
    here.write_text(json.dumps(found))
    there.write_text(json.dumps(other))
    assert arm64_path.compare(here, [here]) == 0
    assert capsys.readouterr().out.endswith("PASS\n")
    assert arm64_path.compare(here, [there]) == 1
    assert told in capsys.readouterr().out


def test_a_path_without_an_event_compares_nothing(found: dict[str, Any]) -> None:
    quiet = {**found, "events": []}
    assert arm64_path.differences(quiet, quiet) == ["no event was raised: nothing was compared"]
