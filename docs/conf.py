"""Sphinx builds the site from the Markdown pages of the repository as they are: `make site`."""

from typing import Any

from pygments.lexers.special import TextLexer

import mle_uvad

project = "mle_uvad"
author = "the authors of mle_uvad"
release = version = mle_uvad.__version__

# The source is the root of the repository, so that a link leads to the same file here, on GitHub and in the wheel.
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "docs/*.ipynb", "package/base/card.md"]
exclude_patterns = [".*", "build", "dist", "demo", "runs", "site", "tests", "*.egg-info"]

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
# The notebook is committed without outputs and executed here; a cell that fails fails the build.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
autodoc_member_order = "bysource"
default_role = "code"
smartquotes = False  # it would make a dash of the two hyphens of an option
python_maximum_signature_line_length = 120

html_theme = "furo"
html_title = f"mle_uvad {release}"
html_show_sourcelink = False
html_show_copyright = False
html_copy_source = False
templates_path = ["_templates"]
html_additional_pages = {"index": "index.html"}  # leads to README.html

CONTENTS = {
    "On the car": ["quickstart", "tour", "on-the-car", "calibration", "status", "events", "ecosystem"],
    "Boards and cameras": ["raspberry-pi", "camera", "jetson"],
    "Training": ["training", "cleaning", "paper", "objectives", "/package/base/card"],
    "What it is worth": ["results", "performance", "reliability"],
    "How it works": ["architecture", "decisions", "glossary"],
    "Reference": ["cli", "api"],
    "The project": ["/CONTRIBUTING", "/SECURITY", "/CHANGELOG"],
}


def setup(app: Any) -> None:
    """Add the contents to the README and show mermaid pictures as text: their renderer would come from the network."""
    app.add_lexer("mermaid", TextLexer)
    app.connect("source-read", _add_contents)


def _add_contents(app: Any, page: str, source: list[str]) -> None:
    if page != root_doc:
        return
    for caption, pages in CONTENTS.items():
        paths = "\n".join(each if each.startswith("/") else f"/docs/{each}" for each in pages)
        source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{paths}\n```\n"
