"""`mle-uvad train --objective mil`: drives of both tags, and no others."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch: pip install 'mle_uvad[train]'")


def test_tagged_drives_make_a_run(run: Any, make_tub: Any, tmp_path: Path) -> None:
    wet, dry, out = make_tub(90, name="wet"), make_tub(80, name="dry"), tmp_path / "run"
    given = ("train", "--objective", "mil", "--epochs", 2, "--out", out)
    outcome = run(*given, "--wet", wet, "--dry", dry)
    assert outcome.code == 0, outcome.err
    following = f"mle-uvad evaluate {dry} --protocol paper --methods mil"
    assert outcome.err.splitlines()[-1] == f"next: {following}"
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 2
    assert "other drives or tags" in run(*given, "--wet", dry, "--dry", wet).error_line
    assert "give --wet TUB and --dry TUB" in run(*given, "--wet", wet).error_line
    assert "give --wet TUB and --dry TUB" in run(*given, wet, "--wet", wet, "--dry", dry).error_line
    assert "add --objective mil" in run("train", "--out", out, "--wet", wet, "--dry", dry).error_line
    assert "no TUB is given" in run("train", "--out", tmp_path / "other").error_line
