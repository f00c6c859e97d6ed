"""The base bundle: placed on a car without one, for its camera, completely or not at all."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.bundle import Bundle
from mle_uvad.edge.errors import InputError
from mle_uvad.parts.install.base_bundle import BASE, place_base_bundle


def test_it_is_placed_where_there_is_none_and_scores_a_frame(tmp_path: Path) -> None:
    folder = tmp_path / "mycar" / "models" / "lens"
    assert "two minutes of driving" in place_base_bundle(folder, 160, 120)
    bundle = Bundle.load(folder)
    frame = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    assert open_scorer(bundle).score(frame, 0.0).status == "ok"
    assert sorted(path.name for path in folder.parent.iterdir()) == ["lens"]


def test_a_bundle_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "lens").mkdir()
    assert "stays as it is" in place_base_bundle(tmp_path / "lens", 160, 120)
    assert not any((tmp_path / "lens").iterdir())


@pytest.mark.parametrize(("width", "height", "size"), [(224, 224, "224x224"), (None, None, "of unknown size")])
def test_for_another_camera_it_says_what_to_do(
    tmp_path: Path, width: int | None, height: int | None, size: str
) -> None:
    line = place_base_bundle(tmp_path / "lens", width, height)
    assert size in line
    assert "mle-uvad train" in line
    assert not (tmp_path / "lens").exists()


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(InputError, match="No space left"):
        place_base_bundle(tmp_path / "lens", 160, 120)
    assert not any(tmp_path.iterdir())


def test_the_card_is_beside_it() -> None:
    card = (BASE / "card.md").read_text()
    assert Bundle.load(BASE).sha256[:12] in card
