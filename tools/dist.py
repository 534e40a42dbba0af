"""Puts together what is shipped: the jars with Scala, Java and native files, and the wheel that holds jars.

Run by `make dist` after everything is compiled. Archives are reproducible: sorted entries, fixed times and modes.
"""

from __future__ import annotations

import argparse
import calendar
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import tomllib

from tools import licences

ROOT = Path(__file__).resolve().parent.parent
NATIVE_FILES = ("libcandlewick_native.so", "candlewick-trainer")
#: What the artifact candlewick-cuda holds, and the name of its list of checksums: both artifacts may be on one class path.
CUDA_FILES = ("candlewick-trainer-gpu", "libcandlewick_score_gpu.so")
CUDA_SUMS = "SHA256SUMS-cuda"
#: What ships is for these (docs/adr/0029-arm64.md); by the numbers that ELF headers have for them.
ARCHITECTURES = {62: "x86_64", 183: "aarch64"}
#: The Rust target of this machine, and where its native files are built.
TRIPLE = f"{platform.machine()}-unknown-linux-gnu"
NATIVE_DIR = ROOT / "target" / TRIPLE / "release"
PYTHON = ROOT / "spark-package/python"
PYTHON_CUDA = ROOT / "spark-package/python-cuda"
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


def cuda_jar_name() -> str:
    """Name of the jar with the trainer and the library for GPUs, which holds no class: one for every line of Spark."""
    return f"candlewick-cuda-{version()}.jar"


def native_folder(architecture: str) -> str:
    """Where the jar has the native files for an architecture."""
    return f"candlewick/native/linux/{architecture}"


def architectures(jar: Path, listed: str = "SHA256SUMS") -> list[str]:
    """The architectures that a jar has native files for."""
    with zipfile.ZipFile(jar) as archive:
        names = set(archive.namelist())
    return sorted(one for one in ARCHITECTURES.values() if f"{native_folder(one)}/{listed}" in names)


def wheel_platforms(of: Iterable[str]) -> list[str]:
    """The wheel's platform tags."""
    return [f"manylinux_2_28_{architecture}" for architecture in sorted(of)]


def wheel_name(of: Iterable[str] | None = None) -> str:
    """Name of the wheel for these architectures: if none is named, for those of the jar in `dist/`."""
    found = architectures(ROOT / "dist" / jar_name()) if of is None else of
    return f"candlewick-{version()}-py3-none-{'.'.join(wheel_platforms(found))}.whl"


def architecture_of(file: Path) -> str:
    """The architecture of a native file, by its ELF header."""
    if not file.is_file():
        raise DistError(f"{file} is missing: run `make dist`, which builds it first")
    with file.open("rb") as opened:
        head = opened.read(20)
    found = ARCHITECTURES.get(int.from_bytes(head[18:20], "little"))
    if head[:4] != b"\x7fELF" or found is None:
        raise DistError(f"{file} is no program or library for Linux on {' or '.join(ARCHITECTURES.values())}")
    return found


def strip_command(architecture: str) -> list[str]:
    """The tool that strips files of an architecture: binutils know one, those of LLVM all."""
    own = architecture == platform.machine()
    for name in ("strip" if own else f"{architecture}-linux-gnu-strip", "llvm-strip"):
        tool = shutil.which(name)
        if tool is not None:
            return [tool]
    if own:
        raise DistError("neither strip nor llvm-strip is installed: install binutils")
    # Rust brings one of LLVM's, but not the path to its library.
    asked = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True)
    rust = Path(asked.stdout.strip())
    for path in rust.glob("lib/rustlib/*/bin/rust-objcopy"):
        return ["env", f"LD_LIBRARY_PATH={rust / 'lib'}", str(path)]
    raise DistError(f"nothing here strips files for {architecture}: install binutils for it, or LLVM")


def stripped(source: Path, folder: Path) -> Path:
    """A copy of a native file without what only a debugger reads."""
    command = strip_command(architecture_of(source))
    copy = folder / source.name
    shutil.copy2(source, copy)
    subprocess.run([*command, "--strip-unneeded", str(copy)], check=True)
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


def native_files(built: Path, names: Sequence[str] = NATIVE_FILES, listed: str = "SHA256SUMS") -> dict[str, bytes]:
    """The native files of a folder and their checksums, by their path in the jar."""
    entries: dict[str, bytes] = {}
    sums = ""
    of = {architecture_of(built / name) for name in names}
    if len(of) != 1:
        raise DistError(f"{built} holds files for {' and '.join(sorted(of))}: build them anew")
    into = native_folder(of.pop())
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            data = stripped(built / name, Path(folder)).read_bytes()
            entries[f"{into}/{name}"] = data
            sums += f"{hashlib.sha256(data).hexdigest()}  {name}\n"
    entries[f"{into}/{listed}"] = sums.encode()
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


