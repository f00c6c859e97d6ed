"""Which folder and room may import which, what runs on the car, and what no module may do."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from import_graph import MODULES, PACKAGES, REPOSITORY, TOP_FOLDERS, TREES, imported_modules, imported_names, room_graph

import mle_uvad
from mle_uvad.edge.bundle import Bundle

# The folders that each folder may import. No exceptions: a list of them would grow.
FOLDER_ARROWS: dict[str, set[str]] = {
    "package": {"cli"},  # `python -m mle_uvad`
    "edge": set(),
    "optics": set(),
    "calibration": {"edge"},
    "parts": {"calibration", "edge", "package"},
    "drive_report": {"parts", "calibration", "edge", "package"},
    "training": {"edge"},  # not optics: the evaluation's faults must be new to what was trained
    "export": {"training", "edge"},
    "evaluation": {"parts", "calibration", "export", "training", "optics", "edge", "package"},
    "cli": {"evaluation", "drive_report", "parts", "calibration", "export", "training", "edge", "package"},
}
# The rooms of the same folder that each room may import; a folder's own name stands for the files directly in it.
ROOM_ARROWS: dict[str, set[str]] = {
    "edge": set(),
    "edge/tubs": {"edge"},
    "edge/backends": {"edge"},
    "edge/device": {"edge", "edge/backends"},
    "parts/events": set(),
    "parts/live": {"parts/events"},
    "parts": {"parts/events", "parts/live"},
    "parts/install": {"parts", "parts/events"},
    "training/objectives": set(),
    "training": {"training/objectives"},
    "evaluation/simulation": set(),
    "evaluation/protocols": {"evaluation/simulation"},
    "evaluation/report": {"evaluation/simulation", "evaluation/protocols"},
    "evaluation": {"evaluation/simulation", "evaluation/protocols", "evaluation/report"},
}
ON_THE_CAR = ("edge", "calibration", "parts")  # with numpy and Pillow alone
RUNTIMES = {
    "mle_uvad.edge.backends.ort": {"onnxruntime"},
    "mle_uvad.edge.backends.trt": {"tensorrt"},
    "mle_uvad.edge.backends.trt_engine": {"tensorrt"},
    "mle_uvad.parts.live.web": {"tornado"},  # comes with donkeycar, whose web server shows the page
    "mle_uvad.parts.luma_camera": {"libcamera", "picamera2"},
}
NOT_ON_THE_CAR = {"torch", "onnx", "donkeycar", "tensorrt", "tornado", "typer", "rich", "scipy", "matplotlib", "paho"}
NOT_ON_THE_CAR |= {
    "mcap",
    "safetensors",
    *(f"mle_uvad.{name}" for name in ("training", "export", "optics", "evaluation", "drive_report", "cli")),
}
FORBIDDEN = (  # code that runs what it reads
    r"\b(import|from) +(pickle|dill|joblib|marshal|shelve)\b",
    r"\btorch\.load\b",
    r"\byaml\.(unsafe_)?load\b",
    r"\bshell\s*=\s*True\b",
    r"(?<![\w.])eval\(",
    r"(?<![\w.])exec\(",
    r"\bos\.system\b",
    r"allow_pickle\s*=\s*True",
)


def folder_of(room: str) -> str:
    return room.split("/")[0]


def modules_of(folder: str) -> list[str]:
    """The modules in a folder and the rooms below it."""
    return [module for module, path in MODULES.items() if path.is_relative_to(REPOSITORY / folder)]


def test_the_tables_name_every_folder_and_room() -> None:
    rooms = set(room_graph())
    assert set(FOLDER_ARROWS) == set(TOP_FOLDERS)
    divided = {folder_of(room) for room in rooms if "/" in room}
    assert set(ROOM_ARROWS) == {room for room in rooms if folder_of(room) in divided}


@pytest.mark.parametrize("folder", TOP_FOLDERS)
def test_a_folder_imports_only_the_folders_below_it(folder: str) -> None:
    assert modules_of(folder)
    targets = {
        folder_of(target) for room, found in room_graph().items() if folder_of(room) == folder for target in found
    }
    assert targets - {folder} <= FOLDER_ARROWS[folder]


@pytest.mark.parametrize("room", ROOM_ARROWS)
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    assert {target for target in room_graph()[room] if folder_of(target) == folder_of(room)} <= ROOM_ARROWS[room]


def test_no_modules_import_each_other_in_a_circle() -> None:
    order = [*TopologicalSorter({module: imported_modules(module) for module in MODULES}).static_order()]
    assert len(order) == len(MODULES), "raises CycleError, which names the circle"


def test_every_kind_of_import_is_seen() -> None:
    assert {"edge", "training"} <= room_graph()["export"]
    assert "optics" in room_graph()["evaluation/simulation"]
    assert sum(map(len, room_graph().values())) > 30
    assert "onnxruntime" in set(imported_names("mle_uvad.edge.backends.ort"))
    assert "mle_uvad.edge.backends.ort" in imported_modules("mle_uvad.edge.backends"), "inside a function"
    assert "mle_uvad.training.settings" in imported_modules("mle_uvad.cli.train"), "under TYPE_CHECKING"


@pytest.mark.parametrize("module", MODULES)
def test_inside_the_package_imports_are_relative(module: str) -> None:
    for node in ast.walk(TREES[module]):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in names:
            top = name.split(".")[0]
            assert top != "mle_uvad", f"{module}: {name}"
            assert top not in TOP_FOLDERS, f"{module}: {name} would be imported a second time"


@pytest.mark.parametrize("folder", ON_THE_CAR)
def test_what_runs_on_the_car_imports_the_standard_library_numpy_and_pillow(folder: str) -> None:
    for module in modules_of(folder):
        allowed = {*sys.stdlib_module_names, "numpy", "PIL", "mle_uvad"} | RUNTIMES.get(module, set())
        assert {name.split(".")[0] for name in imported_names(module)} <= allowed, module


def test_setup_cfg_lists_every_folder_with_code() -> None:
    tracked = subprocess.run(["git", "ls-files", "*.py"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    files = tracked.stdout.split() or [str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("[a-z]*/**/*.py")]
    not_packaged = ("tests", "docs", "benchmarks", "conftest.py")
    with_code = {Path(file).parent for file in files if not file.startswith(not_packaged)}
    assert with_code == {folder.relative_to(REPOSITORY) for folder in PACKAGES.values()}
    assert PACKAGES["mle_uvad"].name == "package"
    assert all((folder / "__init__.py").is_file() for folder in PACKAGES.values())


@pytest.mark.parametrize("module", MODULES)
def test_nothing_runs_what_it_reads(module: str) -> None:
    for number, line in enumerate(MODULES[module].read_text().splitlines(), start=1):
        code = line.split("#")[0]
        for pattern in FORBIDDEN:
            assert not re.search(pattern, code), f"{module}:{number}: {line.strip()}"


def test_the_version_is_the_top_heading_of_the_changelog() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()
    heading = next(line for line in changelog.splitlines() if line.startswith("## "))
    match = re.fullmatch(r"## (\d+\.\d+\.\d+) \((unreleased|\d{4}-\d\d-\d\d)\)", heading)
    assert match is not None, heading
    assert match[1] == mle_uvad.__version__


SCORE_A_FRAME = """
import sys
import numpy as np
import mle_uvad.calibration, mle_uvad.edge, mle_uvad.parts
from mle_uvad.edge import Bundle, Monitor
from mle_uvad.edge.backends import open_scorer

bundle = Bundle.load(sys.argv[1])
frame = np.random.default_rng(0).integers(0, 256, (bundle.height, bundle.width, 3), dtype=np.uint8)
reading = Monitor(open_scorer(bundle), None).update(frame, 0.0)
assert reading.alarm.status == "uncalibrated", reading
print(*sorted(sys.modules))
"""


def test_scoring_a_frame_loads_nothing_of_the_desktop(bundle: Bundle, tmp_path: Path) -> None:
    # Not from the repository: there the folders would be importable under their own names.
    ran = subprocess.run(
        [sys.executable, "-c", SCORE_A_FRAME, str(bundle.folder)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    loaded = set(ran.stdout.split())
    assert {"mle_uvad.parts", "mle_uvad.edge.backends.ort", "onnxruntime"} <= loaded
    assert loaded.isdisjoint(NOT_ON_THE_CAR)


def test_reading_a_tub_needs_no_runtime(tmp_path: Path) -> None:
    program = "import sys, mle_uvad.edge; print('onnxruntime' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert ran.stdout == "False\n", ran.stderr
