"""Installs the wheel on other Pythons, beside other versions of numpy and donkeycar, and with each extra alone.

`python tests/matrix.py FOLDER BUNDLE [CELL...]` works in FOLDER and prints a table; without a CELL it runs all. The
source distribution is built from the checkout, the wheel from that, and the tests run on a copy of their own, apart
from the checkout. BUNDLE is for the cells without torch. Exits with 1 if a cell failed.
"""

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

REPOSITORY = Path(__file__).parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
NUMPYS = ("1.26", "2")
DONKEYCARS = ("5.0", "5.3", "5.4")
ON_THE_CAR = ("tests/edge", "tests/calibration", "tests/parts")
IN_A_CAR = (
    "tests/parts/test_vehicle.py",
    "tests/parts/test_stock_cars.py",
    "tests/parts/test_car_config.py",
    "tests/parts/test_live_page.py",
)
EXTRAS = {  # what an extra is for
    "train": ("tests/training", "tests/optics"),
    "export": ("tests/export",),
    "report": ("tests/drive_report", "tests/cli/test_report_command.py"),
    "mcap": ("tests/drive_report",),
    "donkeycar": IN_A_CAR,
    "mqtt": ("tests/parts/test_home_assistant.py",),
    "docs": (),  # the site is built in `make check`
    "dev": (),
}
NOTHING_FITS = "No matching distribution found"
REASONS_SHOWN = 3
SHOWN_MAX = 120  # characters of why a test failed


@dataclass(frozen=True)
class Cell:
    """One environment."""

    name: str
    python: str
    requirements: tuple[str, ...]  # beside the wheel, whose name stands for itself
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a cell."""

    state: str  # passed, failed or skipped
    detail: str


def cells() -> Iterator[Cell]:
    """Yield all cells. Those that no version of a package fits are found out by pip."""
    for python in PYTHONS:
        for numpy in NUMPYS:
            yield Cell(f"{python}-numpy{numpy}", python, ("{wheel}", f"numpy=={numpy}.*"), ON_THE_CAR)
    for python in PYTHONS:
        for donkeycar in DONKEYCARS:
            needs = ("{wheel}[donkeycar]", f"donkeycar=={donkeycar}.*", "albumentations")
            yield Cell(f"{python}-donkeycar{donkeycar}", python, needs, IN_A_CAR)
    for extra, tests in EXTRAS.items():
        yield Cell(f"extra-{extra}", "3.11", (f"{{wheel}}[{extra}]",), tests)
    yield Cell("sdist", "3.11", ("{sdist}",), ("tests/edge",))


def main() -> None:
    folder, bundle, chosen = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[3:]
    wanted = [cell for cell in cells() if not chosen or cell.name in chosen]
    if unknown := set(chosen) - {cell.name for cell in wanted}:
        sys.exit(f"no cell {', '.join(sorted(unknown))}; choose of {', '.join(cell.name for cell in cells())}")
    sdist, wheel = _build(folder)
    apart = _tests_apart(folder)
    outcomes = {}
    for cell in wanted:
        print(f"{cell.name} ...", flush=True)
        outcome = outcomes[cell.name] = _run(cell, folder / cell.name, sdist, wheel, apart, bundle)
        print(f"{cell.name}: {outcome.state}, {outcome.detail}", flush=True)
        shutil.rmtree(folder / cell.name, ignore_errors=True)
    print("\n| cell | | |\n|---|---|---|")
    for name, outcome in outcomes.items():
        print(f"| {name} | {outcome.state} | {outcome.detail} |")
    sys.exit(any(outcome.state == "failed" for outcome in outcomes.values()))


def _build(folder: Path) -> tuple[Path, Path]:
    """Build the source distribution from the checkout, and the wheel from it."""
    shutil.rmtree(folder, ignore_errors=True)
    python = _environment(sys.executable, folder / "build")
    _call(python, "-m", "pip", "install", "-qq", "setuptools>=68")
    build = f"from setuptools import build_meta; build_meta.build_sdist({str(folder)!r})"
    _call(python, "-c", build, cwd=REPOSITORY)
    [sdist] = folder.glob("mle_uvad-*.tar.gz")
    _call(python, "-m", "pip", "wheel", "-qq", "--no-deps", "--wheel-dir", folder, sdist)
    [wheel] = folder.glob("mle_uvad-*.whl")
    return sdist, wheel


def _tests_apart(folder: Path) -> Path:
    """Copy the tests and what they read of the repository, without the code of the package."""
    apart = folder / "apart"
    for name in ("tests", "docs"):
        shutil.copytree(REPOSITORY / name, apart / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("conftest.py", "setup.cfg", "README.md"):
        shutil.copy(REPOSITORY / name, apart)
    return apart


def _run(cell: Cell, folder: Path, sdist: Path, wheel: Path, apart: Path, bundle: Path) -> Outcome:
    python = _find_python(cell.python)
    if python is None:
        return Outcome("skipped", f"no Python {cell.python} on this machine")
    inside = _environment(python, folder)
    requirements = [each.format(wheel=wheel, sdist=sdist) for each in cell.requirements]
    install: list[str | Path] = [
        inside,
        "-m",
        "pip",
        "install",
        "-qq",
        "--only-binary",
        "numpy",
        "pytest",
        *requirements,
    ]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
        fits_none = any(NOTHING_FITS in line or "ResolutionImpossible" in line for line in lines)
        return Outcome("skipped" if fits_none else "failed", lines[-1].removeprefix("ERROR: "))
    _call(inside.with_name("mle-uvad"), "--help", cwd=folder)
    if not cell.tests:
        return Outcome("passed", "installed; `mle-uvad --help`")
    options: tuple[str | Path, ...] = (
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "junit_family=legacy",  # the only one that takes the properties that tests record
        "--bundle",
        bundle,
        "--junitxml",
        folder / "report",
    )
    pytest = [inside, "-m", "pytest", *options, *cell.tests]
    subprocess.run(pytest, cwd=apart, stdout=subprocess.DEVNULL, check=False)
    return _judge(folder / "report")


def _judge(report: Path) -> Outcome:
    if not report.is_file():
        return Outcome("failed", "pytest wrote no report")
    suite = ElementTree.parse(report).getroot()[0]
    count = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    bad = count["failures"] + count["errors"]
    passed = count["tests"] - bad - count["skipped"]
    reasons = Counter(skip.get("message", "") for skip in suite.iter("skipped"))
    shown = "; ".join(f"{number} skipped: {reason}" for reason, number in reasons.most_common(REASONS_SHOWN))
    others = sum(reasons.values()) - sum(number for _, number in reasons.most_common(REASONS_SHOWN))
    failed = [
        f"{case.get('name')} ({problem.get('message', '').partition(chr(10))[0][:SHOWN_MAX]})"
        for case in suite
        for problem in (*case.iter("failure"), *case.iter("error"))
    ]
    parts = [f"{passed} tests passed", *([f"failed: {', '.join(failed)}"] if failed else []), shown]
    parts += [f"{others} others skipped"] if others else []
    return Outcome("failed" if bad or not passed else "passed", "; ".join(part for part in parts if part))


def _find_python(version: str) -> str | None:
    installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return str(installed[-1]) if installed else shutil.which(f"python{version}")


def _environment(python: str, folder: Path) -> Path:
    _call(python, "-m", "venv", folder)
    return folder / "bin" / "python"


def _call(*command: str | Path, cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
