"""The rows of the bench that are measured under load: the CPU time of a server's process tree for each call.

The service and the floors (echo and raw WSGI) take turns within a round, so that a change of the machine's speed meets
all of them.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from tests.load.bench import goals
from tests.load.bench.goals import ECHO, FETCHED, RAW, RELEVANT, TOKEN_NEW, TOKEN_SEEN, Figures, Row
from tests.load.bench.turns import Turn
from tests.support.bodies import SERVICE as ORDER_SELECT
from tests.support.bodies import bodies, without_prefetch
from tests.support.loaded import Server, floor, service
from tests.support.quick_fhir_server import quick_fhir_server

PATH = f"/cds-services/{ORDER_SELECT}"
CONNECTIONS = 8
_SCRIPT = Path(__file__).parent / "post.lua"
_ISSUER = _BASE = "https://bench.example.org"
_TOKENS_A_SECOND = 1500  # more than are used: each may be sent once
_LARGE_BYTES = 1_000_000


class LoadedRows:
    """The rows, and the servers that they need, which are started when the first row does.

    ``folder`` holds what is sent and the stores; ``stack`` ends the servers. ``seconds`` are those of load for each
    row, server and round.
    """

    def __init__(self, folder: Path, stack: ExitStack, workers: int, seconds: int) -> None:
        self._folder, self._stack, self._workers, self._seconds = folder, stack, workers, seconds
        self._key = ECKey.generate_key("P-384", {"kid": "bench"})
        self._bodies = bodies()
        self.memory: dict[str, list[float]] = {}
        """Of each worker in MB, ``before`` the load and ``after`` it (see ``note_memory``)."""

    def makers(self) -> dict[Row, Callable[[], Turn]]:
        """What makes each row ready."""
        plain = {row: partial(self._plain, row.name) for row in goals.UNDER_LOAD if row.name in self._bodies}
        return plain | {TOKEN_SEEN: self._token_seen, TOKEN_NEW: self._token_new, FETCHED: self._fetched}

    def of_another(self, server: Callable[[], Server], path: str, row: Row) -> Turn:
        """The body of a row posted to ``path`` of another server, in the place of the service."""
        file, other = self._file(row.name), server()
        return lambda number: self._turn(number, other, file, path=path)

    def entered(self, server: AbstractContextManager[Any]) -> Any:
        """The server, started now and ended with the others."""
        return self._stack.enter_context(server)

    def note_memory(self) -> None:
        """Notes what the workers hold after the load."""
        if self.memory:
            self.memory["after"] = self._served.memory()

    @cached_property
    def _echo(self) -> Server:
        return self.entered(floor("echo", self._workers))

    @cached_property
    def _raw(self) -> Server:
        return self.entered(floor("raw", self._workers))

    @cached_property
    def _served(self) -> Server:
        served = self._service("open")
        self.memory["before"] = served.memory()
        return served

    def _plain(self, name: str) -> Turn:
        file, served = self._file(name), self._served
        return lambda number: self._turn(number, served, file)

    def _token_seen(self) -> Turn:
        server = self._service("reuse", self._clients() | {"CDS_SERVICE_REPLAY_PROTECTION": "false"})
        file, tokens = self._file(RELEVANT.name), self._folder / "seen.txt"
        tokens.write_text(self._token())
        return lambda number: self._turn(number, server, file, tokens)

    def _token_new(self) -> Turn:
        server, file = self._service("once", self._clients()), self._file(RELEVANT.name)
        tokens = self._folder / "new.txt"

        def turn(number: int) -> Mapping[str, Figures]:
            tokens.write_text("\n".join(self._token() for _ in range(_TOKENS_A_SECOND * self._seconds)))
            return self._turn(number, server, file, tokens)

        return turn

    def _fetched(self) -> Turn:
        body = without_prefetch(self.entered(quick_fhir_server()))
        file, server = self._folder / "no prefetch.json", self._service("fetch")
        file.write_bytes(body)

        def turn(number: int) -> Mapping[str, Figures]:
            figures = self._turn(number, server, file)
            if late := too_late(server):
                raise RuntimeError(f"{late} searches came too late, and those calls cost less than they should")
            return figures

        return turn

    def _turn(
        self, number: int, server: Server, body: Path, tokens: Path | None = None, path: str = PATH
    ) -> Mapping[str, Figures]:
        turns = [
            (goals.SERVICE, partial(load, server.url + path, server, body, tokens=tokens)),
            (ECHO, partial(load, self._echo.url + PATH, self._echo, body)),
            (RAW, partial(load, self._raw.url + PATH, self._raw, body)),
        ]
        first = number % len(turns)
        return {who: one(seconds=self._seconds) for who, one in turns[first:] + turns[:first]}

    def _file(self, name: str) -> Path:
        file = self._folder / f"{name}.json"
        file.write_bytes(self._bodies[name])
        return file

    def _service(self, store: str, settings: Mapping[str, str] | None = None) -> Server:
        own = {"CDS_SERVICE_STORE": f"sqlite:///{self._folder / store}.sqlite3"}
        return self.entered(service(self._workers, own | dict(settings or {})))

    def _clients(self) -> dict[str, str]:
        """Settings by which tokens of this run are accepted, and no call without one."""
        (self._folder / "keys.json").write_text(json.dumps({"keys": [self._key.as_dict(private=False)]}))
        client = f'base-urls = ["{_BASE}"]\n[clients.bench]\nissuer = "{_ISSUER}"\njwks-file = "keys.json"\n'
        (self._folder / "clients.toml").write_text(client)
        return {"CDS_SERVICE_CLIENTS": str(self._folder / "clients.toml")}

    def _token(self) -> str:
        """A token that was never used."""
        now = int(time.time())
        claims = {"iss": _ISSUER, "aud": _BASE + PATH, "iat": now, "exp": now + 300, "jti": uuid.uuid4().hex}
        return jwt.encode({"alg": "ES384", "typ": "JWT", "kid": "bench"}, claims, self._key, algorithms=["ES384"])


def load(url: str, server: Server, body: Path, *, seconds: int, tokens: Path | None = None) -> dict[str, Any]:
    """One round: the body posted to ``url`` of the server, with a token if there is a file of them.

    Raises:
        RuntimeError: wrk is not installed, or a call was not answered as it should be.
        subprocess.SubprocessError: wrk failed, or did not end.
    """
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is not installed (Debian: apt-get install wrk)")
    if body.stat().st_size > _LARGE_BYTES:
        seconds *= 2  # or too few calls end within it
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "-s", str(_SCRIPT), url, "--"]
    command += [str(body), *([str(tokens)] if tokens else [])]
    began = server.cpu()
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
    cpu = server.cpu() - began
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    if found["failed"] or not found["requests"]:
        raise RuntimeError(f"{found['failed']} calls failed of {found['requests']}")
    return found | {"cpu_ms": cpu / found["requests"] * 1e3, "per_second": found["requests"] / found["seconds"]}


def too_late(server: Server) -> int:
    """How many searches at FHIR servers did not end within the budget: their answers were cut short."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:  # noqa: S310
        text = answer.read().decode()
    found = re.search(r'^cds_service_fhir_searches_total\{outcome="fetchTooLate"\} (\S+)$', text, re.MULTILINE)
    return int(float(found[1])) if found else 0
