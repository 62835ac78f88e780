"""Mixed requests at many connections while everything around the service fails, one thing after another, then in pairs.

``make soak``, or ``python -m tests.load.soak.soak [REQUESTS] [CONNECTIONS] [PAIRS] [SEED]``. Prints a table; exits 1 if
a promise is broken: a card other than the pure function gives, acknowledged feedback that is lost, an answer that the
faults do not explain, a recovery of more than five seconds, or a process killed under a gigabyte of memory.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import random
import resource
import shutil
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
from cds_service.replay.scenarios import read_scenarios
from cds_service.settings import Settings
from cds_service.store import tables
from cds_service.store.database import read_url
from cds_service.store.engine import open_engine, reading
from cds_service.vocabulary.fetched import Fetched, FetchProblem
from cds_service.vocabulary.json_text import encode
from tests.load.soak.failures import (
    Clock,
    Failure,
    Killer,
    LogReader,
    failures_of_fhir,
    failures_of_files,
    failures_of_postgresql,
    failures_of_sqlite,
    nothing,
)
from tests.support.fhir_stub import Asked, Stub, records, saying
from tests.support.finds import table
from tests.support.measured import leave, without_keep
from tests.support.memory_group import MemoryGroup
from tests.support.servers import PostgreSQL, Service, postgresql_programs, serving
from tests.support.shipped import shipped_pack
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
    """Faults that were on together, and what was seen while they lasted and after them."""

    faults: tuple[Failure, ...]
    requests: int = 0
    wrong: int = 0
    unexplained: Counter[str] = field(default_factory=Counter)
    explained: Counter[str] = field(default_factory=Counter)
    ended_at: float = float("inf")
    last_bad_at: float = 0.0
    memory: tuple[int, int] = (0, 0)

    @property
    def name(self) -> str:
        return " and ".join(fault.name for fault in self.faults) or "none"

    @property
    def least(self) -> float:
        return max((fault.least for fault in self.faults), default=0.0)

    @property
    def settle(self) -> float:
        return max((fault.settle for fault in self.faults), default=0.0)

    def explains(self, kind: str, status: int) -> bool:
        return any(fault.explains(kind, status) for fault in self.faults)

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
        chosen: Scenario = next(one for one in scenarios if one.name == shipped_pack().sample)
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
        self.stored: list[tuple[float, str]] = []  # when it was sent, and the card
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
            status, said, sent_at = 0, b"", time.monotonic()
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
            self._judge(phase, kind, one, status, said, (sent_at, card))
            time.sleep(self._pause if status else 0.02)
        if connection is not None:
            connection.close()

    def _judge(self, phase: Phase, kind: str, one: Sent, status: int, said: bytes, feedback: tuple[float, str]) -> None:
        well, wrong = False, False
        if kind == "feedback":
            well = status == 200
        elif status in (one.full[0], *(known for known, _ in one.without)):
            told = (status, json.loads(said))
            well = told == one.full
            wrong = not well and told not in one.without
        now = time.monotonic()
        with self._lock:
            phase.requests += 1
            if well:
                if kind == "feedback":
                    self.stored.append(feedback)
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
            if (not explained or late) and self.phase is not phase and self.phase.explains(kind, seen):
                phase, explained, late = self.phase, True, False  # under way when the next fault began
            # Under full load a FHIR call may be too late at any time: an answer without it is no fault.
            if degraded and not (explained and not late):
                phase.explained[f"{label} (too late)"] += 1
            elif explained and not late:
                phase.explained[label] += 1
                phase.last_bad_at = max(phase.last_bad_at, now)
            else:
                phase.unexplained[f"{label} {_told_by(said)}".strip()] += 1


def _told_by(said: bytes) -> str:
    """What an error says of itself."""
    with contextlib.suppress(ValueError, LookupError, TypeError):
        return repr(json.loads(said)["issue"][0]["details"]["text"])
    return ""


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


def run_phases(load: Load, service: Service, phases: Sequence[Phase], requests: int, longest: float) -> None:
    """Each phase: the faults last for the first half of its requests, the second half is after them."""
    for number, phase in enumerate(phases):
        before = memory_of(service)
        load.phase = phase
        if number == 0:
            load.start()
        for fault in phase.faults:
            fault.begin()
        wait_until(lambda: False, phase.least)
        wait_until(lambda phase=phase: phase.requests >= requests / 2, longest)
        for fault in phase.faults:
            fault.end()
        phase.ended_at = time.monotonic()
        wait_until(lambda: False, phase.settle)
        wait_until(lambda phase=phase: phase.requests >= requests, longest)
        wait_until(lambda: False, min(1.0, longest / 10))
        phase.memory = (before, memory_of(service))


def wait_until(reached: Callable[[], bool], longest: float) -> None:
    ends = time.monotonic() + longest
    while not reached() and time.monotonic() < ends:
        time.sleep(0.05)


def lost_from(url: str, stored: Sequence[tuple[float, str]], since: float = 0.0) -> int:
    """How many of the acknowledged entries that were sent after ``since`` are not in the store."""
    engine = open_engine(read_url(url))
    with reading(engine) as connection:
        found = set(connection.execute(select(tables.feedback.c.card)).scalars())
    engine.dispose()
    return len({card for sent_at, card in stored if sent_at > since} - found)


@dataclass
class Told:
    """What a soak came to."""

    phases: list[Phase]
    lost: int
    feedback: int
    seconds: float
    steady: tuple[int, int]
    left_out: tuple[str, ...]
    kills: int
    most: int

    def problems(self) -> list[str]:
        found = [f"{p.name}: {label} x {times}" for p in self.phases for label, times in p.unexplained.items()]
        found += [
            f"{p.name}: recovered after {p.recovery():.1f} s" for p in self.phases if p.recovery() > RECOVERY_SECONDS
        ]
        found += [f"{self.lost} acknowledged entries of feedback lost"] if self.lost else []
        found += [f"{self.kills} processes were killed for want of memory"] if self.kills else []
        found += ["memory grows"] if self.steady[1] > self.steady[0] + _GROWTH_BYTES else []
        return found

    def figures(self) -> dict[str, Any]:
        """All of it, for JSON."""
        phases = [
            {
                "faults": [fault.name for fault in p.faults],
                "requests": p.requests,
                "wrong": p.wrong,
                "unexplained": dict(p.unexplained),
                "explained": dict(p.explained),
                "recovery seconds": p.recovery(),
                "memory bytes": p.memory,
            }
            for p in self.phases
        ]
        return {
            "phases": phases,
            "seconds": self.seconds,
            "acknowledged": self.feedback,
            "lost": self.lost,
            "killed for want of memory": self.kills,
            "most bytes of 1 GiB": self.most,
            "left out": self.left_out,
        }

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
            f"{self.feedback} entries of feedback acknowledged, {self.lost} lost; "
            + (f"at most {self.most / 1e6:.0f} MB of 1 GiB taken" if self.most else "no memory cgroup can be made here")
            + "".join(f"\nleft out: {name}" for name in self.left_out)
        )


def soak(
    requests: int,
    connections: int,
    *,
    pairs: int = 8,
    seed: int = 1,
    rotation: bool = True,
    longest: float = 600.0,
    kill_every: float = 6.0,
    pause: float = 0.0,
) -> Told:
    """The whole of it: on PostgreSQL if it is installed, then on SQLite, whose disk is full and whose file is deleted.

    Every fault comes alone, then so many pairs of them, drawn by ``seed``. ``longest`` bounds each half of a phase,
    ``pause`` is how long each connection waits between two calls, in seconds.
    """
    began = time.monotonic()
    with contextlib.ExitStack() as undo:
        folder = Path(tempfile.mkdtemp(prefix="cds-service-soak-"))
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        programs = postgresql_programs()
        database = PostgreSQL(programs) if programs is not None else None
        if database is not None:
            undo.callback(database.remove)
        keys = KeyServer()
        undo.callback(keys.close)
        group = MemoryGroup(1 << 30) if MemoryGroup.can_be_made() else None
        if group is not None:
            undo.callback(group.remove)
        answer: list[Callable[[Asked], None]] = [saying({}, 500)]
        fhir = undo.enter_context(Stub(lambda asked: answer[0](asked)))
        mix = Mix(fhir.base, datetime.now(UTC), 80)
        answer[0] = records(mix.records)
        tokens, clock = Tokens(keys), Clock(folder)
        reader = LogReader(folder / "log")
        clients = folder / "clients.toml"
        clients.write_text(
            f'base-urls = ["{_BASE}"]\n[clients.ehr]\nissuer = "{ISSUER}"\njwks-url = "{keys.url}/jwks"\n'
            f'fhir-servers = ["{fhir.base}"]\n'
        )
        shutil.copytree(packaged("cards"), folder / "cards")
        common = {
            "CDS_SERVICE_KEY": KEY,
            "CDS_SERVICE_CLIENTS": str(clients),
            "CDS_SERVICE_REPLAY_PROTECTION": "0",
            "CDS_SERVICE_AUDIT": str(folder / "audit"),
            "CDS_SERVICE_CARDS": str(folder / "cards"),
            "CDS_SERVICE_STATE": str(folder / "state"),
            **clock.environment(),
        }
        command: tuple[str, ...] = ("-m", "cds_service", "serve", "--port", "{port}", "--workers", "2")
        command = group.command(*command) if group is not None else command
        url = database.make_store("soak") if database is not None else f"sqlite:///{folder}/main.sqlite3"
        service = Service(url, folder / "log", command, **common)
        killer = Killer(service, kill_every)
        undo.callback(killer.end)

        def fhir_is(says: Callable[[Asked], None]) -> Callable[[], None]:
            return lambda: answer.__setitem__(0, says)

        faults = [
            *failures_of_fhir(fhir_is, records(mix.records)),
            *failures_of_files(folder),
            Failure("log not read", "log", reader.hangs.set, reader.hangs.clear),
            Failure(
                "workers killed with -9",
                "workers",
                killer.begin,
                killer.end,
                lambda kind, status: status == 0,
                min(2.5 * kill_every, longest / 3),
                RECOVERY_SECONDS,
            ),
        ]
        if database is not None:
            faults += failures_of_postgresql(database)
        if clock.can_jump:
            faults.append(
                Failure("clock jumps", "clock", clock.jump, clock.back, lambda kind, status: status == 401, settle=1.0)
            )
        if rotation:
            faults.append(
                Failure("key set rotates", "keys", tokens.rotate, nothing, lambda kind, status: status == 401)
            )
        phases = [Phase(()), *(Phase((fault,)) for fault in faults)]
        chance = random.Random(seed)  # noqa: S311
        drawn = [two for two in itertools.combinations(faults, 2) if two[0].subject != two[1].subject]
        phases += [Phase(two) for two in chance.sample(drawn, min(pairs, len(drawn)))]
        phases.append(Phase(()))
        small = Service(f"sqlite:///{folder}/small.sqlite3", folder / "log", **common)
        deleted_at = [0.0]
        phases_of_small = [Phase((fault,)) for fault in failures_of_sqlite(small, folder / "small.sqlite3", deleted_at)]
        share = requests // (len(phases) + len(phases_of_small))
        with service:
            load = Load(service, mix, connections, tokens, pause)
            run_phases(load, service, phases, share, longest)
            load.stop()
            # Workers that have taken the place of others hold less, and grow to what those held.
            steady = (max(phase.memory[1] for phase in phases[:-1]), phases[-1].memory[1])
            kills, most = (group.kills(), group.most()) if group is not None else (0, 0)
        lost, acknowledged = lost_from(url, load.stored), len(load.stored)
        with small:
            load = Load(small, mix, connections, tokens, pause)
            run_phases(load, small, phases_of_small, share, longest)
            load.stop()
        lost += lost_from(small.url, load.stored, deleted_at[0])
        left_out = [] if clock.can_jump else ["a clock that jumps, for which a C compiler is needed"]
        left_out += [] if database is not None else ["PostgreSQL, which is not installed"]
        return Told(
            [*phases, *phases_of_small],
            lost,
            acknowledged + len(load.stored),
            time.monotonic() - began,
            steady,
            tuple(left_out),
            kills,
            most,
        )


def main() -> None:
    arguments, is_kept = without_keep(sys.argv[1:])
    given = dict(zip(("requests", "connections", "pairs", "seed"), map(int, arguments), strict=False))
    asked = {"requests": 200_000, "connections": 64, "pairs": 8, "seed": 1} | given
    told = soak(**asked)
    print(told.text())
    if is_kept:
        leave("soak", asked | told.figures())
    problems = told.problems()
    for problem in problems[:40]:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
