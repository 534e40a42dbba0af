"""The licences of the crates that are linked into the native files, which these licences want to go along with them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: The crates that the native files are built of.
SHIPPED = {"candlewick-native", "candlewick-trainer"}
#: Beginnings of the names that files with such texts have.
NAMES = ("LICENSE", "LICENCE", "UNLICENSE", "NOTICE", "COPYING", "COPYRIGHT")
HEAD = """Candlewick's native files contain code of these packages of crates.io, and of Rust's standard library
(MIT OR Apache-2.0, https://www.rust-lang.org). The texts of their licences follow, equal ones once.

"""
RULE = "-" * 100 + "\n"


def linked(architecture: str) -> list[dict[str, Any]]:
    """The packages of others that what ships for an architecture depends on, as `cargo metadata` tells of them."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    command += ["--filter-platform", f"{architecture}-unknown-linux-gnu"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    told = json.loads(done.stdout)
    packages = {package["id"]: package for package in told["packages"]}
    nodes = {node["id"]: node for node in told["resolve"]["nodes"]}
    waiting = [name for name, package in packages.items() if package["name"] in SHIPPED]
    seen = set(waiting)
    while waiting:
        for needed in nodes[waiting.pop()]["deps"]:
            # Those of tests and of build scripts have a kind; they are not linked.
            if needed["pkg"] not in seen and any(kind["kind"] is None for kind in needed["dep_kinds"]):
                seen.add(needed["pkg"])
                waiting.append(needed["pkg"])
    return [packages[name] for name in seen if packages[name]["source"] is not None]


def text(packages: Iterable[dict[str, Any]]) -> str:
    """The packages with their licences, and the texts of these."""
    lines: list[str] = []
    texts: dict[str, list[str]] = {}
    for package in sorted(packages, key=lambda one: (one["name"], one["version"])):
        name = f"{package['name']} {package['version']}"
        files = sorted(
            path
            for path in Path(package["manifest_path"]).parent.iterdir()
            if path.is_file() and path.name.upper().startswith(NAMES)
        )
        about = ", ".join(filter(None, (package["license"], package["repository"])))
        lines.append(f"{name}: {about}{'' if files else ' (no text in its sources)'}\n")
        for path in files:
            content = path.read_text(encoding="utf-8", errors="replace").strip()
            texts.setdefault(content, []).append(f"{name} ({path.name})")
    parts = (f"\n{RULE}{', '.join(of)}\n{RULE}\n{content}\n" for content, of in texts.items())
    return HEAD + "".join(lines) + "".join(parts)


def third_party(architectures: Iterable[str]) -> str:
    """What goes along with the native files for these architectures."""
    packages = {package["id"]: package for architecture in architectures for package in linked(architecture)}
    return text(packages.values())
