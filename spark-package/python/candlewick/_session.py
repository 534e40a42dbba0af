"""Where the jar is, and Spark sessions that have it."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.find_spark_home import _find_spark_home
from pyspark.sql import SparkSession

from candlewick import _lines, _remote
from candlewick.errors import OF_A_SESSION, SetupError, jar_is_missing

if TYPE_CHECKING:
    from pyspark import SparkContext

#: Names the jar to use instead of the one in the package.
JAR_VARIABLE = "CANDLEWICK_JAR"
#: Names the jar of candlewick-cuda where the package is not installed; empty: none is used.
CUDA_JAR_VARIABLE = "CANDLEWICK_CUDA_JAR"

#: The class loaders of Spark that take in jars while they run.
_GROWING_LOADER = "org.apache.spark.util.MutableURLClassLoader"

#: The setting of the driver's own class loader.
_CLASS_PATH = "spark.driver.extraClassPath"

#: Tells PySpark where the JVM is that spark-submit has started.
_JVM_VARIABLE = "PYSPARK_GATEWAY_PORT"

#: Jars of ours whose classes this process has given its driver: they stay there when a session ends, and the executors of the
#: next one want them too.
_on_class_path: set[str] = set()

#: The context whose jar is known to be for its Spark.
_checked: SparkContext | None = None


def jars(*, cuda: bool = False) -> str:
    """Path of the jar with Candlewick's classes and native files, for ``spark.jars`` or ``--jars``.

    Of the jars in this package the one for the Spark that is here: that of the running session, else PySpark's.

    Args:
        cuda: With the jar of candlewick-cuda behind it, after a comma.

    Raises:
        SetupError: There is none for that Spark, the one that the variable CANDLEWICK_JAR names is for another, or
            candlewick-cuda is not installed.
    """
    if not cuda:
        return _jar()
    more = cuda_jar()
    if more is None:
        raise SetupError(
            f"candlewick-cuda is not installed here: pip install candlewick[cuda], or name its jar by {CUDA_JAR_VARIABLE}"
        )
    return f"{_jar()},{more}"


def cuda_jar() -> str | None:
    """Path of the jar with the trainer for GPUs; None where candlewick-cuda is not installed."""
    chosen = os.environ.get(CUDA_JAR_VARIABLE)
    if chosen is None:
        try:
            return str(importlib.import_module("candlewick_cuda").jar())
        except ImportError:
            return None
    if chosen and not Path(chosen).is_file():
        raise SetupError(f"{CUDA_JAR_VARIABLE} names {chosen}, which is not a file; correct or unset it")
    return str(Path(chosen).resolve()) if chosen else None


def _jar() -> str:
    chosen = os.environ.get(JAR_VARIABLE)
    if chosen:
        if not Path(chosen).is_file():
            raise SetupError(f"{JAR_VARIABLE} names {chosen}, which is not a file; correct or unset it")
        path = Path(chosen).resolve()
        _lines.check_name(path)
        return str(path)
    return str(_lines.choose(Path(__file__).parent / "jars"))


def session(settings: Mapping[str, Any] | None = None, /, **conf: Any) -> SparkSession:
    """A Spark session that has Candlewick's jar on the driver and the executors, and that of candlewick-cuda if installed.

    Where a session runs already without the jar, it gets it: see :func:`attach`. A server of Spark Connect gets the first of
    both jars alone: start it with the second.

    Example:
        >>> spark = candlewick.session(spark_master="local[2]")  # doctest: +SKIP
        >>> spark = candlewick.session(spark_remote="sc://host")  # doctest: +SKIP

    Args:
        settings: Spark's configuration by its own names, for example ``{"spark.master": "local[2]"}``.
        **conf: The same; underscores stand for dots where the name has none: ``spark_master="local[2]"``.

    Returns:
        The running session where there is one, else a new one.
    """
    builder = SparkSession.builder
    wanted = {name: _conf_text(value) for name, value in (settings or {}).items()}
    for name, value in conf.items():
        if not name.startswith("spark") and "." not in name:
            raise TypeError(
                f"session has no setting '{name}': names begin with spark, and Spark leaves out those that do not. "
                f"Write session(spark_{name}=...), or session({{'spark.{name.replace('_', '.')}': ...}})"
            )
        wanted[name if "." in name else name.replace("_", ".")] = _conf_text(value)
    if not (_remote.is_remote() or "spark.remote" in wanted or "SPARK_REMOTE" in os.environ):
        _add_jar(wanted)
    # PySpark's builder wants the address of a server again, where a session with one runs.
    running = SparkSession.getActiveSession() if _remote.is_remote() and "spark.remote" not in wanted else None
    for name, value in wanted.items():
        if running is None:
            builder = builder.config(name, value)
        else:
            running.conf.set(name, value)
    spark = running or builder.getOrCreate()
    attach(spark)
    return spark


def _add_jar(wanted: dict[str, str]) -> None:
    """Puts the jar on the class path of a driver that is to be started, beside what is there; executors get it by `attach`."""
    from pyspark import SparkContext

    if _JVM_VARIABLE in os.environ or SparkContext._gateway is not None:
        # It runs.
        return
    # What is set here takes the place of what Spark's own file says.
    before = wanted[_CLASS_PATH] if _CLASS_PATH in wanted else _defaults().get(_CLASS_PATH)
    for jar in reversed(_all_jars()):
        before = _joined(jar, before, os.pathsep)
        _on_class_path.add(jar)
    wanted[_CLASS_PATH] = before or ""


def _defaults() -> dict[str, str]:
    """The settings of Spark's file of defaults, which has the format of Java's Properties."""
    home = os.environ.get("SPARK_HOME") or _find_spark_home()
    folder = os.environ.get("SPARK_CONF_DIR") or os.path.join(home, "conf")
    try:
        text = Path(folder, "spark-defaults.conf").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    # A line may go on in the next one.
    lines = (line.strip() for line in re.sub(r"\\\r?\n[ \t]*", "", text).splitlines())
    pairs = (re.split(r"\s*[=:]\s*|\s+", line, maxsplit=1) for line in lines if not line.startswith(("#", "!")))
    return {pair[0]: re.sub(r"\\(.)", r"\1", pair[1]) for pair in pairs if len(pair) == 2}


def _all_jars() -> list[str]:
    """Candlewick's jar, and that of candlewick-cuda where it is installed."""
    more = cuda_jar()
    return [jars()] if more is None else [jars(), more]


