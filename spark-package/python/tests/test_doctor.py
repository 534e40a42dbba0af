"""The doctor's table and its checks that need no JVM."""

import sys

import pytest

from candlewick import __main__, doctor
from candlewick._version import __version__
from candlewick.doctor import Check


def test_table_has_columns_and_fixes_below():
    text = doctor.table([Check("Java", "ok", "17"), Check("Jar", "broken", "not found", "install the wheel")])
    assert text.splitlines() == [
        "Java  ok      17",
        "Jar   broken  not found",
        "              -> install the wheel",
    ]


def test_checks_of_this_interpreter_pass():
    assert doctor.check_python().status == "ok"
    assert doctor.check_pyspark().status == "ok"


def test_missing_java_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    check = doctor.check_java()
    assert check.status == "broken"
    assert f"install Java {doctor.OLDEST_JAVA}" in check.fix


@pytest.mark.parametrize(
    ("version", "oldest", "found"),
    [("11.0.2", 17, ("broken", "11.0.2")), ("11.0.2", 8, ("ok", "11.0.2")), ("1.8.0_402", 8, ("ok", "8.0_402"))],
)
def test_old_java_is_refused(monkeypatch, tmp_path, version, oldest, found):
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "OLDEST_JAVA", oldest)
    check = doctor.check_java()
    assert (check.status, check.found.split()[0]) == found


def test_a_wrong_jar_is_broken_and_stops_before_spark(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CANDLEWICK_JAR", str(tmp_path / "none.jar"))
    monkeypatch.setattr(doctor, "check_in_spark", lambda: pytest.fail("no JVM without a jar"))
    assert doctor.main(as_json=False) == 1
    assert "is not a file" in capsys.readouterr().out


def test_json_output(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda: [Check("Python", "ok", "3")])
    assert doctor.main(as_json=True) == 0
    assert '"status": "ok"' in capsys.readouterr().out


def test_command_line(monkeypatch, tmp_path, capsys):
    jar = tmp_path / "x.jar"
    jar.touch()
    monkeypatch.setenv("CANDLEWICK_JAR", str(jar))
    assert __main__.main(["jars"]) == 0
    assert capsys.readouterr().out.strip() == str(jar)
    monkeypatch.setattr(sys, "argv", ["candlewick"])
    with pytest.raises(SystemExit):
        __main__.main(["--version"])
    assert __version__ in capsys.readouterr().out


def test_gpus_and_what_is_missing_to_train_on_them(monkeypatch):
    def refuses():
        raise RuntimeError("this host has no NVIDIA driver: libcuda.so.1 is not there")

    def sees():
        return '{"cuda": "13.0", "version": "0.1.0", "gpus": [{"name": "NVIDIA H100", "memory": 80}]}'

    monkeypatch.setattr(doctor, "gpus_here", list)
    assert doctor.check_gpu() == Check("GPU", "none", "no NVIDIA device; training runs on the CPU")
    assert doctor.check_gpu(refuses).status == "none"
    monkeypatch.setattr(doctor, "gpus_here", lambda: ["NVIDIA H100, 81559 MiB"])
    assert "pip install candlewick[cuda]" in doctor.check_gpu().fix
    broken = doctor.check_gpu(refuses)
    assert broken.status == "broken" and "no NVIDIA driver" in broken.fix
    assert doctor.check_gpu(sees) == Check("GPU", "ok", "NVIDIA H100; CUDA 13.0, trainer 0.1.0")
