"""The lens lines for Donkeycar's stock manage.py templates, and where they go."""

from dataclasses import dataclass

BEGIN = "# mle_uvad begin"
END = "# mle_uvad end"


@dataclass(frozen=True)
class Block:
    """Lines to insert at one position of a template."""

    title: str
    above: str  # text that the template contains exactly once; the lines go directly above it
    lines: str  # with the indentation of the file

    def marked(self) -> str:
        """Return the lines between the marks by which they are found again."""
        return f"    {BEGIN}: {self.title}\n{self.lines}    {END}\n"


@dataclass(frozen=True)
class Template:
    """A stock manage.py."""

    name: str
    relies_on: tuple[str, ...]  # text that the lines depend on, each in the template exactly once
    blocks: tuple[Block, ...]  # in the order of the file

    def mismatches(self, text: str) -> list[str]:
        """Return the required texts that a manage.py does not contain exactly once; empty when the lines fit."""
        return [part for part in (*self.relies_on, *(block.above for block in self.blocks)) if text.count(part) != 1]

    def fill(self, text: str) -> str:
        """Return a manage.py with all blocks added."""
        for block in self.blocks:
            text = text.replace(block.above, block.marked() + block.above)
        return text


TUB_TYPES = ["float", "boolean", "float", "int", "str"]  # of MLEAnomalyPart.recorded
TUB_FIELDS = f"""\
    inputs += MLEAnomalyPart.recorded
    types += {TUB_TYPES}
"""

COMPLETE = Template(
    "complete",
    relies_on=(
        "    add_camera(V, cfg, camera_type)\n",
        '          outputs=[\'run_user\', "run_pilot", "ui/image_array"])\n',
        "          outputs=['steering', 'throttle'])\n",
        "    tub_writer = TubWriter(tub_path, inputs=inputs, types=types, metadata=meta)\n",
    ),
    blocks=(
        Block(
            "watch the lens",
            "    # add lidar\n    if cfg.USE_LIDAR:\n",
            """\
    from mle_uvad.parts import LensLimiter, LensOverlay, MLEAnomalyPart
    lens = MLEAnomalyPart.from_config(cfg)
    V.add(lens, inputs=lens.inputs, outputs=lens.outputs, threaded=True)
""",
        ),
        Block(
            "show it on the web page; the tub and the pilot keep the clean picture",
            "    class LedConditionLogic:\n",
            """\
    V.add(LensOverlay.from_config(cfg), outputs=LensOverlay.outputs,
          inputs=['ui/image_array', 'lens/obscured', 'lens/status', 'lens/calibration', 'lens/coverage', 'lens/map'])
    lens.show_page(V.parts)
""",
        ),
        Block(
            "hold the autopilot back while the lens is obscured, if LENS_ACTION says so",
            "    #\n    # Setup drivetrain\n    #\n    add_drivetrain(V, cfg)\n",
            "    V.add(LensLimiter.from_config(cfg), inputs=LensLimiter.inputs, outputs=LensLimiter.outputs)\n",
        ),
        Block("record it", "    #\n    # Create data storage part\n    #\n", TUB_FIELDS),
    ),
)

BASIC = Template(
    "basic",
    relies_on=(
        "    car.add(cam, inputs=inputs, outputs=['cam/image_array'], threaded=True)\n",
        "            outputs=['angle', 'throttle'])\n",
        "        tub_writer = TubWriter(base_path=tub_path, inputs=inputs, types=types)\n",
    ),
    blocks=(
        Block(
            "watch the lens",
            "    # add controller\n    if cfg.USE_RC:\n",
            """\
    from mle_uvad.parts import LensLimiter, LensOverlay, MLEAnomalyPart
    lens = MLEAnomalyPart.from_config(cfg)
    car.add(lens, inputs=lens.inputs, outputs=lens.outputs, threaded=True)
""",
        ),
        # In this template the web controller, added just above, shows the camera's array: give it the copy instead.
        Block(
            "show it on the web page; the tub and the pilot keep the clean picture",
            "    # pilot condition to determine if user or ai are driving\n",
            """\
    car.add(LensOverlay.from_config(cfg), outputs=LensOverlay.outputs,
            inputs=['cam/image_array', 'lens/obscured', 'lens/status', 'lens/calibration', 'lens/coverage', 'lens/map'])
    next(entry for entry in car.parts if entry['part'] is ctr)['inputs'][0] = 'ui/image_array'
    lens.show_page(car.parts)
""",
        ),
        Block(
            "hold the autopilot back while the lens is obscured, if LENS_ACTION says so",
            '    # Drive train setup\n    if cfg.DONKEY_GYM or cfg.DRIVE_TRAIN_TYPE == "MOCK":\n',
            "    car.add(LensLimiter.from_config(cfg), inputs=LensLimiter.inputs, outputs=LensLimiter.outputs)\n",
        ),
        Block("record it", "    # do we want to store new records into own dir or append to existing\n", TUB_FIELDS),
    ),
)

TEMPLATES = (COMPLETE, BASIC)
