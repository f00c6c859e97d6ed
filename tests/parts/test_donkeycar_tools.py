"""Donkeycar's own tools show the lens fields: the tub manager's `~/.donkeyrc` of the docs, and tubhist."""

import importlib.util
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from import_graph import REPOSITORY
from PIL import Image

from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.install.templates import TUB_TYPES

if find_spec("donkeycar") is None:
    pytest.skip("needs donkeycar: pip install 'mle_uvad[donkeycar]'", allow_module_level=True)


def test_the_tub_manager_reads_the_field_mapping_of_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kivy, which draws the tub manager, is not installed; the reader of the file takes only a logger from it."""
    yaml = pytest.importorskip("yaml")
    [text] = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "docs" / "ecosystem.md").read_text(), re.DOTALL)
    (tmp_path / ".donkeyrc").write_text(yaml.dump({"sash_start": 1}) + text)
    monkeypatch.setenv("HOME", str(tmp_path))
    kivy = ModuleType("kivy")
    kivy.Logger = SimpleNamespace(info=print, warn=print)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kivy", kivy)
    monkeypatch.setattr("atexit.register", lambda *_: None)  # it would write the file when the tests end
    [folder] = find_spec("donkeycar").submodule_search_locations or []  # type: ignore[union-attr]
    file = Path(folder) / "management" / "ui" / "rc_file_handler.py"
    spec = importlib.util.spec_from_file_location("rc_file_handler", file)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    bars = module.rc_handler.field_properties
    ours = {name for name in bars if name.startswith("lens/")}
    assert ours == {"lens/coverage", "lens/pcc", "lens/obscured"}
    assert ours < set(MLEAnomalyPart.recorded)
    assert {"user/angle", "user/throttle"} < set(bars), "its own bars stay"
    assert bars["lens/pcc"].centered, "from −1 to 1"


def test_tubhist_draws_a_lens_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    from donkeycar.management.base import ShowHistogram
    from donkeycar.parts.tub_v2 import Tub

    tub = Tub(str(tmp_path / "tub"), MLEAnomalyPart.recorded, TUB_TYPES)
    for number in range(20):
        tub.write_record(dict(zip(MLEAnomalyPart.recorded, (0.9, number > 10, number / 40, 1, "ok"), strict=True)))
    tub.close()
    out = tmp_path / "coverage.png"
    ShowHistogram().run(["--tub", str(tmp_path / "tub"), "--record", "lens/coverage", "--out", str(out)])
    with Image.open(out) as drawn:
        assert np.asarray(drawn.convert("L")).std() > 10