def about(title: str) -> dict[str, bytes]:
    """What every jar begins with."""
    manifest = f"Manifest-Version: 1.0\nImplementation-Title: {title}\nImplementation-Version: {version()}\n\n"
    return {"META-INF/MANIFEST.MF": manifest.encode(), "META-INF/LICENSE": (ROOT / "LICENSE").read_bytes()}


def make_cuda_jar(built: Sequence[Path], out: Path) -> Path:
    """The jar with the trainers and libraries for GPUs of these folders, each for another architecture."""
    if not built:
        raise DistError("the jar needs --native, the folder of candlewick-trainer-gpu: `make dist-gpu` builds it")
    entries = about("Candlewick for CUDA")
    for folder in built:
        entries.update(native_files(folder, CUDA_FILES, CUDA_SUMS))
    path = out / cuda_jar_name()
    write_zip(path, entries)
    return path


def make_cuda_wheel(out: Path) -> Path:
    """The wheel that holds that jar. Its programs run where the C library is no older than the one here, which built them."""
    jar = out / cuda_jar_name()
    if not jar.is_file():
        raise DistError(f"{jar} is missing: run `make dist-gpu`, which builds it first")
    of = architectures(jar, CUDA_SUMS)
    minor = platform.libc_ver()[1].split(".")[1]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "python"
        shutil.copytree(PYTHON_CUDA, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
        (source / "VERSION").write_text(version())
        shutil.copy2(jar, source / "candlewick_cuda" / jar.name)
        shutil.copy2(ROOT / "LICENSE", source / "LICENSE")
        wheel = built_wheel(source, Path(folder), [f"manylinux_2_{minor}_{one}" for one in of])
        for old in out.glob(f"candlewick_cuda-{version()}-py3-none-*.whl"):
            old.unlink()
        path = out / wheel.name
        shutil.move(wheel, path)
    return path


def built_wheel(source: Path, into: Path, platforms: Sequence[str]) -> Path:
    """Builds the wheel of a folder of sources, whose modes it sets, for these platforms."""
    for path in source.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(calendar.timegm(EPOCH))}
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(into), str(source)]
    first, *more = platforms
    command.append(f"--config-setting=--build-option=--plat-name={first}")
    done = subprocess.run(command, env=environment, umask=0o022, capture_output=True, text=True, check=False)
    wheels = list(into.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise DistError(f"the wheel was not built:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    for tag in more:
        retag = [sys.executable, "-m", "wheel", "tags", "--remove", f"--platform-tag=+{tag}", str(wheels[0])]
        subprocess.run(retag, env=environment, umask=0o022, check=True, stdout=subprocess.DEVNULL)
        wheels = list(into.glob("*.whl"))
    return wheels[0]


def make_jar(built: Sequence[Path], out: Path, line: Line = LINES[0]) -> Path:
    """The jar of a line, with the native files of these folders, each of another architecture."""
    if not built:
        raise DistError("the jar needs --native, the folder of the cdylib and the trainer")
    entries = about("Candlewick")
    of = [architecture_of(folder / NATIVE_FILES[0]) for folder in built]
    entries["META-INF/THIRD-PARTY"] = licences.third_party(of).encode()
    found = class_files(line)
    # By which candlewick._lines sees whether it is for the Spark that runs.
    found["candlewick/line.properties"] = f"spark={line.spark}\nscala={line.scala}\n".encode()
    for folder in built:
        found.update(native_files(folder))
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
    of = architectures(inside[0])
    if any(architectures(jar) != of for jar in inside):
        raise DistError("the jars are for different processors: build them anew")
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
        with zipfile.ZipFile(inside[0]) as archive:
            # setuptools puts what is named so with the licences.
            (source / "NOTICE-THIRD-PARTY").write_bytes(archive.read("META-INF/THIRD-PARTY"))
        wheel = built_wheel(source, Path(folder), wheel_platforms(of))
        # One for another set of architectures would be a wheel that holds another jar.
        for old in out.glob(f"candlewick-{version()}-py3-none-*.whl"):
            old.unlink()
        path = out / wheel.name
        shutil.move(wheel, path)
    return path


def main() -> int:
    """Writes one archive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--native",
        type=Path,
        action="append",
        default=[],
        help="for a jar: folder of the cdylib and the trainer, or of the trainer for GPUs; once for each architecture",
    )
    parser.add_argument("--line", choices=[line.name for line in LINES], default=LINES[0].name, help="for the jar")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    whats = ["jar", "wheel", "cuda-jar", "cuda-wheel"]
    parser.add_argument("what", choices=whats, help="a wheel holds jars, which must be there already")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        line = next(line for line in LINES if line.name == given.line)
        make = {
            "jar": lambda: make_jar(given.native, given.out, line),
            "wheel": lambda: make_wheel(given.out),
            "cuda-jar": lambda: make_cuda_jar(given.native, given.out),
            "cuda-wheel": lambda: make_cuda_wheel(given.out),
        }
        path = make[given.what]()
    except DistError as error:
        print(f"dist: {error}", file=sys.stderr)
        return 1
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    print(f"{shown}  {path.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
