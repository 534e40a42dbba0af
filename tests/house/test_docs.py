"""What the documents say of the project is there: links, paths, commands, and the messages that users look up."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import tomllib

from tools.architecture import ROOT

DOCUMENTS = sorted(
    [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")]
    + list((ROOT / "docs").rglob("*.md"))
)
#: Folders that builds make; paths into them cannot be checked.
MADE = ("target", "dist", ".cache", ".venv")
#: Decisions and the change log tell what was so when they were written.
HISTORY = ("docs/adr/", "CHANGELOG.md")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(path: Path) -> str:
    """A document without its blocks of code."""
    return re.sub(r"^( *)(```|~~~).*?^\1\2", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)


@cache
def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a document."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", prose(path), re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)|`", r"\1", heading).strip().lower()
        anchor = base = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = 1
        while anchor in found:
            anchor, number = f"{base}-{number}", number + 1
        found.add(anchor)
    return found


def test_contributing_has_a_row_for_every_crate() -> None:
    members = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["members"]
    rows = re.findall(r"^\| (.*?) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    named = {folder for row in rows for folder in re.findall(r"`([\w-]+)/`", row)}
    assert set(members) <= named, "add a row to CONTRIBUTING.md, Where things are"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        leads = (path.parent / file).resolve() if file else path
        if not leads.exists() or (anchor and leads.suffix == ".md" and anchor not in anchors(leads)):
            wrong.append(target)
    assert not wrong, f"{name(path)} links to what is not there: {wrong}"


def spread(text: str) -> Iterator[str]:
    """The paths of `a/{b,c}.rs`."""
    found = re.search(r"\{([^{}]*)\}", text)
    if found is None:
        yield text
        return
    for part in found[1].split(","):
        yield from spread(text[: found.start()] + part.strip() + text[found.end() :])


def quoted(text: str) -> list[str]:
    """What stands between backticks, outside of blocks."""
    return re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if not name(path).startswith(HISTORY)], ids=name)
def test_paths_exist(path: Path) -> None:
    folders = {entry.name for entry in ROOT.iterdir() if entry.is_dir()} - set(MADE)
    wrong = []
    for text in quoted(prose(path)):
        if not re.fullmatch(r"[\w.*{},/ -]+", text) or " " in text.replace(", ", ","):
            continue
        for one in spread(text):
            if set(one.split("/")) & set(MADE):
                continue
            if one.split("/")[0] in folders and "/" in one and not list(ROOT.glob(one.rstrip("/"))):
                wrong.append(one)
    assert not wrong, f"{name(path)} names what is not there: {wrong}"


# Messages.


def literal(text: str) -> str:
    """Source text with its strings put together, and a mark in place of what they are filled with."""
    text = re.sub(r"\\\n\s*", "", text)  # Rust's continued lines
    text = re.sub(r"\"\s*\+?\s*\n\s*\+?\s*[sf]?\"", "", text)  # strings joined over lines
    text = text.replace('\\"', '"').replace('""', '"')
    return re.sub(r"\$?\{[^{}\n]*\}|\$\w+|%[sd]", "\0", text)


@cache
def programs() -> list[str]:
    """The files of all programs that users run, without tests."""
    found = []
    for pattern in (
        "*/src/**/*.rs",
        "*/src/main/**/*.java",
        "*/src/main/**/*.scala",
        "spark-package/python/candlewick/**/*.py",
    ):
        paths = [path for path in ROOT.glob(pattern) if "tests" not in path.parts and "tests" not in path.stem]
        found += [literal(path.read_text().split("#[cfg(test)]\nmod tests {")[0]) for path in paths]
    return found


@cache
def sources() -> str:
    """All of them together."""
    return "\n".join(programs())


def fragments(message: str) -> list[str]:
    """What a message says by itself; `...` and names in capitals stand for what they are filled with."""
    parts = [part.strip(' ,;:()"') for part in re.split(r"\.\.\.|\b[A-Z_]{3,}\b", message)]
    return [part for part in parts if len(part) > 3]


def told(message: str) -> bool:
    """True where the sources say the message."""
    parts = fragments(message)
    return bool(parts) and all(part in sources() for part in parts)


#: Messages of others: the loader's, and names of exceptions.
FOREIGN = ("error while loading shared libraries",)


def messages() -> list[str]:
    """The first column of the tables of troubleshooting.md, as far as it is a quotation."""
    cells = re.findall(r"^\| (.+?) \| .+ \|$", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE)
    return [text for cell in cells for text in quoted(cell) if " " in text and not text.startswith(FOREIGN)]


@pytest.mark.parametrize("message", messages())
def test_messages_of_troubleshooting_are_those_of_the_sources(message: str) -> None:
    assert told(message), f"no source says {message!r}"


def test_a_message_that_nobody_says_is_found() -> None:
    assert len(messages()) > 25
    assert not told("the moon ... is made of cheese")


#: Makers of failures, and what they arrive as in Python.
RAISED = {
    **dict.fromkeys(("parameter", "InvalidParameter", "InvalidParameterException"), "InvalidParameterError"),
    **dict.fromkeys(("data", "InvalidData", "InvalidDataException"), "InvalidDataError"),
    **dict.fromkeys(("unavailable", "Unavailable", "RetryableException"), "RetryableError"),
    **dict.fromkeys(("JobFailed", "JobFailedException"), "JobFailedError"),
    **dict.fromkeys(("internal", "Internal", "CandlewickException"), "CandlewickError"),
    **{name: name for name in ("InvalidParameterError", "InvalidDataError", "RetryableError", "JobFailedError")},
}
#: Where one of them is called; of `Failure::new(kind, ...)` the kind.
MAKER = r"(?:\bFailure::|\bFailures\s*\.\s*|\bErrorKind::|\bnew |\braise )(\w+)"


def call_around(text: str, at: int) -> str | None:
    """What the failure is whose maker has the place in its parentheses; none where no call of one is around it."""
    depth = 0
    for place in range(at - 1, -1, -1):
        depth += (text[place] in ")]}") - (text[place] in "([{")
        if depth < 0 and text[place] != "(":
            return None
        if depth < 0:
            depth = 0
            maker = re.search(MAKER + "$", text[max(0, place - 80) : place])
            name = maker[1] if maker else ""
            if name == "new":
                kind = re.search(r"ErrorKind::(\w+)", text[place:at])
                name = kind[1] if kind else ""
            if name in RAISED:
                return RAISED[name]
    return None


def raised(message: str) -> set[str]:
    """The exceptions that a message comes with: by the calls around it, else by files in which all failures are of one kind."""
    parts = fragments(message)
    whole = re.compile(r"[^\n]{0,200}?".join(map(re.escape, parts)))
    # The rest may be filled in from elsewhere.
    longest = re.compile(re.escape(max(parts, key=len)))
    pattern = whole if any(map(whole.search, programs())) else longest
    saying = [text for text in programs() if pattern.search(text)]
    calls = {call_around(text, found.end()) for text in saying for found in pattern.finditer(text)}
    if calls - {None}:
        return {name for name in calls if name}
    files = [{RAISED[name] for name in re.findall(MAKER, text) if name in RAISED} for text in saying]
    return {name for kinds in files if len(kinds) == 1 for name in kinds}


def headed(page: str) -> Iterator[tuple[str, set[str]]]:
    """The messages of the page with the exceptions that their row names, or else the heading of their section.

    Warnings are none, and some sections name no exception.
    """
    classes: set[str] = set()
    for line in page.splitlines():
        if line.startswith("#"):
            classes = set(re.findall(r"\w+Error\b", line))
        cell = re.match(r"\| (.+?) \| .+ \|$", line)
        if cell and classes and "(a warning)" not in cell[1]:
            named = {text for text in quoted(cell[1]) if re.fullmatch(r"\w+Error", text)}
            yield from ((text, named or classes) for text in quoted(cell[1]) if " " in text)


def misplaced(page: str) -> list[str]:
    return [
        f"{message!r} comes with {', '.join(sorted(raised(message)))} and stands under {', '.join(sorted(classes))}"
        for message, classes in headed(page)
        if not raised(message) <= classes
    ]


def test_messages_stand_under_the_exception_that_they_come_with() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    assert not misplaced(page)
    known = [message for message, _ in headed(page) if raised(message)]
    assert len(known) > 55, "where most messages are made is no longer found"


def test_a_message_in_a_wrong_section_is_found() -> None:
    row = "| `the DataFrame is empty` | Check filters. |"
    assert misplaced(f"## Parameters (`InvalidParameterError`)\n{row}\n")
    assert not misplaced(f"## Rows (`InvalidDataError`)\n{row}\n")


# Commands.


def lines_of_commands(path: Path) -> list[str]:
    """Commands between backticks and the lines of blocks of shell."""
    text = path.read_text()
    blocks = re.findall(r"^```(?:sh|bash|shell|)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    indented = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    return [*quoted(prose(path)), *(line.strip() for block in blocks for line in block.splitlines()), *indented]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_commands_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    options = set(re.findall(r"--[a-z-]+", (ROOT / "flight-server/src/cli.rs").read_text()))
    words = set(re.findall(r"\"([a-z]+)\"", (ROOT / "spark-package/python/candlewick/__main__.py").read_text()))
    wrong = []
    for line in lines_of_commands(path):
        command = line.split("#")[0]
        if made := re.match(r"(?:[A-Z_]+=\S+ )*make ([a-z][a-z-]*)(?= |$)", command):
            wrong += [] if made[1] in targets else [command]
        if re.search(r"\bcandlewick-trainer(-gpu)? (serve|gang)\b", command):
            wrong += [f"{command}: {option}" for option in re.findall(r"--[a-z-]+", command) if option not in options]
        if asked := re.search(r"python3? -m candlewick (\w+)", command):
            wrong += [] if asked[1] in words else [command]
        for program in re.findall(r"(?:^| )((?:tools|benchmarks|examples)/[\w/.-]+\.(?:py|sh))", command):
            wrong += [] if (ROOT / program).exists() else [program]
    assert not wrong, f"{name(path)} has commands that do not exist: {wrong}"


def test_every_document_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        path = todo.pop()
        if path in seen or not path.exists():
            continue
        seen.add(path)
        links = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", prose(path))]
        for link in filter(None, links):
            leads = (path.parent / link).resolve()
            todo += [leads] if leads.suffix == ".md" else list(leads.glob("*.md")) if leads.is_dir() else []
    assert not [name(path) for path in DOCUMENTS if path not in seen]


def test_the_scala_of_a_page_is_run() -> None:
    suite = ROOT / "spark-package" / "src" / "test" / "scala" / "candlewick" / "GeneralPageSuite.scala"
    blocks = re.findall(r"^```scala\n(.*?)^```", (ROOT / "docs" / "general-networks.md").read_text(), re.DOTALL | re.M)
    assert blocks
    run = "".join(suite.read_text().split())
    for block in blocks:
        assert "".join(block.split()) in run, f"this stands on the page, and not in {suite.name}:\n{block}"


def test_the_page_of_python_has_what_its_classes_inherit() -> None:
    listed = re.search(r"inherited_members: \[(.+)\]", (ROOT / "docs" / "api" / "python.md").read_text())
    assert listed
    module = ast.parse((ROOT / "spark-package/python/candlewick/_estimators.py").read_text())
    # Those that are no classes of the package themselves.
    bases = [part for part in module.body if isinstance(part, ast.ClassDef)]
    bases = [part for part in bases if part.name in ("_NeuralEstimator", "NeuralModel", "RowModel")]
    methods = {part.name for base in bases for part in base.body if isinstance(part, ast.FunctionDef)}
    assert {name for name in methods if not name.startswith("_")} == set(listed[1].split(", "))
