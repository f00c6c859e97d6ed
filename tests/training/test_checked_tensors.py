"""The tensors of a run: damage at the right size is found, files of older versions still load."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mle_uvad.training.checked_tensors import load_checked, save_checked

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "step": torch.tensor(3.0), "none": torch.empty(0)}


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save_checked(tmp_path / "t", TENSORS, {"progress": "7"})
    tensors, metadata = load_checked(tmp_path / "t")
    assert metadata == {"progress": "7"}
    assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())


def test_a_file_without_a_hash_is_of_an_older_version(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "t")
    assert torch.equal(load_checked(tmp_path / "t")[0]["a"], TENSORS["a"])


def test_every_bit_of_the_data_counts(tmp_path: Path) -> None:
    save_checked(tmp_path / "t", TENSORS, {"progress": "7"})
    whole = (tmp_path / "t").read_bytes()
    for place in range(len(whole) - 4 * 7, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 16
        (tmp_path / "t").write_bytes(damaged)
        with pytest.raises(ValueError, match="not those that were written"):
            load_checked(tmp_path / "t")
    (tmp_path / "t").write_bytes(whole.replace(b'"progress":"7"', b'"progress":"8"'))
    with pytest.raises(ValueError, match="not those that were written"):
        load_checked(tmp_path / "t")
