"""`python -m candlewick serve` with a program that says how it was run. No JVM; tests/test_flight_page.py has the trainer."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from candlewick import __main__

#: Longest run, seconds; only a failing one comes near it.
DEADLINE = 120
#: In place of the trainer stands a shell: it runs the file "serve" of the folder it is in.
SHELL = Path("/bin/sh").resolve()
#: The folders for temporary files, as the program finds them; its arguments; then it waits for a signal or a line.
PROGRAM = """
echo "$0 $*"; ls -A "$TMPDIR" "$HOME/.cache"; echo running
read -r line; echo "$line"; exit 7
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    for folder in ("temporary", ".cache"):
        (tmp_path / folder).mkdir()
    jar = tmp_path / "x.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        for name in ("candlewick-trainer", "candlewick-trainer-gpu"):
            archive.write(SHELL, f"candlewick/native/linux/{platform.machine()}/{name}")
    (tmp_path / "serve").write_text(PROGRAM)
    jars = {
        "CANDLEWICK_JAR": str(jar),
        "CANDLEWICK_CUDA_JAR": "",
        "PYTHONPATH": str(Path(__main__.__file__).parents[1]),
    }
    return {**os.environ, **jars, "TMPDIR": str(tmp_path / "temporary"), "HOME": str(tmp_path)}


def started(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "candlewick", "serve", *arguments],
        cwd=environment["HOME"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Tests that run behind a shell were told to ignore it, and so is what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_the_program_has_arguments_terminal_and_exit_status_and_no_file_stays(environment: dict[str, str]) -> None:
    with started(environment, "--port", "0", "--token-stdin") as process:
        said, _ = process.communicate("secret\n", timeout=DEADLINE)
    folders = f"{environment['HOME']}/.cache:\n\n{environment['TMPDIR']}:\n"
    assert said == f"serve --port 0 --token-stdin\n{folders}running\nsecret\n"
    assert process.returncode == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_reaches_the_program(environment: dict[str, str], number: signal.Signals) -> None:
    with started(environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "running\n":
                break
        process.send_signal(number)
        assert process.wait(timeout=DEADLINE) == -number
    assert not os.listdir(environment["TMPDIR"])


def test_a_gpu_is_asked_of_the_other_jar(environment: dict[str, str]) -> None:
    asks = ("--device", "cuda:0")
    with started(environment, *asks) as process:
        assert "candlewick-cuda is not installed here" in process.communicate(timeout=DEADLINE)[0]
    assert process.returncode == 1
    more = {"CANDLEWICK_CUDA_JAR": environment["CANDLEWICK_JAR"]}
    with started({**environment, **more}, *asks) as process:
        assert process.communicate("\n", timeout=DEADLINE)[0].startswith("serve --device cuda:0\n")


def test_a_jar_without_a_program_for_this_machine(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CANDLEWICK_JAR", environment["CANDLEWICK_JAR"])
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert __main__.main(["serve"]) == 1
    told = capsys.readouterr().err
    assert "holds no candlewick-trainer for linux/riscv64, which this machine is; it has linux/" in told
    Path(environment["CANDLEWICK_JAR"]).write_text("no archive")
    assert __main__.main(["serve"]) == 1
    assert "is not a jar" in capsys.readouterr().err


def test_folders_that_run_no_programs(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuses(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("CANDLEWICK_JAR", "HOME"):
        monkeypatch.setenv(name, environment[name])
    monkeypatch.setattr(os, "execve", refuses)
    before = signal.getsignal(signal.SIGPIPE)
    assert __main__.main(["serve"]) == 1
    told = capsys.readouterr().err
    assert f"{environment['HOME']}/.cache (Permission denied): name a folder that may run programs" in told
    assert signal.getsignal(signal.SIGPIPE) == before and not os.listdir(Path(environment["HOME"], ".cache"))


def test_help_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        __main__.main(["--help"])
    assert "serve" in capsys.readouterr().out
