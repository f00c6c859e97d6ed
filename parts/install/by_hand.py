"""The lens lines for a manage.py that is no stock template: where they go, and which of them are there."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from ..anomaly import MLEAnomalyPart
from .source import parse
from .templates import COMPLETE, TUB_TYPES

PACKAGE = "mle_uvad"
WEB_IMAGE = "ui/image_array"
PART, OVERLAY, LIMITER, FIELDS = "MLEAnomalyPart", "LensOverlay", "LensLimiter", "the tub fields"
PRINTERS = ("print", "debug", "info", "warning")
WATCH, SHOW, HOLD, RECORD = (block.lines for block in COMPLETE.blocks)


@dataclass(frozen=True)
class Place:
    """One of the four positions of lens lines in a manage.py."""

    adds: str  # the part that is added there, or the tub fields
    where: str
    lines: str


PLACES = (
    Place(PART, "After the camera, before the web controller, to watch the lens", WATCH),
    Place(OVERLAY, "Right after the part that makes ui/image_array, to show the lens on the web page", SHOW),
    Place(LIMITER, "After DriveMode, before the drive train, to do what LENS_ACTION says", HOLD),
    Place(FIELDS, "Before the TubWriter, where inputs and types are complete, to record the lens", RECORD),
)
# The manage.py of donkeycar 4, for example, shows the camera's image itself.
WITHOUT_WEB_IMAGE = Place(
    OVERLAY,
    "Before the web controller, to show the lens on its page. This manage.py makes no ui/image_array, so also replace\n"
    "'cam/image_array' by 'ui/image_array' in the inputs of the web controller. Without a web page, leave this out",
    SHOW.replace(WEB_IMAGE, "cam/image_array"),
)


class LinesByHand:
    """What a manage.py has of the lens lines, wherever they are. The file is parsed and never run.

    Raises SyntaxError for a text that is not valid Python.
    """

    def __init__(self, text: str) -> None:
        self._tree = parse(text)
        self._names = _names_of_parts(self._tree)
        self._makes_web_image = WEB_IMAGE in text
        self.counts = {place.adds: self._count(place.adds) for place in PLACES}

    @property
    def missing(self) -> list[Place]:
        """The places without their lines. The overlay is not missed in a file that makes no image for the page."""
        return [place for place in self.places() if not self.counts[place.adds] and place is not WITHOUT_WEB_IMAGE]

    def places(self) -> list[Place]:
        """Return the four places, as they are described for this file."""
        return [WITHOUT_WEB_IMAGE if place.adds == OVERLAY and not self._makes_web_image else place for place in PLACES]

    def other_use(self, channel: str) -> int:
        """Return the first line in which anything but our parts reads a channel, 0 if there is none.

        What only prints that a button was pressed, as the stock templates do, is no use of it.
        """
        passed: set[ast.AST] = set()
        for call in _calls(self._tree, "add"):
            if self._part_of(call) or _only_prints(call):
                passed |= set(ast.walk(call))
            for outputs in (*call.args[2:3], *(word.value for word in call.keywords if word.arg == "outputs")):
                passed |= set(ast.walk(outputs))
        lines = [
            node.lineno
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Constant) and node.value == channel and node not in passed
        ]
        return min(lines, default=0)

    def _count(self, adds: str) -> int:
        if adds == FIELDS:
            return int(self._records_all_fields())
        return sum(self._part_of(call) == adds for call in _calls(self._tree, "add"))

    def _part_of(self, call: ast.Call) -> str:
        """Return which of our parts `V.add(…)` adds, else nothing."""
        added = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "part")]
        return next((made for node in added if (made := _made(node, self._names))), "")

    def _records_all_fields(self) -> bool:
        """Return whether `inputs` and `types` get the fields, before a TubWriter takes them."""
        writers = [call.lineno for call in _calls(self._tree, "TubWriter")]
        nodes = [node for node in ast.walk(self._tree) if not writers or getattr(node, "lineno", 0) < max(writers)]
        fields = any(isinstance(node, ast.Attribute) and node.attr == "recorded" for node in nodes) or any(
            _contains(node, MLEAnomalyPart.recorded) for node in nodes
        )
        return fields and any(_contains(node, TUB_TYPES) for node in nodes)


def lines_to_add(places: list[Place]) -> str:
    """Return the lines of some places for a person to add, one paragraph per place."""
    return "\n".join(f"{place.where}:\n\n{place.lines}" for place in places)


def _names_of_parts(tree: ast.AST) -> dict[str, str]:
    """Return the names that stand for our classes or their instances, each with the class."""
    names = {name: name for name in (PART, OVERLAY, LIMITER)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname and alias.name in names}
        elif isinstance(node, ast.Assign) and (made := _made(node.value, names)):
            names |= {next(_identifiers(target), ""): made for target in node.targets}
    return names


def _made(node: ast.AST, names: dict[str, str]) -> str:
    """Return which of our classes makes the value of a name or a call, else nothing."""
    source = node.func if isinstance(node, ast.Call) else node
    if not isinstance(source, ast.Name | ast.Attribute):
        return ""
    return next((names[name] for name in _identifiers(source) if name in names), "")


def _only_prints(call: ast.Call) -> bool:
    """Return whether `V.add(Lambda(lambda …: …), …)` adds nothing but a line on the terminal or in the log."""
    functions = [node for node in ast.walk(call) if isinstance(node, ast.Lambda)]
    return bool(functions) and all(
        isinstance(function.body, ast.Call) and next(_identifiers(function.body.func), "") in PRINTERS
        for function in functions
    )


def _calls(tree: ast.AST, function: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and function == [*_identifiers(node.func), ""][0]:
            yield node


def _identifiers(node: ast.AST) -> Iterator[str]:
    """Yield the names and attributes in an expression, the outermost first."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Name):
            yield part.id


def _contains(node: ast.AST, words: list[str]) -> bool:
    """Return whether a list or tuple of constants contains these words, one after another."""
    if not isinstance(node, ast.List | ast.Tuple):
        return False
    found = [item.value if isinstance(item, ast.Constant) else None for item in node.elts]
    return any(found[start : start + len(words)] == words for start in range(len(found)))
