"""The docs say what is: the README's commands run, the command reference is what --help prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


def readme_commands() -> list[str]:
    blocks = CONSOLE.findall((REPOSITORY / "README.md").read_text())
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def environment() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "100"}


def test_the_readmes_commands_run_as_they_stand(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs torch: pip install 'mle_uvad[train,export]'")
    commands = readme_commands()
    assert len(commands) == 7
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    rows = (tmp_path / "scores.csv").read_text().splitlines()
    assert rows[0] == "index,timestamp_ms,status,pcc,evidence,coverage,obscured,event_id"
    assert len(rows) == 1 + 60 * 20


def test_the_command_reference_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, REPOSITORY / "docs" / "make_cli.py"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    fresh = done.stdout == (REPOSITORY / "docs" / "cli.md").read_text()
    assert fresh, "docs/cli.md is not what --help prints; run: python docs/make_cli.py > docs/cli.md"


def test_every_relative_link_of_the_docs_leads_somewhere() -> None:
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())]
    assert links
    for page, link in links:
        assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_the_page_of_reliability_has_every_fault_and_every_fault_test() -> None:
    page = (REPOSITORY / "docs" / "reliability.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", page, re.MULTILINE)
    assert sorted(int(number) for number, _ in rows) == list(range(1, 37))
    shown = {int(number) for number, injected in rows if injected != "left out"}
    tests = "".join(path.read_text() for path in (REPOSITORY / "tests" / "faults").glob("test_*.py"))
    named = {
        int(number) for name in re.findall(r"def test_fault_((?:\d\d_)+)", tests) for number in name.split("_")[:-1]
    }
    assert named <= shown
    assert "events lost: 0" in page
