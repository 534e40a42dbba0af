"""The artifact candlewick-cuda on real Spark, with the trainer that stands in for the one for GPUs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from candlewick import doctor
from candlewick._session import CUDA_JAR_VARIABLE
from tools import dist

from .gpu_fit import OWNERS
from .support import DEADLINE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The jar, packed as `make dist-gpu` packs it."""
    built = dist.NATIVE_DIR / "candlewick-trainer-rehearsal"
    assert built.is_file(), f"{built} is missing: `make rehearsal` builds it"
    folder = tmp_path_factory.mktemp("cuda")
    library = dist.NATIVE_DIR / "examples" / "libcandlewick_score_rehearsal.so"
    assert library.is_file(), f"{library} is missing: `make rehearsal` builds it"
    shutil.copy2(built, folder / "candlewick-trainer-gpu")
    shutil.copy2(library, folder / "libcandlewick_score_gpu.so")
    return dist.make_cuda_jar([folder], folder)


@pytest.mark.parametrize("master", sorted(OWNERS))
def test_the_artifact_trains_and_scores_on_the_gpus_that_spark_gives(
    artifact: Path, tmp_path: Path, master: str
) -> None:
    script = tmp_path / "discover.sh"
    script.write_text("""#!/bin/sh\necho '{"name": "gpu", "addresses": ["0", "1"]}'\n""")
    script.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.gpu_fit", master, str(script)],
        cwd=ROOT,
        env={**os.environ, CUDA_JAR_VARIABLE: str(artifact)},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    *told, scored = json.loads(done.stdout.splitlines()[-1])
    on_gpus, on_processors, *others = told
    assert (on_gpus["device"], on_gpus["trainers"], on_gpus["shards"]) == ("cuda", 2, 2)
    assert "the trainer for GPUs is there" in on_gpus["reason"]
    assert scored["device"] == "cuda" and scored["rows"] > 0 and scored["far"] < 1e-5
    assert scored["tasks"][0] > 0 and scored["tasks"][1] == 0
    assert (on_processors["device"], on_processors["trainers"], on_processors["shards"]) == ("cpu", 1, 8)
    assert {one["device"] for one in others} == {"cuda"}
    assert len({one["hash"] for one in told}) == len(told)
    assert [one["scale"] for one in told] == [None, None, None, 65536.0, None]


def test_the_wheel_holds_the_jar(artifact: Path, tmp_path: Path) -> None:
    shutil.copy2(artifact, tmp_path / artifact.name)
    wheel = dist.make_cuda_wheel(tmp_path)
    place = tmp_path / "installed"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(place)], check=True)
    told = subprocess.run(
        [sys.executable, "-c", "import candlewick; print(candlewick.jars(cuda=True))"],
        env={**os.environ, "PYTHONPATH": f"{place}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        check=True,
    )
    own, cuda = told.stdout.strip().split(",")
    assert Path(own).name.startswith("candlewick-spark-") and cuda == str(place / "candlewick_cuda" / artifact.name)


def test_the_doctor_asks_the_trainer(artifact: Path) -> None:
    command = [sys.executable, "-m", "candlewick", "doctor", "--json"]
    environment = {**os.environ, CUDA_JAR_VARIABLE: str(artifact)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE, check=False)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["GPU"]["status"] == "ok" and "a rehearsal on processors; CUDA 13.0" in rows["GPU"]["found"]
    assert doctor.check_gpu().status == "none"
