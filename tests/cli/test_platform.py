"""A system that is not supported, and the package's description outside the repository."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
# What the Python of a Windows host lacks.
AS_WINDOWS = """
import os, sys
sys.modules["fcntl"] = None
for name in ("O_NOFOLLOW", "O_NONBLOCK", "chown"):
    delattr(os, name)
"""


def on_windows(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", AS_WINDOWS + code]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("entry", ["main", "export_model"])
def test_on_windows_every_command_says_what_is_supported(entry: str) -> None:
    done = on_windows(f"from mle_uvad.cli.main import {entry}; {entry}()")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: mle_uvad needs Linux or macOS; on Windows, use it inside WSL\n"


def test_on_windows_the_part_says_what_is_supported() -> None:
    done = on_windows("import mle_uvad.parts")
    assert done.stderr.splitlines()[-1] == "ImportError: mle_uvad needs Linux or macOS; on Windows, use it inside WSL"


def test_the_usage_of_export_model_is_one_that_it_accepts(run: object) -> None:
    from mle_uvad.cli import main

    shown = run("--help", entry=main.export_model).out  # type: ignore[operator]
    assert "Usage: export-model [OPTIONS] " in shown
    assert "export-model export" not in shown


def test_the_links_of_the_readme_lead_to_pages_that_are_installed_beside_it() -> None:
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    installed = {
        (Path(target) / path.name).relative_to("share/doc/mle_uvad").as_posix()
        for target, patterns in setup["options.data_files"].items()
        for pattern in patterns.split()
        for path in REPOSITORY.glob(pattern)
    }
    links = set(re.findall(r"\]\((?!https?:)([^)#]+)", (REPOSITORY / "README.md").read_text()))
    assert "docs/cli.md" in links
    assert links <= installed
    urls = [line.split(" = ")[1] for line in setup["metadata"]["project_urls"].split("\n") if line]
    assert all(url.startswith("https://") for url in urls)
