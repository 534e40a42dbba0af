"""The site of the documents, without building it: every page is in its navigation, and links that leave docs/ find their page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tools import site
from tools.architecture import ROOT

CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
DOCS = ROOT / "docs"


def pages(nav: Any) -> Iterator[str]:
    """The pages of a navigation, in its order."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from pages(part)


NAV = site.expanded(CONFIG["nav"])


def test_every_document_is_in_the_navigation_once() -> None:
    listed = [page for page in pages(NAV) if not page.startswith(f"{site.OUTSIDE}/")]
    there = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    assert sorted(listed) == sorted(there), "mkdocs.yml names every page of docs/ in its nav, once"


def test_what_the_navigation_has_from_outside_is_linked() -> None:
    outside = {page for page in pages(NAV) if page.startswith(f"{site.OUTSIDE}/")}
    assert outside <= {site.page_of(source) for source in site.gathered()}


def test_nothing_is_loaded_from_other_sites() -> None:
    assert CONFIG["theme"]["font"] is False
    assert "mermaid" not in str(CONFIG["markdown_extensions"]), "the theme would load mermaid from another site"


def test_a_wrong_link_fails_the_build() -> None:
    assert CONFIG["strict"] is True
    assert {*CONFIG["validation"]["links"].values(), *CONFIG["validation"]["nav"].values()} == {"warn"}


def test_the_index_has_the_tasks() -> None:
    found = site.tasks((DOCS / "index.md").read_text())
    assert [title for title, _ in found] == ["Train", "Tune", "Score", "Stream", "Save", "Deploy", "Troubleshoot"]
    assert ("Deploy", "index.md#where-it-runs") in found


@pytest.mark.parametrize(
    ("link", "source", "moved"),
    [
        ("gpu.md#building-it", "docs/index.md", "gpu.md#building-it"),
        ("../gpu.md", "docs/adr/0012-segments-on-devices.md", "../gpu.md"),
        ("../CHANGELOG.md", "docs/reproducibility.md", "project/CHANGELOG.md"),
        ("../../CONTRIBUTING.md#rules", "docs/contributing/debugging.md", "../project/CONTRIBUTING.md#rules"),
        ("../examples/python/digits.py", "docs/index.md", "project/examples/python/digits.py.md"),
        ("docs/glossary.md", "CONTRIBUTING.md", "../glossary.md"),
        ("../docs/performance.md", "benchmarks/README.md", "../../performance.md"),
        ("https://example.org/a.md", "docs/index.md", "https://example.org/a.md"),
        ("#limits", "docs/index.md", "#limits"),
    ],
)
def test_links_are_those_of_the_site(link: str, source: str, moved: str) -> None:
    assert site.moved(f"a [b]({link}) c", source) == f"a [b]({moved}) c"


def test_blocks_of_code_stay_as_they_are() -> None:
    text = "```python\nx = [a](../CHANGELOG.md)\n```\n"
    assert site.moved(text, "docs/index.md") == text


def test_examples_of_docstrings_are_code() -> None:
    lines = ["Text.", "", ">>> f(x)  # doctest: +SKIP", "3", "", "More.", "```", ">>> as it is", "```"]
    wanted = ["Text.", "", "", "```pycon", ">>> f(x)", "3", "```", "", "More.", "```", ">>> as it is", "```"]
    assert site.examples_as_code(lines) == wanted


def test_a_link_to_a_folder_is_refused() -> None:
    with pytest.raises(site.SiteError, match=r"docs/index\.md links to the folder \.\./examples"):
        site.moved("[b](../examples/)", "docs/index.md")


def test_files_outside_that_are_linked_get_pages() -> None:
    found = site.gathered()
    assert {"CONTRIBUTING.md", "CHANGELOG.md", "examples/data/export_digits.py"} <= set(found)
    shown = site.shown("examples/data/export_digits.py", found["examples/data/export_digits.py"])
    assert shown.startswith("# examples/data/export_digits.py\n\n````python\n")
