"""Hooks of MkDocs for the site of the documents (`make docs`).

The documents are written for the repository: they link to files outside of docs/. Each such file gets a page of its own below
project/, an example or a script as a block of code.
"""

from __future__ import annotations

import posixpath
import re
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: Where the files outside of docs/ stand in the site.
OUTSIDE = "project"
#: What `make scaladoc` writes, where it did, and the page that then links to it.
SCALADOC = ROOT / "spark-package" / "target" / "site" / "scaladocs"
SCALADOC_PAGE = "api/scala.md"
#: How blocks of code are marked, by the end of a file's name.
LANGUAGES = {".py": "python", ".scala": "scala", ".yaml": "yaml", ".sh": "bash", ".toml": "toml", ".json": "json"}
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
#: A block of code, or what stands between two of them.
BLOCK = re.compile(r"^( *)(```|~~~).*?^\1\2[^\S\n]*$", re.DOTALL | re.MULTILINE)


class SiteError(Exception):
    """A document holds what the site cannot show; the message says which and what to do."""


def page_of(target: str) -> str:
    """The page of the site that shows a file of the repository: `docs/gpu.md` stands at the top, others below project/."""
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return f"{OUTSIDE}/{target}" + ("" if target.endswith(".md") else ".md")


def _moved(link: str, source: str) -> str:
    """A link of the file `source`, as its page of the site has it."""
    path, mark, anchor = link.partition("#")
    if not path or re.match(r"[a-z]+:", link):
        return link
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if (ROOT / target).is_dir():
        raise SiteError(f"{source} links to the folder {link}: link to a file in it")
    return posixpath.relpath(page_of(target), posixpath.dirname(page_of(source)) or ".") + mark + anchor


def _pieces(markdown: str) -> list[tuple[bool, str]]:
    """A document in pieces, each with whether it is a block of code."""
    pieces, at = [], 0
    for block in BLOCK.finditer(markdown):
        pieces += [(False, markdown[at : block.start()]), (True, block[0])]
        at = block.end()
    return [*pieces, (False, markdown[at:])]


def moved(markdown: str, source: str) -> str:
    """A document of the repository with the links of its page."""

    def link(found: re.Match[str]) -> str:
        return found[1] + _moved(found[2], source) + found[3]

    return "".join(text if is_code else LINK.sub(link, text) for is_code, text in _pieces(markdown))


def outside(markdown: str, source: str) -> set[str]:
    """The files outside of docs/ that a document links to."""
    found = set()
    for is_code, text in _pieces(markdown):
        for link in [] if is_code else LINK.findall(text):
            path = link[1].partition("#")[0]
            if path and not re.match(r"[a-z]+:", link[1]):
                target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
                found |= set() if target.startswith("docs/") else {target}
    return found


def gathered() -> dict[str, str]:
    """The text of every file outside of docs/ that a page shows, by its path: what documents link to, and what those link to."""
    todo = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    found: dict[str, str] = {}
    seen: set[str] = set()
    while todo:
        source = todo.pop()
        seen.add(source)
        text = (ROOT / source).read_text()
        if not source.startswith("docs/"):
            found[source] = text
        if source.endswith(".md"):
            todo |= {path for path in outside(text, source) if path not in seen and (ROOT / path).is_file()}
    return found


def shown(source: str, text: str) -> str:
    """The page of a file outside of docs/."""
    if source.endswith(".md"):
        return text
    return f"# {source}\n\n````{LANGUAGES.get(Path(source).suffix, 'text')}\n{text.rstrip()}\n````\n"


def tasks(index: str) -> list[tuple[str, str]]:
    """The rows of the table below "By task" in the index: what to do, and the place that tells it."""
    table = index.partition("\n## By task\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| \[([^]]+)\]\(([^)\s]+)\)", table, re.MULTILINE)
    return [(title, f"index.md{target}" if target.startswith("#") else target) for title, target in rows]


def expanded(nav: Any) -> Any:
    """A navigation in which the pages of a folder stand for its name (`adr/`)."""
    if isinstance(nav, str):
        folder = ROOT / "docs" / nav
        return [f"{nav}{path.name}" for path in sorted(folder.glob("*.md"))] if nav.endswith("/") else nav
    if isinstance(nav, dict):
        return {title: expanded(part) for title, part in nav.items()}
    return [expanded(part) for part in nav]


def examples_as_code(lines: list[str]) -> list[str]:
    """The lines of a docstring with its examples (`>>> f(x)`), which Markdown takes for quotations, in blocks of code."""
    found: list[str] = []
    inside = fenced = False
    for line in lines:
        fenced ^= line.lstrip().startswith(("```", "~~~"))
        if not inside and not fenced and line.startswith(">>> "):
            found += ["", "```pycon"]
            inside = True
        elif inside and not line.strip():
            found += ["```"]
            inside = False
        found.append(re.sub(r"  # doctest: .*", "", line) if inside else line)
    return [*found, "```"] if inside else found


def on_config(config: Any) -> Any:
    """Headings have the anchors that GitHub gives them, by which documents link.

    In docstrings `val_<metric>` is no tag of HTML, and `>>>` no quotation.
    """
    from markdown import Extension
    from markdown.preprocessors import Preprocessor
    from pymdownx.slugs import slugify

    class Examples(Preprocessor):
        def run(self, lines: list[str]) -> list[str]:
            return examples_as_code(lines)

    class Docstrings(Extension):
        def extendMarkdown(self, md: Any) -> None:
            md.inlinePatterns.deregister("html")
            # Before blocks of code are looked for, after line ends are all of one kind.
            md.preprocessors.register(Examples(md), "examples", 28)

    config.nav = expanded(config.nav)
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    config.markdown_extensions.append(Docstrings())
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages of files outside of docs/."""
    from mkdocs.structure.files import File, InclusionLevel

    listed = str(config.nav)
    for source, text in sorted(gathered().items()):
        page = page_of(source)
        level = InclusionLevel.INCLUDED if f"'{page}'" in listed else InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, page, content=shown(source, text), inclusion=level))
    return files


def on_nav(nav: Any, config: Any, files: Any) -> Any:
    """Puts the tasks of the index behind the first page."""
    from mkdocs.structure.nav import Link, Section

    index = (ROOT / "docs" / "index.md").read_text()
    links = [Link(title, target.replace(".md", ".html")) for title, target in tasks(index)]
    section = Section("By task", links)
    for link in links:
        link.parent = section
    nav.items.insert(1, section)
    return nav


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links of the repository become links of the site."""
    uri = page.file.src_uri
    source = uri.removeprefix(f"{OUTSIDE}/") if uri.startswith(f"{OUTSIDE}/") else f"docs/{uri}"
    if uri == SCALADOC_PAGE and SCALADOC.is_dir():
        markdown += '\n<p><a href="scaladoc/index.html">Scaladoc</a></p>\n'
    return moved(markdown, source)


def on_post_build(config: Any) -> None:
    """Takes in the Scaladoc that was built."""
    if SCALADOC.is_dir():
        shutil.copytree(SCALADOC, Path(config.site_dir) / "api" / "scaladoc", dirs_exist_ok=True)
