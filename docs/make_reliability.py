"""Writes the table of injected faults into docs/reliability.md, from the tests: `python docs/make_reliability.py`.

The name of a test, or its docstring, says which fault it injects and what must happen.
"""

import ast
from pathlib import Path

from marked import with_part

PAGE = Path(__file__).with_name("reliability.md")
TESTS = Path(__file__).parents[1] / "tests" / "faults"


def fault_tests(path: Path) -> list[str]:
    """Return what each test of a file shows, in words: its docstring, else its name."""
    functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    return [
        (ast.get_docstring(function) or function.name.removeprefix("test_").replace("_", " ")).partition("\n")[0]
        for function in functions
        if function.name.startswith("test_")
    ]


def fresh_page() -> str:
    """Return docs/reliability.md with the table of the tests as they are now."""
    rows = ["| test file | injected fault, and what the test requires |", "|---|---|"]
    for path in sorted(TESTS.glob("test_*.py")):
        link = f"[{path.stem.removeprefix('test_').replace('_', ' ')}](../tests/faults/{path.name})"
        rows += [f"| {link} | {text} |" for text in fault_tests(path)]
    return with_part(PAGE, "faults", "\n".join(rows))


if __name__ == "__main__":
    PAGE.write_text(fresh_page())