def attach(spark: SparkSession) -> None:
    """Gives a session that runs already Candlewick's jar, on its driver and its executors.

    For notebooks, whose session is there before the first cell. It does nothing where the session has the jar. Over Spark
    Connect the server gets the jar for this session, once, and not that of candlewick-cuda: for fits on GPUs start the server
    with ``--jars $(python -m candlewick jars --cuda)``.

    Example:
        >>> candlewick.attach(spark)  # doctest: +SKIP

    Args:
        spark: The session.

    Raises:
        SetupError: The class loader of its driver takes no jar any more, or PySpark is too old for Spark ML over Spark
            Connect; with what to do instead.
    """
    if _remote.is_session(spark):
        _remote.require_spark_4()
        if not _remote.server_has_jar(spark):
            _remote.send_jar(spark, jars())
        return
    if not isinstance(spark, SparkSession):
        raise TypeError(f"attach needs a SparkSession, not {type(spark).__module__}.{type(spark).__name__}")
    context = spark.sparkContext
    java: Any = context._jvm
    has_classes = _has_classes(context)
    missing = [] if has_classes else [jars()]
    more = cuda_jar()
    if more is not None and not (has_classes and java.candlewick.jni.GpuTrainer.isThere()):
        missing.append(more)
    loader: Any = _growing_loader(java, context) if missing else None
    if loader is None and not has_classes:
        raise SetupError(jar_is_missing("The class loader of its driver takes no jar any more"))
    for jar in missing if loader is not None else []:
        # The driver's classes; executors get the jar with their next task.
        loader.addURL(java.java.io.File(jar).toURI().toURL())
        _on_class_path.add(jar)
    if _on_class_path:
        sent = {url.rsplit("/", 1)[-1] for url in str(context._jsc.sc().listJars().mkString(" ")).split()}
        for jar in sorted(_on_class_path):
            if Path(jar).name not in sent:
                context._jsc.addJar(jar)
    require_jar()
    _warm_up(context)


def _warm_up(context: SparkContext) -> None:
    """Lets the driver make ready in the background what a first fit would wait for."""
    java: Any = context._jvm
    java.candlewick.fit.Warmup.start()


def _growing_loader(java: Any, context: SparkContext) -> Any:
    """The class loader nearest to the application's own that takes in jars: all threads of the driver see its classes.

    `ADD JAR` adds to a loader that only the thread that called it, and those it starts, ask.
    """
    from py4j.java_gateway import is_instance_of

    found, loader = None, java.java.lang.Thread.currentThread().getContextClassLoader()
    while loader is not None:
        if is_instance_of(context._gateway, loader, _GROWING_LOADER):
            found = loader
        loader = loader.getParent()
    return found


def require_jar() -> None:
    """Fails with the remedy where the running Spark cannot see Candlewick's classes.

    A server of Spark Connect is not asked: the first call that needs them tells.
    """
    if _remote.is_remote():
        _remote.require_spark_4()
        _remote.install()
    else:
        jvm()


def jvm(what: str = "this", instead: str = "use a classic session") -> Any:
    """The JVM of the running Spark, which has Candlewick's classes; fails with the remedy where it does not.

    Args:
        what: What needs it, for the error over Spark Connect.
        instead: What to do instead there.
    """
    if _remote.is_remote():
        _remote.refuse(what, instead)
    context = running_context()
    if not _has_classes(context):
        raise SetupError(jar_is_missing(OF_A_SESSION))
    return context._jvm


def _has_classes(context: SparkContext) -> bool:
    java: Any = context._jvm
    global _checked
    if context is not _checked and _lines.check_session(context):
        _checked = context
    # py4j answers an unknown name with a package, a known one with a class.
    return type(java.candlewick.NeuralClassifier).__name__ == "JavaClass"


def _conf_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _joined(first: str, more: str | None, separator: str) -> str:
    others = [part for part in (more or "").split(separator) if part and part != first]
    return separator.join([first, *others])


def running_context() -> SparkContext:
    """The context of the session that runs.

    Raises:
        SetupError: None does: none was started, or it was stopped.
    """
    from pyspark import SparkContext

    # Not SparkSession.getActiveSession(): that is a thing of the thread, and fits run in threads of users too.
    context = SparkContext._active_spark_context
    if context is None:
        raise SetupError("there is no Spark session; start one with candlewick.session()")
    return context
