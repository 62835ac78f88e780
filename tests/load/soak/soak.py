"""Mixed requests at many connections while everything around the service fails, one thing after another.

``make soak``, or ``python -m tests.load.soak.soak [REQUESTS] [CONNECTIONS]``. Prints a table; exits 1 if a promise is
broken: a card other than the pure function gives, acknowledged feedback that is lost, a 5xx that the fault does not
explain, or a recovery of more than five seconds.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec
from joserfc.jwk import ECKey
from sqlalchemy import select

from cds_service.content.load import load_pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.packaged import packaged
from cds_service.protocol.faults import Fault
from cds_service.protocol.profiles import Profile
from cds_service.replay.scenario import Scenario, search
from cds_service.replay.scenarios import SAMPLE, read_scenarios
from cds_service.settings import Settings
from cds_service.store import tables
from cds_service.store.database import open_engine, read_url, reading
from cds_service.vocabulary.fetched import Fetched, FetchProblem
from cds_service.vocabulary.json_text import encode
from tests.support.fhir_stub import Asked, Stub, records, saying
from tests.support.finds import table
from tests.support.servers import PostgreSQL, Service, children, postgresql_programs
from tests.support.trust_parts import ISSUER, KeyServer, Maker, public

RECOVERY_SECONDS = 5.0
KEY = "a key for the soak, of 32 bytes or more"
_BASE = "https://cds.example/b12"
_FETCHED = "platelets"  # the prefetch key that is left to be fetched
_GROWTH_BYTES = 50_000_000  # of memory that may come with caches and more threads


@dataclass(frozen=True)
class Sent:
    """One request of the mix. ``full`` is the answer when all is well, ``without`` those while FHIR cannot be read."""

    path: str
    body: bytes
    full: tuple[int, Any] = (200, None)
    without: tuple[tuple[int, Any], ...] = ()


@dataclass
class Phase:
    """A fault and what was seen while it lasted and after it. ``explains`` tells which answers it makes unavoidable."""

    name: str
    begin: Callable[[], None]
    end: Callable[[], None]
    explains: Callable[[str, int], bool]
    requests: int = 0
    wrong: int = 0
    unexplained: Counter[str] = field(default_factory=Counter)
    explained: Counter[str] = field(default_factory=Counter)
    ended_at: float = float("inf")
    last_bad_at: float = 0.0
    memory: tuple[int, int] = (0, 0)
    least: float = 0.0  # seconds that the fault lasts at least
    settle: float = 0.0  # seconds that the next fault waits at least after its end

    def recovery(self) -> float:
        return max(0.0, self.last_bad_at - self.ended_at)


class Mix:
    """Requests with the answers of the pure function, made for a moment and the address of a FHIR server."""

    def __init__(self, fhir: str, now: datetime, sample: int) -> None:
        pack = load_pack(packaged("cards"))
        self._evaluator = Prepared.of(pack, zone=ZoneInfo("UTC"), key=Settings(key=KEY).uuid_key() or b"")
        self._profile, self._now = Profile("2.0", {}, ISSUER), now
        services = {service.hook: service for service in pack.services.values()}
        asked = {hook: templates_of(pack, service) for hook, service in services.items()}
        scenarios = [one for one in read_scenarios(packaged("fixtures")) if not one.in_process_only]
        self.records: list[Mapping[str, Any]] = []
        self.sent: list[Sent] = []
        for scenario in random.Random(5).sample(scenarios, sample):  # noqa: S311
            service = services[scenario.hook]
            call = scenario.request(asked[scenario.hook], now)
            self.sent.append(self._complete(service, call))
        chosen: Scenario = next(one for one in scenarios if one.name == SAMPLE)
        service, call = services[chosen.hook], chosen.request(asked[chosen.hook], now)
        held = call["prefetch"].pop(_FETCHED)
        self.records = [entry["resource"] for entry in held["entry"]]
        lent = {"access_token": "lent", "token_type": "Bearer"}
        self.sent += [self._fetching(service, call | {"fhirServer": fhir, "fhirAuthorization": lent})] * (sample // 4)
        random.Random(5).shuffle(self.sent)  # noqa: S311  (short phases must meet every kind)

    def _answer(self, service: Any, body: bytes, fetch: Any = None) -> tuple[int, Any]:
        try:
            answer = evaluate(self._evaluator, service, body, self._now, self._profile, fetch)
        except Fault as fault:
            return fault.status, json.loads(encode(fault.outcome()))
        return 200, json.loads(encode(answer.body))

    def _complete(self, service: Any, call: Mapping[str, Any]) -> Sent:
        body = json.dumps(call).encode()
        return Sent(f"/cds-services/{service.id}", body, self._answer(service, body))

    def _fetching(self, service: Any, call: Mapping[str, Any]) -> Sent:
        body = json.dumps(call).encode()

        def found(access: Any, searches: Sequence[Any], patient: str, **_: Any) -> Mapping[str, Fetched]:
            return {
                one.key: Fetched(msgspec.Raw(msgspec.json.encode(search(one.template, self.records))))
                for one in searches
            }

        def failing(problem: FetchProblem) -> Any:
            return lambda access, searches, patient, **_: {one.key: Fetched(problem=problem) for one in searches}

        without = tuple(self._answer(service, body, failing(problem)) for problem in FetchProblem)
        return Sent(f"/cds-services/{service.id}", body, self._answer(service, body, found), without)


class Load:
    """So many connections that send the mix, one request after another, and judge every answer.

    Each waits ``pause`` seconds between two requests.
    """

    def __init__(
        self, service: Service, mix: Mix, connections: int, token: Callable[[str], str], pause: float = 0.0
    ) -> None:
        self._service, self._mix, self._token = service, mix, token
        self.phase: Phase
        self.stored: list[str] = []
        self.running = True
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._pause = pause
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(connections)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self.running = False
        for thread in self._threads:
            thread.join(30)

    def _send(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while self.running:
            number = next(self._numbers)
            phase = self.phase
            card = ""
            if number % 5 == 0:
                card = str(uuid4())
                entry = {"card": card, "outcome": "overridden", "outcomeTimestamp": "2026-01-05T09:30:00Z"}
                one = Sent(
                    "/cds-services/vitamin-b12-order-select/feedback", json.dumps({"feedback": [entry]}).encode()
                )
            else:
                one = self._mix.sent[number % len(self._mix.sent)]
            kind = "feedback" if card else "fetching" if one.without else "hook"
            status, said = 0, b""
            # A call on a kept connection that the server has closed is sent again on a new one, as clients do.
            for _ in range(2 if connection is not None else 1):
                try:
                    connection = connection or http.client.HTTPConnection("127.0.0.1", self._service.port, timeout=20)
                    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token(one.path)}"}
                    connection.request("POST", one.path, one.body, headers)
                    answer = connection.getresponse()
                    status, said = answer.status, answer.read()
                    break
                except (OSError, http.client.HTTPException):
                    if connection is not None:
                        connection.close()
                    connection = None
            self._judge(phase, kind, one, status, said, card)
            time.sleep(self._pause if status else 0.02)
        if connection is not None:
            connection.close()

    def _judge(self, phase: Phase, kind: str, one: Sent, status: int, said: bytes, card: str) -> None:
        well, wrong = False, False
        if card:
            well = status == 200
        elif status in (one.full[0], *(known for known, _ in one.without)):
            told = (status, json.loads(said))
            well = told == one.full
            wrong = not well and told not in one.without
        now = time.monotonic()
        with self._lock:
            phase.requests += 1
            if well:
                if card:
                    self.stored.append(card)
                return
            if wrong:
                phase.wrong += 1
                phase.unexplained[f"{kind} wrong: {said[:200]!r}"] += 1
                return
            degraded = kind == "fetching" and status in (200, 412)
            late = now > phase.ended_at + RECOVERY_SECONDS
            label = f"{kind} {'without FHIR' if degraded else status or 'no connection'}"
            seen = -1 if degraded else status
            explained = phase.explains(kind, seen)
            if not explained and self.phase is not phase and self.phase.explains(kind, seen):
                phase, explained, late = self.phase, True, False  # under way when the next fault began
            # Under full load a FHIR call may be too late at any time: an answer without it is no fault.
            if degraded and not (explained and not late):
                phase.explained[f"{label} (too late)"] += 1
            elif explained and not late:
                phase.explained[label] += 1
                phase.last_bad_at = max(phase.last_bad_at, now)
            else:
                phase.unexplained[label] += 1


def serving(service: Service) -> list[int]:
    """The service and its workers, oldest first, without what they start for a while, such as a check of content."""
    found = []
    for process in children(service.process.pid):
        with contextlib.suppress(OSError):
            if b"\0serve\0" in Path(f"/proc/{process}/cmdline").read_bytes():
                found.append(process)
    return found


def memory_of(service: Service) -> int:
    """Bytes that the service and its workers hold."""
    total = 0
    for process in serving(service):
        with contextlib.suppress(OSError, IndexError):
            total += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()
    return total


class Tokens:
    """Tokens of the client, each used for a while; under a new key after a rotation."""

    def __init__(self, server: KeyServer) -> None:
        self._server = server
        self._made: dict[str, tuple[float, str]] = {}
        self.rotate()

    def rotate(self) -> None:
        """The key set has one key, a new one."""
        key = ECKey.generate_key("P-384", {"kid": f"key-{uuid4()}"})
        self._server.document = {"keys": [public(key)]}
        self._maker, self._kid = Maker({"ES384": key}), key.as_dict()["kid"]
        self._made = {}

    def __call__(self, path: str) -> str:
        found = self._made.get(path)
        if found is None or found[0] < time.monotonic():
            token = self._maker.token(header={"kid": self._kid}, aud=_BASE + path)
            found = self._made[path] = (time.monotonic() + 120, token)
        return found[1]


def nothing() -> None:
    """No fault begins or ends."""


def kill_workers(service: Service, ended: threading.Event, seconds: float) -> None:
    """kill -9 of the oldest worker every few seconds: one that dies again within 5.5 s ends Granian."""
    while not ended.is_set():
        for worker in serving(service)[1:2]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        ended.wait(seconds)


def run_phases(load: Load, service: Service, phases: Sequence[Phase], requests: int, longest: float) -> None:
    """Each phase: the fault lasts for the first half of its requests, the second half is after it."""
    for number, phase in enumerate(phases):
        before = memory_of(service)
        load.phase = phase
        if number == 0:
            load.start()
        phase.begin()
        wait_until(lambda: False, phase.least)
        wait_until(lambda phase=phase: phase.requests >= requests / 2, longest)
        phase.end()
        phase.ended_at = time.monotonic()
        wait_until(lambda: False, phase.settle)
        wait_until(lambda phase=phase: phase.requests >= requests, longest)
        wait_until(lambda: False, min(1.0, longest / 10))
        phase.memory = (before, memory_of(service))


def wait_until(reached: Callable[[], bool], longest: float) -> None:
    ends = time.monotonic() + longest
    while not reached() and time.monotonic() < ends:
        time.sleep(0.05)


def cards_in(url: str) -> set[str]:
    engine = open_engine(read_url(url))
    with reading(engine) as connection:
        found = set(connection.execute(select(tables.feedback.c.card)).scalars())
    engine.dispose()
    return found


@dataclass
class Told:
    """What a soak came to."""

    phases: list[Phase]
    lost: int
    feedback: int
    seconds: float
    steady: tuple[int, int]

    def problems(self) -> list[str]:
        found = [f"{p.name}: {label} x {times}" for p in self.phases for label, times in p.unexplained.items()]
        found += [
            f"{p.name}: recovered after {p.recovery():.1f} s" for p in self.phases if p.recovery() > RECOVERY_SECONDS
        ]
        found += [f"{self.lost} acknowledged entries of feedback lost"] if self.lost else []
        found += ["memory grows"] if self.steady[1] > self.steady[0] + _GROWTH_BYTES else []
        return found

    def text(self) -> str:
        rows = []
        for p in self.phases:
            explained = ", ".join(f"{label}: {times}" for label, times in sorted(p.explained.items()))
            memory = f"{p.memory[0] / 1e6:.0f} -> {p.memory[1] / 1e6:.0f}"
            cells = (p.name, p.requests, p.wrong, sum(p.unexplained.values()), f"{p.recovery():.1f}", memory)
            rows.append((*cells, explained))
        head = ("fault", "requests", "wrong cards", "unexplained", "recovery s", "memory MB", "what the fault explains")
        total = sum(p.requests for p in self.phases)
        return (
            f"{table(head, rows)}\n{total} requests in {self.seconds:.0f} s; "
            f"{self.feedback} entries of feedback acknowledged, {self.lost} lost"
        )


def soak(
    requests: int,
    connections: int,
    *,
    rotation: bool = True,
    longest: float = 600.0,
    kill_every: float = 6.0,
    pause: float = 0.0,
) -> Told:
    """The whole of it: on PostgreSQL if it is installed, then a full disk under SQLite.

    ``longest`` bounds each half of a phase, ``pause`` is how long each connection waits between two calls, in seconds.
    """
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="cds-service-soak-"))
    programs = postgresql_programs()
    database = PostgreSQL(programs) if programs is not None else None
    keys = KeyServer()
    gone = threading.Event()
    answer: list[Callable[[Asked], None]] = [saying({}, 500)]
    try:
        with Stub(lambda asked: answer[0](asked)) as fhir:
            mix = Mix(fhir.base, datetime.now(UTC), 80)
            healthy = answer[0] = records(mix.records)
            tokens = Tokens(keys)
            clients = folder / "clients.toml"
            clients.write_text(
                f'base-urls = ["{_BASE}"]\n[clients.ehr]\nissuer = "{ISSUER}"\njwks-url = "{keys.url}/jwks"\n'
                f'fhir-servers = ["{fhir.base}"]\n'
            )
            audit = folder / "audit"
            common = {
                "CDS_SERVICE_KEY": KEY,
                "CDS_SERVICE_CLIENTS": str(clients),
                "CDS_SERVICE_REPLAY_PROTECTION": "0",
                "CDS_SERVICE_AUDIT": str(audit),
                "CDS_SERVICE_LOG_CALLS": "0",
                "CDS_SERVICE_CARDS": str(folder / "cards"),
            }

            def fhir_is(says: Callable[[Asked], None]) -> Callable[[], None]:
                return lambda: answer.__setitem__(0, says)

            def audit_is_full() -> None:
                link = folder / "full"
                link.symlink_to("/dev/full")
                link.replace(audit)

            def unavoidable_without_fhir(kind: str, status: int) -> bool:
                return kind == "fetching" and status == -1

            def phase(name: str, begin: Any, end: Any, explains: Any = lambda kind, status: False) -> Phase:
                return Phase(name, begin, end, explains)

            lock = folder / "cards" / "lock.json"
            shutil.copytree(packaged("cards"), lock.parent)
            good = lock.read_bytes()
            well = fhir_is(healthy)
            phases = [
                phase("none", nothing, nothing),
                phase("FHIR server dead", fhir_is(lambda asked: None), well, unavoidable_without_fhir),
                phase(
                    "FHIR server hangs", fhir_is(lambda asked: asked.wait(3) or None), well, unavoidable_without_fhir
                ),
                phase("FHIR server says rubbish", fhir_is(saying(b"<html>", 200)), well, unavoidable_without_fhir),
                phase("content broken", lambda: lock.write_bytes(b"{"), lambda: lock.write_bytes(good)),
                phase("audit's disk full", audit_is_full, lambda: audit.unlink()),
            ]
            url = database.make_store("soak") if database is not None else f"sqlite:///{folder}/main.sqlite3"
            command = ("-m", "cds_service", "serve", "--port", "{port}", "--workers", "2")
            service = Service(url, folder / "log", command, **common)
            killing = threading.Thread(target=kill_workers, args=(service, gone, kill_every), daemon=True)
            if database is not None:

                def restart() -> None:
                    database.kill()
                    time.sleep(1)
                    database.start()

                phases.append(
                    phase(
                        "PostgreSQL killed", restart, nothing, lambda kind, status: (kind, status) == ("feedback", 503)
                    )
                )
            phases.append(phase("workers killed with -9", killing.start, gone.set, lambda kind, status: status == 0))
            phases[-1].least, phases[-1].settle = min(2.5 * kill_every, longest / 3), RECOVERY_SECONDS
            if rotation:
                phases.append(phase("key set rotates", tokens.rotate, nothing, lambda kind, status: status == 401))
            phases.append(phase("none, at the end", nothing, nothing))
            share = requests // (len(phases) + 1)
            with service:
                load = Load(service, mix, connections, tokens, pause)
                run_phases(load, service, phases, share, longest)
                load.stop()
                steady = (phases[0].memory[1], phases[-1].memory[1])
                if gone.is_set():  # younger workers hold less
                    steady = (max(steady[0], phases[1].memory[0]), steady[1])
            stored, found = list(load.stored), cards_in(url)
            full = f"sqlite:///{folder}/full.sqlite3"
            small = Service(full, folder / "log", **common)
            last = phase("store's disk full", lambda: limit_files(small), lambda: limit_files(small, lifted=True),
                         lambda kind, status: (kind, status) == ("feedback", 503))  # fmt: skip
            with small:
                load = Load(small, mix, connections, tokens, pause)
                run_phases(load, small, [last], share, longest)
                load.stop()
            lost = len(set(stored) - found) + len(set(load.stored) - cards_in(full))
            told = [*phases, last]
            return Told(told, lost, len(stored) + len(load.stored), time.monotonic() - began, steady)
    finally:
        gone.set()
        keys.close()
        if database is not None:
            database.remove()
        shutil.rmtree(folder, ignore_errors=True)


def limit_files(service: Service, *, lifted: bool = False) -> None:
    """No file of the service's grows any more, as on a disk that is full; or it does again."""
    none = resource.RLIM_INFINITY
    for process in children(service.process.pid):
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process, resource.RLIMIT_FSIZE, (none if lifted else 4096, none))


def main() -> None:
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    connections = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    told = soak(requests, connections)
    print(told.text())
    problems = told.problems()
    for problem in problems[:40]:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
