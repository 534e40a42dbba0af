"""Finding the jar, translating errors, reading summaries, without Spark."""

import subprocess
import sys
from pathlib import Path

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors.exceptions import captured

import candlewick
from candlewick import errors
from candlewick._session import _add_jar, _all_jars, _joined, attach, cuda_jar, jars
from candlewick.errors import SetupError, jar_is_missing


def test_jar_of_the_environment_is_used(monkeypatch, tmp_path):
    jar = tmp_path / "some.jar"
    jar.touch()
    monkeypatch.setenv("CANDLEWICK_JAR", str(jar))
    assert jars() == str(jar)
    monkeypatch.setenv("CANDLEWICK_JAR", str(tmp_path / "gone.jar"))
    with pytest.raises(SetupError, match="is not a file"):
        jars()


def test_the_jar_for_gpus_is_that_of_the_environment_or_of_its_package(monkeypatch, tmp_path):
    own, more = tmp_path / "some.jar", tmp_path / "cuda.jar"
    own.touch()
    monkeypatch.setenv("CANDLEWICK_JAR", str(own))
    monkeypatch.setenv("CANDLEWICK_CUDA_JAR", str(more))
    with pytest.raises(SetupError, match=r"CANDLEWICK_CUDA_JAR names .*cuda.jar, which is not a file"):
        jars(cuda=True)
    more.touch()
    assert jars(cuda=True) == f"{own},{more}"
    assert _all_jars() == [str(own), str(more)]
    monkeypatch.setenv("CANDLEWICK_CUDA_JAR", "")
    with pytest.raises(SetupError, match=r"pip install candlewick\[cuda\]"):
        jars(cuda=True)
    assert _all_jars() == [str(own)]
    monkeypatch.delenv("CANDLEWICK_CUDA_JAR")
    (tmp_path / "candlewick_cuda.py").write_text("def jar():\n    return '/of/the/package.jar'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert cuda_jar() == "/of/the/package.jar"


def test_lists_are_joined_once():
    assert _joined("a.jar", "b.jar,a.jar", ",") == "a.jar,b.jar"
    assert _joined("a.jar", None, ",") == "a.jar"


def test_a_setting_that_spark_would_leave_out_is_refused():
    with pytest.raises(TypeError, match=r"no setting 'master'.*session\(spark_master=\.\.\.\)"):
        candlewick.session(master="local[2]")
    with pytest.raises(TypeError, match=r"\{'spark\.app\.name': \.\.\.\}"):
        candlewick.session(app_name="digits")


def test_the_way_to_the_jar_is_that_of_the_platform(monkeypatch):
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)
    assert "restart the Python process or the notebook's kernel" in jar_is_missing("It is not there")
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "17.3")
    assert "open Compute, this compute, Libraries, Install new" in jar_is_missing("It is not there")


def test_what_is_no_session_gets_no_jar():
    with pytest.raises(TypeError, match=r"attach needs a SparkSession, not builtins\.str"):
        attach("spark")


