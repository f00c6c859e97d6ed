"""Draws docs/lens.png, the picture of the README, from generated drives: `python docs/make_picture.py`.

The bundle that ships judges them, calibrated on a clean drive of two minutes. Takes about a minute.
"""

import tempfile
from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mle_uvad.calibration import calibrate_on_tub
from mle_uvad.edge import Bundle, Monitor, Reading
from mle_uvad.edge.backends import open_scorer
from mle_uvad.edge.tubs.replay import replay
from mle_uvad.edge.tubs.tub import Tub
from mle_uvad.evaluation.simulation.drives import write_drive
from mle_uvad.evaluation.simulation.episodes import Episode
from mle_uvad.evaluation.simulation.track import Track
from mle_uvad.parts import LensOverlay
from mle_uvad.parts.live.view import paint_heat

PICTURE = Path(__file__).with_name("lens.png")
CLEAN_S, WET_S = 120.0, 60.0
EPISODES = (Episode(8, 16, 0.15), Episode(24, 32, 0.1, "mud"), Episode(40, 50, 0.2, "beads"))
SHOWN_AT_S = 29.0  # in the second episode
COLOURS_MAX = 128  # of the PNG, so that it stays small
WET, LINE, THRESHOLD, ALARM = "#9ecae1", "#1f3b57", "#c44e00", "#c1272d"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        readings, shown = _drive(Path(folder))
        drawn = Path(folder) / "drawn.png"
        _draw(drawn, readings, shown)
        with Image.open(drawn) as image:
            image.convert("RGB").quantize(COLOURS_MAX).save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


def _drive(folder: Path) -> tuple[list[Reading], NDArray[np.uint8]]:
    """Return the readings of the wet drive and the frame that is shown."""
    track = Track(np.random.default_rng(0))
    clean = Tub(write_drive(folder / "clean", track, seed=1, seconds=CLEAN_S))
    wet = Tub(write_drive(folder / "wet", track, seed=2, seconds=WET_S, episodes=EPISODES))
    scorer = open_scorer(Bundle.load(Path(str(files("mle_uvad") / "base"))))
    calibration = calibrate_on_tub(
        scorer, clean, rule="clean", false_alarms_per_hour=1.0, now=datetime.now(timezone.utc), progress=lambda *_: None
    )
    readings = [reading for _, reading in replay(wet, Monitor(scorer, calibration.thresholds))]
    frame = wet.frame(wet.records[_shown(readings)])
    assert frame is not None
    return readings, frame


def _shown(readings: list[Reading]) -> int:
    return next(number for number, one in enumerate(readings) if one.t_s - readings[0].t_s >= SHOWN_AT_S)


def _draw(path: Path, readings: list[Reading], frame: NDArray[np.uint8]) -> None:
    """Write a PNG of 1000×500 pixels: three pictures, each pixel of the camera as four, above the timeline."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    reading = readings[_shown(readings)]
    alarm, evidence = reading.alarm, reading.evidence
    labelled = LensOverlay().run(frame, alarm.obscured, alarm.status, "", evidence.coverage, evidence.map)
    figure = pyplot.figure(figsize=(10, 5), dpi=100)
    pictures = {"camera frame": frame, "evidence": _with_heat(frame, evidence.map), "what the driver sees": labelled}
    for left, (title, picture) in zip((10, 340, 670), pictures.items(), strict=True):
        figure.figimage(picture.repeat(2, 0).repeat(2, 1), left, 232)
        figure.text((left + 160) / 1000, 0.955, title, ha="center")
    _draw_timeline(figure.add_axes((0.04, 0.1, 0.95, 0.33)), readings)
    figure.savefig(path)
    pyplot.close(figure)


def _with_heat(frame: NDArray[np.uint8], heat_map: Any) -> NDArray[np.uint8]:
    image = Image.fromarray(frame)
    paint_heat(image, heat_map)
    return np.asarray(image)


def _draw_timeline(axes: Any, readings: list[Reading]) -> None:
    for number, episode in enumerate(EPISODES):
        name = None if number else "lens obscured"
        axes.axvspan(episode.start_s, episode.end_s, color=WET, alpha=0.5, lw=0, label=name)
        fault = f"{episode.kind.replace('front_', '')}, {episode.coverage:.0%}"
        axes.text((episode.start_s + episode.end_s) / 2, 3.3, fault, ha="center", va="top")
    seconds = [one.t_s - readings[0].t_s for one in readings]
    axes.plot(seconds, [one.evidence.value for one in readings], color=LINE, lw=1.2, label="evidence")
    axes.axhline(1.0, color=THRESHOLD, lw=1, ls="--", label="alarm threshold")
    axes.fill_between(
        seconds, -2.5, -2.25, where=[one.alarm.obscured for one in readings], color=ALARM, lw=0, label="alarm"
    )
    axes.set(xlim=(0, WET_S), ylim=(-2.5, 3.4))
    axes.set_xlabel("seconds", loc="left")
    axes.legend(loc="upper right", bbox_to_anchor=(1, -0.14), ncols=4, fontsize="small", frameon=False, borderaxespad=0)


if __name__ == "__main__":
    main()
