"""Measure what cleaning a tub is worth to a pilot: `python benchmarks/cleaned_pilot.py FOLDER BUNDLE [SEEDS]`.

Needs donkeycar with tensorflow. For each seed, three drives of one track are generated in FOLDER: one with rendered
lens faults in it, a clean one that BUNDLE is calibrated on, and a clean one to judge by. Donkeycar's own training makes
its stock linear pilot from all records of the first drive, from those that `mle-uvad clean` leaves, and from those that
are truly clean. The error is the mean absolute difference from the steering of the driver, on the last drive. The same
command resumes an interrupted measurement.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import donkeycar
import numpy as np
import tensorflow as tf
from donkeycar.config import Config, load_config
from donkeycar.parts.tub_v2 import Tub as DonkeyTub
from donkeycar.pipeline.training import train
from donkeycar.utils import get_model_by_type

from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.evaluation.simulation.drives import write_drive
from mle_uvad.evaluation.simulation.episodes import Episode
from mle_uvad.evaluation.simulation.labels import read_labels
from mle_uvad.evaluation.simulation.track import Track
from mle_uvad.optics import FAMILIES

DRIVE_S, CALIBRATE_S, JUDGE_S = 80.0, 80.0, 40.0
EPISODES, EPISODE_S = 4, 7.0  # a third of the drive is wet
COVERAGE = (0.2, 0.5)
VARIANTS = ("all", "cleaned", "clean")
MYCONFIG = """\
MAX_EPOCHS = 10
USE_EARLY_STOP = True
SHOW_PLOT = PRINT_MODEL_SUMMARY = CREATE_TF_LITE = VERBOSE_TRAIN = False
"""


def make_drives(folder: Path, seed: int) -> None:
    """Generate the three drives of a seed, unless they are there."""
    rng = np.random.default_rng(seed)
    segment_s = DRIVE_S / EPISODES
    starts_s = (np.arange(EPISODES) * segment_s + rng.uniform(2.0, segment_s - EPISODE_S - 2.0, EPISODES)).tolist()
    kinds = rng.permutation(list(FAMILIES)).tolist()
    faults = [
        Episode(start_s, start_s + EPISODE_S, rng.uniform(*COVERAGE), kinds[number % len(kinds)], "sudden")
        for number, start_s in enumerate(starts_s)
    ]
    drives: Sequence[tuple[str, float, list[Episode]]] = (
        ("all", DRIVE_S, faults),
        ("calibrate", CALIBRATE_S, []),
        ("judge", JUDGE_S, []),
    )
    for number, (name, seconds, episodes) in enumerate(drives):
        if not (folder / name / "manifest.json").is_file():
            shutil.rmtree(folder / name, ignore_errors=True)
            track = Track(np.random.default_rng(seed))
            write_drive(folder / name, track, seed=10 * seed + number, seconds=seconds, episodes=episodes)


def make_variants(folder: Path, bundle: Path) -> tuple[int, int, int]:
    """Copy the wet drive, cleaned and without its wet records; return how many are wet, went, and of these are wet."""
    wet = {index for label in read_labels(folder / "all") for index in range(label.start_index, label.end_index)}
    former = manifest_of(folder / "cleaned")
    for name in VARIANTS[1:]:
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(folder / "all", folder / name)
    calibration = folder / "calibration.json"
    run("calibrate", bundle, "--tub", folder / "calibrate", "--out", calibration)
    run("clean", folder / "cleaned", "--bundle", bundle, "--calibration", calibration)
    if manifest_of(folder / "cleaned") != former:
        model_of(folder / "cleaned").unlink(missing_ok=True)
    tub = DonkeyTub(str(folder / "clean"))
    tub.delete_records(wet)
    tub.close()
    cleaned = DonkeyTub(str(folder / "cleaned"), read_only=True)
    gone = set(cleaned.manifest.deleted_indexes)
    cleaned.close()
    return len(wet), len(gone), len(gone & wet)


def manifest_of(tub: Path) -> bytes:
    """Return the manifest of a tub, nothing if there is none."""
    manifest = tub / "manifest.json"
    return manifest.read_bytes() if manifest.is_file() else b""


def model_of(tub: Path) -> Path:
    """Return the file of the pilot that is trained on a tub."""
    return tub.parent / f"{tub.name}.h5"


def run(*command: object) -> None:
    """Run a command of mle-uvad; leave with its output where it fails."""
    program = [sys.executable, "-c", "from mle_uvad.cli.main import main; main()"]
    done = subprocess.run([*program, *map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)


def steering_error(config: Config, tub: Path, judge: Tub, angles: np.ndarray, seed: int) -> float:
    """Train the linear pilot on a tub, unless it is there; return its mean absolute error of steering, −1…1."""
    if not model_of(tub).is_file():
        tf.keras.utils.set_random_seed(seed)
        draft = tub.parent / "draft.h5"  # donkeycar writes the best so far: what is interrupted must not look whole
        train(config, str(tub), str(draft), "linear")
        draft.rename(model_of(tub))
    pilot = get_model_by_type("linear", config)
    pilot.load(str(model_of(tub)))
    steered = [float(pilot.run(frame)[0]) for _, frame in judge.frames()]
    return float(np.abs(np.array(steered) - angles).mean())


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: python benchmarks/cleaned_pilot.py FOLDER BUNDLE [SEEDS]")
    folder, bundle = Path(sys.argv[1]), Path(sys.argv[2])
    for seed in range(int(sys.argv[3]) if len(sys.argv) == 4 else 3):
        mine = folder / str(seed)
        make_drives(mine, seed)
        wet, gone, gone_wet = make_variants(mine, bundle)
        shutil.copy(Path(donkeycar.__file__).parent / "templates" / "cfg_complete.py", mine / "config.py")
        (mine / "myconfig.py").write_text(MYCONFIG)
        (mine / "models").mkdir(exist_ok=True)
        config = load_config(str(mine / "config.py"))
        judge = Tub(mine / "judge", keep=("user/angle",))
        angles = np.array([record.kept["user/angle"] for record in judge.records])
        errors = {name: steering_error(config, mine / name, judge, angles, seed) for name in VARIANTS}
        print(
            f"seed {seed}: {wet} wet records, {gone} cleaned away, {gone_wet} of them wet; error trained on "
            + ", ".join(f"{name} {error:.4f}" for name, error in errors.items())
            + f"; straight ahead {np.abs(angles).mean():.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