@pytest.mark.parametrize(("version", "words"), [(None, "there is none"), ("3.4.4", "not 3.4.4")])
def test_pyspark_that_is_missing_or_old_is_told_at_import(tmp_path, version, words):
    if version:
        (tmp_path / "pyspark").mkdir()
        (tmp_path / "pyspark" / "__init__.py").write_text(f"__version__ = {version!r}\n")
    path = f"{tmp_path}:{Path(errors.__file__).parents[1]}"

    def told(*arguments):
        # -S: without the packages of this environment.
        done = subprocess.run(
            [sys.executable, "-S", *arguments], env={"PYTHONPATH": path}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        return done.stderr.strip().splitlines()

    last = told("-c", "import candlewick")[-1]
    assert last.startswith("ImportError") and words in last and "pip install 'candlewick[spark]'" in last
    assert told("-m", "candlewick", "doctor") == [last.removeprefix("ImportError: ")]


class FakeThrowable:
    def __init__(self, name, message, cause=None):
        self._name, self._message, self._cause = name, message, cause

    def getClass(self):
        return self

    def getName(self):
        return self._name

    def getMessage(self):
        return self._message

    def toString(self):
        return f"{self._name}: {self._message}"

    def getCause(self):
        return self._cause


class FakeJavaError(Py4JJavaError):
    """What py4j raises, without its connection to a JVM."""

    def __init__(self, java_exception):
        self.java_exception = java_exception


@pytest.mark.parametrize(
    ("java", "python"),
    [
        ("InvalidParameterException", errors.InvalidParameterError),
        ("InvalidDataException", errors.InvalidDataError),
        ("RetryableException", errors.RetryableError),
        ("JobFailedException", errors.JobFailedError),
        ("CancelledException", errors.CancelledError),
        ("NativePanicException", errors.NativePanicError),
        ("UnauthenticatedException", errors.UnauthenticatedError),
    ],
)
def test_java_exceptions_become_python_ones(java, python):
    inner = FakeThrowable(f"candlewick.jni.{java}", "epochs = -1 is not legal")
    outer = FakeThrowable("org.apache.spark.SparkException", "Job aborted", inner)
    with pytest.raises(python) as caught, errors.translated():
        raise FakeJavaError(outer)
    assert str(caught.value) == "epochs = -1 is not legal"
    assert caught.value.java_exception is outer
    assert caught.value.__suppress_context__, "91 lines of Java's stack would hide the message"


def test_what_another_exception_means_for_a_job_is_its_first_cause():
    inner = FakeThrowable("java.io.FileNotFoundException", "no such file: x.parquet")
    outer = FakeThrowable("org.apache.spark.SparkException", "Job aborted", inner)
    with (
        pytest.raises(errors.JobFailedError, match=r"a Spark job of this call failed: .*no such file: x"),
        errors.translated(),
    ):
        raise FakeJavaError(outer)
    endless = FakeThrowable("java.lang.Exception", "a circle")
    endless._cause = endless
    with pytest.raises(errors.JobFailedError, match="a circle"), errors.translated():
        raise FakeJavaError(endless)


def test_pyspark_asks_candlewick_what_to_raise():
    found = captured.convert_exception(FakeThrowable("candlewick.jni.InvalidDataException", "row 3"))
    assert isinstance(found, errors.InvalidDataError)
    errors.install()
    errors.install()
    assert captured.convert_exception.__wrapped__.__module__ == "pyspark.errors.exceptions.captured", "once"


def test_a_class_of_ours_that_the_jvm_does_not_find_means_that_the_jar_is_missing():
    inner = FakeThrowable("java.lang.ClassNotFoundException", "candlewick.NeuralClassificationModel")
    found = captured.convert_exception(FakeThrowable("java.lang.RuntimeException", "loading", inner))
    assert isinstance(found, SetupError) and "spark-submit --jars" in str(found)
    other = FakeThrowable("java.lang.ClassNotFoundException", "com.example.Stage")
    assert errors.from_java(other) is None


def test_wrong_values_are_value_errors_too():
    assert issubclass(errors.InvalidParameterError, ValueError)
    assert issubclass(errors.InvalidDataError, ValueError)


def test_other_exceptions_pass_unchanged():
    with pytest.raises(KeyError), errors.translated():
        raise KeyError("x")


def test_the_jar_stands_beside_what_the_driver_would_have_had(monkeypatch, tmp_path):
    own = tmp_path / "own.jar"
    own.touch()
    monkeypatch.setenv("CANDLEWICK_JAR", str(own))
    monkeypatch.setenv("CANDLEWICK_CUDA_JAR", "")
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    monkeypatch.setattr("pyspark.SparkContext._gateway", None)
    monkeypatch.setattr("candlewick._session._on_class_path", set())

    def added(**wanted: str) -> dict[str, str]:
        settings = {name.replace("_", "."): value for name, value in wanted.items()}
        _add_jar(settings)
        return settings

    assert added() == {"spark.driver.extraClassPath": str(own)}
    (tmp_path / "spark-defaults.conf").write_text(
        "# what the platform sets\n\nspark.jars  /opt/a.jar\nspark.driver.extraClassPath=/opt/fs/*:\\\n    /opt/b\\:c\nspark.x: y\n"
    )
    assert added() == {"spark.driver.extraClassPath": f"{own}:/opt/fs/*:/opt/b:c"}
    # What is set takes the place of the file's, as it does without us.
    assert added(spark_driver_extraClassPath="/my") == {"spark.driver.extraClassPath": f"{own}:/my"}
    # A driver that runs takes no settings: attach gives it the jar.
    monkeypatch.setattr("pyspark.SparkContext._gateway", object())
    assert added() == {}
    monkeypatch.setattr("pyspark.SparkContext._gateway", None)
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    assert added() == {}
