"""For all of pytest: the option --bundle, and a check that our code is not imported twice."""

import sys
import tracemalloc  # noqa: F401 pytest imports it in the first thread that fails; another would find it half imported
from pathlib import Path

import pytest
from import_graph import REPOSITORY, TOP_FOLDERS  # in docs/, which setup.cfg puts on the path


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bundle", type=Path, help="test with this bundle, where torch is not installed to export one")


def pytest_sessionfinish() -> None:
    # From the root of the repository, `import edge` works too and makes a second copy of each class of mle_uvad.edge.
    ours = [name for name in TOP_FOLDERS if _lies_here(getattr(sys.modules.get(name), "__file__", None))]
    if ours:
        pytest.exit(f"imported a second time as top-level modules: {', '.join(ours)}; write mle_uvad.…", returncode=1)


def _lies_here(file: str | None) -> bool:
    return file is not None and Path(file).resolve().is_relative_to(REPOSITORY.resolve())
