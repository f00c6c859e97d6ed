"""For all of pytest: the option --bundle, and a check that our code is not imported twice."""

import sys
import tracemalloc  # noqa: F401 pytest imports it in the first thread that fails; another would find it half imported
from collections.abc import Iterator
from pathlib import Path

import pytest
from import_graph import REPOSITORY, TOP_FOLDERS  # in docs/, which setup.cfg puts on the path


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bundle", type=Path, help="test with this bundle, where torch is not installed to export one")


@pytest.fixture(scope="session", autouse=True)
def _imported_once() -> Iterator[None]:
    # From the root of the repository, `import edge` works too and makes a second copy of each class of mle_uvad.edge.
    # A fixture and no hook at the end of the session: pytest-xdist would not hear of it from the process that imports.
    yield
    ours = [name for name in TOP_FOLDERS if _lies_here(getattr(sys.modules.get(name), "__file__", None))]
    assert not ours, f"imported a second time as top-level modules: {', '.join(ours)}; write mle_uvad.…"


def _lies_here(file: str | None) -> bool:
    return file is not None and Path(file).resolve().is_relative_to(REPOSITORY.resolve())
