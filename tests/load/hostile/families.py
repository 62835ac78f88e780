"""Calls that mean harm, by families. Each is made from a seeded ``random.Random``: a call and what it may be answered.

A call that names a FHIR server we must not visit is answered without a visit; every other one is refused.
"""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

SELECT = "/cds-services/vitamin-b12-order-select"
SIGN = "/cds-services/vitamin-b12-order-sign"
FEEDBACK = f"{SELECT}/feedback"
MAX_BODY = 2_000_000  # of the services that these calls are sent to
REFUSED = frozenset(range(400, 500))
NOT_VISITED = frozenset([200, 412])


@dataclass(frozen=True, slots=True)
class HostileCall:
    """One call. ``guarded`` calls go to a service with clients; ``allowed`` are the statuses that will do."""

    body: bytes
    path: str = SELECT
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    guarded: bool = False
    allowed: frozenset[int] = REFUSED


Make = Callable[[Random], HostileCall]


def families(good: Mapping[str, Any], tokens: list[str]) -> dict[str, Make]:
    """Every family over one good call; ``tokens`` are such as must not pass."""
    text = json.dumps(good).encode()

    def changed(path: str, value: Any) -> bytes:
        call = copy.deepcopy(dict(good))
        *way, last = path.split(".")
        node: Any = call
        for step in way:
            node = node[int(step)] if isinstance(node, list) else node[step]
        node[last] = value
        return json.dumps(call).encode()

    def token(random: Random) -> HostileCall:
        return HostileCall(text, headers={"Authorization": f"Bearer {random.choice(tokens)}"}, guarded=True)

    def header(random: Random) -> HostileCall:
        """Of authorization, type and encoding; none of them may let anything in."""
        named = random.choice(("Authorization", "Content-Type", "Content-Encoding"))
        said = {
            "Authorization": (
                "",
                "Bearer",
                "Basic YTpi",
                "Bearer " + "a" * 9000,
                "Bearer a.b.c, Bearer d.e.f",
                "bearer\ta.b.c",
            ),
            "Content-Type": (
                "",
                "text/html",
                "application/x-www-form-urlencoded",
                "application/jsonp",
                "multipart/form-data",
            ),
            "Content-Encoding": ("br", "deflate", "gzip, gzip", "gzip", "aes128gcm", "x" * 4000),
        }[named]
        more = {"X-Forwarded-For": "127.0.0.1", "X-Original-URL": "/healthz", "X-HTTP-Method-Override": "GET"}
        sent = {named: random.choice(said)} | dict(random.sample(sorted(more.items()), random.randrange(3)))
        return HostileCall(text, headers=sent, guarded=named == "Authorization")

    def broken(random: Random) -> HostileCall:
        """No JSON, or none that may be."""
        at = random.randrange(1, len(text) - 1)
        depth = random.choice((500, 5_000, 50_000))
        return HostileCall(
            random.choice(
                (
                    b"",
                    text[:at],
                    text[:at] + b"\xff" + text[at + 1 :],
                    text + text[:at],
                    text.decode().encode("utf-16"),
                    b"[" * depth,
                    b'{"a":' * depth + b"1" + b"}" * depth,
                    text.replace(b'"context"', b'"context":' + b"[" * depth + b"]" * depth + b',"context"', 1),
                    text.replace(b'"hookInstance": "', b'"hookInstance": NaN, "x": "', 1),
                    text.replace(b'"hookInstance": "', b'"hookInstance": ' + b"9" * depth + b', "x": "', 1),
                    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
                    b"hook=order-select&context=",
                    b"null",
                    b'"' + b"a" * 100_000 + b'"',
                )
            )
        )

    def wrong(random: Random) -> HostileCall:
        """JSON of another shape than a call has."""
        path = random.choice(
            (
                "hook",
                "hookInstance",
                "context",
                "context.userId",
                "context.patientId",
                "context.selections",
                "context.draftOrders",
                "context.draftOrders.entry.0.resource",
                "context.draftOrders.entry",
                "prefetch",
            )
        )
        value: Any = random.choice(
            (7, True, "", [[]], {"$ne": None}, ["' OR 1=1 --"], {"__proto__": {}}, "a/../b", 1e300)
        )
        if path in ("hookInstance", "context.userId", "context.patientId") and value == "a/../b":
            value = "" if path != "context.patientId" else value
        if path == "context.selections" and value == ["' OR 1=1 --"]:
            value = [7]  # a selection may be called so, and selects nothing
        if path == "prefetch" and isinstance(value, dict):
            value = [value]
        return HostileCall(changed(path, value))

    def others(random: Random) -> HostileCall:
        """What is another patient's."""
        subject = {
            "reference": random.choice(("Patient/somebody-else", "Patient/", "x", "Group/1", "urn:uuid:1", "#p"))
        }
        call = json.loads(text)
        if random.randrange(2):
            call["context"]["draftOrders"]["entry"][0]["resource"]["subject"] = subject
        else:
            call["context"]["patientId"] = f"somebody-else-{random.randrange(1000)}"
        return HostileCall(json.dumps(call).encode())

    def large(random: Random) -> HostileCall:
        """More than is read: bodies beyond the limit, and small ones that grow."""
        times = random.choice((513, 700))
        call = json.loads(text)
        entries = call["context"]["draftOrders"]["entry"]
        entries *= times
        bomb = gzip.compress(b" " * (MAX_BODY + random.randrange(1, 1_000_000)))
        return random.choice(
            (
                HostileCall(b" " * (MAX_BODY + 1)),
                HostileCall(text + b" " * MAX_BODY),
                HostileCall(bomb, headers={"Content-Encoding": "gzip"}),
                HostileCall(json.dumps(call).encode()),
                HostileCall(b" " * 1_000_001, path=FEEDBACK),
            )
        )

    def path(random: Random) -> HostileCall:
        """Ways around the paths that there are."""
        tricks = (
            "../../etc/passwd",
            "..%2f..%2fetc%2fpasswd",
            "%00",
            "%0d%0aX: y",
            ";a=b",
            "//",
            "%2e%2e/readyz",
            "a" * 5000,
        )
        more = (
            "$everything",
            "{id}",
            "__class__",
            "feedback/feedback",
            "\\..\\..",
            "%c0%ae%c0%ae/",
            "feedback%20",
            "*",
            "é",
        )
        where = random.choice(
            ("/", "/cds-services/", f"{SELECT}/", "/console/", "/content/decisions/", "/openapi.json/")
        )
        if random.randrange(5) == 0:
            return HostileCall(text, method=random.choice(("PUT", "DELETE", "PATCH", "TRACE", "PROPFIND")))
        return HostileCall(text, path=where + random.choice(tricks + more))

    def feedback(random: Random) -> HostileCall:
        entry: dict[str, Any] = {"card": "x", "outcome": "overridden", "outcomeTimestamp": "2026-11-23T10:00:00Z"}
        name = random.choice(("card", "outcome", "outcomeTimestamp", "acceptedSuggestions", "overrideReason"))
        entry[name] = random.choice((7, {"a": 1}, "'; DROP TABLE feedback; --", ["x"], "", "x" * 5000))
        if name == "card" and entry[name] == "'; DROP TABLE feedback; --":
            entry["outcome"] = "accepted"  # a card may be called so; then the suggestions are missing
        if name == "acceptedSuggestions" and isinstance(entry[name], dict):
            entry[name] = [entry[name]]
        if name == "overrideReason" and isinstance(entry[name], dict):
            entry[name] = {"reason": 7}
        good_one = {"card": "y", "outcome": "overridden", "outcomeTimestamp": "2026-11-23T10:00:00Z"}
        return HostileCall(json.dumps({"feedback": [good_one] * random.randrange(3) + [entry]}).encode(), path=FEEDBACK)

    def server(random: Random) -> HostileCall:
        """FHIR servers that must not be visited, wherever they seem to be (SSRF)."""
        host = random.choice(
            (
                *(
                    "169.254.169.254",
                    "[fd00:ec2::254]",
                    "metadata.google.internal",
                    "127.0.0.1",
                    "localhost",
                    "0.0.0.0",  # noqa: S104
                ),
                *("127.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "x" * 9000),
                *("ehr.example.evil.example", "ehr.example@127.0.0.1", "127.0.0.1#@ehr.example", "ehr.example%2f@x"),
                *("ehr。example", "127.0.0.1.nip.io", "localtest.me", "ehr.example:22", "ehr.example:0"),
            )
        )
        scheme = random.choice(("http", "https", "file", "gopher", "ftp", "dict", "HTTPS", "jar:http"))
        tail = random.choice(
            ("", "/fhir", "/latest/meta-data/", "/fhir/../admin", "/fhir?x=", "/fhir#", "\\@x", "/\r\nX: y")
        )
        call = dict(good) | {"prefetch": {}, "fhirServer": f"{scheme}://{host}{tail}"}
        if random.randrange(4):
            call["fhirAuthorization"] = {"access_token": "lent", "token_type": "Bearer"}
        return HostileCall(json.dumps(call).encode(), allowed=NOT_VISITED)

    return {
        "tokens": token,
        "headers": header,
        "bodies that are no JSON": broken,
        "calls of another shape": wrong,
        "data of other patients": others,
        "large bodies": large,
        "paths and methods": path,
        "feedback": feedback,
        "FHIR servers (SSRF)": server,
    }
