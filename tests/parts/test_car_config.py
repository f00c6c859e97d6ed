"""A car's configuration is read as donkeycar has it, and never run."""

import ast
import json
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from mle_uvad.edge import InputError
from mle_uvad.parts import MLEAnomalyPart
from mle_uvad.parts.install.car_config import read_car_config, tub_refuses


@pytest.fixture
def car(tmp_path: Path) -> Path:
    (tmp_path / "config.py").write_text(
        "import os\n"
        "CAR_PATH = PACKAGE_PATH = os.path.dirname(os.path.realpath(__file__))\n"
        "DATA_PATH = os.path.join(CAR_PATH, 'data')\n"
        "IMAGE_W = 160\n"
        "IMAGE_H = 120\n"
    )
    return tmp_path


def settings(car: Path, text: str) -> Path:
    (car / "myconfig.py").write_text(text)
    return car


def test_myconfig_lies_over_config(car: Path) -> None:
    config = read_car_config(settings(car, "IMAGE_W = 320\nlower = 1\n"))
    assert (config.get("IMAGE_W"), config.get("IMAGE_H")) == (320, 120)
    assert config.get("lower") is None, "donkeycar takes upper-case names only"
    assert config.tub == config.car / "data"
    assert str(car.resolve()) == config.as_cfg().CAR_PATH
    assert not config.computed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A = -0.5", -0.5),
        ("B = 4\nA = (B + 2) * 3 - 8 / 4", 16),
        ("A = not True", False),
        ("A: float = 2.5", 2.5),
        ("A = [1, (2, 'x'), {'k': None}]", [1, (2, "x"), {"k": None}]),
        ("A = int(os.getenv('MLE_UVAD_NOT_SET', '8887'))", 8887),
        ("A = 'a' + str(1)", "a1"),
        ("A = 1\nA = 2", 2),
    ],
)
def test_what_is_understood(text: str, value: object, car: Path) -> None:
    config = read_car_config(settings(car, text))
    assert config.get("A") == value
    assert not config.computed


@pytest.mark.parametrize(
    "text",
    [
        "A = len([1])",
        "A = lambda record: True",
        "A = 10 ** 10 ** 10",
        "A = [0] * 10 ** 9",
        "A = 1000000000 * [0]",
        "if True:\n    A = 3",
        "A = 1\nA += 1",
        "for A in range(3):\n    pass",
        "A = 1 / 0",
        "A = {[]: 1}",
        "A = UNKNOWN",
        "A = IMAGE_W",
        "from somewhere import A",
        "A = 1\ndel A",
        "A = {}\nA['k'] = 1",
        "A = []\nA.append(1)",
        "A = B = open('/tmp/never', 'w')",
        "A, B = 1, 2",
        "A = os.path.join('x', *['y'])",
        "A = [x for x in range(3)]",
    ],
)
def test_what_only_running_the_file_would_tell(text: str, car: Path) -> None:
    config = read_car_config(settings(car, text))
    assert config.get("A") is None
    assert "A" in config.computed


def test_names_inside_functions_and_classes_are_their_own(car: Path) -> None:
    config = read_car_config(settings(car, "def f():\n    IMAGE_W = 1\nclass C:\n    IMAGE_H = 1\n"))
    assert (config.get("IMAGE_W"), config.get("IMAGE_H")) == (160, 120)


def test_a_deep_expression_does_no_harm(car: Path) -> None:
    # How deep Python goes depends on donkeycar, which lifts the limit when it is imported.
    with suppress(InputError):  # the parser of Python 3.11 may give up
        config = read_car_config(settings(car, f"A = {'-' * 2000}1"))
        assert ("A" in config.computed) != (config.get("A") == 1)


def test_a_fault_of_pythons_parser_is_told_in_one_line(car: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_source: bytes) -> None:
        raise SystemError("AST constructor recursion depth mismatch")

    monkeypatch.setattr(ast, "parse", fail)
    with pytest.raises(InputError, match=r"config\.py cannot be read \(AST constructor"):
        read_car_config(car)


def test_nothing_is_run(car: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    read_car_config(settings(car, f"open({str(ran)!r}, 'w')\nX = __import__('os').mkdir({str(ran)!r})\n"))
    assert not ran.exists()


@pytest.mark.parametrize("data", [b"A = (", b"A = '\0'", b"\xff\xfe", b"A = 1\n" * 200_000, b"(" * 5000])
def test_a_file_that_cannot_be_read_is_told_in_one_line(data: bytes, car: Path) -> None:
    (car / "myconfig.py").write_bytes(data)
    with pytest.raises(InputError, match=r"myconfig\.py cannot be read") as error:
        read_car_config(car)
    assert len(str(error.value)) < 300


def test_what_is_no_car(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no config\.py"):
        read_car_config(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        read_car_config(tmp_path / "nothing")


def tub(car: Path, inputs: list[str]) -> None:
    (car / "data").mkdir(exist_ok=True)
    lines = (inputs, ["str"] * len(inputs))
    (car / "data" / "manifest.json").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_tub_begun_with_other_fields_is_pointed_out(car: Path) -> None:
    fields = MLEAnomalyPart.outputs
    assert tub_refuses(read_car_config(car), fields, wanted=True) == "", "there is no tub yet"
    tub(car, ["cam/image_array", "user/angle"])
    assert "without the lens fields" in tub_refuses(read_car_config(car), fields, wanted=True)
    assert tub_refuses(read_car_config(car), fields, wanted=False) == ""
    tub(car, ["cam/image_array", *fields])
    assert tub_refuses(read_car_config(car), fields, wanted=True) == ""
    assert "with the lens fields" in tub_refuses(read_car_config(car), fields, wanted=False)
    settings(car, "AUTO_CREATE_NEW_TUB = True")
    assert tub_refuses(read_car_config(car), fields, wanted=False) == ""


@pytest.mark.parametrize("text", ["", "{", "3", "[" * 5000, '["a"'])
def test_a_torn_manifest_is_not_ours_to_judge(text: str, car: Path) -> None:
    (car / "data").mkdir()
    (car / "data" / "manifest.json").write_text(text)
    assert tub_refuses(read_car_config(car), MLEAnomalyPart.outputs, wanted=True) == ""


@pytest.mark.skipif(find_spec("donkeycar") is None, reason="needs donkeycar")
@pytest.mark.parametrize("template", ["complete", "basic"])
def test_the_stock_settings_are_those_that_donkeycar_reads(template: str, tmp_path: Path) -> None:
    import donkeycar

    [folder] = find_spec("donkeycar").submodule_search_locations or []  # type: ignore[union-attr]
    (tmp_path / "config.py").write_bytes((Path(folder) / "templates" / f"cfg_{template}.py").read_bytes())
    settings(tmp_path, "IMAGE_W = 200\nTRAIN_FILTER = lambda record: True\n")
    theirs = donkeycar.load_config(str(tmp_path / "config.py"))
    ours = read_car_config(tmp_path)
    names = {name for name in dir(theirs) if name.isupper()}
    assert set(ours.values) | ours.computed == names
    assert {name for name in ours.values if ours.values[name] != getattr(theirs, name)} == set()
    assert ours.computed == {"TRAIN_FILTER", "GYM_CONF"}
