"""What is shipped: contents of jar and wheel, oldest C library of the native files. Run by `make test`."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from candlewick import _lines
from tools import dist, licences

OUT = dist.ROOT / "dist"
OLDEST_GLIBC = (2, 28)


@pytest.fixture(scope="module", params=dist.IN_WHEEL, ids=lambda line: line.name)
def jar(request: pytest.FixtureRequest) -> zipfile.ZipFile:
    return zipfile.ZipFile(OUT / dist.jar_name(request.param))


@pytest.fixture(scope="module")
def wheel() -> zipfile.ZipFile:
    return zipfile.ZipFile(OUT / dist.wheel_name())


#: `make test` builds for this machine, `make dist` for all.
BUILT = dist.architectures(OUT / dist.jar_name()) if (OUT / dist.jar_name()).is_file() else []


def test_the_package_knows_the_jars_that_are_built() -> None:
    built = [(line.spark, line.scala, dist.jar_name(line)) for line in dist.LINES]
    assert built == [(line.spark, line.scala, line.jar) for line in _lines.LINES]


def test_jar_is_for_this_machine() -> None:
    assert platform.machine() in BUILT


def test_jar_holds_scala_java_and_native_files(jar: zipfile.ZipFile) -> None:
    names = set(jar.namelist())
    wanted = {
        "META-INF/LICENSE",
        "META-INF/THIRD-PARTY",
        "candlewick/NeuralClassifier.class",
        "candlewick/NeuralClassificationModel.class",
        "candlewick/NeuralRegressor.class",
        "candlewick/NeuralRegressionModel.class",
        "candlewick/nn.class",
        "candlewick/optim.class",
        "candlewick/jni/NativeLibrary.class",
        "META-INF/services/org.apache.spark.sql.SparkSessionExtensionsProvider",
    }
    files = (*dist.NATIVE_FILES, "SHA256SUMS")
    wanted |= {f"{dist.native_folder(architecture)}/{name}" for architecture in BUILT for name in files}
    assert wanted <= names, f"missing: {sorted(wanted - names)}"


def test_jar_holds_nothing_of_others(jar: zipfile.ZipFile) -> None:
    """Only our own classes; the one package of Spark's holds our shims and nothing else."""
    for name in jar.namelist():
        ours = name.startswith(("META-INF/", "candlewick/"))
        shim = re.fullmatch(r"org/apache/spark/(sql|ml)/([a-z]+/)*Candlewick\w*(\$\w*)*\.class", name)
        assert ours or shim, f"{name} does not belong into the jar"


@pytest.mark.parametrize("architecture", BUILT)
def test_checksums_are_those_of_the_files(jar: zipfile.ZipFile, architecture: str) -> None:
    into = dist.native_folder(architecture)
    lines = jar.read(f"{into}/SHA256SUMS").decode().splitlines()
    listed = {name: checksum for checksum, name in (line.split("  ") for line in lines)}
    assert sorted(listed) == sorted(dist.NATIVE_FILES)
    for name, checksum in listed.items():
        assert hashlib.sha256(jar.read(f"{into}/{name}")).hexdigest() == checksum


@pytest.mark.parametrize("name", dist.NATIVE_FILES)
@pytest.mark.parametrize("architecture", BUILT)
def test_native_files_need_no_newer_glibc(jar: zipfile.ZipFile, architecture: str, name: str) -> None:
    elf = ELFFile(io.BytesIO(jar.read(f"{dist.native_folder(architecture)}/{name}")))
    assert elf["e_machine"] == {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}[architecture]
    needed = elf.get_section_by_name(".gnu.version_r")
    assert isinstance(needed, GNUVerNeedSection)
    versions = {version.name for _, group in needed.iter_versions() for version in group}
    numbers = {
        tuple(map(int, found[1].split("."))) for text in versions if (found := re.match(r"GLIBC_([\d.]+)$", text))
    }
    assert numbers, f"no GLIBC versions among {sorted(versions)}"
    assert max(numbers) <= OLDEST_GLIBC, f"{name} needs glibc {max(numbers)}"
    dynamic = elf.get_section_by_name(".dynamic")
    assert isinstance(dynamic, DynamicSection)
    libraries = {str(getattr(tag, "needed", "")) for tag in dynamic.iter_tags("DT_NEEDED")}
    known = {
        "libc.so.6",
        "libm.so.6",
        "libpthread.so.0",
        "libdl.so.2",
        "librt.so.1",
        "ld-linux-x86-64.so.2",
        "ld-linux-aarch64.so.1",
        "libgcc_s.so.1",
    }
    assert libraries <= known, f"{name} needs {sorted(libraries - known)}"


