"""`mle-uvad evaluate`: the plan it makes, what it prints, what it refuses."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="needs torch: pip install 'mle_uvad[train,export,report]'")
pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'mle_uvad[report]'")

from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.evaluation import evaluate, evaluate_cars
from mle_uvad.evaluation.protocols.plan import QUICK, Plan
from mle_uvad.evaluation.protocols.summary import Evaluated
from mle_uvad.optics import FAMILIES


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The arguments of each evaluation that the command starts; none is run."""
    calls: list[tuple[Any, ...]] = []

    def fake(*arguments: Any) -> tuple[Path, list[Evaluated]]:
        calls.append(arguments[:-2])  # the display, and what opens a tub
        return Path("page.md"), [Evaluated("office", False, 700.0, 14_000, None, [])]

    monkeypatch.setattr(evaluate, "run_evaluation", fake)
    return calls


def test_the_defaults_are_the_full_evaluation(run: Any, asked: list[Any]) -> None:
    outcome = run("evaluate")
    assert outcome.code == 0
    assert "page.md" in outcome.out
    assert asked == [([], 1, ("product", "paper"), Plan(), Path("evaluation"), Path("evaluation/page"))]
    assert Plan().held_out == tuple(FAMILIES)


def test_options_change_the_plan(run: Any, asked: list[Any], make_tub: Any) -> None:
    office, lab = make_tub(3, name="office"), make_tub(3, name="lab")
    outcome = run("evaluate", office, lab, "--generated", 0, "--quick", "--protocol", "product", "--docs", "docs",
                  "--out", "work", "--epochs", 9, "--windows", 7, "--held-out", "mud,film", "--json")  # fmt: skip
    assert json.loads(outcome.out) == {"page": "page.md", "drives": {"office": {}}}
    [(tubs, generated, protocols, plan, out, docs)] = asked
    assert (tubs, generated, protocols) == ([office, lab], 0, ("product",))
    assert (plan.epochs, plan.windows, plan.held_out, plan.width) == (9, 7, ("mud", "film"), QUICK.width)
    assert (out, docs) == (Path("work"), Path("docs"))
    run("evaluate", "--held-out", "none", "--seeds", 5)
    assert (asked[1][3].held_out, asked[1][3].paper_seeds) == ((), 5)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--protocol", "both ways"), "protocol is 'both ways'"),
        (("--held-out", "paint"), "'paint'"),
        (("--courses", "sudden,never"), "'never'"),
        (("--width", "huge"), "width is 'huge'"),
        (("--windows", -1), "windows is -1"),
        (("--paper-seconds", 0), "a second of driving"),
    ],
)
def test_bad_options(run: Any, asked: list[Any], arguments: tuple[Any, ...], expected: str) -> None:
    assert expected in run("evaluate", *arguments).error_line
    assert asked == []


def test_a_bad_tub_is_reported_before_the_work(run: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "no folder" in run("evaluate", tmp_path / "missing", "--out", out).error_line
    assert not out.exists()


def test_a_tub_without_records_stops_no_evaluation(run: Any, asked: list[Any], make_tub: Any) -> None:
    full, deleted = make_tub(3, name="full"), make_tub(3, name="deleted", deleted=range(3))
    outcome = run("evaluate", deleted, full)
    assert outcome.code == 3, outcome
    assert f"not evaluated: {deleted}: all 3 records" in outcome.err
    assert asked[0][0] == [full]


def test_methods_are_compared_on_a_folder_of_frames(run: Any, tmp_path: Path) -> None:
    rng, frames = np.random.default_rng(0), tmp_path / "ped2"
    (frames / "Test001").mkdir(parents=True)
    for number in range(70):
        grey = rng.integers(0, 255, (60, 80)).astype(np.uint8)
        Image.fromarray(grey).save(frames / "Test001" / f"{number:03}.tif")
    (tmp_path / "Ped2.m").write_text("TestVideoFile{end+1}.gt_frame = [31:50];")
    given = ("evaluate", "--protocol", "paper", "--frames-dir", frames, "--quick", "--epochs", 1)
    outcome = run(*given, "--labels", tmp_path / "Ped2.m", "--methods", "mse,mle", "--out", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    figures = json.loads(outcome.out)
    assert list(figures["drives"]["ped2"]) == ["mean frame", "mse", "mle"]
    assert Path(figures["page"]).is_file()


def test_bad_comparisons_are_one_line(run: Any, tmp_path: Path) -> None:
    assert "--methods belongs to --protocol paper or cars" in run("evaluate", "--methods", "mse").error_line
    given = ("evaluate", "--protocol", "paper", "--out", tmp_path / "out")
    assert "give both" in run(*given, "--frames-dir", tmp_path).error_line
    assert "no method is called 'magic'" in run(*given, "--methods", "mse,magic").error_line


def test_held_out_cars_are_read_as_all_drives_are(
    run: Any, make_tub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: dict[str, Tub] = {}

    def fake(cars: dict[str, Tub], *others: Any) -> list[Any]:
        judged.update(cars)
        return []

    monkeypatch.setattr(evaluate_cars, "run_cars", fake)
    stamped, mine = make_tub(30, name="stamped", hz=1000), make_tub(30, name="mine/data")
    (tmp_path / "mine" / "config.py").touch()
    given = ("evaluate", mine.parent, stamped, "--protocol", "cars", "--quick", "--generated", 0)
    out = tmp_path / "out"
    outcome = run(*given, "--out", out)
    assert outcome.code == 2
    assert f"not evaluated: {stamped}: the records of {stamped} lie 1 ms apart" in outcome.err
    assert outcome.err.splitlines()[-1].startswith("error: 1 cars cannot be held out in 2 folds")
    assert not out.exists()
    assert run(*given, "--out", out, "--hz", 10).code == 0
    assert {name: tub.folder for name, tub in judged.items()} == {"data": mine, "stamped": stamped}
    assert [tub.records[10].timestamp_ms - tub.records[0].timestamp_ms for tub in judged.values()] == [1000, 1000]
