"""`mle-uvad bench`: its table, its JSON and its bad options."""

import json
from pathlib import Path
from typing import Any

import pytest

from mle_uvad.cli import bench


def test_the_table_and_the_json(run: Any, bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zones = iter([{"cpu-thermal": 48.3}, {"cpu-thermal": 61.0}])
    monkeypatch.setattr(bench, "temperatures", lambda: next(zones))
    outcome = run("bench", bundle_folder, "--seconds", 1, "--stress", 1)
    assert outcome.code == 0, outcome.err
    assert "takes 5 s" in outcome.err
    lines = outcome.out.splitlines()
    assert "stress       1 processes that copy memory" in lines
    assert "°C cpu-thermal 48 before, 61 after" in lines
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    assert [row[0] for row in table[2:]] == ["back to back", "at 20 Hz"]
    assert {len(row) for row in table} == {6}
    frames, p50, p99, worst, share = map(float, table[3][1:])
    assert 2 <= frames <= 21
    assert 0 < p50 <= p99 <= worst
    assert share > 0


def test_figures_for_a_program(run: Any, bundle_folder: Path) -> None:
    outcome = run("bench", bundle_folder, "--seconds", 1, "--json")
    figures = json.loads(outcome.out)
    assert figures["machine"]["backend"].startswith("ONNX Runtime ")
    assert figures["machine"]["load before"].endswith("cores")
    assert figures["busy_processes"] == 0
    assert figures["start"]["resident_mb"] > 20
    assert figures["back_to_back"]["frames"] > figures["paced"]["frames"] >= 2
    assert figures["cpu_percent"] > 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["no"], "does not exist"),
        *((["no", f"--seconds={seconds}"], "--seconds") for seconds in ("0", "-5", "inf", "-inf", "nan", "1e300", "x")),
        (["no", "--stress", "-1"], "--stress"),
    ],
)
def test_bad_bench_options_are_one_line(run: Any, arguments: list[str], expected: str) -> None:
    assert expected in run("bench", *arguments).error_line