def test_wheel_holds_the_jars_of_pyspark_and_typed_python(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {"candlewick/__init__.py", "candlewick/py.typed"} <= names
    assert not [name for name in names if "test" in name]
    notice = wheel.read(f"candlewick-{dist.version()}.dist-info/licenses/NOTICE-THIRD-PARTY")
    assert notice == zipfile.ZipFile(OUT / dist.jar_name()).read("META-INF/THIRD-PARTY")
    jars = {f"candlewick/jars/{dist.jar_name(line)}": OUT / dist.jar_name(line) for line in dist.IN_WHEEL}
    assert {name for name in names if name.startswith("candlewick/jars/")} == set(jars)
    for name, path in jars.items():
        assert wheel.read(name) == path.read_bytes()
    assert (OUT / dist.wheel_name()).stat().st_size < 100e6, "the most that PyPI takes"
    tags = wheel.read(f"candlewick-{dist.version()}.dist-info/WHEEL").decode()
    told = sorted(line for line in tags.splitlines() if line.startswith("Tag: "))
    assert told == [f"Tag: py3-none-{tag}" for tag in dist.wheel_platforms(BUILT)]


def test_a_wheel_for_two_processors_says_so() -> None:
    assert dist.wheel_name(["x86_64"]).endswith("-py3-none-manylinux_2_28_x86_64.whl")
    name = dist.wheel_name(dist.ARCHITECTURES.values())
    assert name.endswith("-py3-none-manylinux_2_28_aarch64.manylinux_2_28_x86_64.whl")


def test_files_for_another_processor_are_not_packed(tmp_path: Path) -> None:
    built = {name: tmp_path / name for name in dist.NATIVE_FILES}
    for name, path in built.items():
        path.write_bytes((dist.NATIVE_DIR / name).read_bytes()[:64])
        assert dist.architecture_of(path) == platform.machine()
    with built["candlewick-trainer"].open("r+b") as file:
        file.seek(18)
        # RISC-V.
        file.write((243).to_bytes(2, "little"))
    with pytest.raises(dist.DistError, match="no program or library for Linux on x86_64 or aarch64"):
        dist.native_files(tmp_path)
    other = next(number for number, name in dist.ARCHITECTURES.items() if name != platform.machine())
    with built["candlewick-trainer"].open("r+b") as file:
        file.seek(18)
        file.write(other.to_bytes(2, "little"))
    with pytest.raises(dist.DistError, match="holds files for aarch64 and x86_64: build them anew"):
        dist.native_files(tmp_path)


def test_the_wheel_leaves_pyspark_to_the_cluster(wheel: zipfile.ZipFile) -> None:
    lines = wheel.read(f"candlewick-{dist.version()}.dist-info/METADATA").decode().splitlines()
    needed = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    assert [line for line in needed if "extra ==" not in line] == ["numpy>=1.24"]
    spark = [line for line in needed if line.startswith("pyspark")]
    assert len(spark) == 1 and re.search(r"extra == ['\"]spark['\"]", spark[0]), needed


def test_installed_wheel_finds_its_jar(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "candlewick", "jars"],
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(tmp_path / "candlewick" / "jars" / dist.jar_name())


def test_one_version_everywhere() -> None:
    pom = (dist.ROOT / "pom.xml").read_text()
    assert f"<version>{dist.version()}</version>" in pom
    for module in ("jvm-bridge", "spark-package", "examples"):
        assert f"<version>{dist.version()}</version>" in (dist.ROOT / module / "pom.xml").read_text()


def test_archives_are_reproducible(tmp_path: Path) -> None:
    entries = {"a": b"1", "b": b"2"}
    dist.write_zip(tmp_path / "one.zip", entries)
    dist.write_zip(tmp_path / "two.zip", entries)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_wheels_are_reproducible(tmp_path: Path) -> None:
    project = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    project += '[project]\nname = "one"\nversion = "1"\n[tool.setuptools]\npackages = ["one"]\n'
    built = []
    for mode, mask, time in ((0o644, 0o022, 1e9), (0o600, 0o077, 1.5e9)):
        source = tmp_path / f"{mode:o}" / "source"
        (source / "one").mkdir(parents=True)
        for name, text in (("pyproject.toml", project), ("one/__init__.py", "")):
            path = source / name
            path.write_text(text)
            path.chmod(mode)
            os.utime(path, (time, time))
        before = os.umask(mask)
        try:
            built.append(dist.built_wheel(source, source.parent, ["manylinux_2_28_aarch64", "manylinux_2_28_x86_64"]))
        finally:
            os.umask(before)
    assert built[0].name == built[1].name == "one-1-py3-none-manylinux_2_28_aarch64.manylinux_2_28_x86_64.whl"
    infos = [
        [(info.filename, info.date_time, oct(info.external_attr >> 16)) for info in zipfile.ZipFile(path).infolist()]
        for path in built
    ]
    assert infos[0] == infos[1]
    assert {time for _, time, _ in infos[0]} == {dist.EPOCH}
    assert built[0].read_bytes() == built[1].read_bytes()


def crate(folder: Path, name: str, licence: str, **texts: str) -> dict[str, str]:
    """A crate as `cargo metadata` tells of it."""
    (folder / name / "src").mkdir(parents=True)
    for file, text in texts.items():
        (folder / name / file).write_text(text)
    about = {"name": name, "version": "1.0.0", "license": licence, "repository": f"https://host/{name}"}
    return {**about, "manifest_path": str(folder / name / "Cargo.toml")}


def test_texts_of_licences_that_are_equal_stand_once(tmp_path: Path) -> None:
    apache = "Apache License\n"
    packages = [
        crate(tmp_path, "two", "MIT", LICENSE="Two's\n", NOTICE="Made by Two\n", README="no licence"),
        crate(tmp_path, "one", "MIT OR Apache-2.0", LICENSE_MIT="One's", LICENSE_APACHE=apache),
        crate(tmp_path, "three", "Apache-2.0", COPYING="\nApache License   \n\n"),
        crate(tmp_path, "four", "Apache-2.0"),
    ]
    told = licences.text(packages)
    assert told == licences.text(packages[::-1])
    assert "four 1.0.0: Apache-2.0, https://host/four (no text in its sources)\n" in told
    assert "one 1.0.0: MIT OR Apache-2.0, https://host/one\n" in told
    assert told.count("Apache License") == 1
    assert "one 1.0.0 (LICENSE_APACHE), three 1.0.0 (COPYING)\n" in told
    assert "Made by Two" in told and "no licence" not in told


def test_licences_are_told_of_what_ships_and_of_nothing_else() -> None:
    told = licences.third_party([platform.machine()])
    listed = set(re.findall(r"^([\w-]+) \d+\.\d+\S*: ", told, re.MULTILINE))
    # Straight, through another crate, and the one that only the library has.
    assert {"arrow-flight", "tonic", "jni"} <= listed
    assert not [name for name in listed if name.startswith("candlewick")]
    assert not {"proptest", "criterion"} & listed, "tests and benchmarks do not ship"
    assert "Permission is hereby granted" in told
