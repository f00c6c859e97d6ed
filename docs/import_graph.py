"""The import graph of the package, read from setup.cfg and the sources; no module is imported.

Imports inside functions, under `TYPE_CHECKING` and by `import_module` count. Module names are absolute.
"""

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
ROOT = "mle_uvad"


def _folders() -> dict[str, Path]:
    """Return the folder of each package that setup.cfg lists."""
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    mapped = dict(line.split(" = ") for line in setup["options"]["package_dir"].splitlines() if line)
    folders = {}
    for package in setup["options"]["packages"].split():
        top = ".".join(package.split(".")[:2])
        folders[package] = REPOSITORY.joinpath(mapped[top], *package.split(".")[2:])
    return folders


PACKAGES = _folders()
TOP_FOLDERS = sorted({folder.relative_to(REPOSITORY).parts[0] for folder in PACKAGES.values()})
MODULES = {  # file of each module; a package stands for its __init__.py
    package if path.stem == "__init__" else f"{package}.{path.stem}": path
    for package, folder in PACKAGES.items()
    for path in sorted(folder.glob("*.py"))
}
# Parsed before any test runs: donkeycar raises the recursion limit, after which Python 3.11 at times fails to parse.
TREES = {module: ast.parse(path.read_text()) for module, path in MODULES.items()}


def imported_names(module: str) -> Iterator[str]:
    """Yield the absolute dotted name of each import of a module; `from a import b` gives `a.b`."""
    package = module if module in PACKAGES else module.rpartition(".")[0]
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute("." * node.level + (node.module or ""), package)
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("import_module", "importlib.import_module"):
            [argument, *_] = node.args
            if isinstance(argument, ast.Constant):  # else the name is known only when it runs
                yield _absolute(str(argument.value), package)


def _absolute(name: str, package: str) -> str:
    relative = name.lstrip(".")
    dots = len(name) - len(relative)
    if not dots:
        return relative
    base = package.split(".")[: len(package.split(".")) - dots + 1]
    return ".".join([*base, relative] if relative else base)


def imported_modules(module: str) -> set[str]:
    """Return the modules of ours that a module imports."""
    found = set()
    for name in imported_names(module):
        while name and name not in MODULES:  # the last parts may be a class or a function
            name = name.rpartition(".")[0]
        found.add(name)
    return found - {"", module}


def room_of(module: str) -> str:
    """Return the room that a module lies in: its folder, as `edge` or `edge/backends`; `package` for the root."""
    return MODULES[module].parent.relative_to(REPOSITORY).as_posix()


def room_graph() -> dict[str, set[str]]:
    """Return the rooms that each room imports. An `__init__.py` may name modules of the rooms below it."""
    graph: dict[str, set[str]] = {room_of(package): set() for package in PACKAGES}
    for module in MODULES:
        room = room_of(module)
        targets = {room_of(target) for target in imported_modules(module)} - {room}
        if module in PACKAGES:
            targets = {target for target in targets if not target.startswith(f"{room}/")}
        graph[room] |= targets
    return graph
