"""Checks the Donkeycar that a car runs on, in this Python: the files of its web page, and what manage.py imports."""

import ast
import shlex
from collections.abc import Iterator
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from .source import parse

HOST = "donkeycar"
STATIC = Path("parts", "web_controller", "templates", "static")
PAGE = "main.js"  # of the web page; with it come its style and its placeholder


def host_folder() -> Path | None:
    """Return the folder of the installed donkeycar, None if this Python has none. It is not imported."""
    spec = find_spec(HOST)
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    return Path(folders[0]) if folders else None


def static_files_missing(host: Path) -> str:
    """Return in one line that the web page lacks its files, and what to do; empty when they are there."""
    if (host / STATIC / PAGE).is_file():
        return ""
    target = shlex.quote(str((host / STATIC).parent))
    return (
        f"this donkeycar has no {STATIC / PAGE}, as 5.4.0 from pip: its web page is empty and its buttons do nothing;"
        " git clone --depth 1 https://github.com/autorope/donkeycar donkeycar_source"
        f" && cp -r {Path('donkeycar_source', HOST, STATIC)} {target}"
    )


def missing_imports(manage_py: str, car: Path, host: Path) -> list[str]:
    """Return the modules that manage.py needs at its start and this Python does not have.

    Follows the imports of donkeycar's own modules. Only those outside of functions and conditions count. Nothing is
    imported. A text that is not valid Python has none.
    """
    missing: dict[str, None] = {}
    waiting, seen = [*_imported(manage_py)], set()
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if name.partition(".")[0] == HOST:
            source = _source(name, host)
            if source is not None:
                waiting += _imported(source.read_text("utf-8", "replace"), name, is_package=source.stem == "__init__")
        elif not _is_there(name.partition(".")[0], car):
            missing[name.partition(".")[0]] = None
    return list(missing)


def _is_there(name: str, car: Path) -> bool:
    """Return whether a module can be found in this Python or beside manage.py."""
    return PathFinder.find_spec(name, [str(car)]) is not None or find_spec(name) is not None


def _source(name: str, host: Path) -> Path | None:
    path = host.joinpath(*name.split(".")[1:])
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _imported(source: str, module: str = "", *, is_package: bool = False) -> Iterator[str]:
    """Yield the absolute names that the top level of a file imports, also each `from` name as a possible module."""
    try:
        body = parse(source).body
    except SyntaxError:
        return
    for statement in body:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            parents = module.split(".")[: len(module.split(".")) - statement.level + is_package]
            base = ".".join([*(parents if statement.level else []), *filter(None, [statement.module])])
            if not base:
                continue  # relative to manage.py, which is in no package
            yield base
            yield from (f"{base}.{alias.name}" for alias in statement.names)
