"""Attacks on what a served process has to give: its threads, its connections, its processor and its memory.

Each family is measured by the processor time that it costs the service beside a right call. Then hostile and right
calls are mixed while the service may take a gigabyte of memory, as it may in the deployments of ``deploy/``.
"""

from __future__ import annotations

import copy
import gzip
import http.client
import json
import os
import socket
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from joserfc.jwk import ECKey

from tests.load.hostile.families import SELECT
from tests.support.finds import table
from tests.support.memory_group import MemoryGroup
from tests.support.servers import Service, children, is_there
from tests.support.trust_parts import BASE, ISSUER, KeyServer, Maker, public

GIGABYTE = 1 << 30
_PATIENCE = 60  # seconds that an answer is waited for
_JSON = "Content-Type: application/json\r\n"
_TICKS = os.sysconf("SC_CLK_TCK")


def head(length: object, path: str = SELECT, host: str = "localhost", more: str = "", method: str = "POST") -> bytes:
    named = f"Host: {host}\r\n" if host else ""
    return f"{method} {path} HTTP/1.1\r\n{named}{_JSON}Content-Length: {length}\r\n{more}\r\n".encode()


@dataclass
class Attack:
    """A family: what is sent on a connection of its own, and the statuses that will do; 0 is a closed connection.

    ``at_once`` connections are opened before the first is read. ``is_refused`` families may not cost more than a right
    call; the others are told apart.
    """

    name: str
    make: Callable[[Random], bytes]
    allowed: frozenset[int]
    guarded: bool = False
    at_once: int = 1
    is_refused: bool = True
    calls: int = 0
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)


def whole(body: bytes, more: str = "") -> bytes:
    return head(len(body), more=more) + body


def heavy(good: Mapping[str, Any]) -> dict[str, Callable[[Random], bytes]]:
    """Calls that cost as much as one can: all that is allowed of one thing, or just more than that."""
    text = json.dumps(good)

    def with_prefetch(name: str, inside: str) -> bytes:
        call = copy.deepcopy(dict(good))
        call["prefetch"][name] = "@"
        return json.dumps(call).replace('"@"', inside).encode()

    def empty(times: int) -> str:
        return '{"resourceType":"Bundle","entry":[' + "{}," * times + "{}]}"

    def results(times: int) -> bytes:
        (first, *_) = good["prefetch"]["platelets"]["entry"]
        entries = [{"resource": first["resource"] | {"id": str(number)}} for number in range(times)]
        return with_prefetch("platelets", json.dumps({"resourceType": "Bundle", "entry": entries}))

    def dosages(random: Random) -> bytes:
        call = copy.deepcopy(dict(good))
        entries = call["context"]["draftOrders"]["entry"]
        entries[0]["resource"]["dosageInstruction"] *= 64
        entries *= 10
        for number, entry in enumerate(copy.deepcopy(entries)):
            entries[number] = {"resource": entry["resource"] | {"id": f"draft-{number}"}}
        call["context"]["selections"] = [f"MedicationRequest/draft-{number}" for number in range(10)]
        return whole(json.dumps(call).encode())

    def zipped(body: bytes) -> bytes:
        return whole(gzip.compress(body, 9), "Content-Encoding: gzip\r\n")

    return {
        "grown to four megabytes": lambda random: zipped(with_prefetch("conditions", empty(620_000))),
        "grown as far as a ratio of 200": lambda random: zipped(text.encode().ljust(3_990_000)),
        "nearly two million tokens": lambda random: whole(with_prefetch("conditions", empty(660_000))),
        "twenty megabytes": lambda random: whole(text.encode().ljust(19_999_000)),
        "thousands of results": lambda random: whole(results(random.choice((2_000, 12_000)))),
        "ten drafts of 64 dosages": dosages,
    }


