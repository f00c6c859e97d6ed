"""Puts the bundle that ships with the package on a car, so that it has a monitor before anyone trained."""

import shutil
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

from ...edge.bundle import FACTS_FILE, MODEL_FILE, Bundle
from ...edge.errors import InputError
from ..config import LensConfig
from .car_config import CarConfig

FILES = (MODEL_FILE, FACTS_FILE, "card.md")


def install_base_bundle(config: CarConfig) -> str:
    """Copy the bundle of many cars to where the car looks for its own, if it has none, and say so in a line.

    Returns an empty line when the car has a bundle. A bundle fits one camera size: for another, nothing is copied and
    the line says what to do. Raises InputError for LENS_ keys that are invalid, and when the files cannot be written.
    """
    target = LensConfig.read(config.as_cfg()).bundle
    if target.exists():
        return ""
    with as_file(files("mle_uvad") / "base") as folder:
        shipped = Bundle.load(folder)
        size, wanted = (config.get("IMAGE_W"), config.get("IMAGE_H")), (shipped.width, shipped.height)
        if size != wanted:
            return (
                f"no bundle was installed: the one that ships is for frames of {shipped.width}x{shipped.height}, this"
                f" car takes {size[0]}x{size[1]}; train one on its drives with `mle-uvad train`"
            )
        try:
            _copy(folder, target)
        except OSError as error:
            raise InputError(f"{target} cannot be written ({error.strerror}); copy {folder} there by hand") from None
    return f"{target}: the bundle of many cars is in; calibrate it on the first drive"


def _copy(folder: Path, target: Path) -> None:
    """Copy the files, all or none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as draft:
        copied = Path(draft) / target.name
        copied.mkdir()
        for name in FILES:
            shutil.copyfile(folder / name, copied / name)
        copied.rename(target)
