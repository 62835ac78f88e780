"""Apache Spark on this machine: a cluster of two workers that only loopback reaches, and its settings.

It is there where pyspark is (``make spark``), which is too large to be installed for every test.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.support.places import ROOT
from tests.support.ports import free_port
from tests.support.waiting import eventually

_SECONDS = 240
_LOOPBACK = "127.0.0.1"


def is_installed() -> bool:
    """Whether pyspark is there."""
    return find_spec("pyspark") is not None


def environment(folder: Path, **settings: str) -> Mapping[str, str]:
    """The environment of a process that uses Spark, with ``settings`` of Spark, which are written to ``folder``.

    Names of settings have ``__`` for their points.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = {"spark__driver__host": _LOOPBACK, "spark__ui__enabled": "false", **settings}
    lines = [f"{name.replace('__', '.')} {value}\n" for name, value in known.items()]
    (folder / "spark-defaults.conf").write_text("".join(lines))
    given = {
        "SPARK_CONF_DIR": str(folder),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_LOCAL_IP": _LOOPBACK,
        "PYTHONPATH": str(ROOT),
    }
    return os.environ | given


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[str]:
    """The address of a master with so many workers of one core and 1 GB; all of them are ended at the end."""
    port = free_port()
    master = f"spark://{_LOOPBACK}:{port}"
    with ExitStack() as stack:
        _start(stack, folder, "master.Master", "--host", _LOOPBACK, "--port", str(port), "--webui-port", "0")
        eventually(lambda: _answers(port), _SECONDS)
        for number in range(workers):
            place = ("--work-dir", str(folder / f"work-{number}"))
            room = ("--cores", "1", "--memory", "1g")
            _start(stack, folder, "worker.Worker", "--host", _LOOPBACK, "--webui-port", "0", *place, *room, master)
        log = folder / "master.Master.log"
        eventually(lambda: log.read_text().count("Registering worker") >= workers, _SECONDS)
        yield master


def _start(stack: ExitStack, folder: Path, name: str, *arguments: str) -> None:
    (home,) = find_spec("pyspark").submodule_search_locations  # type: ignore[union-attr,misc]
    command = [str(Path(home) / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}", *arguments]
    log = stack.enter_context((folder / f"{name}.log").open("ab"))
    settings = environment(folder / "of-the-cluster", spark__master__rest__enabled="false")
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=settings | {"SPARK_HOME": home})
    stack.callback(_end, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex((_LOOPBACK, port)) == 0
