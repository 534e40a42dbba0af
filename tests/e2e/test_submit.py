"""spark-submit to real clusters, standalone and YARN, with the wheel and with the jar: the model is that of one JVM."""

from __future__ import annotations

import importlib.util
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from candlewick import NeuralClassificationModel, NeuralClassifier, nn, optim
from tools import dist

from . import conftest
from .standalone import HOSTS, Standalone, standalone
from .submit import SCRIPT, Done, helpers, installed_wheel, jar_of, submit
from .support import BLOBS_HASH
from .yarn import Yarn, yarn

EXAMPLES = dist.ROOT / "examples"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of somebody who has installed the wheel."""
    return installed_wheel(tmp_path_factory.mktemp("user") / "venv")


@dataclass(frozen=True)
class Digits:
    """The data of examples/scala/Digits.scala, and the hash of its model in one JVM."""

    csv: Path
    hash: str


def _example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("digits", EXAMPLES / "python" / "digits.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    folder = tmp_path_factory.mktemp("digits")
    spark = conftest.start("local[2]")
    train, _ = _example().read_digits(spark, folder).cache().randomSplit([0.8, 0.2], seed=11)
    net = nn.Sequential(nn.Linear(128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64), nn.ReLU(), nn.Linear(10))
    model = NeuralClassifier(
        network=net, optimizer=optim.AdamW(lr=3e-3), epochs=30, batchSize=64, seed=7, numTrainers=2
    ).fit(train)
    expected = Digits(folder / "digits.csv", model.weightsHash)
    spark.stop()
    return expected


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    with standalone(tmp_path_factory.mktemp("standalone")) as cluster:
        cluster.add_workers(*HOSTS)
        yield cluster


@pytest.fixture(scope="module")
def hadoop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yarn]:
    with yarn(tmp_path_factory.mktemp("yarn")) as cluster:
        yield cluster


def the_model_of_one_jvm(done: Done, python: Path, master: str) -> None:
    """What submitted.py found is right, and it was the wheel that found it."""
    found = done.found()
    assert Path(found["candlewick"]).is_relative_to(python.parents[1]), found
    assert found["master"] == master, found
    assert (found["hash"], found["loaded"], found["trainers"]) == (BLOBS_HASH, BLOBS_HASH, 2), found
    assert found["rows"] == 600 and found["right"] > 500, found


def saved(path: str) -> str:
    """The hash of a model that a cluster has saved, loaded here."""
    spark = conftest.start("local[2]")
    found = NeuralClassificationModel.load(path).weightsHash
    spark.stop()
    return found


def python_application(python: Path, folder: Path, out: str) -> list[str]:
    return ["--jars", jar_of(python), "--py-files", str(helpers(folder)), str(SCRIPT), out]


def scala_example(digits: Digits, out: str) -> list[str]:
    program = EXAMPLES / "target" / f"candlewick-examples-{dist.version()}.jar"
    assert program.is_file(), f"{program} is missing: `make test` builds it with `mvn verify`"
    return [
        "--jars",
        str(dist.ROOT / "dist" / dist.jar_name()),
        "--class",
        "Digits",
        str(program),
        digits.csv.as_uri(),
        out,
    ]


def accuracy(text: str) -> float:
    found = re.search(r"accuracy ([\d.]+)", text)
    assert found, text[-4000:]
    return float(found[1])


#: An executor for each worker, and both before the first task.
TWO_EXECUTORS = {
    "spark.executor.cores": "2",
    "spark.executor.memory": "512m",
    "spark.driver.memory": "512m",
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
}


def test_the_jars_of_an_application_stay_its_jars(python: Path, tmp_path: Path) -> None:
    other = tmp_path / "connector.jar"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
    master = "local-cluster[2,1,1024]"
    done = submit(
        [
            "--master",
            master,
            "--jars",
            str(other),
            "--py-files",
            str(helpers(tmp_path)),
            str(SCRIPT),
            str(tmp_path / "model"),
        ],
        dict(conftest.COMMON),
        PYSPARK_PYTHON=str(python),
    )
    the_model_of_one_jvm(done, python, master)
    assert {other.name, dist.jar_name()} <= set(done.found()["jars"]), done


def test_a_standalone_cluster_with_the_wheel(hosts: Standalone, python: Path, tmp_path: Path) -> None:
    done = submit(
        ["--master", hosts.url, *python_application(python, tmp_path, str(tmp_path / "model"))],
        {**conftest.COMMON, **TWO_EXECUTORS},
        PYSPARK_PYTHON=str(python),
    )
    the_model_of_one_jvm(done, python, hosts.url)


def test_a_standalone_cluster_with_the_jar(hosts: Standalone, digits: Digits, tmp_path: Path) -> None:
    """The driver is on a worker, and so has the address of its host."""
    out = tmp_path / "model"
    settings = {**conftest.COMMON, **TWO_EXECUTORS, "spark.standalone.submit.waitAppCompletion": "true"}
    del settings["spark.driver.host"], settings["spark.driver.bindAddress"]
    done = submit(["--master", hosts.url, "--deploy-mode", "cluster", *scala_example(digits, out.as_uri())], settings)
    assert done.status == 0, str(done)
    assert accuracy(hosts.driver_output()) >= 0.97
    assert saved(str(out)) == digits.hash


def test_yarn_with_the_wheel(hadoop: Yarn, python: Path, tmp_path: Path) -> None:
    """The driver is here, and the model goes to the cluster's HDFS."""
    done = submit(
        ["--master", "yarn", *python_application(python, tmp_path, "/models/blobs")],
        hadoop.settings(),
        **hadoop.environment,
        PYSPARK_PYTHON=str(python),
    )
    the_model_of_one_jvm(done, python, "yarn")


def test_yarn_with_the_jar(hadoop: Yarn, digits: Digits) -> None:
    """The driver is in a container."""
    done = submit(
        ["--master", "yarn", "--deploy-mode", "cluster", *scala_example(digits, "/models/digits")],
        hadoop.settings(),
        **hadoop.environment,
    )
    assert done.status == 0, f"{done}\n{hadoop.logs('stderr')[-8000:]}"
    assert accuracy(hadoop.logs("stdout")) >= 0.97
    assert saved(f"{hadoop.files}/models/digits") == digits.hash
