"""Puts together what is shipped: the jars with Scala, Java and native files, and the wheel that holds jars.

Run by `make dist` after everything is compiled. Archives are reproducible: sorted entries, fixed times.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import tomllib

ROOT = Path(__file__).resolve().parent.parent
NATIVE_FILES = ("libcandlewick_native.so", "candlewick-trainer")
NATIVE_FOLDER = "candlewick/native/linux/x86_64"
WHEEL_PLATFORM = "manylinux_2_28_x86_64"
PYTHON = ROOT / "spark-package/python"
#: Time of every entry in the archives.
EPOCH = (2025, 1, 1, 0, 0, 0)


class Line(NamedTuple):
    """Versions of Spark that one jar serves, by the oldest of them, and the Scala that it is compiled with."""

    spark: str
    scala: str

    @property
    def name(self) -> str:
        """As it stands in the names of jars."""
        return f"{self.spark}_{self.scala}"

    @property
    def classes(self) -> tuple[Path, Path]:
        """The folders where Maven puts its classes (pom.xml, line.directory)."""
        folder = "target" if self == LINES[0] else f"target/spark-{self.name}"
        return ROOT / "jvm-bridge/target/classes", ROOT / "spark-package" / folder / "classes"


#: That of the tests first.
LINES = (Line("4.0", "2.13"), Line("3.5", "2.12"), Line("3.5", "2.13"))
#: The lines of PySpark as PyPI has it (docs/adr/0027-jars-by-line.md).
IN_WHEEL = LINES[:2]


class DistError(Exception):
    """Something is missing; the message says what to do."""


def version() -> str:
    """The version of everything: that of the Rust workspace."""
    with (ROOT / "Cargo.toml").open("rb") as file:
        return str(tomllib.load(file)["workspace"]["package"]["version"])


def jar_name(line: Line = LINES[0]) -> str:
    """Name of the jar: the line of Spark and Scala, then the version."""
    return f"candlewick-spark-{line.name}-{version()}.jar"


def wheel_name() -> str:
    """Name of the wheel."""
    return f"candlewick-{version()}-py3-none-{WHEEL_PLATFORM}.whl"


def stripped(source: Path, folder: Path) -> Path:
    """A copy of a native file without what only a debugger reads."""
    if not source.is_file():
        raise DistError(f"{source} is missing: run `make dist`, which builds it first")
    copy = folder / source.name
    shutil.copy2(source, copy)
    strip = shutil.which("strip") or shutil.which("llvm-strip")
    if strip is None:
        raise DistError("neither strip nor llvm-strip is installed: install binutils")
    subprocess.run([strip, "--strip-unneeded", str(copy)], check=True)
    return copy


def class_files(line: Line) -> dict[str, bytes]:
    """Everything that the JVM modules compiled for a line, by its path in the jar."""
    entries: dict[str, bytes] = {}
    for folder in line.classes:
        if not folder.is_dir():
            raise DistError(f"{folder} is missing: run `make dist`, which compiles it first")
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entries[path.relative_to(folder).as_posix()] = path.read_bytes()
    return entries


def native_files(built: Path) -> dict[str, bytes]:
    """The native files and their checksums, by their path in the jar."""
    entries: dict[str, bytes] = {}
    sums = ""
    with tempfile.TemporaryDirectory() as folder:
        for name in NATIVE_FILES:
            data = stripped(built / name, Path(folder)).read_bytes()
            entries[f"{NATIVE_FOLDER}/{name}"] = data
            sums += f"{hashlib.sha256(data).hexdigest()}  {name}\n"
    entries[f"{NATIVE_FOLDER}/SHA256SUMS"] = sums.encode()
    return entries


def write_zip(path: Path, entries: dict[str, bytes]) -> None:
    """Writes an archive whose bytes depend on its contents only."""
    part = path.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    part.replace(path)


def make_jar(built: Path | None, out: Path, line: Line = LINES[0]) -> Path:
    """The jar of a line."""
    if built is None:
        raise DistError("the jar needs --native, the folder of the cdylib and the trainer")
    manifest = f"Manifest-Version: 1.0\nImplementation-Title: Candlewick\nImplementation-Version: {version()}\n\n"
    entries = {"META-INF/MANIFEST.MF": manifest.encode(), "META-INF/LICENSE": (ROOT / "LICENSE").read_bytes()}
    # By which candlewick._lines sees whether it is for the Spark that runs.
    of_line = {"candlewick/line.properties": f"spark={line.spark}\nscala={line.scala}\n".encode()}
    found = {**class_files(line), **native_files(built), **of_line}
    # What Maven leaves of its own in META-INF says nothing; services are what Spark looks for.
    wanted = [name for name in found if not name.startswith("META-INF/") or name.startswith("META-INF/services/")]
    entries.update({name: found[name] for name in sorted(wanted)})
    path = out / jar_name(line)
    write_zip(path, entries)
    return path


def make_wheel(out: Path) -> Path:
    """The wheel, built in a copy of the sources so that the checkout stays clean."""
    inside = [out / jar_name(line) for line in IN_WHEEL]
    for jar in inside:
        if not jar.is_file():
            raise DistError(f"{jar} is missing: run `make dist`, which builds it first")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "python"
        shutil.copytree(
            PYTHON,
            source,
            ignore=shutil.ignore_patterns("build", "dist", "*.egg-info", "jars", "__pycache__"),
        )
        jars = source / "candlewick" / "jars"
        jars.mkdir()
        for jar in inside:
            shutil.copy2(jar, jars / jar.name)
        shutil.copy2(ROOT / "LICENSE", source / "LICENSE")
        command = [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            folder,
            str(source),
        ]
        command.append(f"--config-setting=--build-option=--plat-name={WHEEL_PLATFORM}")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            raise DistError(f"the wheel was not built:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        path = out / wheel_name()
        shutil.move(wheels[0], path)
    return path


def main() -> int:
    """Writes one archive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--native", type=Path, help="for the jar: folder of the cdylib and the trainer")
    parser.add_argument("--line", choices=[line.name for line in LINES], default=LINES[0].name, help="for the jar")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("what", choices=["jar", "wheel"], help="the wheel holds jars, which must be there already")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        line = next(line for line in LINES if line.name == given.line)
        path = make_jar(given.native, given.out, line) if given.what == "jar" else make_wheel(given.out)
    except DistError as error:
        print(f"dist: {error}", file=sys.stderr)
        return 1
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    print(f"{shown}  {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
