"""What pytest is told at the top of the repository: one option, and a guard against importing our code twice."""

import sys
import tracemalloc  # noqa: F401 pytest's hook imports it in whatever thread fails first, and another meets half of it
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent
FOLDERS = ("calibration", "cli", "edge", "evaluation", "export", "optics", "parts", "training")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bundle", type=Path, help="test with this bundle: on a car, where torch is not installed")


def pytest_sessionfinish() -> None:
    # From the root of the repository `import edge` works too, and makes second copies of mle_uvad.edge's classes.
    ours = [name for name in FOLDERS if _lies_here(getattr(sys.modules.get(name), "__file__", None))]
    if ours:
        pytest.exit(f"imported a second time as top-level modules: {', '.join(ours)}; write mle_uvad.…", returncode=1)


def _lies_here(file: str | None) -> bool:
    return file is not None and Path(file).resolve().is_relative_to(REPOSITORY.resolve())
