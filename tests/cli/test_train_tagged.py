"""`mle-uvad train --objective mil`: drives of both tags, and no others."""

from pathlib import Path
from typing import Any

import numpy as np
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


def test_a_drive_of_another_image_size_passes_its_tag_to_no_other(run: Any, make_tub: Any, tmp_path: Path) -> None:
    small = make_tub([np.full((60, 80, 3), number, np.uint8) for number in range(70)], name="small")
    wet, dry = make_tub(80, name="wet"), make_tub(80, name="dry")
    outcome = run("train", "--objective", "mil", "--wet", small, "--wet", wet, "--dry", dry, "--out", tmp_path / "run")
    expected = f"no image of {small} fits: image is 80x60, most are 160x120; leave out this drive"
    assert expected in outcome.error_line
