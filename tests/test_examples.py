"""Runs every example as its reader would, each in a process of its own."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from candlewick import jars
from tools import dist

EXAMPLES = dist.ROOT / "examples"
#: Longest run of one example, seconds; only a failing one comes near it.
DEADLINE = 300
CLUSTER = "local-cluster[2,1,1024]"
QUIET = {
    "spark.ui.enabled": "false",
    "spark.log.level": "ERROR",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "4",
}


def run(*command: str, folder: Path = dist.ROOT) -> str:
    """The output of a command, which must succeed."""
    environment = {**os.environ, "PYTHONPATH": str(dist.PYTHON)}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def submit(master: str, *arguments: str) -> str:
    """The output of spark-submit with the jar that was built."""
    conf = [part for name, value in QUIET.items() for part in ("--conf", f"{name}={value}")]
    program = Path(sys.executable).parent / "spark-submit"
    return run(str(program), "--master", master, "--jars", jars(), *conf, *arguments)


def number(pattern: str, text: str) -> float:
    """The number that a pattern finds."""
    found = re.search(pattern, text)
    assert found, f"no {pattern} in:\n{text}"
    return float(found[1])


def test_digits_in_python(tmp_path: Path) -> None:
    output = submit(CLUSTER, str(EXAMPLES / "python" / "digits.py"), "--out", str(tmp_path))
    assert number(r"accuracy ([\d.]+)", output) >= 0.97
    assert number(r"by (\d+) trainers", output) == 2
    # Where an epoch takes long, lines of its steps come between, without a rate.
    assert len(re.findall(r"epoch +\d+/30 +loss .* rows/s", output)) == 30
    assert "confusion matrix" in output
    assert (tmp_path / "model" / "data" / "weights.safetensors").is_file()
    assert (tmp_path / "loss.png").read_bytes()[:4] == b"\x89PNG"
    assert f"model saved in {tmp_path / 'model'}" in output


def test_digits_without_matplotlib_have_no_picture(tmp_path: Path) -> None:
    class Summary:
        def save_plot(self, path: str) -> None:
            raise ImportError("plot and save_plot need matplotlib: pip install matplotlib")

    example = runpy.run_path(str(EXAMPLES / "python" / "digits.py"))
    told = example["save_curve"](Summary(), tmp_path / "loss.png")
    assert told == "no loss curve: plot and save_plot need matplotlib: pip install matplotlib"


def test_the_data_of_the_readme(tmp_path: Path) -> None:
    path = tmp_path / "digits.libsvm"
    run(sys.executable, str(EXAMPLES / "data" / "export_digits.py"), str(path))
    lines = path.read_text().splitlines()
    assert len(lines) == 1797 and lines[0].startswith("0 3:5 4:13 "), "labels first, indices from 1"


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_code_of_the_first_pages(page: str, tmp_path: Path) -> None:
    run(sys.executable, str(EXAMPLES / "data" / "export_digits.py"), str(tmp_path / "digits.libsvm"))
    block = re.findall(r"^```python\n(.*?)^```", (dist.ROOT / page).read_text(), re.DOTALL | re.MULTILINE)[0]
    (tmp_path / "page.py").write_text(block)
    output = run(sys.executable, "page.py", folder=tmp_path)
    assert "|label|prediction|" in output
    assert (tmp_path / "digits-model" / "data" / "weights.safetensors").is_file()


def test_digits_in_scala(tmp_path: Path) -> None:
    csv = tmp_path / "digits.csv"
    assert "1797 pictures" in run(sys.executable, str(EXAMPLES / "data" / "export_digits.py"), str(csv))
    program = EXAMPLES / "target" / f"candlewick-examples-{dist.version()}.jar"
    assert program.is_file(), f"{program} is missing: `make test` builds it with `mvn verify`"
    output = submit(CLUSTER, "--class", "Digits", str(program), str(csv), str(tmp_path / "model"))
    assert number(r"accuracy ([\d.]+)", output) >= 0.97
    assert (tmp_path / "model" / "metadata").is_dir()


def test_diabetes() -> None:
    output = submit("local[2]", str(EXAMPLES / "python" / "diabetes.py"))
    assert number(r"r2 (-?[\d.]+)", output) > 0.3
    assert number(r"rmse ([\d.]+)", output) < 0.7


def test_flight_client() -> None:
    trainer = dist.NATIVE_DIR / "candlewick-trainer"
    output = run(sys.executable, str(EXAMPLES / "python" / "flight_client.py"), "--trainer", str(trainer))
    assert number(r"accuracy ([\d.]+)", output) >= 0.95


@pytest.mark.parametrize("command", ["doctor"])
def test_command_line(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Executors run no Python: one that is not there, or is another than the driver's, breaks nothing.
    monkeypatch.setenv("PYSPARK_PYTHON", "/no/such/python")
    output = run(sys.executable, "-m", "candlewick", command)
    assert "Native library" in output
    assert "broken" not in output
