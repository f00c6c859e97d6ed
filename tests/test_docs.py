"""The documentation agrees with the code: commands, links, named files and generated parts."""

import os
import re
import subprocess
import sys
from pathlib import Path

import make_architecture
import make_reliability
import pytest
from import_graph import REPOSITORY
from PIL import Image

from mle_uvad.edge.status import STATUSES

DOCS = REPOSITORY / "docs"
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
        [sys.executable, DOCS / "make_cli.py"], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == (DOCS / "cli.md").read_text(), "docs/cli.md is not what --help prints; run: make docs"


def test_the_arrows_between_the_rooms_are_fresh() -> None:
    assert make_architecture.fresh_page() == make_architecture.PAGE.read_text(), "run: make docs"


def test_the_table_of_faults_is_fresh_and_has_every_fault_test() -> None:
    page = make_reliability.fresh_page()
    assert page == make_reliability.PAGE.read_text(), "run: make docs"
    tests = [
        re.findall(r"^def test_", path.read_text(), re.MULTILINE) for path in make_reliability.TESTS.glob("test_*.py")
    ]
    assert page.count("(../tests/faults/test_") == sum(map(len, tests)) > 20


def test_every_status_has_an_entry_with_its_meaning_and_its_remedy() -> None:
    page = (DOCS / "status.md").read_text()
    entries = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert list(entries) == list(STATUSES)
    for word, status in STATUSES.items():
        text = " ".join(entries[word].lower().split())
        assert f"**{status.meaning.lower()}.**" in text, word
        assert "what to do: " + (f"{status.remedy.lower()}." if status.remedy else "nothing.") in text, word


def test_the_readme_shows_a_small_picture_that_its_command_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("matplotlib", "scipy"):
        pytest.importorskip(name)
    import make_picture

    assert make_picture.PICTURE.stat().st_size < 60_000
    assert f"](docs/{make_picture.PICTURE.name})" in (REPOSITORY / "README.md").read_text()
    monkeypatch.setattr(make_picture, "PICTURE", tmp_path / "lens.png")
    monkeypatch.setattr(make_picture, "CLEAN_S", 45.0)
    monkeypatch.setattr(make_picture, "WET_S", 8.0)
    monkeypatch.setattr(make_picture, "EPISODES", make_picture.EPISODES[:0])
    monkeypatch.setattr(make_picture, "SHOWN_AT_S", 5.0)
    make_picture.main()
    with Image.open(make_picture.PICTURE) as drawn, Image.open(DOCS / "lens.png") as committed:
        assert drawn.size == committed.size
        colours = len(drawn.convert("RGB").getcolors() or [])
    assert colours > 50, "an empty picture"


def test_every_relative_link_of_the_docs_leads_somewhere() -> None:
    pages = [*REPOSITORY.glob("*.md"), *DOCS.glob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())]
    assert links
    for page, link in links:
        assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_every_term_of_the_glossary_names_the_file_that_owns_it() -> None:
    rows = re.findall(r"^\| (.+?) \| .+ \| (.*?) \| (.*?) \|$", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    rows = [row for row in rows if row[0] != "term"]
    assert len(rows) > 40
    for term, unit, owner in rows:
        assert unit, f"{term}: a unit, a range or –"
        files = re.findall(r"`([^`]+)`", owner)
        assert files, f"{term} names no file"
        for file in files:
            assert (REPOSITORY / file).is_file(), f"{term}: {file} does not exist"


def test_every_file_that_the_docs_name_exists() -> None:
    pages = [REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "SECURITY.md", *DOCS.glob("*.md")]
    named = {
        (page.name, file)
        for page in pages
        for file in re.findall(r"`((?:[a-z_]+/)+[a-z0-9_]+\.(?:py|md))`", page.read_text())
    }
    assert len(named) > 50
    for page, file in named:
        assert (REPOSITORY / file).is_file(), f"{page}: {file}"
