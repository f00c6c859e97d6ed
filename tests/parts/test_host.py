"""The installed donkeycar: files of its web page that are missing, and imports of manage.py that cannot succeed."""

import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from mle_uvad.parts.install import host as host_module
from mle_uvad.parts.install.doctor import _check_donkeycar
from mle_uvad.parts.install.host import STATIC, missing_imports, static_files_missing


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A donkeycar as small as it can be."""
    files = {
        "__init__.py": "from .config import load\n",
        "config.py": "import os\n",
        "parts/__init__.py": "",
        "parts/tub.py": "import json\nfrom ..pipeline import augment\n",
        "pipeline/__init__.py": "",
        "pipeline/augment.py": "import albumentations_absent.core as A\nfrom donkeycar.parts import tub\n",
        "parts/camera.py": "try:\n    import picamera_absent\nexcept ImportError:\n    pass\n"
        "def start():\n    import gym_absent\n",
        f"{STATIC}/main.js": "",
    }
    for name, text in files.items():
        path = tmp_path / "donkeycar" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "donkeycar"


@pytest.mark.parametrize(
    ("manage_py", "missing"),
    [
        ("import donkeycar as dk\nimport os\n", []),
        ("from donkeycar.parts.tub import Tub\n", ["albumentations_absent"]),
        ("import donkeycar.pipeline.augment\n", ["albumentations_absent"]),
        ("from donkeycar.parts.camera import *\n", []),  # only what certainly runs
        ("from own import Camera\nfrom other_absent.x import y\n", ["other_absent"]),
        ("def drive(:\n", []),
        ("from . import camera\n", []),
        ("x = '\\d'\nimport other_absent\n", ["other_absent"]),  # a warning of Python 3.12
    ],
)
def test_imports_that_fail_are_found_without_importing(
    manage_py: str, missing: list[str], host: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text("raise SystemExit('was imported')")
    assert missing_imports(manage_py, tmp_path, host) == missing


def test_a_web_page_without_its_files_is_told(host: Path, stand_in_car: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "find_spec", lambda name: find_spec(name) if name != "donkeycar" else Spec(host))
    assert _check_donkeycar(stand_in_car).verdict == "PASS"
    (host / STATIC / "main.js").unlink()
    assert static_files_missing(host).endswith(f"static {host / STATIC.parent}")
    found = _check_donkeycar(stand_in_car)
    assert found.verdict == "WARN"
    assert "its buttons do nothing" in found.reason
    assert "git clone --depth 1 https://github.com/autorope/donkeycar " in found.fix
    (stand_in_car / "manage.py").write_text("from donkeycar.parts.tub import Tub\n")
    found = _check_donkeycar(stand_in_car)
    assert "imports albumentations_absent" in found.reason
    install, own_file = found.fix.split("; ")
    assert shlex.split(install)[-3:] == ["pip", "install", "albumentations_absent"]
    assert own_file == "a file of your own belongs beside manage.py"


class Spec:
    """What Python finds of an installed package."""

    def __init__(self, folder: Path) -> None:
        self.submodule_search_locations = [str(folder)]


@pytest.mark.skipif(find_spec("donkeycar") is None, reason="needs donkeycar: pip install 'mle_uvad[donkeycar]'")
@pytest.mark.parametrize("template", ["complete", "basic", "cv_control"])
def test_the_templates_of_the_installed_donkeycar(template: str, tmp_path: Path) -> None:
    folder = host_module.host_folder()
    assert folder is not None
    text = (folder / "templates" / f"{template}.py").read_text()
    for name in missing_imports(text, tmp_path, folder):
        assert find_spec(name) is None
    assert "docopt" not in missing_imports(text, tmp_path, folder)
