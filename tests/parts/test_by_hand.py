"""Lens lines that were added by hand: recognised place by place, in the shapes that owners write."""

from pathlib import Path

import pytest

from mle_uvad.edge import InputError
from mle_uvad.parts.install.by_hand import WITHOUT_WEB_IMAGE, LinesByHand, lines_to_add
from mle_uvad.parts.install.manage_py import ManagePy, advice

# As the manage.py of donkeycar 4: it shows the camera's image itself. The four marks stand for the four places.
OWN_CAR = """\
import donkeycar as dk
{imports}

def drive(cfg):
    V = dk.vehicle.Vehicle()
    V.add(Camera(cfg), outputs=["cam/image_array"], threaded=True)
{part}{overlay}    V.add(Page(), inputs=[{image!r}, "tub/num_records"], threaded=True)
    V.add(DriveMode(), outputs=["angle", "throttle"])
{limiter}    V.add(Motors(cfg), inputs=["angle", "throttle"])
    inputs, types = ["cam/image_array"], ["image_array"]
{fields}    tub = TubWriter(path=cfg.DATA_PATH, inputs=inputs, types=types)
    V.add(tub, inputs=inputs, outputs=["tub/num_records"])
"""
LINES = {
    "imports": "from mle_uvad.parts import LensLimiter, LensOverlay, MLEAnomalyPart",
    "part": "    lens = MLEAnomalyPart.from_config(cfg)\n"
    "    V.add(lens, inputs=lens.inputs, outputs=lens.outputs, threaded=True)\n",
    "overlay": "    V.add(LensOverlay.from_config(cfg), inputs=['cam/image_array'], outputs=LensOverlay.outputs)\n",
    "limiter": "    V.add(LensLimiter.from_config(cfg), inputs=LensLimiter.inputs, outputs=LensLimiter.outputs)\n",
    "fields": "    inputs += MLEAnomalyPart.recorded\n    types += ['float', 'boolean', 'float', 'int', 'str']\n",
    "image": "ui/image_array",
}


def own_car(**changes: str) -> str:
    return OWN_CAR.format(**LINES | changes)


def missing(text: str) -> list[str]:
    return [place.adds for place in LinesByHand(text).missing]


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({}, []),
        ({"part": ""}, ["MLEAnomalyPart"]),
        ({"part": "    lens = MLEAnomalyPart.from_config(cfg)\n"}, ["MLEAnomalyPart"]),  # made and not added
        ({"limiter": ""}, ["LensLimiter"]),
        ({"limiter": "    # V.add(LensLimiter.from_config(cfg))\n"}, ["LensLimiter"]),
        ({"fields": ""}, ["the tub fields"]),
        ({"fields": "    inputs += MLEAnomalyPart.recorded\n"}, ["the tub fields"]),  # types are forgotten
        ({"overlay": ""}, ["LensOverlay"]),
        ({"overlay": "", "limiter": ""}, ["LensOverlay", "LensLimiter"]),
        ({"overlay": "", "image": "cam/image_array"}, []),  # a page that cannot show it
    ],
)
def test_each_missing_place_is_named(changes: dict[str, str], lacks: list[str]) -> None:
    assert missing(own_car(**changes)) == lacks


@pytest.mark.parametrize(
    "changes",
    [
        {"part": "    V.add(part=MLEAnomalyPart.from_config(cfg), inputs=['cam/image_array'], threaded=True)\n"},
        {"part": "    self.lens = MLEAnomalyPart(bundle, calibration, log)\n    self.V.add(self.lens)\n"},
        {
            "imports": "from mle_uvad.parts import MLEAnomalyPart as Eye\nimport mle_uvad.parts as lens_parts",
            "part": "    eye = Eye.from_config(cfg)\n    V.add(eye, inputs=eye.inputs, outputs=eye.outputs)\n",
            "limiter": "    V.add(lens_parts.LensLimiter('stop'), inputs=lens_parts.LensLimiter.inputs)\n",
            "fields": "    inputs += Eye.recorded\n    types += ('float', 'boolean', 'float', 'int', 'str')\n",
        },
        {
            "fields": "    inputs += ['lens/pcc', 'lens/obscured', 'lens/coverage', 'lens/event_id',"
            " 'lens/status', 'x']\n"
            "    types += ['float', 'boolean', 'float', 'int', 'str', 'float']\n"
        },
    ],
    ids=["in one call", "attributes", "other names", "written out"],
)
def test_other_ways_to_write_the_lines_are_understood(changes: dict[str, str]) -> None:
    assert missing(own_car(**changes)) == []


def test_fields_that_come_after_the_tub_writer_are_missing() -> None:
    late = own_car(fields="") + LINES["fields"]
    assert missing(late) == ["the tub fields"]


def test_a_file_that_python_cannot_parse_is_bad_input(tmp_path: Path) -> None:
    for text in ("import mle_uvad\ndef drive(:\n", "import mle_uvad\nx = " + "-" * 100_000 + "1\n"):
        (tmp_path / "manage.py").write_text(text)
        with pytest.raises(InputError, match="is not valid Python"):
            advice(ManagePy.read(tmp_path))


def test_a_part_that_is_added_twice_is_told(tmp_path: Path) -> None:
    (tmp_path / "manage.py").write_text(own_car(part=LINES["part"] * 2))
    manage = ManagePy.read(tmp_path)
    assert not manage.is_complete
    assert advice(manage).endswith("with more than one MLEAnomalyPart; keep one")


def test_a_file_without_an_image_for_the_page_is_complete_without_the_overlay(tmp_path: Path) -> None:
    (tmp_path / "manage.py").write_text(own_car(overlay="", image="cam/image_array"))
    manage = ManagePy.read(tmp_path)
    assert manage.is_complete
    assert advice(manage).endswith(
        "by hand, all of them but those for the web page, as this file makes no ui/image_array"
    )


def test_the_lines_for_a_manage_py_of_donkeycar_4_name_no_image_that_it_lacks() -> None:
    nothing = own_car(imports="", part="", overlay="", limiter="", fields="", image="cam/image_array")
    text = lines_to_add(LinesByHand(nothing).places())
    assert "inputs=['cam/image_array', 'lens/obscured'" in text
    assert "Right after the part that makes ui/image_array" not in text
    assert WITHOUT_WEB_IMAGE.where in text
