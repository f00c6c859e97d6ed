"""The base bundle: networks of many cars that come with the package, so that a car is monitored before any training."""

import shutil
import tempfile
from pathlib import Path

from ...edge.bundle import FACTS_FILE, MODEL_FILE, Bundle
from ...edge.errors import InputError

BASE = Path(__file__).parents[2] / "base"  # package data of mle_uvad; its card says what it was trained on


def place_base_bundle(folder: Path, width: int | None, height: int | None) -> str:
    """Copy the base bundle to `folder` if nothing is there, and return one line that says what was done.

    `width` and `height` are the camera's, in pixels, None if unknown. An existing bundle is never touched. Raises
    InputError if the folder cannot be written.
    """
    if folder.exists():
        return f"{folder} is there already and stays as it is"
    base = Bundle.load(BASE)
    if (width, height) != (base.width, base.height):
        size = "of unknown size" if width is None or height is None else f"{width}x{height}"
        return (
            f"no bundle at {folder}: the camera is {size}, the base bundle is for {base.width}x{base.height};"
            " train one on your drives: mle-uvad train TUB --out RUN"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # One rename: a kill leaves either the whole bundle or none.
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            for name in (MODEL_FILE, FACTS_FILE):
                shutil.copyfile(BASE / name, draft / name)
            draft.chmod(0o755)
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror}); free some space or give it rights"
        ) from None
    return f"{folder}: the base bundle, trained on other cars; calibrate it on yours: two minutes of driving"
