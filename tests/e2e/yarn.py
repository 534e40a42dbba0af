"""A real YARN and HDFS on loopback: Hadoop's own servers, in a JVM of their own (MiniYarn.scala)."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyspark

from tools import dist

from . import support
from .conftest import COMMON
from .support import wait_for

_MODULE = dist.ROOT / "spark-package" / "target"


class Yarn:
    """The cluster: `environment` and `settings` are what spark-submit needs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "yarn.log"
        listed = _MODULE / "test.classpath"
        assert listed.is_file(), f"{listed} is missing: `make test` writes it with `mvn verify`"
        path = os.pathsep.join([str(_MODULE / "test-classes"), listed.read_text().strip()])
        # Hadoop's web pages make classes at run time.
        options = ["-Xmx512m", "--add-opens=java.base/java.lang=ALL-UNNAMED"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["java", *options, "-cp", path, "candlewick.MiniYarn", str(folder)],
                # Node managers keep the containers' folders below the one they run in.
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._told: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._told.append(line.strip())

    def await_ready(self) -> None:
        """Returns once its node managers have registered."""

        def ready() -> bool:
            assert self._process.poll() is None, f"YARN ended:\n{self._log.read_text(errors='replace')[-6000:]}"
            return "ready" in self._told

        wait_for("YARN", ready)

    @property
    def environment(self) -> dict[str, str]:
        """Variables of spark-submit."""
        return {"HADOOP_CONF_DIR": str(self._folder / "conf"), "SPARK_LOCAL_IP": "127.0.0.1"}

    def settings(self) -> dict[str, str]:
        """Settings of an application with two executors, both there before its first task."""
        # Containers have nothing of this process's environment.
        given = {"SPARK_LOCAL_IP": "127.0.0.1", "JDK_JAVA_OPTIONS": os.environ["JDK_JAVA_OPTIONS"]}
        local = {
            f"spark.{who}.{name}": value
            for who in ("executorEnv", "yarn.appMasterEnv")
            for name, value in given.items()
        }
        return {
            **{name: value for name, value in COMMON.items() if name != "spark.driver.host"},
            **local,
            # Half a gigabyte of jars, which every node of this cluster has.
            "spark.yarn.jars": f"local:{Path(pyspark.__file__).parent / 'jars'}/*",
            "spark.executor.instances": "2",
            "spark.executor.memory": "512m",
            "spark.driver.memory": "512m",
            "spark.yarn.am.memory": "256m",
            "spark.scheduler.minRegisteredResourcesRatio": "1.0",
        }

    @property
    def files(self) -> str:
        """Address of its HDFS."""
        for setting in ElementTree.parse(self._folder / "conf" / "core-site.xml").iter("property"):
            if setting.findtext("name") == "fs.defaultFS":
                return str(setting.findtext("value"))
        raise AssertionError("core-site.xml has no fs.defaultFS")

    def logs(self, name: str) -> str:
        """What containers wrote to files of this name, `stdout` or `stderr`."""
        found = []
        # YARN deletes folders of containers that have ended meanwhile, which rglob does not bear; their logs stay.
        for folder, _, files in os.walk(self._folder):
            if name in files:
                found.append(Path(folder, name))
        return "\n".join(f"{path.parent.name}:\n{path.read_text(errors='replace')}" for path in sorted(found))

    def stop(self) -> None:
        """Ends it; containers that it leaves are killed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(support.DEADLINE)
        finally:
            self._process.kill()
            self._process.wait()
            for pid in self._containers():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        wait_for("the end of YARN's containers", lambda: not self._containers())

    def _containers(self) -> list[int]:
        """Living processes that have folders of this cluster in their environment; their trainers end with them."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    if f"{self._folder}/target".encode() in (entry / "environ").read_bytes():
                        found.append(int(entry.name))
        return found


@contextmanager
def yarn(folder: Path) -> Iterator[Yarn]:
    """A cluster of two node managers, ended with all its processes."""
    cluster = Yarn(folder)
    try:
        cluster.await_ready()
        yield cluster
    finally:
        cluster.stop()
