"""``python -m candlewick serve``: runs the trainer that the jar holds, as docs/flight.md says."""

from __future__ import annotations

import os
import platform
import signal
import sys
import tempfile
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from candlewick._session import cuda_jar, jars
from candlewick.errors import SetupError

#: Where a jar has native files, a folder for each platform: RESOURCES of the JVM's NativeLibrary.
_RESOURCES = "candlewick/native/"


def serve(arguments: list[str]) -> NoReturn:
    """Becomes the trainer: the process, its terminal, signals and exit status are the trainer's from here on.

    Args:
        arguments: Those of ``candlewick-trainer serve``.

    Raises:
        SetupError: There is none for this machine, or no folder for temporary files may run programs.
    """
    asked = arguments in (["--help"], ["-h"])
    jar, name = _program(arguments)
    program = _content(jar, name)
    refused = {}
    for base in (Path(tempfile.gettempdir()), Path(os.path.expanduser("~/.cache"))):
        try:
            _become(_opened(program, base), [name, *(["--help"] if asked else ["serve", *arguments])])
        except OSError as error:
            # Mounted with noexec, full, or not there.
            refused[str(base)] = error.strerror
    told = ", ".join(f"{base} ({why})" for base, why in refused.items())
    raise SetupError(f"{name} cannot be run in {told}: name a folder that may run programs by the variable TMPDIR")


def _program(arguments: list[str]) -> tuple[str, str]:
    """The jar and the name of the program: that for GPUs where the arguments ask for one."""
    devices = [after for before, after in pairwise(arguments) if before == "--device"]
    if not any(device.startswith("cuda") for device in devices):
        return jars(), "candlewick-trainer"
    more = cuda_jar()
    # jars() says what to install.
    return more or jars(cuda=True), "candlewick-trainer-gpu"


def _content(jar: str, name: str) -> bytes:
    """The program for this machine."""
    machine = platform.machine().lower()
    here = f"{platform.system().lower()}/{ {'amd64': 'x86_64', 'arm64': 'aarch64'}.get(machine, machine) }"
    try:
        with zipfile.ZipFile(jar) as archive:
            files = [Path(path) for path in archive.namelist() if path.startswith(_RESOURCES)]
            if Path(_RESOURCES, here, name) in files:
                return archive.read(f"{_RESOURCES}{here}/{name}")
    except zipfile.BadZipFile as error:
        raise SetupError(f"{jar} is not a jar: {error}") from error
    there = sorted({str(file.parent).removeprefix(_RESOURCES) for file in files if file.name == name})
    raise SetupError(f"{jar} holds no {name} for {here}, which this machine is; it has {', '.join(there) or 'none'}")


def _opened(program: bytes, base: Path) -> int:
    """The open file of the program, which only this user could write. Its name is gone: nothing is left behind, however it ends."""
    with tempfile.TemporaryDirectory(prefix="candlewick-serve-", dir=base) as folder:
        path = Path(folder) / "program"
        path.write_bytes(program)
        path.chmod(0o700)
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _become(file: int, arguments: list[str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores these, which a program that it becomes would inherit.
    ignored = {one: signal.signal(one, signal.SIG_DFL) for one in (signal.SIGPIPE, signal.SIGXFSZ)}
    try:
        os.execve(file, arguments, os.environ)
    finally:
        # Only where that failed.
        os.close(file)
        for one, before in ignored.items():
            signal.signal(one, before)
