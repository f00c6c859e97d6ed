"""The arrows between the folders, what each may import, and what never runs on the car."""

import ast
import configparser
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mle_uvad
from mle_uvad.edge.bundle import Bundle

REPOSITORY = Path(__file__).parents[1]

# Which of our folders a folder may import; the table of docs/architecture.md. No exceptions: a list of them grows.
ARROWS = {
    "edge": set(),
    "optics": set(),
    "calibration": {"edge"},
    "parts": {"calibration", "edge"},
    "training": {"edge", "optics"},
    "export": {"training", "edge"},
    "evaluation": {"parts", "calibration", "export", "training", "optics", "edge"},
    "cli": {"evaluation", "parts", "calibration", "export", "training", "optics", "edge"},
    "package": set(),
}
FOLDERS = sorted(ARROWS)
ON_THE_CAR = ("edge", "calibration", "parts")  # with numpy and Pillow alone
RUNTIMES = {
    "edge/backends/ort.py": {"onnxruntime"},
    "edge/backends/trt.py": {"tensorrt"},
    "edge/backends/trt_engine.py": {"tensorrt"},
    "parts/luma_camera.py": {"libcamera", "picamera2"},
}
WORKSHOP = {"torch", "onnx", "donkeycar", "tensorrt", "tornado", "typer", "rich", "scipy", "matplotlib", "safetensors"}
WORKSHOP |= {f"mle_uvad.{name}" for name in ("training", "export", "optics", "evaluation", "cli")}
FORBIDDEN = (  # what runs what it reads
    r"\b(import|from) +(pickle|dill|joblib|marshal|shelve)\b",
    r"\btorch\.load\b",
    r"\byaml\.(unsafe_)?load\b",
    r"\bshell\s*=\s*True\b",
    r"(?<![\w.])eval\(",
    r"(?<![\w.])exec\(",
    r"\bos\.system\b",
    r"allow_pickle\s*=\s*True",
)


def sources(folder: str) -> list[Path]:
    return sorted((REPOSITORY / folder).rglob("*.py"))


# Parsed before any test runs: donkeycar lifts the recursion limit, after which Python 3.11 at times gives up parsing.
TREES = {path: ast.parse(path.read_text()) for folder in FOLDERS for path in sources(folder)}


def imported(path: Path) -> Iterator[tuple[str, ...]]:
    """Every module the file imports anywhere, as its parts; ours begin with the name of their folder."""
    inside = path.relative_to(REPOSITORY).parts[:-1]
    package = ("mle_uvad",) if inside == ("package",) else ("mle_uvad", *inside)
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module or "").split(".")) if node.module else base
            names = [(*module, alias.name) for alias in node.names] if module == ("mle_uvad",) else [module]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("import_module", "importlib.import_module"):
            [argument, *_] = node.args
            if not isinstance(argument, ast.Constant):
                continue  # a name that is not known here; what it loads is seen by the test that runs a part
            name = str(argument.value)
            dots = len(name) - len(name.lstrip("."))
            base = package[: len(package) - dots + 1] if dots else ()
            names = [(*base, *name.lstrip(".").split("."))]
        else:
            continue
        yield from names


def edges_of(folder: str) -> set[tuple[str, str]]:
    """(file, folder of ours that it imports)."""
    found = set()
    for path in sources(folder):
        for name in imported(path):
            if name[0] == "mle_uvad" and len(name) > 1:
                found.add((str(path.relative_to(REPOSITORY)), name[1]))
    return {(file, target) for file, target in found if target != folder and target != "__version__"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_arrows_point_one_way(folder: str) -> None:
    assert sources(folder), f"no module in {folder}/: does the table still fit?"
    wrong = {edge for edge in edges_of(folder) if edge[1] not in ARROWS[folder]}
    assert not wrong


def test_the_arrows_are_seen_at_all() -> None:
    assert ("export/bundle.py", "edge") in edges_of("export")
    assert ("evaluation/simulation/drives.py", "optics") in edges_of("evaluation")
    assert len(set().union(*map(edges_of, FOLDERS))) > 15
    assert ("onnxruntime",) in set(imported(REPOSITORY / "edge" / "ort_backend.py"))
    # Imports inside functions count too.
    assert ("mle_uvad", "edge", "ort_backend") in set(imported(REPOSITORY / "edge" / "backend.py"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_inside_the_package_imports_are_relative(folder: str) -> None:
    for path in sources(folder):
        for node in ast.walk(TREES[path]):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                assert top != "mle_uvad", f"{path}: {name}"
                assert top not in FOLDERS, f"{path}: {name} would be imported a second time"


@pytest.mark.parametrize("folder", ON_THE_CAR)
def test_what_runs_on_the_car_imports_the_standard_library_numpy_and_pillow(folder: str) -> None:
    for path in sources(folder):
        file = str(path.relative_to(REPOSITORY))
        allowed = {*sys.stdlib_module_names, "numpy", "PIL", "mle_uvad"} | RUNTIMES.get(file, set())
        assert {name[0] for name in imported(path)} <= allowed, file


def test_setup_cfg_lists_the_folders_there_are() -> None:
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    packages = setup["options"]["packages"].split()
    folders = dict(line.split(" = ") for line in setup["options"]["package_dir"].split("\n") if line)
    in_tree = {path.parent.name for path in REPOSITORY.glob("*/__init__.py")}
    assert set(folders.values()) == in_tree == set(FOLDERS)
    assert folders["mle_uvad"] == "package"
    assert set(packages) == set(folders) == {"mle_uvad"} | {f"mle_uvad.{name}" for name in in_tree - {"package"}}


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_runs_what_it_reads(folder: str) -> None:
    for path in sources(folder):
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            code = line.split("#")[0]
            for pattern in FORBIDDEN:
                assert not re.search(pattern, code), f"{path}:{number}: {line.strip()}"


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
from mle_uvad.edge import Bundle, Monitor, Scorer

bundle = Bundle.load(sys.argv[1])
frame = np.random.default_rng(0).integers(0, 256, (bundle.height, bundle.width, 3), dtype=np.uint8)
reading = Monitor(open_scorer(bundle), None).update(frame, 0.0)
assert reading.alarm.status == "uncalibrated", reading
print(*sorted(sys.modules))
"""


def test_scoring_a_frame_loads_nothing_of_the_workshop(bundle: Bundle, tmp_path: Path) -> None:
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
    assert loaded.isdisjoint(WORKSHOP)


def test_reading_a_tub_needs_no_runtime(tmp_path: Path) -> None:
    program = "import sys, mle_uvad.edge; print('onnxruntime' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert ran.stdout == "False\n", ran.stderr
