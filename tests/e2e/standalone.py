"""A real Spark standalone cluster on loopback: a master and workers in JVMs of their own, each worker on a host of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyspark
from pyspark.sql import SparkSession

from . import conftest, support
from .support import Background, Trainer, wait_for

#: Loopback addresses that Spark takes for two hosts.
HOSTS = ("127.0.0.2", "127.0.0.3")

#: The web pages of master, workers and driver are on loopback: a proxy of this machine's settings would not find them.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _get(url: str) -> Any:
    """The page's JSON."""
    with _direct.open(url, timeout=support.DEADLINE) as page:
        return json.load(page)


def _session_of(pid: int) -> int:
    """Process session; 0 where there is no such process, or a dead one that nobody has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[3])


class Daemon:
    """A master or worker. It leads a process session, by which all that it ever started is found, orphans too."""

    def __init__(self, kind: str, host: str, folder: Path, arguments: Sequence[str]) -> None:
        self.host = host
        self._log = folder / f"{kind.lower()}-{host}-{len(list(folder.iterdir()))}.log"
        home = Path(pyspark.__file__).parent
        environment = {
            **os.environ,
            "SPARK_HOME": str(home),
            "SPARK_CONF_DIR": str(folder),
            "SPARK_LOCAL_IP": host,
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": "-Dspark.decommission.enabled=true",
        }
        command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind.lower()}.{kind}"]
        self._run([*command, "--host", host, "--port", "0", "--webui-port", "0", *arguments], environment)

    @classmethod
    def of(cls, name: str, folder: Path, command: Sequence[str]) -> Daemon:
        """Any other program of PySpark's folder `bin`, as a daemon."""
        home = Path(pyspark.__file__).parent
        daemon = cls.__new__(cls)
        daemon.host = "127.0.0.1"
        daemon._log = folder / f"{name}.log"
        daemon._run([str(home / "bin" / command[0]), *command[1:]], {**os.environ, "SPARK_HOME": str(home)})
        return daemon

    def _run(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        # Where this process is killed itself, its end of the pipe closes: then the guard ends the session.
        guard = ["sh", "-c", 'read -r _; pkill -KILL -s "$0"', str(self.process.pid)]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace")

    def await_line(self, pattern: str) -> str:
        """The first group of `pattern` in its log."""
        found = self.await_ready(pattern, lambda: re.search(pattern, self.log))
        return str(found.group(1))

    def await_ready(self, what: str, probe: Callable[[], Any]) -> Any:
        """The first true answer of `probe`; a daemon that ends first fails with its log."""

        def look() -> Any:
            answer = probe()
            assert answer or self.process.poll() is None, f"{self._log.name} ended:\n{self.log[-4000:]}"
            return answer

        return wait_for(f"{what} of {self._log.name}", look)

    def members(self) -> list[int]:
        """The living processes of its session: itself, executors, their Python workers and trainers."""
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [pid for pid in pids if _session_of(pid) == self.process.pid]

    def kill(self) -> None:
        """SIGKILL to all of its session, it first: it would start anew an executor that it sees end."""
        self.process.kill()
        self.process.wait(support.DEADLINE)

        def killed() -> bool:
            left = self.members()
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return not left

        wait_for(f"the end of all of {self._log.name}", killed)
        self._guard.kill()
        self._guard.communicate()


@dataclass(frozen=True)
class Executor:
    """An executor as the driver's status page tells it."""

    id: str
    host: str
    active: bool
    tasks: int


class Standalone:
    """The cluster: `url` is what a session connects to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._daemons: list[Daemon] = []
        self.url = self._page = ""

    def open(self) -> None:
        """Starts the master."""
        master = self._start("Master", "127.0.0.1")
        self.url = master.await_line(r"Starting Spark master at (spark://\S+)")
        self._page = master.await_line(r"MasterWebUI.* started at (http://\S+)")

    def _start(self, kind: str, host: str, *arguments: str) -> Daemon:
        daemon = Daemon(kind, host, self._folder, arguments)
        self._daemons.append(daemon)
        return daemon

    def state(self) -> dict[str, Any]:
        """What the master says of itself: workers, activeapps and so on."""
        return dict(_get(f"{self._page}/json/"))

    def hosts(self) -> set[str]:
        """The hosts whose workers the master takes for alive."""
        return {worker["host"] for worker in self.state()["workers"] if worker["state"] == "ALIVE"}

    def add_workers(self, *hosts: str, cores: int = 2) -> None:
        """Starts a worker on each of these hosts, where there is none; returns when the master knows them."""
        started = []
        for host in sorted(set(hosts) - self.hosts()):
            work = str(self._folder / f"work-{host}")
            started.append(
                self._start("Worker", host, "--cores", str(cores), "--memory", "4g", "--work-dir", work, self.url)
            )
        for worker in started:
            worker.await_ready("registration", lambda: set(hosts) <= self.hosts())

    def driver_output(self) -> str:
        """What drivers wrote that run on workers (`--deploy-mode cluster`)."""
        found = sorted(self._folder.glob("work-*/driver-*/stdout"))
        return "\n".join(path.read_text(errors="replace") for path in found)

    def worker(self, host: str) -> Daemon:
        """The newest worker of the host."""
        return [daemon for daemon in self._daemons if daemon.host == host][-1]

    def kill_worker(self, host: str) -> None:
        """The worker, its executors and their trainers are gone at once, as with their host; the master has seen it."""
        self.worker(host).kill()
        wait_for(f"the master's word that {host} is lost", lambda: host not in self.hosts())

    def decommission(self, host: str) -> None:
        """Tells the worker by SIGPWR that it will be taken away, as a cloud's notice does.

        A session needs `spark.decommission.enabled`. The executor gets no more tasks and ends with those it has, once its
        blocks are moved; the worker's process lives on, and another may be added on the host.
        """
        self.worker(host).process.send_signal(signal.SIGPWR)
        wait_for(f"the master's word that {host} is decommissioned", lambda: host not in self.hosts())

    def stop(self) -> None:
        """Kills everything, workers first, and all where one resists."""
        with ExitStack() as ends:
            for daemon in self._daemons:
                ends.callback(daemon.kill)


@contextmanager
def standalone(folder: Path) -> Iterator[Standalone]:
    """A cluster without workers, ended with all its processes."""
    cluster = Standalone(folder)
    try:
        cluster.open()
        yield cluster
    finally:
        cluster.stop()


def start(cluster: Standalone, **more: str) -> SparkSession:
    """A session on the cluster. Its status page, on any port, is where tests see what Spark did."""
    page = {"spark.ui.enabled": "true", "spark.ui.port": "0", "spark.ui.showConsoleProgress": "false"}
    executor = {"spark.executor.cores": "2", "spark.default.parallelism": "4"}
    return conftest.start(cluster.url, **{**page, **executor, **more})


def status(spark: SparkSession, path: str) -> Any:
    """The answer of Spark's monitoring REST API to a path below the application."""
    context = spark.sparkContext
    return _get(f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/{path}")


def executors(spark: SparkSession) -> list[Executor]:
    """The executors of the session, those that are gone too."""
    rows = [row for row in status(spark, "allexecutors") if row["id"] != "driver"]
    return [Executor(row["id"], row["hostPort"].rsplit(":", 1)[0], row["isActive"], row["totalTasks"]) for row in rows]


def await_hosts(spark: SparkSession, *hosts: str) -> None:
    """Waits until tasks have run on each of these hosts: an executor that Spark only knows of is not yet given any."""
    wait_for(f"executors on {hosts}", lambda: {one.host for one in executors(spark) if one.active} == set(hosts))
    slots = 2 * len(hosts)
    job = spark.sparkContext.parallelize(range(slots), slots).map(lambda at: at)

    def ran() -> bool:
        Background(job.collect).join()
        # Not what the tasks return: with speculation a busy host's may all be overtaken by copies.
        return {one.host for one in executors(spark) if one.active and one.tasks} == set(hosts)

    wait_for(f"tasks on {hosts}", ran)


def attempts(spark: SparkSession, ids: Iterable[int]) -> list[dict[str, Any]]:
    """What Spark tells of these attempts at tasks (by their taskAttemptId): host, executorId, speculative, status."""
    wanted = set(ids)

    def told() -> list[dict[str, Any]]:
        stages = status(spark, "stages?details=true")
        # Of a skipped stage there are none.
        found = [one for stage in stages for one in stage.get("tasks", {}).values() if one["taskId"] in wanted]
        return found if len(found) == len(wanted) else []

    return list(wait_for(f"Spark's word of tasks {sorted(wanted)}", told))


def _argument(pid: int, name: str) -> str:
    command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return command[command.index(name) + 1]


def host_of(trainer: Trainer) -> str:
    """Host of the executor that the trainer is a child of."""
    return _argument(trainer.parent, "--hostname")


def executor_of(trainer: Trainer) -> str:
    """Spark's id of the executor that the trainer is a child of."""
    return _argument(trainer.parent, "--executor-id")