def attacks(good: Mapping[str, Any], maker: Maker) -> list[Attack]:
    """Every family, over one good call."""
    text = json.dumps(good).encode()

    def too_many_dosages(random: Random) -> bytes:
        call = copy.deepcopy(dict(good))
        (entry, *_) = call["context"]["draftOrders"]["entry"]
        dosage = entry["resource"]["dosageInstruction"]
        entry["resource"]["dosageInstruction"] = dosage * random.choice((65, 100))
        return whole(json.dumps(call).encode())

    def extensions(random: Random) -> bytes:
        call = copy.deepcopy(dict(good))
        (entry, *_) = call["context"]["draftOrders"]["entry"]
        entry["resource"]["extension"] = [{"url": "x"}] * random.choice((257, 300))
        return whole(json.dumps(call).encode())

    def unknown_key(random: Random) -> bytes:
        bearer = maker.bearer(header={"kid": f"key-{random.random()}"})
        return head(len(text), more=f"Authorization: {bearer}\r\n") + text

    def bomb(random: Random) -> bytes:
        inside = random.choice((b"{},", b'{"a":1},', b" " * 8, b'"",'))
        plain = b'{"extension":[' + inside * (18_000_000 // len(inside)) + b"{}]}"
        return whole(gzip.compress(plain, 9), "Content-Encoding: gzip\r\n")

    def tokens(random: Random) -> bytes:
        return whole(b'{"extension":[' + b"{}," * random.choice((700_000, 3_000_000)) + b"{}]}")

    hosts = ("evil.example", "cds.hospital.example:80", "127.0.0.1.evil.example", "localhost.evil.example")
    strict = (400, 405, 421)
    return [
        Attack("unfinished bodies, no token", lambda r: head(9_000_000) + b"{" * 9, frozenset({401}), True, 200),
        Attack("large bodies, no token", lambda r: head(9_000_000) + b" " * 400_000, frozenset({401}), True),
        Attack("unknown keys", unknown_key, frozenset({401}), True),
        Attack("unfinished bodies", lambda r: head(r.randrange(2, 99)) + b"{", frozenset({408, 503}), at_once=200),
        Attack("silent connections", lambda r: b"POST /cds"[: r.randrange(10)], frozenset({0}), at_once=400),
        Attack("bodies announced too large", lambda r: head(20_000_001), frozenset({413})),
        Attack("names that are not this machine's", lambda r: head(2, host=r.choice(hosts)), frozenset(strict)),
        Attack("no host, no method", lambda r: head(2, host="", method=r.choice(("post", "POST"))), frozenset(strict)),
        Attack("too many dosages", too_many_dosages, frozenset({400})),
        Attack("too many extensions", extensions, frozenset({400})),
        Attack("bodies that grow too far", bomb, frozenset({400, 413}), is_refused=False),
        Attack("too many tokens", tokens, frozenset({400}), is_refused=False),
        *(
            Attack(f"allowed: {name}", make, frozenset({200, 400, 503}), is_refused=False)
            for name, make in heavy(good).items()
        ),
    ]


@dataclass
class Run:
    """What the families cost; ``normal`` is the processor time of a right call, in seconds.

    ``worker`` is what the open service's worker held after right calls, and then after all attacks, in bytes.
    """

    normal: float
    attacks: list[Attack]
    memory: Memory | None
    worker: tuple[int, int]

    def problems(self) -> list[str]:
        found = [f"{one.name}: {what}" for one in self.attacks for what in one.unexplained[:3]]
        found += [
            f"{one.name}: dearer than a right call"
            for one in self.attacks
            if one.is_refused and one.seconds / one.calls > self.normal
        ]
        return found + (self.memory.problems() if self.memory is not None else [])

    def figures(self) -> dict[str, Any]:
        """All of it, for JSON."""
        told = [
            {
                "name": one.name,
                "calls": one.calls,
                "seconds": one.seconds,
                "is refused": one.is_refused,
                "statuses": dict(one.statuses),
                "unexplained": one.unexplained,
            }
            for one in self.attacks
        ]
        memory = asdict(self.memory) | {"statuses": dict(self.memory.statuses)} if self.memory is not None else None
        return {
            "seconds of a right call": self.normal,
            "attacks": told,
            "under 1 GiB": memory,
            "bytes of a worker": self.worker,
        }

    def text(self) -> str:
        rows = []
        for one in sorted(self.attacks, key=lambda one: not one.is_refused):
            statuses = ", ".join(f"{status or 'closed'}: {times}" for status, times in sorted(one.statuses.items()))
            mean = one.seconds / one.calls
            cells = (one.name, one.calls, f"{mean * 1e3:.2f}", f"{mean / self.normal:.2f}", len(one.unexplained))
            rows.append((*cells, statuses))
        head = ("on resources", "calls", "CPU ms", "of a right call", "unexplained", "statuses")
        told = f"{table(head, rows)}\na right call costs the service {self.normal * 1e3:.2f} ms of processor time"
        before, after = self.worker
        told += f"\na worker holds {before / 1e6:.0f} MB after right calls and {after / 1e6:.0f} MB after the attacks"
        return told + (f"\n{self.memory.text()}" if self.memory is not None else "\nnot tried under a memory cgroup")


@dataclass
class Memory:
    """What became of a service that may take a gigabyte, under hostile and right calls at once."""

    right: int = 0
    hostile: int = 0
    wrong: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    kills: int = 0
    most: int = 0
    has_ended: bool = False

    def problems(self) -> list[str]:
        found = [f"a right call among hostile ones: {what}" for what in self.wrong[:3]]
        if self.kills or self.has_ended:
            found.append(f"{self.kills} processes were killed for want of memory")
        return found

    def text(self) -> str:
        statuses = ", ".join(f"{status}: {times}" for status, times in sorted(self.statuses.items()))
        return (
            f"under 1 GiB: {self.right} right calls, {len(self.wrong)} of them not answered well, among {self.hostile} "
            f"hostile ones ({statuses}); {self.kills} processes killed; at most {self.most / 1e6:.0f} MB taken"
        )


def processor_time(service: Service) -> float:
    """What the service and its workers have used so far, in seconds."""
    total = 0
    for process in children(service.process.pid):
        with suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def memory_of_worker(service: Service) -> int:
    """What the only worker holds, in bytes."""
    (_, worker) = children(service.process.pid)
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def say(port: int, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
    with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read all
        connection.sendall(sent)
    return connection


def status_on(connection: socket.socket) -> int:
    """The status of the answer; 0 if the connection is closed without one, -1 if there is none in time."""
    with connection:
        try:
            said = connection.recv(100)
        except TimeoutError:
            return -1
        except OSError:
            return 0
    return int(said.split(b" ", 2)[1]) if said else 0


def measure(service: Service, attack: Attack, calls: int, random: Random) -> None:
    """Sends the calls of one family, and notes what they cost."""
    began = processor_time(service)
    while attack.calls < calls:
        connections = [say(service.port, attack.make(random)) for _ in range(min(attack.at_once, calls))]
        attack.calls += len(connections)
        for connection in connections:
            status = status_on(connection)
            attack.statuses[status] += 1
            if status not in attack.allowed:
                attack.unexplained.append(f"answered {status}")
    attack.seconds += processor_time(service) - began


def cost_of_right_call(service: Service, body: bytes, calls: int) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=_PATIENCE)
    began = 0.0
    for number in range(calls + 50):
        if number == 50:  # the first ones fill caches
            began = processor_time(service)
        connection.request("POST", SELECT, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert json.loads(answer.read())["cards"], answer.status
    connection.close()
    return (processor_time(service) - began) / calls


def under_a_gigabyte(good: Mapping[str, Any], folder: Path, right: int) -> Memory:
    """As many right calls, with as many hostile ones as six connections send meanwhile."""
    told, body, lock = Memory(), json.dumps(good).encode(), threading.Lock()
    group = MemoryGroup(GIGABYTE)
    try:
        command = group.command("-m", "cds_service", "serve", "--port", "{port}", "--workers", "2")
        with Service(
            f"sqlite:///{folder}/small.sqlite3", folder / "log", command, CDS_SERVICE_LOG_CALLS="0"
        ) as service:
            service.wait_for_workers(2)
            workers = children(service.process.pid)
            running = threading.Event()
            running.set()

            def attack(seed: int) -> None:
                random = Random(seed)  # noqa: S311
                made = list(heavy(good).values())
                made += [
                    one.make for one in attacks(good, Maker({})) if one.name.startswith(("bodies that", "too many"))
                ]
                ready = [make(random) for make in made]  # made once: the machine is to be kept busy by the service
                while running.is_set():
                    status = status_on(say(service.port, random.choice(ready)))
                    with lock:
                        told.hostile += 1
                        told.statuses[status] += 1

            def call() -> None:
                while running.is_set():
                    try:
                        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=_PATIENCE)
                        connection.request("POST", SELECT, body, {"Content-Type": "application/json"})
                        answer = connection.getresponse()
                        said, status = answer.read(), answer.status
                        connection.close()
                        well = status == 200 and bool(json.loads(said)["cards"])
                    except (OSError, http.client.HTTPException) as error:
                        well, status = False, repr(error)
                    with lock:
                        told.right += 1
                        if not well:
                            told.wrong.append(str(status))
                        if told.right >= right:
                            running.clear()

            threads = [threading.Thread(target=attack, args=[seed]) for seed in range(6)]
            threads += [threading.Thread(target=call) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            told.has_ended = not all(is_there(worker) for worker in workers)
            told.kills, told.most = group.kills(), group.most()
    finally:
        group.remove()
    return told


def run(good: Mapping[str, Any], calls: int, right: int, seed: int) -> Run:
    """``calls`` of each cheap family and a twentieth of each other one; then ``right`` calls under a gigabyte."""
    body, random = json.dumps(good).encode(), Random(seed)  # noqa: S311
    key = ECKey.generate_key("P-384", {"kid": "key-ES384"})
    keys = KeyServer()
    keys.document = {"keys": [public(key)]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clients = folder / "clients.toml"
        clients.write_text(
            f'base-urls = ["{BASE}"]\n[clients.ehr]\nissuer = "{ISSUER}"\njwks-url = "{keys.url}/jwks"\n'
        )
        quiet = {"CDS_SERVICE_LOG_CALLS": "0", "CDS_SERVICE_STATE": str(folder / "state")}
        at_large = Service(f"sqlite:///{folder}/open.sqlite3", folder / "log", **quiet)
        guarded = Service(
            f"sqlite:///{folder}/guarded.sqlite3", folder / "log", CDS_SERVICE_CLIENTS=str(clients), **quiet
        )
        with at_large, guarded:
            normal = cost_of_right_call(at_large, body, calls)
            held = memory_of_worker(at_large)
            made = attacks(good, Maker({"ES384": key}))
            for attack in made:
                service = guarded if attack.guarded else at_large
                measure(service, attack, calls if attack.is_refused else max(2, calls // 20), random)
            worker = (held, memory_of_worker(at_large))
        memory = under_a_gigabyte(good, folder, right) if right and MemoryGroup.can_be_made() else None
    keys.close()
    return Run(normal, made, memory, worker)
