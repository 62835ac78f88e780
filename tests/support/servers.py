"""Real servers for the tests of the store: PostgreSQL and our own service, on loopback, ended by their process ids."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psycopg

from tests.support.ports import free_port


def end_with(parent, by):
    """For ``preexec_fn``: Linux ends the server when the test run ends, however that ends (prctl PR_SET_PDEATHSIG)."""

    def ask():
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(1, int(by))
            if os.getppid() != parent:  # it ended already
                os._exit(1)

    return ask


def wait_until_answers(url, process, seconds=30):
    """Until a server that was just started answers.

    Raises:
        RuntimeError: it ended, or was given so many seconds and has not answered.
    """
    ends = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < ends:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310
                answer.read()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"nothing answers at {url}")


def postgresql_programs():
    """The folder with initdb and postgres: on the path, or where Debian puts them; ``None`` if there are none."""
    on_path = shutil.which("initdb")
    places = [Path(on_path).resolve().parent] if on_path else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


class PostgreSQL:
    """A server of our own in a temporary folder; it refuses to run as root, so root starts it as another user."""

    def __init__(self, programs):
        self._programs = programs
        self._user = {}
        self.folder = Path(tempfile.mkdtemp(prefix="cds-service-postgresql-"))
        if os.geteuid() == 0:
            other = next(p for p in pwd.getpwall() if p.pw_name in ("postgres", "nobody") and p.pw_uid)
            self._user = {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}
            os.chown(self.folder, other.pw_uid, other.pw_gid)
        self.port = free_port()
        make = ["initdb", "-D", "data", "-U", "cds", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        self._run(make, check=True, timeout=60)
        self.start()

    def start(self):
        arguments = ["-D", "data", "-p", str(self.port), "-k", str(self.folder)]
        arguments += ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=50"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self._programs / "postgres", *arguments],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with(os.getpid(), signal.SIGQUIT),
                **self._user,
            )
        for _ in range(200):
            try:
                psycopg.connect(self.dsn("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        self.remove()
        raise RuntimeError("PostgreSQL did not start")

    def dsn(self, database):
        return f"postgresql://cds@127.0.0.1:{self.port}/{database}"

    def make_store(self, name):
        """The URL of an empty store: a schema of its own, which is made and removed faster than a database."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE SCHEMA "{name}"')
        return f"postgresql+psycopg://cds@127.0.0.1:{self.port}/postgres?options=-csearch_path%3D{name}"

    def stop(self):
        self.process.send_signal(signal.SIGINT)  # fast shutdown
        self.process.wait(20)

    def kill(self):
        """As a crash would: the whole server at once, nothing written any more."""
        everyone = children(self.process.pid)  # each of them leads a session of its own
        for process in everyone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait(20)
        for _ in range(500):  # they hold what the next server needs
            if not any(is_there(process) for process in everyone):
                break
            time.sleep(0.01)

    def remove(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)  # at once: nothing of it is needed any more
            self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, command, **more):
        subprocess.run(
            [self._programs / command[0], *command[1:]], cwd=self.folder, capture_output=True, **more, **self._user
        )


class Service:
    """``cds-service serve`` (or another command with ``{port}``) with its store at ``url``."""

    def __init__(self, url, log, command=("-m", "cds_service", "serve", "--port", "{port}"), **environment):
        self.url, self._log, self._command, self._environment = url, log, command, environment
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"

    def start(self):
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *(part.format(port=self.port) for part in self._command)],
                stdout=log,
                stderr=log,
                env=os.environ | {"CDS_SERVICE_STORE": self.url, "CDS_SERVICE_LOOPBACK": "1"} | self._environment,
                start_new_session=True,
                preexec_fn=end_with(os.getpid(), signal.SIGTERM),
            )
        try:
            wait_until_answers(f"{self.base}/healthz", self.process)
        except RuntimeError:
            if self.process.poll() is None:
                self.kill()
            raise RuntimeError(self._log.read_text()) from None
        return self

    def wait_for_workers(self, workers):
        """Until so many workers listen: each has a socket of its own, and the first may answer long before the last."""
        mine = f"0100007F:{self.port:04X} 00000000:0000 0A "  # 127.0.0.1, listening
        for _ in range(400):
            if Path("/proc/net/tcp").read_text().count(mine) == workers:
                return
            time.sleep(0.02)
        raise RuntimeError(f"fewer than {workers} workers: {self._log.read_text()}")

    def kill(self):
        """kill -9 of the service with its workers."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()


def children(pid):
    """A process and all that it started."""
    found = [pid]
    for parent in found:
        told = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True)
        found += [int(child) for child in told.stdout.split()]
    return found


def serving(service):
    """The service and its workers, oldest first, without what they start for a while, such as a check of content."""
    found = []
    for process in children(service.process.pid):
        with contextlib.suppress(OSError):
            if b"\0serve\0" in Path(f"/proc/{process}/cmdline").read_bytes():
                found.append(process)
    return found


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def status_of(url, body=None, timeout=10):
    """The status of an answer and its body."""
    call = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(call, timeout=timeout) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
