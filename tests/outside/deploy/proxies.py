"""The examples for nginx and HAProxy, run as they are shipped but for their addresses and the places of files."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.certificates import Certificate
from tests.support.places import ROOT
from tests.support.ports import free_port
from tests.support.servers import Service, end_with

PLACES = "/usr/sbin:/usr/bin"
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
# Fewer than a thousand silent callers would take, so that only the bound of the example keeps them out.
NGINX_CONNECTIONS = 1024


@contextlib.contextmanager
def calling(*works):
    """Each of the functions again and again in a thread of its own, for as long as the block runs."""
    running = threading.Event()
    running.set()

    def again(work):
        while running.is_set():
            work()

    with ThreadPoolExecutor(len(works)) as pool:
        workers = [pool.submit(again, work) for work in works]
        try:
            yield
        finally:
            running.clear()
        for worker in workers:
            worker.result()


def wait_for(what, seconds=60):
    """Until it is so.

    Raises:
        TimeoutError: it was not so for so many seconds.
    """
    ends = time.monotonic() + seconds
    while not what():
        if time.monotonic() > ends:
            raise TimeoutError(f"not so within {seconds} s")
        time.sleep(0.02)


class Proxy:
    """A proxy in front of two ports of this machine; ``port`` speaks TLS for ``localhost``."""

    program: str

    def __init__(self, folder: Path, ports: tuple[int, int]) -> None:
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        self.folder, self.ports, self.port = folder, ports, free_port()
        self.certificate = Certificate(folder)
        self._trusting = ssl.create_default_context(cafile=str(self.certificate.path))

    @classmethod
    def missing(cls) -> str:
        """What is not installed here; empty if the proxy can be run."""
        return "" if shutil.which(cls.program, path=PLACES) else f"{cls.program} is not installed"

    def send(self, path, body=None, timeout=20, source="127.0.0.1"):
        """Status and body of an answer to one call on a connection of its own, from one address of this machine."""
        with contextlib.closing(self.connection(timeout, source)) as connection:
            headers = {"Content-Type": "application/json"}
            connection.request("GET" if body is None else "POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def connection(self, timeout=20, source="127.0.0.1"):
        return http.client.HTTPSConnection(
            "localhost", self.port, timeout=timeout, source_address=(source, 0), context=self._trusting
        )

    def connect(self, source="127.0.0.1", timeout=20):
        """A connection that has said nothing, not even that it wants TLS."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout, source_address=(source, 0))

    def connect_tls(self, source="127.0.0.1", timeout=20):
        return self._trusting.wrap_socket(self.connect(source, timeout), server_hostname="localhost")

    def speaks(self, version):
        """Whether TLS of this version, and no other, is agreed on."""
        context = ssl.create_default_context(cafile=str(self.certificate.path))
        context.minimum_version = context.maximum_version = version
        with self.connect() as plain, context.wrap_socket(plain, server_hostname="localhost") as agreed:
            return agreed.version() is not None

    def __enter__(self):
        command = self._written()
        program = shutil.which(self.program, path=PLACES)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, *command], stdout=log, stderr=log, preexec_fn=end_with(os.getpid(), signal.SIGTERM)
            )
        for _ in range(500):
            with contextlib.suppress(OSError):
                self.connect().close()
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError((self.folder / "log").read_text())

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)

    def _written(self) -> list[str]:
        """Writes the configuration, has the proxy judge it, and gives the arguments to start with."""
        raise NotImplementedError

    def _judged(self, *arguments):
        program = shutil.which(self.program, path=PLACES)
        judged = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
        assert judged.returncode == 0 and "warn" not in judged.stderr.lower(), judged.stderr

    def _example(self, path, **changed):
        text = (ROOT / "deploy" / path).read_text()
        for said, ours in changed.items():
            assert said in text, f"{path} no longer says {said}"
            text = text.replace(said, ours)
        return text


@contextlib.contextmanager
def before_two(proxy: type[Proxy], folder: Path, stores: tuple[str, str], **environment: str):
    """A proxy before two instances, each with its store; the proxy, and the instance that it asks first."""
    one, two = (Service(url, folder / name, **environment) for name, url in zip(("one", "two"), stores, strict=True))
    with one, two, proxy(folder / "proxy", (one.port, two.port)) as running:
        yield running, one


class Nginx(Proxy):
    program = "nginx"

    @classmethod
    def missing(cls):
        return super().missing() or ("" if STREAM_MODULE.exists() else "the stream module of nginx is not installed")

    def _written(self):
        inner = free_port()
        (self.folder / "site.conf").write_text(
            self._example(
                "nginx/cds-service.conf",
                **{
                    "127.0.0.1:8081": f"127.0.0.1:{self.ports[0]}",
                    "127.0.0.1:8082": f"127.0.0.1:{self.ports[1]}",
                    "listen 127.0.0.1:8443": f"listen 127.0.0.1:{inner}",
                    "cds.hospital.example": "localhost",
                    "/etc/nginx/tls/cds.crt": str(self.certificate.path),
                    "/etc/nginx/tls/cds.key": str(self.folder / "key.pem"),
                },
            )
        )
        (self.folder / "connections.conf").write_text(
            self._example(
                "nginx/connections.conf",
                **{"listen 443": f"listen 127.0.0.1:{self.port}", "127.0.0.1:8443": f"127.0.0.1:{inner}"},
            )
        )
        temporary = "".join(f"{kind}_temp_path {self.folder}/{kind};\n" for kind in ("client_body", "proxy"))
        user = "user root;" if os.geteuid() == 0 else ""  # the folders of a test are its user's own
        (self.folder / "nginx.conf").write_text(
            f"load_module {STREAM_MODULE};\n{user} daemon off; pid {self.folder}/pid; worker_processes 1;\n"
            f"error_log {self.folder}/error.log;\nevents {{ worker_connections {NGINX_CONNECTIONS}; }}\n"
            f"http {{ access_log off;\n{temporary}include {self.folder}/site.conf; }}\n"
            f"include {self.folder}/connections.conf;\n"
        )
        command = ["-p", str(self.folder), "-e", str(self.folder / "error.log"), "-c", str(self.folder / "nginx.conf")]
        self._judged(*command, "-t")
        return command


class HAProxy(Proxy):
    program = "haproxy"

    def _written(self):
        written = self.folder / "haproxy.cfg"
        pem = self.certificate.path.read_text() + (self.folder / "key.pem").read_text()
        (self.folder / "cds.pem").write_text(pem)
        written.write_text(
            self._example(
                "haproxy/cds-service.cfg",
                **{
                    "127.0.0.1:8081": f"127.0.0.1:{self.ports[0]}",
                    "127.0.0.1:8082": f"127.0.0.1:{self.ports[1]}",
                    "bind :443": f"bind 127.0.0.1:{self.port}",
                    "/etc/haproxy/tls": str(self.folder),
                },
            )
        )
        self._judged("-c", "-f", str(written))
        return ["-db", "-f", str(written)]
